//! The files of a package.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::path::PackagePath;
use crate::digest::Digest;

/// What stands at a path of a package. Devices, FIFOs and sockets cannot be in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A directory. Several packages may have the same one, if mode and owner agree.
    Directory,
    /// A regular file.
    Regular {
        /// Length in bytes.
        size: u64,
        /// SHA-256 of the content.
        digest: Digest,
    },
    /// A symbolic link and the bytes of its target: 1 to 4095, none of them NUL; not resolved.
    Symlink {
        /// The target.
        #[serde(with = "super::path::raw")]
        target: Vec<u8>,
    },
    /// A second name of a regular file at an earlier path of the same package.
    Hardlink {
        /// That path.
        to: PackagePath,
    },
}

/// An extended attribute. Allowed are `security.capability` and `user.*`, on regular files and directories. A value
/// of `security.capability` has revision 2 of `linux/capability.h`: 20 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Xattr {
    /// Name with its namespace, at most 255 bytes.
    pub name: String,
    /// Value, at most 4096 bytes.
    #[serde(with = "super::path::raw")]
    pub value: Vec<u8>,
}

/// One path of a package. All fields are public: validity is a matter of the whole package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Where it stands.
    pub path: PackagePath,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky (at most `0o7777`); 0 for links of both kinds.
    pub mode: u16,
    /// Owner; [`Account::ROOT`] for a hard link, whose file has it.
    pub user: Account,
    /// Group; [`Account::ROOT`] for a hard link.
    pub group: Account,
    /// Extended attributes, sorted by name, no name twice, at most 16.
    #[serde(deserialize_with = "super::limit::xattrs")]
    pub xattrs: Vec<Xattr>,
}

impl PackageFile {
    /// Length and digest, if it is a regular file.
    pub fn content(&self) -> Option<(u64, Digest)> {
        match self.kind {
            FileKind::Regular { size, digest } => Some((size, digest)),
            _ => None,
        }
    }
}
