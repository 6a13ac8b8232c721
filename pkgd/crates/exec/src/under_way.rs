//! A test suite that was interrupted: which one it was, so that the next attempt can go on in the tree that it left.
//!
//! A suite of gcc runs for hours. It is no chain of phases that each end in a checkpoint, but its script may say that it
//! can be started again where it was. A mark beside the tree then says which suite is under way in it.

use std::fs;
use std::io;
use std::path::PathBuf;

use minos_model::Digest;

/// The suite of an attempt, for one whose script can go on in a tree that it was interrupted in.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// The file that says which suite is under way: beside the layers of the step.
    pub mark: PathBuf,
    /// What the suite is: everything that it was started with. Another one begins anew.
    pub suite: Digest,
}

impl UnderWay {
    /// Whether it was this suite that was interrupted. A mark that cannot be read names none.
    pub(crate) fn was_interrupted(&self) -> bool {
        fs::read(&self.mark).is_ok_and(|found| found == self.suite.as_bytes())
    }

    /// Notes that the suite is under way from here on.
    pub(crate) fn begin(&self) -> Result<(), (PathBuf, io::Error)> {
        fs::write(&self.mark, self.suite.as_bytes()).map_err(|e| (self.mark.clone(), e))
    }

    /// The suite came to an end, or begins anew.
    pub(crate) fn end(&self) -> Result<(), (PathBuf, io::Error)> {
        match fs::remove_file(&self.mark) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err((self.mark.clone(), e)),
            _ => Ok(()),
        }
    }
}
