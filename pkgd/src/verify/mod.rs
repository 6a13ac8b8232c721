//! Looks at outputs: is the tree of each what its manifest says?
//!
//! Quick, it is asked whether all is there in kind and size, which takes seconds; else every byte is read.

mod tree;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use minos_model::{Digest, Entry, Kind, StepId};
use minos_proto::{Loss, Progress, VerifyReport};
use minos_store::{Store, StoreError};

use crate::system::Tell;

/// How often it is told how far a look is: a client gives up on a pkgd that is silent for longer.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Looks at every output and at the rows of the state; `tell` takes word of how far it is.
///
/// # Errors
/// The state cannot be read. A file that cannot be looked at makes its output a lost one.
pub fn outputs(store: &Store, quick: bool, tell: Tell<'_>) -> Result<VerifyReport, StoreError> {
    let snapshot = store.read()?;
    let contradictions = snapshot.check()?.contradictions;
    let rows = snapshot.outputs()?;
    let mut report = VerifyReport {
        outputs: rows.len() as u64,
        paths: 0,
        contradictions,
        lost: Vec::new(),
        repaired: false,
        quick,
    };
    let mut told = Told { tell, total: report.outputs, at: None };
    for (done, row) in (0..).zip(rows) {
        let mut tick = || told.tick(&row.step, done);
        tick();
        let found =
            if quick { outline(store, &row.digest) } else { intact(store, &row.digest, &mut tick) };
        match found {
            Ok(paths) => report.paths += paths,
            Err(why) => report.lost.push(Loss { output: row.digest, step: row.step, why }),
        }
    }
    Ok(report)
}

/// Who is told how far a look is, and when that was done last.
struct Told<'a> {
    tell: Tell<'a>,
    total: u64,
    at: Option<Instant>,
}

impl Told<'_> {
    fn tick(&mut self, step: &StepId, done: u64) {
        if self.at.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            return;
        }
        self.at = Some(Instant::now());
        let (stage, subject) = ("checking outputs".to_owned(), Some(step.to_string()));
        (self.tell)(Progress { stage, subject, done, total: self.total });
    }
}

/// Reads an output and returns the number of its paths, or what of it is not as its manifest says: kinds, contents,
/// links, modes, owners, attributes, and what is there besides. `tick` is called again and again meanwhile.
///
/// # Errors
/// What is wrong, in words; also what cannot be read.
pub fn intact(store: &Store, digest: &Digest, tick: &mut dyn FnMut()) -> Result<u64, String> {
    let manifest = store.verify_output(digest).map_err(|e| e.to_string())?;
    tree::check(&store.layout().output_tree(digest), &manifest, tick)?;
    Ok(manifest.entries().len() as u64)
}

/// As [`intact`], of one output of `step`; `tell` takes word of it meanwhile.
///
/// # Errors
/// As [`intact`].
pub fn output(
    store: &Store,
    step: &StepId,
    digest: &Digest,
    tell: Tell<'_>,
) -> Result<u64, String> {
    let mut told = Told { tell, total: 1, at: None };
    intact(store, digest, &mut || told.tick(step, 0))
}

/// The number of paths of an output that has all of them in kind and size, else what is wrong with it.
fn outline(store: &Store, digest: &Digest) -> Result<u64, String> {
    let manifest = store.verify_output(digest).map_err(|e| e.to_string())?;
    let tree = store.layout().output_tree(digest);
    manifest.entries().iter().try_for_each(|entry| path(&tree, entry))?;
    Ok(manifest.entries().len() as u64)
}

/// Folders come before what is in them, so no symbolic link is followed on the way.
fn path(tree: &Path, entry: &Entry) -> Result<(), String> {
    let path = tree.join(OsStr::from_bytes(&entry.path));
    let meta = fs::symlink_metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let kind = meta.file_type();
    let good = match &entry.kind {
        Kind::Directory | Kind::Opaque => kind.is_dir(),
        Kind::File { size, .. } => kind.is_file() && meta.len() == *size,
        Kind::Hardlink { .. } => kind.is_file(),
        Kind::Symlink { target } => kind.is_symlink() && meta.len() == target.len() as u64,
        Kind::Whiteout => !kind.is_dir(),
    };
    if good { Ok(()) } else { Err(format!("{} is not what it was", path.display())) }
}
