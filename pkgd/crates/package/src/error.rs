//! What can go wrong with a package file.

use core::fmt;
use std::io;

use minos_model::Digest;
use minos_model::package::PackageError;

use crate::keys::trust::TrustError;

/// A part of a package file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The signatures.
    Signatures,
    /// The manifest.
    Manifest,
    /// The index of frames.
    Index,
    /// All frames together.
    Content,
    /// Frame number N of the content, from 0.
    Frame(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signatures => f.write_str("signatures"),
            Self::Manifest => f.write_str("manifest"),
            Self::Index => f.write_str("index"),
            Self::Content => f.write_str("content"),
            Self::Frame(number) => write!(f, "frame {number}"),
        }
    }
}

/// Why a package cannot be read or made. The caller knows the file's path and puts it in front.
#[derive(Debug)]
pub enum Error {
    /// Reading or writing failed.
    Io {
        /// What was being done: `read the manifest`.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The file does not start as a package does.
    NotAPackage,
    /// A package of a format this program does not know.
    Format(u32),
    /// The file has other than the length its header tells.
    Length {
        /// Bytes the header tells.
        told: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A part is longer than any package may have.
    TooLong(Part, u64),
    /// The bytes of a part are not those that were signed: damaged on the way, or changed.
    Damaged(Part),
    /// A part is not what the format says, though its hash is right: made by a faulty or hostile program.
    Malformed(Part, &'static str),
    /// The signatures do not suffice.
    Trust(TrustError),
    /// A file's content is not what the manifest says.
    Content(Digest),
    /// No file of the package has this content.
    NoSuchContent(Digest),
    /// The fields do not make a package.
    Package(PackageError),
    /// A path of a tree cannot be in a package.
    Tree {
        /// The path.
        path: String,
        /// Why not, and what to do.
        why: &'static str,
    },
}

impl Error {
    /// Puts what was being done beside an I/O error.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::NotAPackage => {
                f.write_str("not a package: it does not start with the mark of .mpk files")
            }
            Self::Format(version) => {
                write!(
                    f,
                    "a package of format {version}; this program reads format 1: use a newer one"
                )
            }
            Self::Length { told, found } => {
                write!(
                    f,
                    "the header tells {told} bytes, there are {found}: cut off or extended, fetch it again"
                )
            }
            Self::TooLong(part, length) => {
                write!(f, "{part}: {length} bytes are more than a package may have: do not use it")
            }
            Self::Damaged(part) => {
                write!(f, "{part}: not the bytes that were packed: fetch the package again")
            }
            Self::Malformed(part, why) => {
                write!(f, "{part}: {why}: do not use it, tell who packed it")
            }
            Self::Trust(error) => error.fmt(f),
            Self::Content(digest) => {
                write!(
                    f,
                    "content {digest} is not what the manifest says: do not use it, tell who packed it"
                )
            }
            Self::NoSuchContent(digest) => {
                write!(f, "no file of the package has the content {digest}")
            }
            Self::Package(error) => error.fmt(f),
            Self::Tree { path, why } => write!(f, "{path}: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Trust(error) => Some(error),
            Self::Package(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TrustError> for Error {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}

impl From<PackageError> for Error {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}
