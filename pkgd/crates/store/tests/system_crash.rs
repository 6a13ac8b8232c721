//! Every write, rename, sync and commit of every kind of transaction: the process is killed there, the
//! power is cut there with every kind of luck, and the call fails there. Afterwards there is exactly
//! the system of before or of after, whole, with nothing beside it, and work goes on.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::disk::{Cache, Disk};
use common::memory::{Fail, MemoryFs};
use common::packages::{CLOCK, Item, Spec, install, picture, spec, system_picture};
use minos_store::fs::Fs as _;
use minos_store::{
    Depth, Options, Retention, Settled, Store, StoreError, System, SystemError, SystemOptions,
};

type Step = fn(&System<'_>, &MemoryFs) -> Result<(), SystemError>;

/// A transaction and what comes before it.
struct Case {
    name: &'static str,
    before: Step,
    step: Step,
}

fn app(version: &str, text: &'static str) -> Spec {
    spec(
        "app",
        version,
        &[
            ("usr/bin/app", Item::File(text, 0o755)),
            ("usr/bin/old", Item::Link("app")),
            ("usr/share/app/same", Item::File("the same", 0o644)),
            ("etc/app.conf", Item::Config("a\n\n\n\nb\n")),
        ],
    )
}

fn lib() -> Spec {
    let same = ("usr/share/lib/same", Item::File("the same", 0o644));
    spec("lib", "1-1", &[same, ("etc/shadow", Item::File("root:x", 0o600))])
}

fn next() -> Spec {
    spec(
        "app",
        "2-1",
        &[
            ("usr/bin/app", Item::File("app 2", 0o755)),
            ("usr/bin/old", Item::Folder(0o755)),
            ("usr/share/app", Item::MarkedFolder(&[("user.folder", b"2")])),
            ("usr/share/app/same", Item::Marked("the same", 0o600, &[("user.a", b"1")])),
            ("etc/app.conf", Item::Config("a\n\n\n\nb and c\n")),
        ],
    )
}

fn edit(fs: &MemoryFs, path: &str, text: &str) {
    let path = Path::new(path);
    let stat = fs.stat(path).unwrap().unwrap();
    fs.unlink(path).unwrap();
    let mut file = fs.create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let attributes = minos_store::fs::Attributes::root(stat.mode);
    file.finish(&attributes).unwrap();
    fs.sync().unwrap();
}

fn nothing(_: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    Ok(())
}

fn first(system: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    install(system, &[app("1-1", "app 1"), lib()], &[]).map(drop)
}

fn first_and_edits(system: &System<'_>, fs: &MemoryFs) -> Result<(), SystemError> {
    first(system, fs)?;
    edit(fs, "roots/1/etc/app.conf", "a mine\n\n\n\nb\n");
    edit(fs, "roots/1/etc/shadow", "root:new");
    Ok(())
}

fn two(system: &System<'_>, fs: &MemoryFs) -> Result<(), SystemError> {
    first(system, fs)?;
    update(system, fs)?;
    edit(fs, "roots/2/etc/shadow", "root:new");
    edit(fs, "roots/2/etc/app.conf", "mine\n\n\n\nb and c\n");
    Ok(())
}

fn four(system: &System<'_>, fs: &MemoryFs) -> Result<(), SystemError> {
    two(system, fs)?;
    remove(system, fs)?;
    install(system, &[app("3-1", "app 3")], &[]).map(drop)
}

fn update(system: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    install(system, &[next()], &[]).map(drop)
}

fn remove(system: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    install(system, &[], &["app"]).map(drop)
}

fn back(system: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    system.switch(1, "back", None, &CLOCK)
}

fn collect(system: &System<'_>, _: &MemoryFs) -> Result<(), SystemError> {
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    system.collect(keep, false, None, &CLOCK, &|| false).map(drop)
}

const CASES: [Case; 7] = [
    Case { name: "install", before: nothing, step: first },
    Case { name: "update", before: first_and_edits, step: update },
    Case { name: "remove", before: two, step: remove },
    Case { name: "update into a spare root", before: four, step: update },
    Case { name: "rollback", before: two, step: back },
    Case { name: "rollback to a root that is gone", before: four, step: back },
    Case { name: "collect", before: four, step: collect },
];

struct Machine {
    store: Store,
    fs: MemoryFs,
    disk: Disk,
}

impl Machine {
    fn boot(disk: Disk, fs: MemoryFs, root: &Path) -> Result<Self, StoreError> {
        let (database, journal) = disk.parts();
        let store = Store::open_on(database, journal, root, 5, Options::default())?;
        Ok(Self { store, fs, disk })
    }

    fn system(&self) -> Result<System<'_>, SystemError> {
        let options = SystemOptions { reserve_bytes: 0, threads: 1, ..SystemOptions::default() };
        System::new(&self.store, &self.fs, options)
    }

    /// The machine as it is, to be booted as often as wanted.
    fn freeze(&self) -> Frozen {
        let (database, journal) = self.disk.live();
        Frozen { fs: self.fs.copy(Disk::default()), database, journal }
    }
}

struct Frozen {
    fs: MemoryFs,
    database: Vec<u8>,
    journal: Vec<u8>,
}

impl Frozen {
    fn boot(&self, root: &Path) -> Machine {
        let disk = Disk::with(self.database.clone(), self.journal.clone());
        let fs = self.fs.copy(disk.clone());
        Machine::boot(disk, fs, root).unwrap()
    }
}

/// Everything that can be seen of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    system: String,
    objects: String,
    records: Vec<String>,
    roots: BTreeMap<u64, String>,
}

fn see(machine: &Machine) -> Seen {
    let system = machine.system().unwrap();
    let root = |n: u64| (n, picture(&machine.fs, Path::new(&format!("roots/{n}"))));
    let entries = machine.fs.list(Path::new("generations")).unwrap();
    let top = machine.fs.list(Path::new("roots")).unwrap().len();
    let roots: BTreeMap<u64, String> = system.realised().unwrap().into_iter().map(root).collect();
    assert_eq!(top, roots.len(), "something half made is left");
    Seen {
        system: system_picture(&system, &machine.store, &machine.fs),
        objects: picture(&machine.fs, Path::new("objects")),
        records: entries.into_iter().map(|(n, _)| String::from_utf8(n).unwrap()).collect(),
        roots,
    }
}

/// A case with its two good ends.
struct Stage {
    case: &'static Case,
    frozen: Frozen,
    before: Seen,
    after: Seen,
    /// Calls of the undisturbed step: changing ones, reading ones, syncs of the database.
    calls: (u64, u64, u64),
}

impl Stage {
    fn new(case: &'static Case, root: &Path) -> Self {
        let disk = Disk::default();
        let machine = Machine::boot(disk.clone(), MemoryFs::new(disk), root).unwrap();
        (case.before)(&machine.system().unwrap(), &machine.fs).unwrap();
        let frozen = machine.freeze();
        drop(machine);
        let machine = frozen.boot(root);
        let before = see(&machine);
        let at = |m: &Machine| (m.fs.calls(), m.fs.reads(), m.disk.syncs());
        let system = machine.system().unwrap();
        let from = at(&machine);
        (case.step)(&system, &machine.fs).unwrap();
        let to = at(&machine);
        drop(system);
        let after = see(&machine);
        assert_ne!(before, after, "{}", case.name);
        let calls = (to.0 - from.0, to.1 - from.1, to.2 - from.2);
        Self { case, frozen, before, after, calls }
    }

    /// Checks the system after it was settled and says whether it is the one of after.
    fn check(&self, machine: &Machine, story: &str) -> bool {
        let seen = see(machine);
        let system = machine.system().unwrap();
        let settled = machine.store.read().unwrap().intent().unwrap();
        assert_eq!(settled, None, "{story}: a transaction is still open");
        let forward = seen.system == self.after.system;
        let good = if forward { &self.after } else { &self.before };
        assert_eq!(seen.system, good.system, "{story}: neither before nor after");
        assert_eq!(seen.objects, good.objects, "{story}: objects");
        assert_eq!(seen.records, good.records, "{story}: records");
        for (generation, root) in &seen.roots {
            let known = [&self.before, &self.after].map(|seen| seen.roots.get(generation));
            assert!(known.contains(&Some(root)), "{story}: root {generation}:\n{root}\n{known:#?}");
        }
        if !seen.system.starts_with("current None") {
            let found = system.verify(Depth::Content).unwrap();
            assert_eq!(found.findings, [], "{story}");
        }
        assert_eq!(machine.store.read().unwrap().check().unwrap().contradictions.len(), 0);
        forward
    }

    /// The step can be done now, if it is not, and ends as it should.
    fn go_on(&self, machine: &Machine, forward: bool, story: &str) {
        if forward {
            return;
        }
        (self.case.step)(&machine.system().unwrap(), &machine.fs)
            .unwrap_or_else(|e| panic!("{story}: {e}"));
        let system = machine.system().unwrap();
        let found = system_picture(&system, &machine.store, &machine.fs);
        // A number is never given twice, but the one of a generation taken back was never given.
        assert_eq!(found, self.after.system, "{story}, done again");
    }

    fn recover(&self, disk: Disk, fs: MemoryFs, done: bool, story: &str, root: &Path) {
        let machine = Machine::boot(disk, fs, root).unwrap_or_else(|e| panic!("{story}: {e}"));
        let system = machine.system().unwrap();
        if done {
            // Whoever boots the machine follows the link before anybody has settled anything.
            let link = machine.fs.read_link(Path::new("current")).unwrap();
            let number = String::from_utf8(link).unwrap().replace("roots/", "");
            assert!(self.after.system.starts_with(&format!("current Some({number})")), "{story}");
        }
        system.settle(&CLOCK).unwrap_or_else(|e| panic!("{story}: {e}"));
        assert_eq!(system.settle(&CLOCK).unwrap(), Settled::Nothing, "{story}");
        let forward = self.check(&machine, story);
        assert!(forward || !done, "{story}: it was acknowledged and is lost");
        self.go_on(&machine, forward, story);
    }
}

const LUCKS: [Cache; 4] = [Cache::Lost, Cache::Torn(1), Cache::Torn(2), Cache::Written];

/// Kills and cuts at one place, which `arm` prepares.
fn crash(stage: &Stage, arm: impl Fn(&Machine), story: &str, root: &Path) {
    let machine = stage.frozen.boot(root);
    let system = machine.system().unwrap();
    arm(&machine);
    let done = (stage.case.step)(&system, &machine.fs).is_ok();
    drop(system);
    let Machine { store, fs, disk } = machine;
    let (database, journal) = disk.live();
    disk.power_off();
    drop(store);
    let killed = Disk::with(database, journal);
    stage.recover(killed.clone(), fs.copy(killed), done, &format!("{story}, killed"), root);
    for (index, cache) in (1..).zip(LUCKS) {
        let seed = story.len() as u64 * 31 + index;
        let cache = if let Cache::Torn(_) = cache { Cache::Torn(seed) } else { cache };
        let disk = disk.after_power_cut(cache);
        let fs = fs.after_power_cut(cache, disk.clone());
        stage.recover(disk, fs, done, &format!("{story}, power cut, {cache:?}"), root);
    }
}

fn crash_everywhere(case: &'static Case) {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(case, dir.path());
    let (calls, _, syncs) = stage.calls;
    for n in 1..=calls {
        let story = format!("{} at call {n} of {calls}", case.name);
        let arm = |m: &Machine| m.fs.fail_at(m.fs.calls() + n, Fail::Kill);
        crash(&stage, arm, &story, dir.path());
    }
    for n in 1..=syncs {
        let story = format!("{} at sync {n} of {syncs} of the database", case.name);
        let arm = |m: &Machine| m.disk.cut_at(m.disk.syncs() + n);
        crash(&stage, arm, &story, dir.path());
    }
    crash(&stage, |_| (), &format!("{} just after its end", case.name), dir.path());
}

#[test]
fn install_is_all_or_nothing() {
    crash_everywhere(&CASES[0]);
}

#[test]
fn update_is_all_or_nothing() {
    crash_everywhere(&CASES[1]);
}

#[test]
fn remove_is_all_or_nothing() {
    crash_everywhere(&CASES[2]);
}

#[test]
fn update_into_a_spare_root_is_all_or_nothing() {
    crash_everywhere(&CASES[3]);
}

#[test]
fn rollback_is_all_or_nothing() {
    crash_everywhere(&CASES[4]);
}

#[test]
fn rollback_to_a_root_that_is_gone_is_all_or_nothing() {
    crash_everywhere(&CASES[5]);
}

#[test]
fn collecting_is_all_or_nothing() {
    crash_everywhere(&CASES[6]);
}

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

/// A call fails, the process lives on: the error is told and the system is as it was, or as it should be.
fn fail(stage: &Stage, arm: impl Fn(&Machine), story: &str, root: &Path) {
    let machine = stage.frozen.boot(root);
    let system = machine.system().unwrap();
    arm(&machine);
    let done = (stage.case.step)(&system, &machine.fs);
    machine.fs.heal();
    system.settle(&CLOCK).unwrap_or_else(|e| panic!("{story}: {e}"));
    drop(system);
    let forward = stage.check(&machine, story);
    match done {
        Ok(()) => assert!(forward, "{story}: done and not there"),
        Err(SystemError::Unfinished { .. }) => assert!(forward, "{story}: unfinished for ever"),
        // A collection that failed half-way is ended by the next transaction of any kind.
        Err(_) if stage.case.name == "collect" => {}
        Err(e) => assert!(!forward, "{story}: {e}, and it happened all the same"),
    }
    stage.go_on(&machine, forward, story);
}

fn fail_everywhere(case: &'static Case) {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(case, dir.path());
    let (calls, reads, _) = stage.calls;
    for n in 1..=calls {
        for how in [Fail::Once(EIO), Fail::Once(EDQUOT), Fail::From(ENOSPC)] {
            let story = format!("{} with {how:?} at call {n} of {calls}", case.name);
            fail(&stage, |m| m.fs.fail_at(m.fs.calls() + n, how), &story, dir.path());
        }
    }
    for n in 1..=reads {
        let errno = if n % 2 == 0 { EIO } else { EMFILE };
        let story = format!("{} with error {errno} at read {n} of {reads}", case.name);
        fail(&stage, |m| m.fs.fail_read_at(m.fs.reads() + n, errno), &story, dir.path());
    }
}

#[test]
fn failing_call_of_an_update_changes_nothing() {
    fail_everywhere(&CASES[1]);
    fail_everywhere(&CASES[3]);
}

#[test]
fn failing_call_of_install_and_remove_changes_nothing() {
    fail_everywhere(&CASES[0]);
    fail_everywhere(&CASES[2]);
}

#[test]
fn failing_call_of_a_rollback_changes_nothing() {
    fail_everywhere(&CASES[4]);
    fail_everywhere(&CASES[5]);
}

#[test]
fn failing_call_of_a_collection_is_made_good() {
    fail_everywhere(&CASES[6]);
}

/// A file system takes only so many names to an inode (ext4: 65,000): the next one becomes a copy.
#[test]
fn full_inode_makes_a_copy() {
    const EMLINK: i32 = 31;
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(&CASES[1], dir.path());
    let mut copied = 0;
    for n in 1..=stage.calls.0 {
        let machine = stage.frozen.boot(dir.path());
        let system = machine.system().unwrap();
        machine.fs.fail_at(machine.fs.calls() + n, Fail::Once(EMLINK));
        if (stage.case.step)(&system, &machine.fs).is_ok() {
            copied += 1;
            assert!(stage.check(&machine, &format!("EMLINK at call {n}")));
        }
    }
    assert!(copied > 0);
}
