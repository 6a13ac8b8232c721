//! Files in `/etc` that users edit: whose they are, what becomes of edits, and what is lost with a root and what is not.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use common::packages::{CLOCK, Item, Shelf, Spec, install, spec};
use common::place::Place;
use minos_store::{ConfigFinding, ConfigState, Depth};

/// As shadow has it: a file in `/etc` that the package does not name as a config file.
fn shadow(version: &str, text: &'static str) -> Spec {
    let items =
        [("etc/login.defs", Item::File(text, 0o644)), ("usr/bin/login", Item::Folder(0o755))];
    spec("shadow", version, &items)
}

const OLD: &str = "MAIL_DIR /var/mail\n\n\n\nENCRYPT_METHOD DES\n";
const NEW: &str = "MAIL_DIR /var/mail\n\n\n\nENCRYPT_METHOD YESCRYPT\n";
const MINE: &str = "MAIL_DIR /var/spool\n\n\n\nENCRYPT_METHOD DES\n";

fn finding(path: &str, state: ConfigState) -> ConfigFinding {
    let package = Some("shadow".parse().unwrap());
    ConfigFinding { path: path.as_bytes().to_vec(), state, package }
}

/// 23 files of the packages of LFS, among them login.defs and openssl.cnf, were in no list of config files: edits of them
/// were gone with the next update, and `verify --repair` took them away at once.
#[test]
fn a_file_in_etc_is_a_config_file_whether_its_package_says_so_or_not() {
    let place = Place::new();
    let (system, at) = (place.system(), |path: &str| place.dir.path().join("current").join(path));
    install(&system, &[shadow("1-1", OLD)], &[]).unwrap();
    assert_eq!(fs::metadata(at("etc/login.defs")).unwrap().nlink(), 1, "a copy: edits stay here");
    fs::write(at("etc/login.defs"), MINE).unwrap();
    let found = system.verify(Depth::Content).unwrap();
    assert_eq!((found.findings, found.edited), (vec![], vec![b"etc/login.defs".to_vec()]));
    assert_eq!(system.repair(None).unwrap().repaired, Vec::<Vec<u8>>::new());
    assert_eq!(fs::read_to_string(at("etc/login.defs")).unwrap(), MINE);
    install(&system, &[shadow("2-1", NEW)], &[]).unwrap();
    let merged = fs::read_to_string(at("etc/login.defs")).unwrap();
    assert_eq!(merged, "MAIL_DIR /var/spool\n\n\n\nENCRYPT_METHOD YESCRYPT\n");
    for n in 0..4 {
        install(&system, &[spec("other", &format!("{n}-1"), &[])], &[]).unwrap();
        assert_eq!(fs::read_to_string(at("etc/login.defs")).unwrap(), merged, "change {n}");
        assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    }
}

/// After a merge there was no way to see which files are not as their packages have them.
#[test]
fn what_became_of_config_files_can_be_seen_at_any_time() {
    let place = Place::new();
    let (system, at) = (place.system(), |path: &str| place.dir.path().join("current").join(path));
    let state = |generation| system.config_state(generation).unwrap();
    install(&system, &[shadow("1-1", OLD)], &[]).unwrap();
    assert_eq!(state(1), []);
    fs::write(at("etc/login.defs"), "ENCRYPT_METHOD NONE\n").unwrap();
    assert_eq!(state(1), [finding("etc/login.defs", ConfigState::Edited)]);
    install(&system, &[shadow("2-1", NEW)], &[]).unwrap();
    let waits = finding("etc/login.defs.new", ConfigState::Waiting);
    assert_eq!(system.verify(Depth::Content).unwrap().edited, Vec::<Vec<u8>>::new());
    assert_eq!(state(2), [finding("etc/login.defs", ConfigState::Edited), waits]);
    fs::remove_file(at("etc/login.defs.new")).unwrap();
    fs::remove_file(at("etc/login.defs")).unwrap();
    install(&system, &[spec("other", "1-1", &[])], &[]).unwrap();
    assert_eq!(state(3), [finding("etc/login.defs", ConfigState::Deleted)]);
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

#[test]
fn a_package_that_is_named_gets_its_config_files_back_and_the_edits_stay_beside() {
    let place = Place::new();
    let (system, at) = (place.system(), |path: &str| place.dir.path().join("current").join(path));
    let package = shadow("1-1", OLD);
    let accounts = spec("base", "1-1", &[("etc/passwd", Item::Config("root:x:0:0::/:/bin/sh\n"))]);
    install(&system, &[package.clone(), accounts], &[]).unwrap();
    fs::write(at("etc/login.defs"), MINE).unwrap();
    fs::write(at("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    let names = ["shadow".parse().unwrap(), "base".parse().unwrap()];
    let done = system.repair_of(&names, Some(&Shelf::of(&[package]))).unwrap();
    assert_eq!(done.repaired, [b"etc/login.defs".to_vec()], "accounts are nobody's to put back");
    assert_eq!(done.aside, [b"etc/login.defs.edited".to_vec()]);
    assert_eq!(fs::read_to_string(at("etc/login.defs")).unwrap(), OLD);
    assert_eq!(fs::read_to_string(at("etc/login.defs.edited")).unwrap(), MINE);
    assert_eq!(system.config_state(1).unwrap(), []);
}

/// Whoever deleted the current root, or its `/etc`, lost the accounts for ever: they were taken for deleted in every root
/// that was made or switched to from then on. So were all config files.
#[test]
fn a_root_that_has_lost_its_etc_is_no_wish_to_delete() {
    for lost in ["current/etc", "roots/3"] {
        let place = Place::new();
        let (system, state) = (place.system(), place.dir.path());
        let at = |path: &str| state.join("current").join(path);
        install(&system, &[shadow("1-1", OLD)], &[]).unwrap();
        install(&system, &[spec("b", "1-1", &[("usr/b", Item::File("b", 0o644))])], &[]).unwrap();
        fs::write(at("etc/passwd"), "root:x:0:0:::\nann:x:1000:1000:::\n").unwrap();
        fs::write(at("etc/login.defs"), MINE).unwrap();
        fs::write(at("etc/mine"), "mine").unwrap();
        install(&system, &[spec("c", "1-1", &[("usr/c", Item::File("c", 0o644))])], &[]).unwrap();
        fs::remove_dir_all(state.join(lost)).unwrap();
        system.switch(2, "back", None, &CLOCK).unwrap();
        let all_there = |when: &str| {
            let passwd = fs::read_to_string(at("etc/passwd")).unwrap_or_default();
            assert!(passwd.contains("ann:x:1000"), "{lost}, {when}: {passwd}");
            let text = fs::read_to_string(at("etc/login.defs")).unwrap_or_default();
            assert_eq!(text, MINE, "{lost}, {when}");
            assert!(at("etc/mine").exists(), "{lost}, {when}");
        };
        all_there("switched back");
        system.switch(3, "forward", None, &CLOCK).unwrap();
        // The root that lost its folder has none still: it is not in use while another one is.
        let _ = fs::remove_dir_all(state.join(lost));
        for n in 4..=8 {
            install(&system, &[spec("d", &format!("{n}-1"), &[])], &[]).unwrap();
            all_there(&format!("change {n}"));
        }
    }
}

/// It was installed, and hidden behind what is mounted there on every system that boots. One that is there already is no
/// reason to refuse anything.
#[test]
fn what_no_package_should_bring_is_refused_by_name() {
    let place = Place::new();
    let system = place.system();
    let items = [("run", Item::Folder(0o755)), ("run/dbus/pid", Item::File("1", 0o644))];
    let error = install(&system, &[spec("dbus", "1-1", &items)], &[]).unwrap_err().to_string();
    assert!(error.contains("/run/dbus/pid: dbus: it would be hidden"), "{error}");
    let word = [("etc/minos/services/sshd", Item::File("enabled\n", 0o644))];
    let error = install(&system, &[spec("sshd", "1-1", &word)], &[]).unwrap_err().to_string();
    assert!(error.contains("/etc/minos/services/sshd: sshd: it is for the admin"), "{error}");
    let folders = ["dev", "proc", "run", "state", "sys", "etc/minos/services"];
    let bare = folders.map(|folder| (folder, Item::Folder(0o755)));
    install(&system, &[spec("filesystem", "1-1", &bare)], &[]).unwrap();
}
