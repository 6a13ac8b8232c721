//! Packages installed, updated, removed, rolled back and collected on a real file system.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use common::packages::{CLOCK, Item, Shelf, Spec, install, picture, spec};
use common::place::Place;
use minos_store::fs::Attributes;
use minos_store::{
    ConfigOutcome, Depth, Fault, Made, MadeNode, NoTriggers, Problem, Request, Retention, Settled,
    Staged, System, SystemError, SystemOptions, Triggers,
};

impl Place {
    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("current").join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn objects(&self) -> usize {
        let fans = fs::read_dir(self.dir.path().join("objects")).unwrap();
        fans.map(|fan| fs::read_dir(fan.unwrap().path()).unwrap().count()).sum()
    }
}

fn hello(version: &str, text: &'static str) -> Spec {
    spec(
        "hello",
        version,
        &[
            ("usr/bin/hello", Item::File(text, 0o755)),
            ("usr/bin/hi", Item::Hard("usr/bin/hello")),
            ("usr/bin/salut", Item::Link("hello")),
            ("usr/share/doc/hello/README", Item::File("read me", 0o644)),
            ("etc/hello.conf", Item::Config("greeting = hello\n\n\n\nname = world\n")),
        ],
    )
}

fn world() -> Spec {
    spec(
        "world",
        "1-1",
        &[
            ("usr/share/doc/world/README", Item::File("read me", 0o644)),
            ("usr/share/empty", Item::Folder(0o750)),
        ],
    )
}

fn clean(system: &System<'_>) {
    let found = system.verify(Depth::Content).unwrap();
    assert_eq!(found.findings, [], "{found:?}");
}

#[test]
fn packages_come_go_and_come_back() {
    let place = Place::new();
    let system = place.system();
    assert_eq!(system.settle(&CLOCK).unwrap(), Settled::Nothing);
    assert_eq!(install(&system, &[hello("1-1", "v1"), world()], &[]).unwrap(), 1);
    assert_eq!(place.read("usr/bin/hi"), "v1");
    assert_eq!(fs::read_link(place.path("usr/bin/salut")).unwrap().to_str(), Some("hello"));
    let mode = |path: &str| fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("usr/bin/hello"), mode("usr/share/empty")), (0o755, 0o750));
    clean(&system);
    assert_eq!(install(&system, &[hello("2-1", "v2")], &[]).unwrap(), 2);
    assert_eq!(place.read("usr/bin/hello"), "v2");
    clean(&system);
    assert_eq!(install(&system, &[], &["hello"]).unwrap(), 3);
    assert!(!place.path("usr/bin").exists());
    assert!(place.path("usr/share/doc/world/README").exists());
    clean(&system);
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("usr/bin/hello"), "v1");
    clean(&system);
    let history = place.store.read().unwrap().transactions(10).unwrap();
    let lines: Vec<_> = history.iter().map(|t| (t.intent.from, t.intent.to)).collect();
    assert_eq!(lines, [(3, 1), (2, 3), (1, 2), (0, 1)]);
    assert_eq!(history[1].changes[0].to, None);
}

#[test]
fn equal_files_are_one_inode_in_all_packages_and_generations() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1"), world()], &[]).unwrap();
    install(&system, &[hello("2-1", "v2")], &[]).unwrap();
    let inode = |path: &str| fs::metadata(place.dir.path().join(path)).unwrap().ino();
    let readme = inode("roots/1/usr/share/doc/hello/README");
    assert_eq!(readme, inode("roots/1/usr/share/doc/world/README"));
    assert_eq!(readme, inode("roots/2/usr/share/doc/world/README"));
    assert_ne!(inode("roots/1/etc/hello.conf"), inode("roots/2/etc/hello.conf"), "may be edited");
}

#[test]
fn spare_root_is_rebuilt_into_the_next_one() {
    let place = Place::new();
    let system = place.system();
    let texts = ["v1", "v2", "v3", "v4", "v5", "v6"];
    for (n, text) in (1..).zip(texts) {
        let extra = if n % 2 == 0 { vec![world()] } else { vec![] };
        let remove: &[&str] = if n % 2 == 1 && n > 1 { &["world"] } else { &[] };
        install(&system, &[vec![hello(&format!("{n}-1"), text)], extra].concat(), remove).unwrap();
        assert_eq!(place.read("usr/bin/hello"), text);
        assert_eq!(place.path("usr/share/empty").exists(), n % 2 == 0);
        clean(&system);
    }
    assert_eq!(system.realised().unwrap(), [4, 5, 6]);
    // Generation 1 has no root any more and gets one again.
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("usr/bin/hello"), "v1");
    assert_eq!(system.realised().unwrap(), [1, 5, 6]);
    clean(&system);
}

#[test]
fn conflicts_of_files_are_all_found_before_the_first_write() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1"), world()], &[]).unwrap();
    let before = (place.objects(), picture(&place.fs, "roots".as_ref()));
    let thief = spec(
        "thief",
        "1-1",
        &[
            ("usr/bin/hello", Item::File("mine", 0o755)),
            ("usr/bin/salut/x", Item::File("x", 0o644)),
            ("usr/share/empty", Item::Folder(0o700)),
            ("usr/share/doc", Item::File("a file", 0o644)),
        ],
    );
    let error = install(&system, &[thief], &[]).unwrap_err();
    let SystemError::Refused(problems) = &error else { panic!("{error}") };
    let paths: Vec<_> = problems
        .iter()
        .map(|p| if let Problem::Path { path, .. } = p { path.as_str() } else { "" })
        .collect();
    assert_eq!(paths, ["usr/bin/hello", "usr/bin/salut", "usr/share/doc", "usr/share/empty"]);
    assert_eq!(before, (place.objects(), picture(&place.fs, "roots".as_ref())));
}

/// dpkg, rpm and apk have all written through a link that an earlier package had put there.
#[test]
fn path_through_another_packages_link_is_refused() {
    let place = Place::new();
    let system = place.system();
    let link = spec("link", "1-1", &[("a", Item::Link("/etc"))]);
    let through = spec("through", "1-1", &[("a/passwd", Item::File("root::0:0", 0o644))]);
    let error = install(&system, &[link.clone(), through.clone()], &[]).unwrap_err();
    assert!(
        matches!(&error, SystemError::Refused(p) if matches!(&p[..],
        [Problem::Path { path, .. }] if path == "a")),
        "{error}"
    );
    install(&system, &[link], &[]).unwrap();
    let error = install(&system, &[through], &[]).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
}

#[test]
fn file_may_move_from_one_package_to_another_in_one_step() {
    let place = Place::new();
    let system = place.system();
    let item = || ("usr/lib/x", Item::File("x", 0o644));
    install(&system, &[spec("a", "1-1", &[item(), ("usr/a", Item::File("a", 0o644))])], &[])
        .unwrap();
    let a = spec("a", "2-1", &[("usr/a", Item::File("a", 0o644))]);
    install(&system, &[a, spec("b", "1-1", &[item()])], &[]).unwrap();
    assert_eq!(place.read("usr/lib/x"), "x");
    assert_eq!(system.owners(b"usr/lib/x").unwrap(), ["b".parse().unwrap()]);
    assert_eq!(system.owners(b"usr").unwrap(), ["a".parse().unwrap(), "b".parse().unwrap()]);
    assert_eq!(system.owners(b"nowhere").unwrap(), []);
    clean(&system);
}

#[test]
fn library_that_is_still_needed_does_not_go() {
    let place = Place::new();
    let system = place.system();
    let mut zlib = spec("zlib", "1-1", &[("usr/lib/libz.so.1", Item::File("z1", 0o755))]);
    zlib.provides = vec!["soname:libz.so.1(x86_64)".to_owned()];
    let mut user = spec("user", "1-1", &[("usr/bin/user", Item::File("u", 0o755))]);
    user.depends = vec!["soname:libz.so.1(x86_64)".to_owned()];
    install(&system, &[zlib.clone(), user.clone()], &[]).unwrap();
    let mut next = spec("zlib", "2-1", &[("usr/lib/libz.so.2", Item::File("z2", 0o755))]);
    next.provides = vec!["soname:libz.so.2(x86_64)".to_owned()];
    for (packages, remove) in [(vec![next.clone()], vec![]), (vec![], vec!["zlib"])] {
        let error = install(&system, &packages, &remove).unwrap_err();
        assert!(
            matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Soname { .. }]))
        );
    }
    user.version = "2-1".to_owned();
    user.depends = vec!["soname:libz.so.2(x86_64)".to_owned()];
    install(&system, &[next, user], &[]).unwrap();
}

#[test]
fn plan_is_carried_out_exactly_or_refused() {
    let place = Place::new();
    let system = place.system();
    let spec = hello("1-1", "v1");
    let request = Request { install: vec![spec.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    assert_eq!((plan.changes.len(), plan.write_files), (1, 3));
    let shelf = Shelf::of(&[spec]);
    install(&system, &[world()], &[]).unwrap();
    let error = system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap_err();
    assert!(matches!(error, SystemError::Stale { planned: 0, current: 1 }), "{error}");
    let bytes = plan.encode().unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(minos_store::Plan::decode(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn differences_of_generations_are_told_by_package_and_by_path() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1"), world()], &[]).unwrap();
    fs::write(place.path("etc/hello.conf"), "edited\n").unwrap();
    install(&system, &[hello("2-1", "v2")], &["world"]).unwrap();
    let packages = system.compare(1, 2).unwrap();
    let told = |v: &Option<minos_model::Version>| v.as_ref().map(ToString::to_string);
    let lines: Vec<_> =
        packages.iter().map(|c| (c.name.to_string(), told(&c.from), told(&c.to))).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[1].0.as_str(), lines[1].2.as_ref()), ("world", None));
    let paths: Vec<_> = system.compare_files(1, 2).unwrap().into_iter().map(|d| d.path).collect();
    let expected = [
        "usr/bin/hello",
        "usr/bin/hi",
        "usr/share/doc/world",
        "usr/share/doc/world/README",
        "usr/share/empty",
    ];
    assert_eq!(paths, expected.map(|path| path.as_bytes().to_vec()), "the edit is in both");
    assert_eq!(system.compare_files(2, 2).unwrap(), []);
    assert!(system.plan(&Request::default()).unwrap().is_empty());
    let again = Request { install: vec![hello("2-1", "v2").incoming()], ..Request::default() };
    assert!(system.plan(&again).unwrap().is_empty());
}

/// With the check sum set right, whatever is read is what would be written.
#[test]
fn any_bytes_in_a_plan_file_are_refused_or_canonical() {
    let place = Place::new();
    let specs = [hello("1-1", "v1"), world()];
    let install = specs.iter().map(Spec::incoming).collect();
    let request = Request { install, note: "note".to_owned(), ..Request::default() };
    let bytes = place.system().plan(&request).unwrap().encode().unwrap();
    let body = bytes.len() - 32;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut bad = bytes[..body].to_vec();
        for _ in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = random as usize % (body - 8) + 8;
            bad[at] = (random >> 32) as u8;
        }
        bad.truncate(body - (random >> 60) as usize % 4);
        let sum = minos_model::Digest::of(&bad);
        bad.extend_from_slice(sum.as_bytes());
        if let Ok(plan) = minos_store::Plan::decode(&bad) {
            taken += 1;
            assert_eq!(plan.encode().unwrap(), bad);
        }
    }
    assert!(taken > 0, "digests and texts may be any");
}

#[test]
fn content_that_is_not_what_the_manifest_says_changes_nothing() {
    let place = Place::new();
    let system = place.system();
    let spec = hello("1-1", "v1");
    let request = Request { install: vec![spec.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    let (mut other, mut less) = (Shelf::default(), Shelf::default());
    other.add(&spec);
    less.add(&spec);
    other.spoil("v1", "V1");
    less.lose("v1");
    for shelf in [other, less] {
        let error = system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap_err();
        assert!(matches!(error, SystemError::Content { .. }), "{error}");
        assert_eq!(place.objects(), 0);
        assert_eq!(system.realised().unwrap(), []);
    }
    let shelf = Shelf::of(&[spec]);
    system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap();
    clean(&system);
}

#[test]
fn held_package_is_only_changed_on_demand() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1")], &[]).unwrap();
    system.hold(&"hello".parse().unwrap(), Some("works"), 7).unwrap();
    let error = install(&system, &[hello("2-1", "v2")], &[]).unwrap_err();
    assert!(error.to_string().contains("held: works"), "{error}");
    system.hold(&"hello".parse().unwrap(), None, 8).unwrap();
    install(&system, &[hello("2-1", "v2")], &[]).unwrap();
}

#[test]
fn disk_without_room_is_refused_before_the_first_write() {
    let place = Place::new();
    let options = SystemOptions { reserve_bytes: u64::MAX / 2, ..SystemOptions::default() };
    let system = System::new(&place.store, &place.fs, options).unwrap();
    let error = install(&system, &[hello("1-1", "v1")], &[]).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Space { .. }])));
    assert_eq!(place.objects(), 0);
}

fn conf(version: &str, text: &'static str) -> Spec {
    spec("conf", version, &[("etc/conf", Item::Config(text))])
}

const BASE: &str = "a = 1\n\n\n\n\nb = 2\n";

#[test]
fn edits_and_changes_of_a_config_file_are_merged() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    fs::write(place.path("etc/conf"), "a = mine\n\n\n\n\nb = 2\n").unwrap();
    assert_eq!(system.verify(Depth::Metadata).unwrap().edited, [b"etc/conf".to_vec()]);
    install(&system, &[conf("2-1", "a = 1\n\n\n\n\nb = theirs\n")], &[]).unwrap();
    assert_eq!(place.read("etc/conf"), "a = mine\n\n\n\n\nb = theirs\n");
    assert!(!place.path("etc/conf.new").exists());
    // Going back brings back the file as it was edited there.
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("etc/conf"), "a = mine\n\n\n\n\nb = 2\n");
    clean(&system);
}

#[test]
fn config_conflict_keeps_ours_and_puts_theirs_beside() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    fs::write(place.path("etc/conf"), "a = mine\n\n\n\n\nb = 2\n").unwrap();
    let spec = conf("2-1", "a = theirs\n\n\n\n\nb = 2\n");
    let request = Request { install: vec![spec.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    let shelf = Shelf::of(&[spec]);
    let done = system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap();
    assert_eq!(done.config, [(b"etc/conf".to_vec(), ConfigOutcome::Conflict)]);
    assert_eq!(place.read("etc/conf"), "a = mine\n\n\n\n\nb = 2\n");
    assert_eq!(place.read("etc/conf.new"), "a = theirs\n\n\n\n\nb = 2\n");
    clean(&system);
    install(&system, &[world()], &[]).unwrap();
    assert!(place.path("etc/conf.new").exists(), "it stays until somebody deletes it");
    fs::remove_file(place.path("etc/conf.new")).unwrap();
    install(&system, &[], &["world"]).unwrap();
    assert!(!place.path("etc/conf.new").exists());
    assert_eq!(place.read("etc/conf"), "a = mine\n\n\n\n\nb = 2\n");
    clean(&system);
}

#[test]
fn deleted_and_untouched_config_files_are_left_as_they_are() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    install(&system, &[conf("2-1", "new\n")], &[]).unwrap();
    assert_eq!(place.read("etc/conf"), "new\n", "nobody touched it");
    fs::remove_file(place.path("etc/conf")).unwrap();
    install(&system, &[world()], &[]).unwrap();
    assert!(!place.path("etc/conf").exists(), "it was deleted on purpose");
    clean(&system);
}

/// Edits survive although the root that had them was rebuilt into another one.
#[test]
fn edits_come_back_with_a_generation_whose_root_is_gone() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    fs::write(place.path("etc/conf"), "edited\n").unwrap();
    for text in ["v1", "v2", "v3", "v4"] {
        install(&system, &[hello("1-1", text)], &[]).unwrap();
    }
    install(&system, &[conf("2-1", "edited\n")], &[]).unwrap();
    assert!(!system.realised().unwrap().contains(&1));
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("etc/conf"), "edited\n");
    assert!(!place.path("usr").exists());
}

/// ostree had it: a rollback brought the old password back.
#[test]
fn rollback_does_not_bring_an_old_password_back() {
    let place = Place::new();
    let system = place.system();
    let base = spec("base", "1-1", &[("etc/shadow", Item::File("root:x", 0o600))]);
    install(&system, &[base], &[]).unwrap();
    install(&system, &[world()], &[]).unwrap();
    fs::write(place.path("etc/shadow"), "root:new").unwrap();
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("etc/shadow"), "root:new");
    let mode = fs::metadata(place.path("etc/shadow")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(place.path("etc/shadow")).unwrap().nlink(),
        1,
        "never an object's inode"
    );
    clean(&system);
}

struct Index(u32);

impl Triggers for Index {
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        self.0 += 1;
        let content = format!("{} changed", staged.changed.len()).into_bytes();
        let attributes = Attributes::root(0o644);
        let file =
            Made { path: b"etc/index".to_vec(), node: MadeNode::File { attributes, content } };
        Ok(vec![file])
    }
}

struct Breaks(&'static [u8]);

impl Triggers for Breaks {
    fn run(&mut self, _: &Staged<'_>) -> Result<Vec<Made>, String> {
        if self.0.is_empty() {
            return Err("ldconfig ended with 1".to_owned());
        }
        Ok(vec![Made { path: self.0.to_vec(), node: MadeNode::Directory(Attributes::root(0o755)) }])
    }
}

fn apply_with(
    system: &System<'_>,
    spec: &Spec,
    triggers: &mut dyn Triggers,
) -> Result<u64, SystemError> {
    let request = Request { install: vec![spec.incoming()], ..Request::default() };
    let plan = system.plan(&request)?;
    let shelf = Shelf::of(std::slice::from_ref(spec));
    Ok(system.apply(&plan, &shelf, triggers, None, &CLOCK)?.generation)
}

#[test]
fn what_triggers_make_belongs_to_the_generation() {
    let place = Place::new();
    let system = place.system();
    apply_with(&system, &hello("1-1", "v1"), &mut Index(0)).unwrap();
    let first = place.read("etc/index");
    clean(&system);
    apply_with(&system, &hello("2-1", "v2"), &mut Index(0)).unwrap();
    assert_ne!(first, place.read("etc/index"));
    install(&system, &[world()], &[]).unwrap();
    assert!(place.path("etc/index").exists(), "kept where no trigger ran");
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(first, place.read("etc/index"));
    clean(&system);
}

#[test]
fn failing_trigger_leaves_the_system_as_it_was() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1")], &[]).unwrap();
    let before = (place.objects(), picture(&place.fs, "roots".as_ref()));
    let wrong: [&'static [u8]; 5] = [b"", b"../etc", b"/etc", b"usr/bin/hello", b"usr/bin/salut/x"];
    for made in wrong {
        let error = apply_with(&system, &hello("2-1", "v2"), &mut Breaks(made)).unwrap_err();
        assert!(matches!(error, SystemError::Trigger { .. } | SystemError::Io { .. }), "{error}");
        assert_eq!(before, (place.objects(), picture(&place.fs, "roots".as_ref())), "{made:?}");
    }
    let history = place.store.read().unwrap().transactions(1).unwrap();
    assert!(matches!(history[0].outcome, minos_store::Outcome::TakenBack { .. }));
}

#[test]
fn collecting_keeps_what_the_policy_the_pin_and_the_proof_keep() {
    let place = Place::new();
    let system = place.system();
    for (n, text) in (1..).zip(["v1", "v2", "v3", "v4", "v5", "v6"]) {
        install(&system, &[hello(&format!("{n}-1"), text)], &[]).unwrap();
    }
    system.pin(2, Some("before the move")).unwrap();
    system.prove(3, 9).unwrap();
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    let never = || false;
    let dry = system.collect(keep, true, None, &CLOCK, &never).unwrap();
    assert_eq!(dry.generations, [1, 4, 5]);
    assert_eq!((dry.packages, dry.objects), (3, 6), "a file and a manifest each");
    let before = place.objects();
    let done = system.collect(keep, false, None, &CLOCK, &never).unwrap();
    assert_eq!(done, dry);
    assert_eq!(place.objects(), before - 6);
    clean(&system);
    system.switch(2, "back", None, &CLOCK).unwrap();
    assert_eq!(place.read("usr/bin/hello"), "v2");
    clean(&system);
    let young = Retention::Policy { newest: 0, younger_than_ms: 1 };
    assert_eq!(system.collect(young, true, None, &CLOCK, &never).unwrap().generations, []);
}

#[test]
fn interrupted_collection_is_ended_by_the_next_start() {
    let place = Place::new();
    let system = place.system();
    for (n, text) in (1..).zip(["v1", "v2", "v3"]) {
        install(&system, &[hello(&format!("{n}-1"), text)], &[]).unwrap();
    }
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    let done = system.collect(keep, false, None, &CLOCK, &|| true).unwrap();
    assert!(done.interrupted);
    assert_eq!(system.settle(&CLOCK).unwrap(), Settled::Completed);
    assert_eq!(system.realised().unwrap(), [3]);
    assert_eq!(place.objects(), 4);
    clean(&system);
}

#[test]
fn every_kind_of_damage_is_found_and_put_back() {
    let place = Place::new();
    let system = place.system();
    let items = [
        ("usr/content", Item::File("content", 0o644)),
        ("usr/size", Item::File("size", 0o644)),
        ("usr/mode", Item::File("mode", 0o644)),
        ("usr/owner", Item::File("owner", 0o644)),
        ("usr/xattr", Item::File("xattr", 0o644)),
        ("usr/kind", Item::File("kind", 0o644)),
        ("usr/gone", Item::File("gone", 0o644)),
        ("usr/link", Item::Link("content")),
        ("usr/folder", Item::Folder(0o755)),
    ];
    let spec = spec("all", "1-1", &items);
    install(&system, std::slice::from_ref(&spec), &[]).unwrap();
    clean(&system);
    let path = |name: &str| place.path(&format!("usr/{name}"));
    // In place, with the time put back: what a look at sizes and times does not see.
    let time = fs::metadata(path("content")).unwrap().modified().unwrap();
    fs::write(path("content"), "CONTENT").unwrap();
    fs::File::options().write(true).open(path("content")).unwrap().set_modified(time).unwrap();
    fs::write(path("size"), "longer").unwrap();
    fs::set_permissions(path("mode"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(path("owner"), Some(7), None).unwrap();
    rustix::fs::setxattr(path("xattr"), "user.a", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    fs::remove_file(path("kind")).unwrap();
    fs::create_dir(path("kind")).unwrap();
    fs::remove_file(path("gone")).unwrap();
    fs::remove_file(path("link")).unwrap();
    std::os::unix::fs::symlink("elsewhere", path("link")).unwrap();
    fs::remove_dir(path("folder")).unwrap();
    fs::write(path("extra"), "extra").unwrap();
    let found = system.verify(Depth::Content).unwrap().findings;
    let faults: Vec<_> =
        found.iter().map(|f| (std::str::from_utf8(&f.path[4..]).unwrap(), f.fault)).collect();
    let all = [
        ("content", Fault::Content),
        ("extra", Fault::Extra),
        ("folder", Fault::Missing),
        ("gone", Fault::Missing),
        ("kind", Fault::Kind),
        ("link", Fault::Target),
        ("mode", Fault::Mode),
        ("owner", Fault::Owner),
        ("size", Fault::Size),
        ("xattr", Fault::Xattrs),
    ];
    assert_eq!(faults, all);
    let quick = system.verify(Depth::Metadata).unwrap().findings.len();
    assert_eq!(quick, all.len() - 2, "all but content and attributes");
    let report = system.repair(None).unwrap();
    let lost: Vec<_> = report.lost.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(lost, [b"usr/content".to_vec(), b"usr/size".to_vec()], "their objects are damaged");
    let report = system.repair(Some(&Shelf::of(&[spec]))).unwrap();
    assert_eq!((report.lost.len(), report.extra.len()), (0, 1));
    fs::remove_file(path("extra")).unwrap();
    clean(&system);
}

/// `verify PACKAGE --repair` put back the files of every package.
#[test]
fn of_named_packages_only_their_files_are_put_back() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE), world()], &[]).unwrap();
    fs::remove_file(place.path("etc/conf")).unwrap();
    let others = ["nobody", "world"].map(|name| name.parse().unwrap());
    assert_eq!(system.repair_of(&others, None).unwrap().repaired, Vec::<Vec<u8>>::new());
    assert!(!place.path("etc/conf").exists());
    let report = system.repair_of(&["conf".parse().unwrap()], None).unwrap();
    assert_eq!(report.repaired, [b"etc/conf".to_vec()]);
    clean(&system);
}

/// A deleted config file was put back as a link of its object, and the next edit went into the store.
#[test]
fn repaired_config_file_may_be_edited() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    fs::remove_file(place.path("etc/conf")).unwrap();
    let report = system.repair(None).unwrap();
    assert_eq!(report.repaired, [b"etc/conf".to_vec()]);
    assert_eq!(fs::metadata(place.path("etc/conf")).unwrap().nlink(), 1, "never an object's inode");
    fs::write(place.path("etc/conf"), "edited\n").unwrap();
    install(&system, &[world()], &[]).unwrap();
    assert_eq!(place.read("etc/conf"), "edited\n");
    install(&system, &[], &["conf"]).unwrap();
    install(&system, &[conf("1-1", BASE)], &[]).unwrap();
    assert_eq!(place.read("etc/conf"), BASE, "the object is what it was");
    clean(&system);
}

#[test]
fn readers_see_one_whole_system_while_it_changes() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("0-1", "v0")], &[]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let texts = ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"];
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let read = place.store.read().unwrap();
                assert_eq!(read.installed().unwrap().len(), 1);
                assert_eq!(
                    read.generations().unwrap().len() as u64,
                    read.generations().unwrap().last().unwrap().number
                );
                let text = fs::read_to_string(place.path("usr/bin/hello")).unwrap();
                let twice = fs::read_to_string(place.path("usr/bin/hi")).unwrap();
                assert!(text.starts_with('v') && twice.starts_with('v'), "{text} {twice}");
                reads += 1;
            }
            reads
        });
        for (n, text) in (1..).zip(texts) {
            install(&system, &[hello(&format!("{n}-1"), text)], &[]).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

/// An older root that somebody worked in by hand is no ground to build the next one on.
#[test]
fn root_changed_by_hand_is_not_built_upon() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[hello("1-1", "v1"), world()], &[]).unwrap();
    fs::remove_dir_all(place.path("usr/bin")).unwrap();
    std::os::unix::fs::symlink("/tmp", place.path("usr/bin")).unwrap();
    for text in ["v2", "v3", "v4"] {
        install(&system, &[hello("1-1", text)], &[]).unwrap();
        assert_eq!(place.read("usr/bin/hello"), text);
        clean(&system);
    }
    assert_eq!(system.realised().unwrap(), [2, 3, 4]);
    assert!(!std::path::Path::new("/tmp/hello").exists());
}
