//! Half of a tree in a layer below: together they are what was there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use minos_exec::split::split;
use minos_sandbox::tree::Dir;

const OPAQUE: &str = "user.overlay.opaque";

/// Path, then mode, time of directories, inode of files.
fn walk(root: &Path) -> BTreeMap<String, (u32, i64, u64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let dir = meta.is_dir();
            let (time, inode) = if dir { (meta.mtime(), 0) } else { (0, meta.ino()) };
            found.insert(name, (meta.mode(), time, inode));
            open.extend(dir.then_some(path));
        }
    }
    found
}

fn made(root: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (tree, below) = (root.join("tree"), root.join("below"));
    fs::create_dir_all(tree.join("src/deep")).unwrap();
    fs::create_dir(&below).unwrap();
    for name in ["a", "b", "c", "src/1", "src/2", "src/deep/only"] {
        fs::write(tree.join(name), name).unwrap();
    }
    fs::hard_link(tree.join("a"), tree.join("z")).unwrap();
    symlink("a", tree.join("link")).unwrap();
    fs::set_permissions(tree.join("src"), fs::Permissions::from_mode(0o1775)).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(77);
    for dir in ["src/deep", "src"] {
        File::open(tree.join(dir)).unwrap().set_modified(time).unwrap();
    }
    (tree, below)
}

#[test]
fn both_halves_together_are_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, below) = made(dir.path());
    let before = walk(&tree);
    split(&Dir::open(&tree).unwrap(), &Dir::open(&below).unwrap()).unwrap();
    let (upper, lower) = (walk(&tree), walk(&below));
    let mut together = lower.clone();
    together.extend(upper.clone());
    assert_eq!(together, before);
    for (name, entry) in &lower {
        let both = upper.get(name);
        assert!(
            name.starts_with("src") && both.is_none_or(|e| e == entry) || both.is_none(),
            "{name}"
        );
    }
    assert_eq!(lower.keys().collect::<Vec<_>>(), ["b", "link", "src", "src/2", "src/deep"]);
}

/// The upper half of a directory that hides those below it would have hidden its own lower half.
#[test]
fn what_hides_hides_from_below() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, below) = made(dir.path());
    let top = Dir::open(&tree).unwrap();
    top.set_xattr("src".as_ref(), OPAQUE.as_ref(), b"y").unwrap();
    let low = Dir::open(&below).unwrap();
    split(&top, &low).unwrap();
    assert_eq!(top.xattr_names("src".as_ref()).unwrap().len(), 0);
    assert_eq!(low.xattr("src".as_ref(), OPAQUE.as_ref()).unwrap(), b"y");
}

#[test]
fn thousands_of_levels_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, below) = (dir.path().join("t"), dir.path().join("b"));
    let deep: std::path::PathBuf = std::iter::repeat_n("d", 500).collect();
    fs::create_dir_all(tree.join(&deep)).unwrap();
    fs::create_dir(&below).unwrap();
    split(&Dir::open(&tree).unwrap(), &Dir::open(&below).unwrap()).unwrap();
    assert!(tree.join(&deep).is_dir());
    assert_eq!(walk(&below).len(), 64);
}
