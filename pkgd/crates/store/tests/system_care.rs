//! Composed roots, backups, and a database made anew.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use common::packages::{CLOCK, Item, Spec, install, picture, spec, system_picture};
use minos_model::Digest;
use minos_store::fs::RealFs;
use minos_store::{
    Depth, Options, Problem, Settled, Store, StoreError, SysrootMode, System, SystemError,
    SystemOptions,
};

fn options() -> SystemOptions {
    SystemOptions { reserve_bytes: 0, ..SystemOptions::default() }
}

fn open(dir: &std::path::Path) -> (Store, RealFs) {
    let store = Store::open(dir, 5, Options::default()).unwrap();
    (store, RealFs::new(dir).unwrap())
}

fn package(name: &str, version: &str, text: &'static str) -> Spec {
    let share = format!("usr/share/{name}/text");
    let items = [(share.as_str(), Item::File(text, 0o644)), ("usr/bin", Item::Folder(0o755))];
    let mut spec = spec(name, version, &items);
    spec.items.insert(format!("etc/{name}.conf"), Item::Config("default\n"));
    spec
}

fn digest(spec: &Spec) -> Digest {
    Digest::of(&postcard::to_extend(&spec.manifest(), Vec::new()).unwrap())
}

/// Three generations, one edit, the second one current.
fn history(system: &System<'_>, dir: &std::path::Path) {
    install(system, &[package("a", "1-1", "a1"), package("b", "1-1", "b1")], &[]).unwrap();
    fs::write(dir.join("current/etc/a.conf"), "edited\n").unwrap();
    install(system, &[package("a", "2-1", "a2")], &[]).unwrap();
    install(system, &[], &["b"]).unwrap();
    system.switch(2, "back", None, &CLOCK).unwrap();
}

/// A look at one package read all of the system, a gigabyte for a shell.
#[test]
fn of_one_package_only_its_own_paths_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    install(&system, &[package("a", "1-1", "a1"), package("b", "1-1", "other")], &[]).unwrap();
    let current = dir.path().join("current");
    let of = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        system.verify_of(&names, Depth::Content).unwrap()
    };
    let (all, a) = (of(&[]), of(&["a"]));
    assert!(a.paths < all.paths && a.findings.is_empty(), "{a:?} {all:?}");
    assert_eq!(a.bytes, 2 + "default\n".len() as u64);
    for path in ["usr/share/a/text", "usr/share/b/text", "etc/b.conf"] {
        fs::remove_file(current.join(path)).unwrap();
    }
    fs::write(current.join("etc/a.conf"), "edited\n").unwrap();
    fs::write(current.join("usr/stray"), "").unwrap();
    let a = of(&["a"]);
    let paths: Vec<_> = a.findings.iter().map(|finding| finding.path.clone()).collect();
    assert_eq!(paths, [b"usr/share/a/text".to_vec()], "and nothing that is of nobody");
    assert_eq!(a.edited, [b"etc/a.conf".to_vec()]);
    let done = system.repair_of(&["a".parse().unwrap()], None).unwrap();
    // Its own config file was meant too, and what stood there is not lost.
    assert_eq!(done.repaired, [b"usr/share/a/text".to_vec(), b"etc/a.conf".to_vec()]);
    assert_eq!(fs::read_to_string(current.join("etc/a.conf.edited")).unwrap(), "edited\n");
    assert!(!current.join("usr/share/b/text").exists() && done.extra.is_empty());
    let left: Vec<_> = of(&[]).findings.into_iter().map(|finding| finding.path).collect();
    let stands: [&[u8]; 4] =
        [b"etc/a.conf.edited", b"etc/b.conf", b"usr/share/b/text", b"usr/stray"];
    assert_eq!(left, stands);
}

#[test]
fn composed_root_has_exactly_the_packages_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    let (a, b, c) =
        (package("a", "1-1", "a1"), package("b", "1-1", "b1"), package("c", "1-1", "c"));
    install(&system, &[a.clone(), b.clone(), c.clone()], &[]).unwrap();
    let name = "build".parse().unwrap();
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let text = "usr/share/a/text";
    let installed = inode(&dir.path().join("current").join(text));
    for (mode, shares) in [(SysrootMode::Hardlink, true), (SysrootMode::Copy, false)] {
        let made = system.compose(&[digest(&a), digest(&b)], &name, mode).unwrap();
        assert_eq!((made.paths, made.bytes), (10, 20));
        let there = fs::read_dir(dir.path().join("sysroots")).unwrap();
        let there: Vec<_> = there.map(|e| e.unwrap().file_name()).collect();
        assert_eq!(there, [if shares { ".links-build" } else { "build" }], "one, not both");
        assert!(!made.path.join("usr/share/c").exists());
        assert_eq!(inode(&made.path.join(text)) == installed, shares);
    }
    let error = system.compose(&[Digest::of(b"?")], &name, SysrootMode::Copy).unwrap_err();
    assert!(matches!(error, SystemError::NoPackage { .. }), "{error}");
    system.remove_sysroot(&name).unwrap();
    system.remove_sysroot(&name).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("sysroots")).unwrap().count(), 0);
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

#[test]
fn packages_that_do_not_fit_together_make_no_root() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    let (one, two) = (package("a", "1-1", "a1"), package("a", "2-1", "a2"));
    install(&system, std::slice::from_ref(&one), &[]).unwrap();
    install(&system, std::slice::from_ref(&two), &[]).unwrap();
    let both = [digest(&one), digest(&two), digest(&one)];
    let error = system.compose(&both, &"x".parse().unwrap(), SysrootMode::Hardlink).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Twice { .. }])));
    let thief = spec("thief", "1-1", &[("usr/share/a/text", Item::File("t", 0o644))]);
    install(&system, std::slice::from_ref(&thief), &["a"]).unwrap();
    let pair = [digest(&one), digest(&thief)];
    let error = system.compose(&pair, &"x".parse().unwrap(), SysrootMode::Hardlink).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Path { .. }])));
}

#[test]
fn database_is_made_anew_from_the_store_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    history(&system, dir.path());
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
    let before = system_picture(&system, &store, &fs_seam);
    let packages = store.read().unwrap().packages_of(1).unwrap();
    drop(system);
    drop(store);
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    fs::remove_file(dir.path().join("state.log")).unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    let report = system.rebuild().unwrap();
    assert_eq!((report.generations, report.current), (vec![1, 2, 3], 2));
    assert_eq!((report.packages, report.unusable.len()), (3, 0));
    assert_eq!(system_picture(&system, &store, &fs_seam), before);
    assert_eq!(store.read().unwrap().packages_of(1).unwrap(), packages);
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
    assert_eq!(system.rebuild().unwrap().generations, [], "all have their rows");
    assert_eq!(install(&system, &[package("c", "1-1", "c")], &[]).unwrap(), 4);
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("current/etc/a.conf")).unwrap(), "edited\n");
}

#[test]
fn damaged_records_are_told_and_the_others_used() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    history(&System::new(&store, &fs_seam, options()).unwrap(), dir.path());
    drop(store);
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    fs::remove_file(dir.path().join("state.log")).unwrap();
    fs::write(dir.path().join("generations/3"), "nonsense").unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    let report = system.rebuild().unwrap();
    assert_eq!(report.generations, [1, 2]);
    assert_eq!(report.unusable[0].0, "3");
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

#[test]
fn backup_is_restored_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    history(&system, dir.path());
    system.pin(1, Some("keep")).unwrap();
    let mut backup = Vec::new();
    let report = store.read().unwrap().backup(&mut backup).unwrap();
    assert_eq!(report.bytes, backup.len() as u64);
    let before = system_picture(&system, &store, &fs_seam);
    drop(system);
    drop(store);
    let root = || dir.path().to_owned();
    let restore = |bytes: &[u8]| Store::restore(root(), &mut &*bytes, 5, Options::default());
    assert!(matches!(restore(&backup), Err(StoreError::Exists { .. })), "there is one already");
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    fs::remove_file(dir.path().join("state.log")).unwrap();
    for at in [0, 9, 40, backup.len() / 2, backup.len() - 1] {
        let mut bad = backup.clone();
        bad[at] ^= 1;
        assert!(matches!(restore(&bad), Err(StoreError::NoBackup { .. })), "byte {at}");
        assert!(restore(&backup[..at]).is_err(), "cut at {at}");
    }
    let store = restore(&backup).unwrap();
    let system = System::new(&store, &fs_seam, options()).unwrap();
    assert_eq!(system.settle(&CLOCK).unwrap(), Settled::Nothing);
    assert_eq!(system_picture(&system, &store, &fs_seam), before);
    assert_eq!(store.read().unwrap().marks(1).unwrap().pinned.as_deref(), Some("keep"));
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
    drop(system);
    drop(store);
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    assert_eq!(install(&system, &[package("c", "1-1", "c")], &[]).unwrap(), 4);
}

/// A backup was taken before the last changes. The next change deleted the generations that had been made since, and
/// nothing gave them back their rows.
#[test]
fn generations_made_after_the_backup_get_their_rows_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    install(&system, &[package("a", "1-1", "a1")], &[]).unwrap();
    let mut backup = Vec::new();
    store.read().unwrap().backup(&mut backup).unwrap();
    install(&system, &[package("b", "1-1", "b1")], &[]).unwrap();
    install(&system, &[package("c", "1-1", "c1")], &[]).unwrap();
    assert_eq!(system.forgotten().unwrap(), []);
    let before = store.read().unwrap().packages_of(3).unwrap();
    drop(system);
    drop(store);
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    fs::remove_file(dir.path().join("state.log")).unwrap();
    let store =
        Store::restore(dir.path().to_owned(), &mut &*backup, 5, Options::default()).unwrap();
    let system = System::new(&store, &fs_seam, options()).unwrap();
    system.settle(&CLOCK).unwrap();
    assert_eq!(system.forgotten().unwrap(), [2, 3]);
    let report = system.rebuild().unwrap();
    assert_eq!((report.generations, report.current, report.unusable), (vec![2, 3], 1, vec![]));
    assert_eq!(system.forgotten().unwrap(), []);
    assert_eq!(store.read().unwrap().packages_of(3).unwrap(), before);
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
    system.switch(3, "forward", None, &CLOCK).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    assert_eq!(install(&system, &[package("d", "1-1", "d")], &[]).unwrap(), 4);
}

#[test]
fn check_sees_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    history(&system, dir.path());
    let object = Digest::of(b"a1").to_string();
    fs::remove_file(dir.path().join("objects").join(&object[..2]).join(&object[2..])).unwrap();
    fs::remove_file(dir.path().join("generations/1")).unwrap();
    fs::remove_file(dir.path().join("current")).unwrap();
    let told = system.check().unwrap().contradictions.join("\n");
    for part in ["which is gone", "record of generation 1", "'current' does not name"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    fs::remove_dir_all(dir.path().join("roots/2")).unwrap();
    system.settle(&CLOCK).unwrap();
    assert!(dir.path().join("current/usr/share/a/text").exists(), "a start puts it right");
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

/// Every descriptor that is kept open for each of many files would end it (moss did that).
#[test]
fn few_descriptors_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    let mut spec = spec("many", "1-1", &[]);
    for n in 0..500 {
        spec.items.insert(format!("usr/d{}/f{n}", n % 50), Item::File("x", 0o644));
    }
    let open_now = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_now();
    install(&system, &[spec], &[]).unwrap();
    system.verify(Depth::Content).unwrap();
    assert!(open_now() <= before + 16, "{} more", open_now() - before);
    assert!(picture(&fs_seam, "roots/1".as_ref()).lines().count() > 500);
}
