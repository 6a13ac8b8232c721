//! The seam through which every byte of a system is read and written.
//!
//! All paths are relative to the state root. [`RealFs`] walks them by descriptors that never leave the
//! root and never follow a link; tests put a file system in memory in its place that is killed at any
//! call and loses power at any sync.

mod real;

use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use real::RealFs;

/// Permission bits, owner and extended attributes of a file or directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Name and value, sorted by name.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Attributes {
    /// These permission bits, owned by root, without extended attributes.
    pub const fn root(mode: u16) -> Self {
        Self { mode, uid: 0, gid: 0, xattrs: Vec::new() }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

/// What the inode at a path says; of a link, the link's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileType,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Inode number: two names with the same one are hard links of each other.
    pub inode: u64,
}

/// Free space of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub bytes: u64,
    /// Files that can still be made; `u64::MAX` where the file system has no such limit.
    pub inodes: u64,
}

/// A file that is being written. It has its attributes only after [`NewFile::finish`]; until then its
/// mode is 0600.
pub trait NewFile: Write {
    /// Sets owner, extended attributes, mode and the time common to all, in this order.
    ///
    /// # Errors
    /// Those of the system calls.
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<()>;
}

/// A file system below the state root. Nothing is durable before [`Fs::sync`] returned.
///
/// No call follows a symbolic link, at the end of a path or inside it: a path that leads through one
/// is an error. All errors are those of the system calls.
pub trait Fs: Send + Sync {
    /// Makes a regular file that must not exist.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>>;
    /// Opens a regular file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>>;
    /// Gives the file at `from` the further name `to`, which must not exist.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a symbolic link that must not exist.
    fn symlink(&self, target: &[u8], path: &Path, uid: u32, gid: u32) -> io::Result<()>;
    /// Makes a directory that must not exist.
    fn mkdir(&self, path: &Path, attributes: &Attributes) -> io::Result<()>;
    /// Sets the attributes of a directory or regular file.
    fn set(&self, path: &Path, attributes: &Attributes) -> io::Result<()>;
    /// Moves `from` to `to`, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file or link.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn rmdir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything written so far durable: one `syncfs`.
    fn sync(&self) -> io::Result<()>;
    /// What stands at `path`; `None` when nothing does.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// The bytes of a link's target.
    fn read_link(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Extended attributes of a regular file or directory that packages may set (`user.*` and
    /// `security.capability`) or that change who may use it (ACLs), sorted by name.
    fn xattrs(&self, path: &Path) -> io::Result<Vec<(String, Vec<u8>)>>;
    /// Names in a directory, sorted, with their kinds.
    fn list(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, FileType)>>;
    /// Free space.
    fn space(&self) -> io::Result<Space>;
}

/// Whether the error says that the path leads through something that is no directory: a file, or a symbolic link, which
/// none is followed. Nothing of ours stands there then.
pub(crate) fn leads_elsewhere(e: &io::Error) -> bool {
    // std has no stable name for a link where none may be.
    e.kind() == io::ErrorKind::NotADirectory
        || e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Whether the error says that nothing of ours stands at the path.
pub(crate) fn is_gone(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::NotFound || leads_elsewhere(e)
}
