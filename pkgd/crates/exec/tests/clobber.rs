//! What an output has in the place of something of its inputs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use minos_exec::{Clobber, clobbers};
use minos_model::{Entry, Kind, Manifest};
use nix::sys::stat::{Mode, SFlag, mknod};

/// A tree of files: path and content.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// Entries for these paths; what else a manifest says does not count here.
fn manifest(paths: &[(&str, Kind)]) -> Manifest {
    let entry = |(path, kind): &(&str, Kind)| Entry {
        path: path.as_bytes().to_vec(),
        mode: 0,
        uid: 0,
        gid: 0,
        kind: kind.clone(),
        xattrs: Vec::new(),
    };
    Manifest::new(paths.iter().map(entry).collect())
}

fn file() -> Kind {
    Kind::File { size: 0, digest: minos_model::Digest::of(b"") }
}

fn found(own: &Path, paths: &[(&str, Kind)], inputs: &[&Path]) -> Vec<Clobber> {
    let inputs: Vec<PathBuf> = inputs.iter().map(|path| path.to_path_buf()).collect();
    clobbers(own, &manifest(paths), &inputs).unwrap()
}

/// gcc once stripped the programs of binutils, which came to lie in its own output.
#[test]
fn files_of_an_input_are_counted_against_it() {
    let ar = "lfs/tools/bin/ar";
    let binutils = tree(&[(ar, "long"), ("lfs/tools/bin/as", "same"), ("lfs/tools/bin/ld", "x")]);
    let other = tree(&[("lfs/share/x", "x")]);
    let gcc = tree(&[(ar, "stripped"), ("lfs/tools/bin/as", "same"), ("lfs/tools/bin/gcc", "gcc")]);
    let names = [ar, "lfs/tools/bin/as", "lfs/tools/bin/gcc"];
    let paths = names.map(|path| (path, file()));
    let list = found(gcc.path(), &paths, &[other.path(), binutils.path()]);
    assert_eq!(list, [Clobber { layer: 1, paths: 2, same: 1, first: ar.into() }]);
    assert_eq!(found(gcc.path(), &paths, &[other.path()]), []);
    assert_eq!(found(gcc.path(), &paths, &[]), []);
}

#[test]
fn only_the_topmost_input_that_has_a_path_counts() {
    let (upper, lower) = (tree(&[("a", "1")]), tree(&[("a", "2"), ("b", "2")]));
    let own = tree(&[("a", "2"), ("b", "3")]);
    let paths = [("a", file()), ("b", file())];
    let list = found(own.path(), &paths, &[upper.path(), lower.path()]);
    let one = |layer, first: &str| Clobber { layer, paths: 1, same: 0, first: first.into() };
    assert_eq!(list, [one(0, "a"), one(1, "b")]);
    // What an input has deleted is nobody's any more.
    let gone = tempfile::tempdir().unwrap();
    mknod(&gone.path().join("a"), SFlag::S_IFCHR, Mode::empty(), 0).expect("run this as root");
    let list = found(own.path(), &paths, &[gone.path(), lower.path()]);
    assert_eq!(list, [one(1, "b")]);
}

#[test]
fn a_mode_a_target_or_a_kind_makes_a_difference() {
    let (input, own) = (tree(&[("a", "1"), ("c", "1")]), tree(&[("a", "1")]));
    symlink("x", input.path().join("b")).unwrap();
    symlink("x", own.path().join("b")).unwrap();
    symlink("1", own.path().join("c")).unwrap();
    let link = || Kind::Symlink { target: b"x".to_vec() };
    let paths = [("a", file()), ("b", link()), ("c", link())];
    let list = found(own.path(), &paths, &[input.path()]);
    assert_eq!(list, [Clobber { layer: 0, paths: 3, same: 2, first: "c".into() }]);
    fs::set_permissions(own.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(found(own.path(), &paths, &[input.path()])[0].same, 1);
}

#[test]
fn shared_directories_are_nobodys_and_deleted_files_are_told() {
    let (input, own) = (tree(&[("usr/bin/a", "1"), ("usr/lib/b", "1")]), tree(&[]));
    for path in ["usr/bin", "usr/lib"] {
        fs::create_dir_all(own.path().join(path)).unwrap();
    }
    mknod(&own.path().join("usr/bin/a"), SFlag::S_IFCHR, Mode::empty(), 0)
        .expect("run this as root");
    let shared = [("usr", Kind::Directory), ("usr/bin", Kind::Directory)];
    assert_eq!(found(own.path(), &shared, &[input.path()]), []);
    let paths = [("usr/bin/a", Kind::Whiteout), ("usr/lib", Kind::Opaque)];
    let list = found(own.path(), &paths, &[input.path()]);
    assert_eq!(list, [Clobber { layer: 0, paths: 2, same: 0, first: "usr/lib".into() }]);
}

/// A large file is read piece by piece, to its end.
#[test]
fn contents_are_compared_to_the_last_byte() {
    let long = "x".repeat(300_000);
    let other = format!("{}y", &long[1..]);
    let input = tree(&[("a", &long), ("b", &long)]);
    let own = tree(&[("a", &long), ("b", &other)]);
    let list = found(own.path(), &[("a", file()), ("b", file())], &[input.path()]);
    assert_eq!(list, [Clobber { layer: 0, paths: 2, same: 1, first: "b".into() }]);
}
