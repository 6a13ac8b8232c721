//! Roots in which somebody has worked by hand: what stands in them holds no change up, is not lost where it is kept,
//! and turns up in no generation that is made later.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::packages::{CLOCK, Item, Shelf, Spec, install, spec};
use common::place::Place;
use minos_store::fs::RealFs;
use minos_store::{Depth, Fault, Options, Retention, Store, System, SystemOptions};

fn options() -> SystemOptions {
    SystemOptions { reserve_bytes: 0, ..SystemOptions::default() }
}

fn open(dir: &Path) -> (Store, RealFs) {
    (Store::open(dir, 5, Options::default()).unwrap(), RealFs::new(dir).unwrap())
}

/// A package with a program, and a config file in a folder of its own.
fn package(name: &str, version: &str) -> Spec {
    let (program, config) = (format!("usr/bin/{name}"), format!("etc/{name}/conf"));
    let folder = format!("etc/{name}");
    let items = [
        ("usr", Item::Folder(0o755)),
        ("usr/bin", Item::Folder(0o755)),
        ("etc", Item::Folder(0o755)),
        (folder.as_str(), Item::Folder(0o755)),
        (program.as_str(), Item::File("the program\n", 0o755)),
    ];
    let mut spec = spec(name, version, &items);
    let text = if version == "1-1" { "first\n" } else { "second\n" };
    spec.items.insert(config, Item::Config(text));
    spec
}

/// So many changes that every root is built on at least once.
fn changes(system: &System<'_>) {
    for n in 1..=4 {
        let version = format!("{n}-1");
        let name = format!("more{n}");
        install(system, &[package(&name, &version)], &[]).unwrap();
        let found = system.verify(Depth::Content).unwrap();
        assert_eq!(found.findings, [], "after change {n}");
    }
}

/// A folder that is mounted at another, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(from: &Path, to: &Path) -> Self {
        let done = Command::new("mount").arg("--bind").args([from, to]).status().unwrap();
        assert!(done.success(), "this test runs as root");
        Self(to.canonicalize().unwrap())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The root may have another name by now: the mount has moved along.
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let state = self.0.ancestors().find(|at| at.ends_with("roots")).unwrap_or(&self.0);
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        for point in points.filter(|point| Path::new(point).starts_with(state)) {
            let _ = Command::new("umount").arg("-l").arg(point).status();
        }
    }
}

/// What is mounted for a chroot made the fourth change fail, and pkgd with it at its next start.
#[test]
fn what_is_mounted_in_an_old_root_holds_nothing_up() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(other.path().join("file"), "mine").unwrap();
    let (store, fs_seam) = open(dir.path());
    let system = System::new(&store, &fs_seam, options()).unwrap();
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let mounted = Mounted::new(other.path(), &dir.path().join("current/usr/bin"));
    changes(&system);
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    system.collect(keep, false, None, &CLOCK, &|| false).unwrap();
    system.settle(&CLOCK).unwrap();
    assert_eq!(fs::read_to_string(other.path().join("file")).unwrap(), "mine");
    drop(mounted);
    changes(&system);
    system.collect(keep, false, None, &CLOCK, &|| false).unwrap();
    let names = fs::read_dir(dir.path().join("roots")).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    let hidden: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, Vec::<String>::new(), "it is gone with the first sweep that can");
    assert_eq!(fs::read_to_string(other.path().join("file")).unwrap(), "mine");
}

/// Nothing could be installed, verified or taken back any more; after a rollback pkgd did not even start.
#[test]
fn a_link_in_the_place_of_a_folder_of_config_files_holds_nothing_up() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    install(&system, &[package("b", "1-1")], &[]).unwrap();
    let etc = dir.path().join("current/etc");
    fs::rename(etc.join("a"), etc.join("a.real")).unwrap();
    symlink("a.real", etc.join("a")).unwrap();
    symlink("/nowhere", etc.join("ssh")).unwrap();
    let found = system.verify(Depth::Metadata).unwrap().findings;
    assert!(found.iter().any(|f| f.path == b"etc/a" && f.fault == Fault::Kind), "{found:?}");
    system.switch(1, "back", None, &CLOCK).unwrap();
    system.switch(2, "forward", None, &CLOCK).unwrap();
    system.settle(&CLOCK).unwrap();
    changes(&system);
    let text = fs::read_to_string(dir.path().join("current/etc/a/conf")).unwrap();
    assert_eq!(text, "first\n", "nobody has deleted it");
}

/// Each root is built on by the third one after it. What somebody had done in one turned up there, long after the
/// current one had been looked at and mended.
#[test]
fn what_was_done_to_a_root_is_in_no_later_one() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1"), package("b", "1-1"), package("c", "1-1")], &[])
        .unwrap();
    let bin = dir.path().join("current/usr/bin");
    fs::remove_file(bin.join("a")).unwrap();
    fs::remove_file(bin.join("b")).unwrap();
    fs::write(bin.join("b"), "the program\n").unwrap();
    fs::set_permissions(bin.join("b"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::remove_file(bin.join("c")).unwrap();
    fs::write(bin.join("c"), "another one").unwrap();
    fs::set_permissions(bin.join("c"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("stray"), "x").unwrap();
    changes(&system);
}

/// The object of a damaged file was mended, and the name in the current root; names in older roots were not.
#[test]
fn damage_that_was_mended_does_not_come_back() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    let a = package("a", "1-1");
    install(&system, std::slice::from_ref(&a), &[]).unwrap();
    install(&system, &[package("b", "1-1")], &[]).unwrap();
    let program = dir.path().join("current/usr/bin/a");
    let of_first = dir.path().join("roots/1/usr/bin/a");
    assert_eq!(fs::metadata(&program).unwrap().ino(), fs::metadata(&of_first).unwrap().ino());
    fs::write(&program, "THE PROGRAM\n").unwrap();
    let repaired = system.repair(Some(&Shelf::of(&[a]))).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, [], "{repaired:?}");
    assert_eq!(fs::read_to_string(&of_first).unwrap(), "THE PROGRAM\n", "an older root");
    changes(&system);
}

/// The root that is built on still had them: host keys that were deleted came back.
#[test]
fn a_kept_file_that_was_deleted_stays_deleted() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let at = |path: &str| dir.path().join("current").join(path);
    fs::write(at("etc/hostname"), "host\n").unwrap();
    fs::create_dir_all(at("etc/minos/checks")).unwrap();
    fs::write(at("etc/minos/checks/mine"), "x").unwrap();
    changes(&system);
    assert_eq!(fs::read_to_string(at("etc/hostname")).unwrap(), "host\n");
    fs::remove_file(at("etc/hostname")).unwrap();
    for n in 5..=9 {
        install(&system, &[package(&format!("more{n}"), "1-1")], &[]).unwrap();
        assert!(!at("etc/hostname").exists(), "change {n}");
    }
    // A package that is the first to bring it does.
    let brings = [("etc", Item::Folder(0o755)), ("etc/hostname", Item::File("lfs\n", 0o644))];
    install(&system, &[spec("base", "1-1", &brings)], &[]).unwrap();
    assert_eq!(fs::read_to_string(at("etc/hostname")).unwrap(), "lfs\n");
}

/// It could not be put where the folder of the package had gone, and nothing could be removed.
#[test]
fn what_stands_beside_a_config_file_goes_with_its_package() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    let at = |path: &str| dir.path().join("current").join(path);
    install(&system, &[package("a", "1-1"), package("b", "1-1")], &[]).unwrap();
    for name in ["a", "b"] {
        fs::write(at(&format!("etc/{name}/conf")), "edited\n").unwrap();
    }
    install(&system, &[package("a", "2-1"), package("b", "2-1")], &[]).unwrap();
    assert!(at("etc/a/conf.new").exists() && at("etc/b/conf.new").exists());
    // Who is done with it takes it away, or puts it in the place of the other. Neither is damage.
    fs::rename(at("etc/b/conf.new"), at("etc/b/conf")).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    install(&system, &[], &["a"]).unwrap();
    assert!(!at("etc/a").exists());
    assert_eq!(fs::read_to_string(at("etc/b/conf")).unwrap(), "second\n");
    changes(&system);
}

/// After a failed trial the accounts of the root that ran were replaced by those of the one that never did.
#[test]
fn what_is_kept_is_that_of_the_root_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, fs_seam) = open(dir.path());
    let runs = SystemOptions { runs: Some(1), in_use: vec![1], ..options() };
    let system = System::new(&store, &fs_seam, runs).unwrap();
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let shadow = |n: u64| dir.path().join(format!("roots/{n}/etc/shadow"));
    fs::write(shadow(1), "root:OLD\n").unwrap();
    install(&system, &[package("b", "1-1")], &[]).unwrap();
    assert_eq!(fs::read_to_string(shadow(2)).unwrap(), "root:OLD\n");
    fs::write(shadow(1), "root:NEW\n").unwrap();
    system.switch(1, "left behind", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(shadow(1)).unwrap(), "root:NEW\n");
    system.switch(2, "forward", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(shadow(2)).unwrap(), "root:NEW\n");
    fs::write(shadow(1), "root:NEWER\n").unwrap();
    let third = install(&system, &[package("c", "1-1")], &[]).unwrap();
    assert_eq!(fs::read_to_string(shadow(third)).unwrap(), "root:NEWER\n");
}

/// They vanished with the next change without a word, and turned up again in every third generation.
#[test]
fn what_a_user_puts_into_etc_comes_along() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    let at = |path: &str| dir.path().join("current").join(path);
    install(&system, &[package("a", "1-1"), package("b", "1-1")], &[]).unwrap();
    fs::write(at("etc/mine.conf"), "mine\n").unwrap();
    fs::set_permissions(at("etc/mine.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir_all(at("etc/profile.d/empty")).unwrap();
    fs::write(at("etc/profile.d/mine.sh"), "alias x=y\n").unwrap();
    symlink("../usr/share/zoneinfo/UTC", at("etc/localtime")).unwrap();
    fs::write(at("etc/a/beside"), "mine too\n").unwrap();
    fs::write(at("etc/large"), vec![0; (1 << 20) + 1]).unwrap();
    let first = fs::read_link(dir.path().join("current")).unwrap();
    changes(&system);
    let there = |path: &str| fs::symlink_metadata(at(path)).is_ok();
    assert_eq!(fs::read_to_string(at("etc/mine.conf")).unwrap(), "mine\n");
    assert_eq!(fs::metadata(at("etc/mine.conf")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_to_string(at("etc/profile.d/mine.sh")).unwrap(), "alias x=y\n");
    assert!(there("etc/profile.d/empty") && there("etc/localtime") && there("etc/a/beside"));
    assert!(!there("etc/large"), "what is large is no configuration");
    // The folder's package goes, and the file stays.
    install(&system, &[], &["a"]).unwrap();
    assert_eq!(fs::read_to_string(at("etc/a/beside")).unwrap(), "mine too\n");
    assert!(!there("etc/a/conf"));
    // What is taken away is gone, and no damage; a package that brings a link there goes before, and one that brings a
    // file has it beside.
    fs::remove_file(at("etc/mine.conf")).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    let brings = [
        ("etc", Item::Folder(0o755)),
        ("etc/localtime", Item::Link("theirs")),
        ("etc/profile.d/mine.sh", Item::File("theirs", 0o644)),
    ];
    install(&system, &[spec("tz", "1-1", &brings)], &[]).unwrap();
    assert!(!there("etc/mine.conf"));
    assert_eq!(fs::read_link(at("etc/localtime")).unwrap(), Path::new("theirs"));
    assert_eq!(fs::read_to_string(at("etc/profile.d/mine.sh")).unwrap(), "alias x=y\n");
    assert_eq!(fs::read_to_string(at("etc/profile.d/mine.sh.new")).unwrap(), "theirs");
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    // Going back brings back what stood there, also where the root had been built on.
    assert!(!dir.path().join(first).exists());
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(at("etc/mine.conf")).unwrap(), "mine\n");
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    // A disk that is made of it is another machine's.
    system.export(1, Path::new("export")).unwrap();
    let (store, fs_seam) = open(&dir.path().join("export"));
    let other = System::new(&store, &fs_seam, options()).unwrap();
    other.rebuild().unwrap();
    other.settle(&CLOCK).unwrap();
    let made = dir.path().join("export/current/etc");
    assert!(made.join("a/conf").exists() && !made.join("mine.conf").exists());
}

/// Whose a path in `/etc` is was asked of all packages of a generation that is left, where the table of paths is that of
/// another: a third of a second for 229,000 files. Now it is the table with what differs.
#[test]
fn what_a_user_puts_into_etc_is_told_from_what_packages_bring_in_any_generation() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    let brings = |version, link: &str, folder: &str| {
        let items =
            [("etc", Item::Folder(0o755)), (link, Item::Link("x")), (folder, Item::Folder(0o755))];
        spec("a", version, &items)
    };
    let both =
        spec("b", "1-1", &[("etc", Item::Folder(0o755)), ("etc/both.d", Item::Folder(0o755))]);
    // So many packages stay that what differs is less.
    let others = ["c", "d", "e"].map(|name| package(name, "1-1"));
    let first = [&[brings("1-1", "etc/one", "etc/one.d"), both][..], &others].concat();
    install(&system, &first, &[]).unwrap();
    install(&system, &[brings("2-1", "etc/two", "etc/two.d")], &[]).unwrap();
    system.switch(1, "back", None, &CLOCK).unwrap();
    let at = |path: &str| dir.path().join("current").join(path);
    fs::write(at("etc/two"), "mine\n").unwrap();
    fs::create_dir(at("etc/two.d")).unwrap();
    fs::write(at("etc/both.d/mine"), "mine\n").unwrap();
    system.switch(2, "forth", None, &CLOCK).unwrap();
    assert_eq!(system.verify_generation(1, Depth::Content).unwrap().findings, []);
    system.switch(1, "back", None, &CLOCK).unwrap();
    install(&system, &[brings("3-1", "etc/three", "etc/three.d")], &[]).unwrap();
    let there = |path: &str| fs::symlink_metadata(at(path)).is_ok();
    assert!(there("etc/two") && there("etc/two.d") && there("etc/both.d/mine"), "the user's");
    assert!(!there("etc/one") && !there("etc/one.d"), "the package's");
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

/// It was read into memory and written twice over, outside of what had been asked of the disk.
#[test]
fn a_config_file_that_has_become_huge_is_refused_by_name() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let path = dir.path().join("current/etc/a/conf");
    fs::File::options().write(true).open(&path).unwrap().set_len(3 << 30).unwrap();
    let error = install(&system, &[package("b", "1-1")], &[]).unwrap_err();
    assert!(
        error.to_string().contains("etc/a/conf") && error.to_string().contains("16 MiB"),
        "{error}"
    );
    assert!(error.hint().contains("smaller"), "{}", error.hint());
    fs::write(&path, "first\n").unwrap();
    changes(&system);
}

/// A state with a file that may not be changed, until this is dropped; the file may have another name by then.
struct Immutable<'a>(&'a Path);

impl<'a> Immutable<'a> {
    fn new(state: &'a Path, file: &str) -> Self {
        let done = Command::new("chattr").arg("+i").arg(state.join(file)).status().unwrap();
        assert!(done.success(), "this test runs as root");
        Self(state)
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        let _ = Command::new("chattr").args(["-R", "-f", "-i"]).arg(self.0).status();
    }
}

/// The same for a file that root itself has pinned down.
#[test]
fn a_file_that_may_not_be_changed_holds_nothing_up() {
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let pinned = Immutable::new(dir.path(), "roots/1/etc/a/conf");
    changes(&system);
    system.settle(&CLOCK).unwrap();
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    system.collect(keep, false, None, &CLOCK, &|| false).unwrap();
    drop(pinned);
    system.settle(&CLOCK).unwrap();
    let names = fs::read_dir(dir.path().join("roots")).unwrap();
    assert!(names.count() <= options().roots_kept, "nothing is left beside them");
}

/// A name server's file is mounted before a chroot: what stands there is no part of the root, and cannot be read as one.
#[test]
fn what_is_mounted_in_etc_is_not_taken_along() {
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("file"), "theirs").unwrap();
    let place = Place::new();
    let (system, dir) = (place.system(), &place.dir);
    install(&system, &[package("a", "1-1")], &[]).unwrap();
    let etc = dir.path().join("current/etc");
    fs::write(etc.join("resolv.conf"), "").unwrap();
    fs::create_dir(etc.join("folder")).unwrap();
    let file = Mounted::new(&other.path().join("file"), &etc.join("resolv.conf"));
    let folder = Mounted::new(other.path(), &etc.join("folder"));
    changes(&system);
    assert!(!dir.path().join("current/etc/resolv.conf").exists());
    assert!(!dir.path().join("current/etc/folder/file").exists());
    drop((file, folder));
    changes(&system);
    assert_eq!(fs::read_to_string(other.path().join("file")).unwrap(), "theirs");
}
