//! Looks at every output: is what its manifest lists there, in kind and size?
//!
//! Contents are not read, so that this takes seconds and not the time of reading the whole store.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use minos_model::{Digest, Entry, Kind};
use minos_proto::{Loss, VerifyReport};
use minos_store::{Store, StoreError};

/// Looks at every output and at the rows of the state.
///
/// # Errors
/// The state cannot be read. A file that cannot be looked at makes its output a lost one.
pub fn outputs(store: &Store) -> Result<VerifyReport, StoreError> {
    let snapshot = store.read()?;
    let contradictions = snapshot.check()?.contradictions;
    let rows = snapshot.outputs()?;
    let mut report = VerifyReport {
        outputs: rows.len() as u64,
        paths: 0,
        contradictions,
        lost: Vec::new(),
        repaired: false,
    };
    for row in rows {
        match output(store, &row.digest) {
            Ok(paths) => report.paths += paths,
            Err(why) => report.lost.push(Loss { output: row.digest, step: row.step, why }),
        }
    }
    Ok(report)
}

/// The number of paths of an output that is whole, else what is wrong with it.
fn output(store: &Store, digest: &Digest) -> Result<u64, String> {
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
