//! What the caller brings to a transaction: contents of files, and triggers.

use std::io::{self, Read};
use std::path::Path;

use minos_model::Digest;

use crate::fs::Attributes;

/// Takes one content: its digest and its bytes.
pub type Sink<'a> = dyn FnMut(&Digest, &mut dyn Read) -> io::Result<()> + 'a;

/// Where the manifests and files of packages come from. Several threads ask for different packages at
/// the same time.
pub trait ContentSource: Sync {
    /// The bytes of the manifest with this digest.
    ///
    /// # Errors
    /// It cannot be read.
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>>;

    /// Hands the contents of the package with this manifest for which `wanted` says yes to `sink`, in
    /// any order. `wanted` may be asked as often as needed; handing over more does no harm.
    ///
    /// # Errors
    /// A content cannot be read, or `sink` refused: its error is to be passed on.
    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()>;
}

/// The root that triggers may look at. They never write into it: its files are links that other
/// generations share. A sandbox lays an overlay over it, and what lands there is the answer.
#[derive(Debug)]
pub struct Staged<'a> {
    /// The root, relative to the state root.
    pub root: &'a Path,
    /// Paths that come, go or change with this transaction, sorted.
    pub changed: &'a [Vec<u8>],
}

/// A file that a trigger made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where, relative to the root. Not a path of a package, unless that is a config file.
    pub path: Vec<u8>,
    /// What stands there now.
    pub node: MadeNode,
}

/// What a trigger made. Bits of set-user-ID and set-group-ID, and extended attributes other than `user.*`, end the
/// transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeNode {
    /// A directory.
    Directory(Attributes),
    /// A regular file.
    File {
        /// Mode, owner, extended attributes.
        attributes: Attributes,
        /// Its bytes.
        content: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// The bytes of its target.
        target: Vec<u8>,
    },
    /// Nothing: what an earlier trigger made there is gone.
    Removed,
}

/// Runs the triggers of a transaction on its staged root.
pub trait Triggers {
    /// Runs what the changed paths call for and returns the files made, directories before what is in
    /// them.
    ///
    /// # Errors
    /// A trigger failed or took too long: the transaction is taken back with these words.
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String>;

    /// Looks at the root once what [`Triggers::run`] made stands in it, and returns what it still lacks.
    ///
    /// # Errors
    /// The generation is not one that should be: the transaction is taken back with these words.
    fn complete(&mut self, _: &Staged<'_>) -> Result<Vec<Made>, String> {
        Ok(Vec::new())
    }
}

/// No triggers.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTriggers;

impl Triggers for NoTriggers {
    fn run(&mut self, _: &Staged<'_>) -> Result<Vec<Made>, String> {
        Ok(Vec::new())
    }
}
