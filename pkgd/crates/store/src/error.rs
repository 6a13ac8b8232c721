//! Why the state could not be read or written.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the store. `Display` says what failed, where and why; [`StoreError::hint`] says what
/// to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another daemon holds the state folder.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Process number of the holder, where it could be read.
        pid: Option<u32>,
    },
    /// A file or folder could not be read or written.
    Io {
        /// What was tried, as in "cannot {doing} PATH".
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused for a reason that is not an I/O error.
    Database {
        /// What was tried.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What the database said.
        cause: String,
    },
    /// Bytes on disk are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The state was written by a newer pkgd.
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The state has features that this program does not know.
    UnknownFeatures {
        /// The database file.
        path: PathBuf,
        /// One bit for each feature.
        bits: u64,
    },
    /// The state is older than any version this program can bring up to date.
    OlderSchema {
        /// The database file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// An earlier write failed, so none is tried any more.
    Latched {
        /// The first failure, in its own words.
        first: String,
    },
    /// The row asked for does not exist.
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The call contradicts what is stored; nothing was changed.
    Invalid {
        /// What contradicts what.
        what: String,
    },
    /// There is a database where one is to be made.
    Exists {
        /// The state root.
        root: PathBuf,
    },
    /// What a database is to be made of is not the backup of one, or not one that this program can read.
    NoBackup {
        /// What is wrong with it.
        what: String,
    },
    /// A row would name bytes that are not there; nothing was changed.
    NoBytes {
        /// The path that is missing.
        path: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { doing, path: path.into(), source }
    }

    /// Folds redb's errors. An I/O error inside one stays an I/O error, so that a full disk is
    /// reported as a full disk.
    pub(crate) fn redb(doing: &'static str, path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_owned();
        match error.into() {
            redb::Error::Io(source) => match source.kind() {
                // redb answers so when the file does not begin with its magic number, and when a
                // page number points behind the end of the file.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::Damaged { path, what: source.to_string() }
                }
                _ => Self::Io { doing, path, source },
            },
            redb::Error::Corrupted(what) => Self::Damaged { path, what },
            other => Self::Database { doing, path, cause: other.to_string() },
        }
    }

    /// Whether the state can no longer be trusted to take writes, so that the store latches.
    pub(crate) fn is_fatal(&self) -> bool {
        use StoreError::{Damaged, Database, Io, UnknownFeatures};
        matches!(self, Io { .. } | Database { .. } | Damaged { .. } | UnknownFeatures { .. })
    }

    /// Whether the cause is a disk without free space (or inodes, or quota).
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// What to do next, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::Locked { pid: Some(pid), .. } => {
                format!("stop process {pid} first, or give this pkgd another --root")
            }
            Self::Locked { pid: None, .. } => {
                "stop the other pkgd first, or give this one another --root".to_owned()
            }
            Self::Io { source, .. } => io_hint(source).to_owned(),
            Self::Database { .. } => "restart pkgd; if it happens again, report it".to_owned(),
            Self::Damaged { path, .. } => format!(
                "check the disk; then move state.redb and state.log in '{}' aside together (do not \
                 delete them) and put a backup of both in their place, or start without and build anew",
                path.parent().unwrap_or(path).display()
            ),
            Self::NewerSchema { .. } | Self::UnknownFeatures { .. } => {
                "start the newer pkgd again, or use another --root".to_owned()
            }
            Self::OlderSchema { .. } => {
                "start an older pkgd that can migrate it, or use another --root".to_owned()
            }
            Self::Latched { .. } => "remove the first cause, then restart pkgd".to_owned(),
            Self::NotFound { .. } => "list what exists with 'pkgctl jobs'".to_owned(),
            Self::Invalid { .. } => "this is a fault of pkgd: report it".to_owned(),
            Self::Exists { root } => format!(
                "stop the pkgd that uses it; then move state.redb and state.log in '{}' aside together",
                root.display()
            ),
            Self::NoBackup { .. } => "name a file that 'pkgctl db backup' wrote".to_owned(),
            Self::NoBytes { .. } => {
                "the file system lost a file between capture and commit: check the disk".to_owned()
            }
        }
    }
}

fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => {
            "free space (or inodes) on that file system, then restart pkgd"
        }
        io::ErrorKind::QuotaExceeded => "raise the quota or free space, then restart pkgd",
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: see the kernel log for an error of the disk, then \
             remount it read-write"
        }
        io::ErrorKind::PermissionDenied => "pkgd must run as root and own its state folder",
        io::ErrorKind::NotFound => "check that the state disk is mounted",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "the state is a folder: name another place, or move away what stands there"
        }
        _ => "see the kernel log for an error of the disk, then restart pkgd",
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, pid } => {
                write!(f, "another pkgd ")?;
                if let Some(pid) = pid {
                    write!(f, "(process {pid}) ")?;
                }
                write!(f, "uses this state: '{}' is locked", path.display())
            }
            Self::Io { doing, path, source } => {
                write!(f, "cannot {doing} '{}': {source}", path.display())
            }
            Self::Database { doing, path, cause } => {
                write!(f, "cannot {doing} '{}': {cause}", path.display())
            }
            Self::Damaged { path, what } => write!(f, "'{}' is damaged: {what}", path.display()),
            Self::NewerSchema { path, found, known } => {
                write!(f, "'{}' has schema {found}, this pkgd knows up to {known}", path.display())
            }
            Self::UnknownFeatures { path, bits } => {
                let path = path.display();
                write!(f, "'{path}' has features that this pkgd does not know (bits {bits:#x})")
            }
            Self::OlderSchema { path, found } => {
                write!(f, "'{}' has schema {found}, which cannot be migrated", path.display())
            }
            Self::Latched { first } => {
                write!(f, "the state is not written any more since this failed: {first}")
            }
            Self::NotFound { what } => write!(f, "there is no {what}"),
            Self::Invalid { what } => f.write_str(what),
            Self::Exists { root } => {
                write!(f, "there is a database already in '{}'", root.display())
            }
            Self::NoBackup { what } => write!(f, "it is no backup to be used: {what}"),
            Self::NoBytes { path } => {
                write!(f, "refused to record an output: '{}' is not there", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
