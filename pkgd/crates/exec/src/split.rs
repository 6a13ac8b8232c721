//! Another order of directory entries on the same file system.
//!
//! ext4 lists a directory by hashes of the names, with one seed for the whole file system: two builds on it
//! see every directory in the same order, and what comes of `ls -U`, `find` or a glob of a language that
//! does not sort looks reproducible. An overlay lists what its lowest layer has first, then what is only in
//! the upper ones. So every second entry is moved into a layer below: what is merged is the same tree, in
//! another order.

use std::io;

use minos_sandbox::tree::{Dir, Entry, Kind, Stat};

/// How overlayfs marks a directory that hides those below it.
const OPAQUE: &str = "user.overlay.opaque";
/// Directories deeper than this stay as they are: some test suites make thousands of levels, and each one
/// here holds two descriptors.
const DEEPEST: usize = 64;

/// Moves every second entry of each directory of `tree` to the same place in the empty directory `below`.
/// Laid below `tree` it shows the same files. Entries of one directory keep their relative order if they
/// are directories themselves, since those must be in both.
///
/// # Errors
/// The system's; half is moved then, and both are of no use.
pub fn split(tree: &Dir, below: &Dir) -> io::Result<()> {
    directory(tree, below, 0)
}

fn directory(tree: &Dir, below: &Dir, depth: usize) -> io::Result<()> {
    let mut second = false;
    for Entry { name, kind } in tree.entries()? {
        match kind {
            Kind::Dir if depth < DEEPEST => {
                let stat = tree.stat(&name)?;
                let (inner, other) = (tree.open_dir(&name)?, below.make_dir(&name)?);
                directory(&inner, &other, depth + 1)?;
                hand_down_opaque(tree, below, &name)?;
                like(below, &name, &stat)?;
                // Moving its entries changed the time of the upper one.
                tree.set_mtime(&name, stat.mtime.0, stat.mtime.1)?;
            }
            // Deletions hide what is below, and must stay above it.
            Kind::Dir | Kind::CharDevice | Kind::BlockDevice => {}
            _ => {
                if second {
                    tree.rename(&name, below, &name)?;
                }
                second = !second;
            }
        }
    }
    Ok(())
}

/// A directory that hides those below must not hide its own other half, which hides them in its stead.
fn hand_down_opaque(tree: &Dir, below: &Dir, name: &std::ffi::OsStr) -> io::Result<()> {
    if tree.xattr_names(name)?.iter().any(|attribute| attribute == OPAQUE) {
        below.set_xattr(name, OPAQUE.as_ref(), b"y")?;
        tree.remove_xattr(name, OPAQUE.as_ref())?;
    }
    Ok(())
}

fn like(dir: &Dir, name: &std::ffi::OsStr, stat: &Stat) -> io::Result<()> {
    dir.chown(name, stat.uid, stat.gid)?;
    dir.chmod(name, stat.mode)?;
    dir.set_mtime(name, stat.mtime.0, stat.mtime.1)
}
