//! Looking at, changing and removing what a step left, by directory descriptors only.
//!
//! A step may have replaced any name by a link to somewhere else. Nothing here follows a symbolic link,
//! leaves the directory it was given, or crosses into another mount; every name is looked up relative to
//! a descriptor that was opened that way. So even a process that is still alive and swaps names
//! (CVE-2025-46415 in Nix) cannot lead an operation out of the tree.

mod dir;
mod remove;
mod usage;

pub use dir::{Dir, Entry, Kind, Stat};

use nix::sys::statvfs::statvfs;
use std::fs::File;
use std::io;
use std::path::Path;

/// Writes the whole file system that `path` lies on to its disk; the one barrier before a commit.
///
/// # Errors
/// Also reports an earlier failure to write data back.
pub fn syncfs(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::syncfs(File::open(path)?)?)
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an ordinary user could still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that could still be made; `None` where the file system does not count them (btrfs).
    pub free_files: Option<u64>,
}

/// Room on the file system that `path` lies on.
///
/// # Errors
/// Those of `statvfs(3)`.
pub fn free_space(path: &Path) -> io::Result<Space> {
    let stat = statvfs(path)?;
    let unit = stat.fragment_size();
    Ok(Space {
        free: stat.blocks_available().saturating_mul(unit),
        total: stat.blocks().saturating_mul(unit),
        free_files: (stat.files() > 0).then(|| stat.files_available()),
    })
}
