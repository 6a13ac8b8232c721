//! Random sequences of installs, removals, switches, pins, collections and restarts against a plain map.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use common::disk::Disk;
use common::memory::MemoryFs;
use common::packages::{CLOCK, Item, Spec, install, spec};
use minos_store::fs::Fs as _;
use minos_store::{Depth, Options, Retention, Settled, Store, System, SystemError, SystemOptions};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const TEXTS: [&str; 4] = ["zero", "one", "two", "three"];

#[derive(Debug, Clone)]
enum Op {
    Install(Vec<(usize, usize)>),
    Remove(usize),
    Switch(usize),
    Pin(usize),
    Collect(usize),
    Edit(usize),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => proptest::collection::vec((0..4usize, 0..4usize), 1..3).prop_map(Op::Install),
        2 => (0..4usize).prop_map(Op::Remove),
        3 => (0..8usize).prop_map(Op::Switch),
        1 => (0..8usize).prop_map(Op::Pin),
        1 => (0..4usize).prop_map(Op::Collect),
        1 => (0..4usize).prop_map(Op::Edit),
        1 => Just(Op::Restart),
    ]
}

/// Versions differ in content, in which paths there are and in what kind they are.
fn package(name: usize, version: usize) -> Spec {
    let (n, text) = (NAMES[name], TEXTS[version]);
    let mut spec = spec(n, &format!("{}-1", version + 1), &[("usr/bin", Item::Folder(0o755))]);
    spec.items.insert(format!("usr/bin/{n}"), Item::File(text, 0o755));
    let same = [
        Item::File("same", 0o644),
        Item::Marked("same", 0o644, &[("user.a", b"1")]),
        Item::Marked("same", 0o644, &[("user.a", b"2"), ("user.b", b"")]),
    ];
    spec.items.insert(format!("usr/share/same-{n}"), same[version % same.len()].clone());
    let odd = format!("usr/share/{n}");
    match version {
        0 => spec.items.insert(odd, Item::Link("elsewhere")),
        1 => spec.items.insert(format!("{odd}/deep/file"), Item::File(text, 0o644)),
        2 => spec.items.insert(odd, Item::File(text, 0o600)),
        _ => None,
    };
    spec.items.insert(format!("etc/{n}.conf"), Item::Config("default\n"));
    spec
}

type Set = BTreeMap<usize, usize>;

#[derive(Debug, Default)]
struct Model {
    generations: BTreeMap<u64, Set>,
    current: u64,
    last: u64,
    pinned: BTreeSet<u64>,
    /// Edited config files of each generation.
    edits: BTreeMap<u64, BTreeMap<usize, String>>,
    count: u64,
}

impl Model {
    fn set(&self) -> Set {
        self.generations.get(&self.current).cloned().unwrap_or_default()
    }

    fn nth(&self, n: usize) -> Option<u64> {
        self.generations.keys().copied().nth(n % self.generations.len().max(1))
    }

    fn push(&mut self, set: Set) {
        let mut edits = self.edits.get(&self.current).cloned().unwrap_or_default();
        edits.retain(|name, _| set.contains_key(name) && self.set().contains_key(name));
        self.last += 1;
        self.current = self.last;
        self.generations.insert(self.last, set);
        self.edits.insert(self.last, edits);
    }
}

fn step(model: &mut Model, system: &System<'_>, fs: &MemoryFs, op: &Op) -> Result<(), SystemError> {
    match op {
        Op::Install(list) => {
            let wanted: Set = list.iter().copied().collect();
            let specs: Vec<Spec> = wanted.iter().map(|(n, v)| package(*n, *v)).collect();
            let mut set = model.set();
            set.extend(wanted);
            let number = install(system, &specs, &[])?;
            model.push(set);
            assert_eq!(number, model.last);
        }
        Op::Remove(name) => {
            let mut set = model.set();
            let there = set.remove(name).is_some();
            let done = install(system, &[], &[NAMES[*name]]);
            assert_eq!(done.is_ok(), there, "{done:?}");
            if there {
                model.push(set);
            }
        }
        Op::Switch(n) => {
            let Some(to) = model.nth(*n) else { return Ok(()) };
            system.switch(to, "model", None, &CLOCK)?;
            model.current = to;
        }
        Op::Pin(n) => {
            let Some(to) = model.nth(*n) else { return Ok(()) };
            system.pin(to, Some("model"))?;
            model.pinned.insert(to);
        }
        Op::Collect(newest) => {
            let keep = Retention::Policy { newest: *newest, younger_than_ms: 0 };
            system.collect(keep, false, None, &CLOCK, &|| false)?;
            let dead = model.generations.len().saturating_sub(*newest);
            let old: Vec<u64> = model.generations.keys().copied().take(dead).collect();
            for generation in old {
                if generation != model.current && !model.pinned.contains(&generation) {
                    model.generations.remove(&generation);
                }
            }
        }
        Op::Edit(name) => {
            if model.set().contains_key(name) {
                model.count += 1;
                let text = format!("edit {}\n", model.count);
                let path = format!("roots/{}/etc/{}.conf", model.current, NAMES[*name]);
                fs.unlink(Path::new(&path)).unwrap();
                let mut file = fs.create(Path::new(&path)).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                file.finish(&minos_store::fs::Attributes::root(0o644)).unwrap();
                model.edits.entry(model.current).or_default().insert(*name, text);
            }
        }
        Op::Restart => {}
    }
    Ok(())
}

fn read(fs: &MemoryFs, path: &str) -> Option<String> {
    let mut text = String::new();
    fs.open(Path::new(path)).ok()?.read_to_string(&mut text).unwrap();
    Some(text)
}

fn check(model: &Model, system: &System<'_>, store: &Store, fs: &MemoryFs) {
    let read_store = store.read().unwrap();
    let there: Vec<u64> = read_store.generations().unwrap().iter().map(|g| g.number).collect();
    assert_eq!(there, model.generations.keys().copied().collect::<Vec<_>>());
    for (generation, set) in &model.generations {
        let packages = read_store.packages_of(*generation).unwrap();
        let found: Vec<_> = packages.iter().map(|i| i.package.name.to_string()).collect();
        assert_eq!(found, set.keys().map(|n| NAMES[*n].to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(read_store.current_generation().unwrap().unwrap_or(0), model.current);
    if model.current == 0 {
        return;
    }
    let root = format!("roots/{}", model.current);
    for (n, name) in NAMES.iter().enumerate() {
        let version = model.set().get(&n).copied();
        let binary = read(fs, &format!("{root}/usr/bin/{name}"));
        assert_eq!(binary.as_deref(), version.map(|v| TEXTS[v]), "{name}");
        let config = read(fs, &format!("{root}/etc/{name}.conf"));
        let edited = model.edits.get(&model.current).and_then(|edits| edits.get(&n).cloned());
        let expected = version.map(|_| edited.unwrap_or_else(|| "default\n".to_owned()));
        assert_eq!(config, expected, "config of {name}");
    }
    let found = system.verify(Depth::Content).unwrap();
    assert_eq!(found.findings, []);
    let contradictions = system.check().unwrap().contradictions;
    assert_eq!(contradictions, Vec::<String>::new());
}

fn run(ops: &[Op]) {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = Disk::default();
    let mut fs = MemoryFs::new(disk.clone());
    let mut model = Model::default();
    let mut rest = ops;
    loop {
        let (database, journal) = disk.parts();
        let store = Store::open_on(database, journal, dir.path(), 5, Options::default()).unwrap();
        let options = SystemOptions { reserve_bytes: 0, threads: 1, ..SystemOptions::default() };
        let system = System::new(&store, &fs, options).unwrap();
        assert_eq!(system.settle(&CLOCK).unwrap(), Settled::Nothing);
        let stop = rest.iter().position(|op| matches!(op, Op::Restart)).unwrap_or(rest.len());
        for op in &rest[..stop] {
            step(&mut model, &system, &fs, op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
            check(&model, &system, &store, &fs);
        }
        if stop == rest.len() {
            return;
        }
        rest = &rest[stop + 1..];
        drop(system);
        drop(store);
        let (database, journal) = disk.live();
        disk = Disk::with(database, journal);
        fs = fs.copy(disk.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn system_is_that_of_the_model(ops in proptest::collection::vec(op(), 1..24)) {
        run(&ops);
    }
}
