//! Extended attributes all the way: objects, roots, updates, edits, composed roots, verifying and repair.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use common::packages::{CLOCK, Item, Marks, Shelf, Spec, install, picture, spec};
use common::place::Place;
use minos_model::Digest;
use minos_store::{Depth, Fault, Problem, SysrootMode, System, SystemError};

impl Place {
    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("current").join(path)
    }

    fn attribute(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        attribute(&self.path(path), name)
    }

    fn mark(&self, path: &str, name: &str, value: &[u8]) {
        rustix::fs::setxattr(self.path(path), name, value, rustix::fs::XattrFlags::empty())
            .unwrap();
    }

    fn unmark(&self, path: &str, name: &str) {
        rustix::fs::removexattr(self.path(path), name).unwrap();
    }
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn clean(system: &System<'_>) {
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
}

const ONE: Marks = &[("user.a", b"1")];
const TWO: Marks = &[("user.a", b"2"), ("user.b", b"")];
/// `cap_net_raw=ep`, as `setcap` writes it.
const PING: Marks = &[("security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0")];

fn tool(version: &str, marks: Marks) -> Spec {
    let items = [
        ("usr/bin/ping", Item::Marked("ping", 0o755, PING)),
        ("usr/bin/tool", Item::Marked("tool", 0o755, marks)),
        ("usr/bin/twin", Item::Hard("usr/bin/tool")),
        ("usr/share/tool", Item::MarkedFolder(marks)),
    ];
    spec("tool", version, &items)
}

/// One content in many clothes: a link shares the whole inode, so each of them is an object of its own.
#[test]
fn objects_of_one_content_do_not_mix() {
    let place = Place::new();
    let system = place.system();
    let items = [
        ("plain", Item::File("x", 0o644)),
        ("again", Item::File("x", 0o644)),
        ("mode", Item::File("x", 0o755)),
        ("one", Item::Marked("x", 0o644, ONE)),
        ("two", Item::Marked("x", 0o644, TWO)),
        ("both", Item::Marked("x", 0o755, ONE)),
        ("first", Item::Marked("x", 0o755, ONE)),
    ];
    install(&system, &[spec("all", "1-1", &items)], &[]).unwrap();
    let inode = |path: &str| fs::metadata(place.path(path)).unwrap().ino();
    let mut inodes: Vec<u64> = items.iter().map(|(path, _)| inode(path)).collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert_eq!(inodes.len(), 5, "plain, mode, one, two, both");
    assert_eq!((inode("plain"), inode("both")), (inode("again"), inode("first")));
    let of = |name: &str| items.map(|(path, _)| place.attribute(path, name).unwrap_or_default());
    assert_eq!(of("user.a").map(|value| value.first().copied().unwrap_or(b'-')), *b"---1211");
    // A later package finds some of them there, and gets the others.
    let more = [("more", Item::Marked("x", 0o600, ONE)), ("less", Item::Marked("x", 0o644, ONE))];
    install(&system, &[spec("more", "1-1", &more)], &[]).unwrap();
    assert_eq!(inode("less"), inode("one"));
    assert_eq!(place.attribute("more", "user.a"), Some(b"1".to_vec()));
    clean(&system);
}

#[test]
fn attributes_come_go_and_come_back() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[tool("1-1", ONE)], &[]).unwrap();
    assert_eq!(place.attribute("usr/bin/ping", PING[0].0).as_deref(), Some(PING[0].1));
    for (version, marks) in
        [("2-1", TWO), ("3-1", &[][..]), ("4-1", ONE), ("5-1", TWO), ("6-1", &[])]
    {
        install(&system, &[tool(version, marks)], &[]).unwrap();
        let wanted = |name: &str| marks.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_vec());
        for path in ["usr/bin/tool", "usr/bin/twin", "usr/share/tool"] {
            for name in ["user.a", "user.b"] {
                assert_eq!(place.attribute(path, name), wanted(name), "{path} of {version}");
            }
        }
        clean(&system);
    }
    assert!(!system.realised().unwrap().contains(&1), "its root was rebuilt into another");
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.attribute("usr/share/tool", "user.a"), Some(b"1".to_vec()));
    assert_eq!(place.attribute("usr/share/tool", "user.b"), None);
    clean(&system);
}

#[test]
fn composed_root_has_the_attributes() {
    let place = Place::new();
    let system = place.system();
    let spec = tool("1-1", TWO);
    install(&system, std::slice::from_ref(&spec), &[]).unwrap();
    let digest = Digest::of(&postcard::to_extend(&spec.manifest(), Vec::new()).unwrap());
    let current = picture(&place.fs, "roots/1".as_ref());
    let places =
        [(SysrootMode::Hardlink, "sysroots/.links-build"), (SysrootMode::Copy, "sysroots/build")];
    for (mode, at) in places {
        let made = system.compose(&[digest], &"build".parse().unwrap(), mode).unwrap();
        assert_eq!(picture(&place.fs, at.as_ref()), current);
        let ping = attribute(&made.path.join("usr/bin/ping"), PING[0].0);
        assert_eq!(ping.as_deref(), Some(PING[0].1), "{mode:?}");
    }
}

#[test]
fn folder_that_two_packages_mark_differently_is_a_conflict() {
    let place = Place::new();
    let system = place.system();
    let with = |name: &str, marks| spec(name, "1-1", &[("shared", Item::MarkedFolder(marks))]);
    install(&system, &[with("a", ONE), with("b", ONE)], &[]).unwrap();
    let error = install(&system, &[with("c", TWO)], &[]).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Path { .. }])));
    assert!(error.to_string().contains("extended attributes of the directory"), "{error}");
    install(&system, &[], &["a"]).unwrap();
    assert_eq!(place.attribute("shared", "user.a"), Some(b"1".to_vec()), "b has it still");
    clean(&system);
}

#[test]
fn every_change_of_an_attribute_is_found_and_put_back() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[tool("1-1", TWO)], &[]).unwrap();
    let before = picture(&place.fs, "roots/1".as_ref());
    type Harm<'a> = &'a dyn Fn(&str);
    let damage: [(&str, Harm<'_>); 5] = [
        ("usr/bin/tool", &|path| place.mark(path, "user.a", b"other")),
        ("usr/bin/tool", &|path| place.unmark(path, "user.b")),
        ("usr/bin/ping", &|path| place.unmark(path, "security.capability")),
        ("usr/share/tool", &|path| place.mark(path, "user.c", b"")),
        ("usr/share/tool", &|path| place.unmark(path, "user.a")),
    ];
    for (path, harm) in damage {
        harm(path);
        let found = system.verify(Depth::Content).unwrap().findings;
        // Both names of a file tell of it.
        assert!(found.iter().any(|f| f.path == path.as_bytes()), "{path}");
        assert!(found.iter().all(|f| f.fault == Fault::Xattrs), "{found:?}");
        let report = system.repair(None).unwrap();
        assert_eq!((report.repaired.len(), report.lost.len()), (found.len(), 0));
        assert_eq!(picture(&place.fs, "roots/1".as_ref()), before);
        clean(&system);
    }
    // Capabilities that nobody shipped: the kernel takes them away with the owner, so both are damage.
    place.mark("usr/bin/tool", PING[0].0, PING[0].1);
    fs::write(place.path("usr/bin/tool"), "evil").unwrap();
    assert_eq!(system.repair(None).unwrap().lost.len(), 2, "under both names");
    let shelf = Shelf::of(&[tool("1-1", TWO)]);
    assert_eq!(system.repair(Some(&shelf)).unwrap().lost.len(), 0);
    assert_eq!(picture(&place.fs, "roots/1".as_ref()), before);
    clean(&system);
}

/// The attributes were taken to be those the package had shipped, whatever stood there.
#[test]
fn attributes_of_an_edited_config_file_are_kept() {
    let place = Place::new();
    let system = place.system();
    let conf = |version: &str, text| spec("conf", version, &[("etc/conf", Item::Config(text))]);
    install(&system, &[conf("1-1", "a\n\n\n\nb\n")], &[]).unwrap();
    place.mark("etc/conf", "user.note", b"mine");
    assert_eq!(system.verify(Depth::Content).unwrap().edited, [b"etc/conf".to_vec()]);
    install(&system, &[tool("1-1", ONE)], &[]).unwrap();
    assert_eq!(place.attribute("etc/conf", "user.note"), Some(b"mine".to_vec()));
    install(&system, &[conf("2-1", "a\n\n\n\nc\n")], &[]).unwrap();
    assert_eq!(place.attribute("etc/conf", "user.note"), Some(b"mine".to_vec()), "merged");
    assert_eq!(fs::read_to_string(place.path("etc/conf")).unwrap(), "a\n\n\n\nc\n");
    place.unmark("etc/conf", "user.note");
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.attribute("etc/conf", "user.note"), Some(b"mine".to_vec()));
    system.switch(3, "forth", None, &CLOCK).unwrap();
    assert_eq!(place.attribute("etc/conf", "user.note"), None);
    clean(&system);
}

/// Kept files were compared by mode, owner and bytes only.
#[test]
fn attributes_of_a_kept_file_follow_the_machine() {
    let place = Place::new();
    let system = place.system();
    let base = spec("base", "1-1", &[("etc/shadow", Item::File("root:x", 0o600))]);
    install(&system, &[base], &[]).unwrap();
    install(&system, &[tool("1-1", ONE)], &[]).unwrap();
    place.mark("etc/shadow", "user.note", b"mine");
    system.switch(1, "back", None, &CLOCK).unwrap();
    assert_eq!(place.attribute("etc/shadow", "user.note"), Some(b"mine".to_vec()));
    clean(&system);
}
