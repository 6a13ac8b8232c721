//! The capture of trees as scripts leave them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use minos_exec::{Allowed, Cancel, Limits, Task, Variation, capture};
use minos_model::{Failure, FailureClass, Kind, Manifest, Xattr};

fn task(layers: &[&Path], allowed: Allowed) -> Task {
    Task {
        step: "test".parse().unwrap(),
        inputs: layers.iter().map(|p| p.to_path_buf()).collect(),
        seed: None,
        scratch: "/nowhere".into(),
        done: Vec::new(),
        scripts: Vec::new(),
        files: Vec::new(),
        sources: Vec::new(),
        env: Vec::new(),
        prefix: "/".into(),
        suite: Default::default(),
        allowed,
        jobs: 1,
        pool: None,
        epoch: 1_000_000_000,
        slot: 0,
        variation: Variation::Usual,
        limits: Limits::default(),
        observe: false,
        weak: false,
        cancel: Cancel::new(),
    }
}

fn captured(tree: &Path, layers: &[&Path], allowed: Allowed) -> Result<Manifest, Failure> {
    capture(tree, &task(layers, allowed)).map(|c| c.manifest)
}

fn plain(tree: &Path) -> Result<Manifest, Failure> {
    captured(tree, &[], Allowed::default())
}

fn kind<'a>(manifest: &'a Manifest, path: &str) -> &'a Kind {
    let found = manifest.entries().iter().find(|e| e.path == path.as_bytes());
    &found.unwrap_or_else(|| panic!("{path} is not in {manifest}")).kind
}

fn set_xattr(path: &Path, name: &str, value: &str) {
    let set = Command::new("python3")
        .args(["-c", "import os,sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())"])
        .arg(path)
        .args([name, value])
        .status();
    assert!(set.unwrap().success(), "the temporary folder takes user attributes");
}

fn xattrs(path: &Path) -> String {
    let list = Command::new("python3")
        .args(["-c", "import os,sys; print(os.listxattr(sys.argv[1]))"])
        .arg(path)
        .output();
    String::from_utf8_lossy(&list.unwrap().stdout).trim().to_owned()
}

#[test]
fn two_trees_with_the_same_content_have_the_same_digest() {
    let make = |first: &str, second: &str| {
        let dir = tempfile::tempdir().unwrap();
        for name in [first, second] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::hard_link(dir.path().join("b"), dir.path().join("c")).unwrap();
        symlink("b", dir.path().join("link")).unwrap();
        let manifest = plain(dir.path()).unwrap();
        assert_eq!(*kind(&manifest, "c"), Kind::Hardlink { to: b"b".to_vec() });
        manifest.digest()
    };
    // Neither the order in which files were made nor the time may show.
    assert_eq!(make("a", "b"), make("b", "a"));
}

#[test]
fn capturing_twice_gives_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x").unwrap();
    assert_eq!(plain(dir.path()).unwrap(), plain(dir.path()).unwrap());
    let time = fs::metadata(dir.path().join("a")).unwrap().modified().unwrap();
    let epoch = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(epoch, 1_000_000_000, "times are those of the task");
}

#[test]
fn links_are_recorded_and_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("way-out")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();
    let manifest = plain(dir.path()).unwrap();
    assert_eq!(manifest.entries().len(), 2);
    assert!(matches!(kind(&manifest, "way-out"), Kind::Symlink { .. }));
}

#[test]
fn what_must_not_leave_a_build_is_named() {
    let refused = |make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        make(&dir.path().join("bin/tool"));
        let failure = plain(dir.path()).unwrap_err();
        assert_eq!(failure.class, FailureClass::Output);
        assert!(failure.what.contains("/bin/tool"), "{failure}");
    };
    refused(&|path| {
        fs::write(path, "x").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).unwrap();
    });
    refused(&|path| {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o2755)).unwrap();
    });
    refused(&|path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    refused(&|path| {
        fs::write(path, "x").unwrap();
        set_xattr(path, "user.note", "hello");
    });
    refused(&|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()));
}

#[test]
fn an_empty_tree_is_no_output() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(plain(dir.path()).unwrap_err().class, FailureClass::Output);
}

/// overlayfs marks every new directory below a merged one as opaque, to save itself look-ups. Kept, the
/// mark of `/lfs/usr` in one output hid the files of every other output stacked below it.
#[test]
fn only_a_directory_that_replaces_another_stays_opaque() {
    let lower = tempfile::tempdir().unwrap();
    fs::create_dir(lower.path().join("replaced")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["replaced", "new"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        set_xattr(&dir.path().join(name), "user.overlay.opaque", "y");
    }
    set_xattr(&dir.path().join("new"), "user.overlay.impure", "y");
    let manifest = captured(dir.path(), &[lower.path()], Allowed::default()).unwrap();
    assert_eq!(*kind(&manifest, "replaced"), Kind::Opaque);
    assert_eq!(*kind(&manifest, "new"), Kind::Directory);
    assert_eq!(xattrs(&dir.path().join("new")), "[]");
}

#[test]
fn declared_extras_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (su, mail) = (dir.path().join("su"), dir.path().join("mail"));
    fs::write(&su, "x").unwrap();
    set_xattr(&su, "user.note", "hello");
    fs::set_permissions(&su, fs::Permissions::from_mode(0o4755)).unwrap();
    fs::create_dir(&mail).unwrap();
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o2775)).unwrap();
    let setuid = vec!["/su".to_owned(), "/mail".to_owned()];
    let allowed = Allowed { setuid, xattrs: vec!["/su".to_owned()] };
    let manifest = captured(dir.path(), &[], allowed).unwrap();
    let [mail, su] = manifest.entries() else { panic!("{manifest}") };
    assert_eq!((mail.mode, su.mode), (0o2775, 0o4755));
    assert_eq!(su.xattrs, [Xattr { name: b"user.note".to_vec(), value: b"hello".to_vec() }]);
}

/// Two outputs that differed in a declared attribute alone had one name, and the second was thrown away.
#[test]
fn a_declared_attribute_is_part_of_the_name() {
    let with = |value: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tool"), "x").unwrap();
        fs::hard_link(dir.path().join("tool"), dir.path().join("twin")).unwrap();
        set_xattr(&dir.path().join("tool"), "user.note", value);
        let xattrs = vec!["/tool".to_owned(), "/twin".to_owned()];
        let allowed = Allowed { xattrs, ..Allowed::default() };
        let manifest = captured(dir.path(), &[], allowed).unwrap();
        assert_eq!(Manifest::parse(&manifest.to_string()), Ok(manifest.clone()));
        manifest.digest()
    };
    assert_eq!(with("one"), with("one"));
    assert_ne!(with("one"), with("two"));
}

/// A layer that could not be opened was skipped, and an opaque mark over its directory dropped.
#[test]
fn a_layer_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x").unwrap();
    let gone = dir.path().join("no such layer");
    let failure = captured(dir.path(), &[&gone], Allowed::default()).unwrap_err();
    assert_eq!(failure.class, FailureClass::State);
    assert!(failure.what.contains("no such layer"), "{failure}");
}

/// The root of the tree has no line in the manifest, and lends its mode and marks to the root of whatever
/// is stacked on it.
#[test]
fn the_top_of_the_tree_tells_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), "x").unwrap();
    set_xattr(&tree, "user.overlay.impure", "y");
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o1700)).unwrap();
    std::os::unix::fs::chown(&tree, Some(7), Some(7)).expect("run this as root");
    plain(&tree).unwrap();
    let meta = fs::metadata(&tree).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 0, 0));
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_000_000_000, 0));
    assert_eq!(xattrs(&tree), "[]");
    set_xattr(&tree, "user.note", "hello");
    assert_eq!(plain(&tree).unwrap_err().class, FailureClass::Output);
}

/// A script made 2,500 directories below one another: the walk ran out of stack, and took pkgd with it, at every start.
#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let make = |levels: &str| {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "import os, sys\nfor _ in range(int(sys.argv[1])): os.mkdir('deep'); os.chdir('deep')";
        let made = Command::new("python3").args(["-c", script, levels]).current_dir(&dir).status();
        assert!(made.unwrap().success());
        plain(dir.path())
    };
    assert_eq!(make("256").unwrap().entries().len(), 256);
    for levels in ["257", "5000"] {
        let failure = make(levels).unwrap_err();
        assert_eq!(failure.class, FailureClass::Output);
        assert_eq!(failure.what, "/deep/deep/deep/deep... is more than 256 directories deep");
    }
}

/// A file of holes has any size, and nobody could stop pkgd from reading it.
#[test]
fn who_cancels_does_not_wait_for_the_end_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::File::create(dir.path().join("holes")).unwrap().set_len(1 << 42).unwrap();
    let task = task(&[], Allowed::default());
    let cancel = task.cancel.clone();
    std::thread::scope(|scope| {
        let failure = scope.spawn(|| capture(dir.path(), &task).unwrap_err());
        std::thread::sleep(std::time::Duration::from_millis(50));
        cancel.request();
        assert_eq!(failure.join().unwrap().class, FailureClass::Signal);
    });
}
