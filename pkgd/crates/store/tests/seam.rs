//! The real file system behind the seam: nothing leads out of the state root.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use minos_store::fs::{Attributes, FileType, Fs, RealFs};

fn write(seam: &RealFs, path: &str) -> std::io::Result<()> {
    let mut file = seam.create(Path::new(path))?;
    file.write_all(b"x")?;
    file.finish(&Attributes::root(0o644))
}

#[test]
fn no_call_follows_a_link_or_leaves_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    fs::create_dir(outside.path().join("folder")).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink("secret", dir.path().join("dangling")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();
    fs::write(dir.path().join("mine"), "m").unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let mine = Path::new("mine");
    let mode = Attributes::root(0o777);
    for path in ["out/new", "../new", "/tmp/new", "out/../new", "dangling"] {
        let path = Path::new(path);
        assert!(seam.create(path).is_err(), "create {path:?}");
        assert!(seam.mkdir(path, &mode).is_err(), "mkdir {path:?}");
        assert!(seam.symlink(b"t", path, 0, 0).is_err(), "symlink {path:?}");
        assert!(seam.link(mine, path).is_err(), "link {path:?}");
    }
    for path in ["out/new", "../new", "out/../new"] {
        assert!(seam.rename(mine, Path::new(path)).is_err(), "rename to {path}");
    }
    for path in ["out/secret", "file", "../secret"] {
        assert!(seam.open(Path::new(path)).is_err(), "open {path}");
        assert!(seam.set(Path::new(path), &mode).is_err(), "set {path}");
    }
    assert!(seam.unlink(Path::new("out/secret")).is_err());
    assert!(seam.rmdir(Path::new("out/folder")).is_err());
    assert!(seam.list(Path::new("out")).is_err());
    assert_eq!(seam.stat(Path::new("out")).unwrap().unwrap().kind, FileType::Symlink);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    assert!(dir.path().join("mine").exists());
}

/// A link that stays below the root leads from one generation into another, or into the objects.
#[test]
fn no_call_follows_a_link_inside_the_root() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("roots/1/usr")).unwrap();
    fs::create_dir_all(dir.path().join("roots/2")).unwrap();
    fs::write(dir.path().join("roots/1/usr/mine"), "m").unwrap();
    symlink("../1/usr", dir.path().join("roots/2/usr")).unwrap();
    symlink("../1/usr/mine", dir.path().join("roots/2/file")).unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let mode = Attributes::root(0o777);
    let (new, mine) = (Path::new("roots/2/usr/new"), Path::new("roots/2/usr/mine"));
    assert!(seam.create(new).is_err() && seam.mkdir(new, &mode).is_err());
    assert!(seam.symlink(b"t", new, 0, 0).is_err());
    assert!(seam.link(Path::new("roots/1/usr/mine"), new).is_err());
    assert!(seam.rename(Path::new("roots/1/usr/mine"), new).is_err());
    assert!(seam.unlink(mine).is_err() && seam.rename(mine, Path::new("taken")).is_err());
    assert!(seam.list(Path::new("roots/2/usr")).is_err() && seam.open(mine).is_err());
    for path in [mine, Path::new("roots/2/file")] {
        assert!(seam.set(path, &mode).is_err() && seam.xattrs(path).is_err(), "{path:?}");
    }
    assert!(seam.open(Path::new("roots/2/file")).is_err());
    assert_eq!(fs::read_dir(dir.path().join("roots/1/usr")).unwrap().count(), 1);
}

#[test]
fn fifo_in_the_way_is_an_error_and_no_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    assert!(seam.open(Path::new("fifo")).is_err());
    assert_eq!(seam.stat(Path::new("fifo")).unwrap().unwrap().kind, FileType::Other);
}

/// Somebody exchanges a folder for a link to elsewhere as fast as they can, while we write below it.
#[test]
fn folder_swapped_for_a_link_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let (folder, spare, link) =
        (dir.path().join("d/folder"), dir.path().join("d/spare"), dir.path().join("d/link"));
    fs::create_dir_all(&folder).unwrap();
    symlink(outside.path(), &link).unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let stop = AtomicBool::new(false);
    let (written, refused) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&folder, &spare).unwrap();
                fs::rename(&link, &folder).unwrap();
                fs::rename(&folder, &link).unwrap();
                fs::rename(&spare, &folder).unwrap();
            }
        });
        let (mut written, mut refused) = (0, 0);
        for n in 0..100_000 {
            // Another folder now and then, so that the one in question is looked up anew.
            let _ = seam.stat(Path::new("d/other/x"));
            match write(&seam, &format!("d/folder/f{}", n % 100)) {
                Ok(()) => written += 1,
                Err(_) => refused += 1,
            }
            let _ = seam.unlink(Path::new(&format!("d/folder/f{}", n % 100)));
        }
        stop.store(true, Ordering::Relaxed);
        (written, refused)
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "of {written}");
    assert!(written > 0 && refused > 0, "{written} written, {refused} refused: no race took place");
}

#[test]
fn attributes_are_those_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let xattrs = vec![("user.a".to_owned(), b"1".to_vec())];
    let attributes = Attributes { mode: 0o4750, uid: 3, gid: 4, xattrs };
    let mut file = seam.create(Path::new("f")).unwrap();
    file.write_all(b"x").unwrap();
    file.finish(&attributes).unwrap();
    seam.mkdir(Path::new("d"), &attributes).unwrap();
    for path in ["f", "d"] {
        let stat = seam.stat(Path::new(path)).unwrap().unwrap();
        assert_eq!((stat.mode, stat.uid, stat.gid), (0o4750, 3, 4), "{path}");
        assert_eq!(seam.xattrs(Path::new(path)).unwrap(), attributes.xattrs, "{path}");
        seam.set(Path::new(path), &Attributes::root(0o600)).unwrap();
        let stat = seam.stat(Path::new(path)).unwrap().unwrap();
        assert_eq!((stat.mode, stat.uid, stat.gid), (0o600, 0, 0), "{path}");
        assert_eq!(seam.xattrs(Path::new(path)).unwrap(), []);
    }
    assert_eq!(fs::metadata(dir.path().join("f")).unwrap().mtime(), 1);
}

/// The name was made text before it was removed, and no attribute has that name: repairing the file
/// failed for ever.
#[test]
fn attribute_whose_name_is_no_text_is_seen_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "x").unwrap();
    let none = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(dir.path().join("f"), &b"user.\xff"[..], b"1", none).unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let file = Path::new("f");
    assert_eq!(seam.xattrs(file).unwrap(), [("user.\u{fffd}".to_owned(), b"1".to_vec())]);
    seam.set(file, &Attributes::root(0o644)).unwrap();
    assert_eq!(seam.xattrs(file).unwrap(), []);
}
