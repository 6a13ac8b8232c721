//! Handling what a step left: hostile trees, with somebody still at work in them.

use crate::Test;
use crate::rig::Rig;
use minos_sandbox::tree::{Dir, Kind, free_space};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

pub const TESTS: &[Test] = &[
    ("an_output_replaced_by_a_link_leads_nowhere", link_for_output),
    ("a_removal_raced_by_a_swapper_stays_in_its_tree", swap_race),
    ("trees_that_resist_are_removed", resisting),
    ("a_very_deep_tree_is_removed", deep),
    ("free_space_is_that_of_the_file_system", space),
];

/// A directory beside the tree that nothing may touch.
struct Canary(PathBuf);

impl Canary {
    fn new(rig: &Rig) -> Self {
        let dir = rig.private("outside");
        fs::write(dir.join("file"), "canary").unwrap();
        Self(dir)
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(fs::read_to_string(self.0.join("file")).unwrap(), "canary");
        let mode = self.0.join("file").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        assert_eq!(fs::read_dir(&self.0).unwrap().count(), 1);
    }
}

/// Nix, CVE-2026-39860: the path of the output was a link by the time that root used it.
fn link_for_output() {
    let mut rig = Rig::new();
    let canary = Canary::new(&rig);
    let target = canary.0.display();
    let script =
        format!("ln -s {target} dir; ln -s {target}/file file; ln -s /proc/self/exe magic");
    rig.shell(&script).expect_success();
    let dir = Dir::open(&rig.spec.build.upper.tree()).unwrap();
    for name in ["dir", "file", "magic"].map(OsStr::new) {
        assert_eq!(dir.stat(name).unwrap().kind, Kind::Link);
        assert!(dir.open_dir(name).is_err());
        assert!(dir.open_file(name).is_err());
        assert!(dir.chmod(name, 0o777).is_err());
        dir.chown(name, 1, 1).unwrap();
        dir.set_mtime(name, 0, 0).unwrap();
        assert!(dir.set_xattr(name, OsStr::new("user.x"), b"x").is_err());
    }
    for path in ["dir/file", "..", "../..", "/etc"] {
        assert!(dir.open_dir(path).is_err(), "{path}");
    }
    dir.clear().unwrap();
    canary.check();
}

/// Nix, CVE-2025-46415: `rm -r` by absolute paths while a name changes between directory and link.
fn swap_race() {
    const ROUNDS: usize = 3000;
    let rig = Rig::new();
    let canary = Canary::new(&rig);
    let tree = rig.private("tree");
    let top = Dir::open(rig.dir()).unwrap();
    let (done, swapped) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swapped.fetch_add(swap(&tree, &canary.0).into(), Ordering::Relaxed);
            }
        });
        let mut rounds = 0;
        while rounds < ROUNDS || swapped.load(Ordering::Relaxed) < ROUNDS {
            rounds += 1;
            match Dir::open(&tree).and_then(|dir| dir.remove_tree(OsStr::new("victim"))) {
                Ok(()) => {}
                // Lost the race for ever: honest.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) => panic!("{error}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    top.remove_tree(OsStr::new("tree")).unwrap();
    assert!(!tree.exists());
    canary.check();
}

/// Makes a directory, and puts a link in its place. Never writes below a name that may be the link by
/// now. Whatever fails has been removed under us; true if the link got there.
fn swap(tree: &Path, outside: &Path) -> bool {
    let (fresh, inner) = (tree.join("fresh"), tree.join("victim/inner"));
    let (link, aside) = (tree.join("link"), tree.join("aside"));
    let _ = fs::create_dir(tree.join("victim"));
    let _ = fs::create_dir(&fresh);
    let _ = fs::write(fresh.join("file"), "x");
    let _ = symlink(outside, &link);
    let _ = fs::rename(&fresh, &inner);
    let _ = fs::rename(&inner, &aside);
    let swapped = fs::rename(&link, &inner).is_ok();
    let _ = fs::remove_dir_all(&aside);
    swapped
}

fn resisting() {
    let mut rig = Rig::new();
    let script = "mkdir -p a/b c; touch a/b/f; chmod 0 a/b a; chmod 7777 c; mkfifo p; touch -- -rf
        chown -R 1000:1000 c; ln -s loop loop; touch \"$(printf 'new\\nline')\"; attack listen s & \
        sleep 0.1";
    rig.shell(script).expect_success();
    let upper = Dir::open(&rig.spec.build.upper.dir).unwrap();
    upper.remove_tree(OsStr::new("upper")).unwrap();
    upper.remove_tree(OsStr::new("upper")).unwrap();
    upper.remove_tree(OsStr::new("work")).unwrap();
    assert_eq!(upper.entries().unwrap().len(), 0);
}

fn deep() {
    let mut rig = Rig::new();
    let script = "i=0; while [ $i -lt 3000 ]; do mkdir d; cd d; i=$((i+1)); done";
    rig.shell(script);
    let upper = Dir::open(&rig.spec.build.upper.dir).unwrap();
    assert!(upper.open_dir("upper/d/d/d/d").is_ok());
    upper.remove_tree(OsStr::new("upper")).unwrap();
    assert!(upper.open_dir("upper").is_err());
}

fn space() {
    let rig = Rig::new();
    let space = free_space(rig.dir()).unwrap();
    assert!(space.free > 0 && space.free <= space.total, "{space:?}");
    assert_ne!(space.free_files, Some(0));
    assert_eq!(free_space(Path::new("/proc")).unwrap().free_files, None);
    assert!(free_space(&rig.dir().join("missing")).is_err());
}
