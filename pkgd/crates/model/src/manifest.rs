//! The manifest of an output: every path with what it is, in one canonical text.
//!
//! An output is named by the SHA-256 of its manifest's text, so the text is defined byte by byte
//! (`docs/formats/manifest.md`). One line a path, sorted by path bytes, no path twice; one
//! more for each extended attribute:
//!
//! ```text
//! minos-manifest 1
//! d 755 0 0 usr
//! f 644 0 0 5 2cf24dba…9824 usr/greeting
//! x user.note =seen usr/greeting
//! l 0 0 ../lib usr/lib64
//! w usr/gone
//! ```
//!
//! Paths are relative, without leading `/` or `.`; bytes outside `!`..`~`, and `%`, are written `%XX`.
//! Times are left out: capture sets every file of an output to the same time.

#[cfg(test)]
mod tests;
mod text;

use core::fmt;

use crate::digest::Digest;

/// The first line of a manifest: format name and version.
pub const HEADER: &str = "minos-manifest 1";

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A directory that hides whatever the layers below have at its path (overlayfs opaque).
    Opaque,
    /// A regular file: its length in bytes and the digest of its content.
    File {
        /// Length in bytes.
        size: u64,
        /// SHA-256 of the content.
        digest: Digest,
    },
    /// A symbolic link and its target, as stored (bytes, not resolved).
    Symlink {
        /// The target's bytes.
        target: Vec<u8>,
    },
    /// A second name of a regular file that stands at an earlier path of the manifest.
    Hardlink {
        /// The first path, relative, in manifest order.
        to: Vec<u8>,
    },
    /// The path existed in a lower layer and was deleted (overlayfs whiteout).
    Whiteout,
}

/// One path of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path relative to the root, without leading `/`.
    pub path: Vec<u8>,
    /// Permission bits including setuid, setgid and sticky; 0 for links and whiteouts.
    pub mode: u32,
    /// Owner as seen inside the step.
    pub uid: u32,
    /// Group as seen inside the step.
    pub gid: u32,
    /// What it is.
    pub kind: Kind,
    /// Extended attributes of a file or directory, sorted by name; nothing else has any.
    pub xattrs: Vec<Xattr>,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// The whole name with its class, such as `user.note`.
    pub name: Vec<u8>,
    /// The value: any bytes, none at all included.
    pub value: Vec<u8>,
}

/// The sorted list of everything in an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

/// Why a manifest's text is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "manifest line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Sorts `entries` by path and their attributes by name. Paths, and names at one path, must be
    /// distinct; a tree walk gives nothing else.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.iter_mut().for_each(|entry| entry.xattrs.sort());
        Self { entries }
    }

    /// All entries, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The name of the output: the digest of the canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }

    /// Sum of the lengths of regular files in bytes; a hard link counts nothing.
    pub fn size(&self) -> u64 {
        let len = |e: &Entry| if let Kind::File { size, .. } = e.kind { size } else { 0 };
        self.entries.iter().map(len).sum()
    }
}
