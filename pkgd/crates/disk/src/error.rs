//! What can go wrong with a disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a disk. `Display` says what failed and where; [`DiskError::hint`] what to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskError {
    /// Something could not be read or written.
    Io {
        /// What was tried, as in "cannot {doing} PATH".
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No file can be made where, or as large as, somebody named it: the disk has no part in it.
    Place {
        /// What was tried.
        doing: &'static str,
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file stands where the image is to be.
    Exists(PathBuf),
    /// Something of the disk is mounted or otherwise in use.
    Busy(PathBuf),
    /// It is no disk: a folder, a partition, a device of characters; or not there where only a disk can be meant.
    NoDisk {
        /// What was named.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The disk was not confirmed by its serial number.
    Serial {
        /// The disk.
        path: PathBuf,
        /// What it has, or its name where it has none.
        has: String,
        /// What was said.
        said: Option<String>,
    },
    /// There is not enough room.
    TooSmall {
        /// The disk.
        path: PathBuf,
        /// Bytes that are needed.
        needs: u64,
        /// Bytes that it has.
        has: u64,
    },
    /// The partition table or a file system cannot be made or read.
    Format {
        /// The disk.
        path: PathBuf,
        /// Which of them, and why.
        why: String,
    },
    /// A program could not be run, or failed.
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said.
        why: String,
    },
}

impl DiskError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.raw_os_error() {
            Some(libc::EBUSY) => Self::Busy(path),
            _ => Self::Io { doing, path, source },
        }
    }

    /// Of a file that is to be made: what stands against it is the place or the size, unless the disk erred.
    pub(crate) fn place(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.raw_os_error() {
            Some(libc::EIO) => Self::Io { doing, path, source },
            _ => Self::Place { doing, path, source },
        }
    }

    pub(crate) fn format(path: &Path, why: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), why: why.into() }
    }

    /// What to do next, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "look at the kernel's log for an error of the disk".to_owned(),
            Self::Place { source, .. } => place_hint(source).to_owned(),
            Self::Exists(_) => "name another file, or take that one away first".to_owned(),
            Self::Busy(_) => {
                "unmount its partitions, and end swap, RAID and loop devices on it".to_owned()
            }
            Self::NoDisk { .. } => "name a whole disk that is there ('lsblk' shows them), or, outside of /dev and without --serial, a new file".to_owned(),
            Self::Serial { has, .. } => {
                format!("all that is on it would be lost; if it is meant: --serial {has}")
            }
            Self::TooSmall { .. } => "take a larger disk, or a larger --size".to_owned(),
            Self::Format { .. } => "look at the disk with 'sgdisk -v' and 'e2fsck -n'".to_owned(),
            Self::Tool { .. } => "install e2fsprogs 1.43 or later".to_owned(),
        }
    }
}

fn place_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "make its folder first, or name a file in another",
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput => "give a smaller --size",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that file system, or name a file on another"
        }
        _ => "name a file in a folder that pkgd can write to",
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } | Self::Place { doing, path, source } => {
                write!(f, "cannot {doing} '{}': {source}", path.display())
            }
            Self::Exists(path) => write!(f, "'{}' is there already", path.display()),
            Self::Busy(path) => write!(f, "'{}' is in use", path.display()),
            Self::NoDisk { path, what } => write!(f, "'{}' is {what}", path.display()),
            Self::Serial { path, has, said: Some(said) } => {
                write!(f, "'{}' has the serial number {has}, not {said}", path.display())
            }
            Self::Serial { path, .. } => {
                write!(f, "'{}' was not confirmed by its serial number", path.display())
            }
            Self::TooSmall { path, needs, has } => {
                let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
                let (needs, has) = (mib(needs), mib(has));
                write!(f, "'{}' has {has} MiB, {needs} MiB are needed", path.display())
            }
            Self::Format { path, why } => write!(f, "'{}': {why}", path.display()),
            Self::Tool { tool, why } => write!(f, "{tool}: {why}"),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Place { source, .. } => Some(source),
            _ => None,
        }
    }
}
