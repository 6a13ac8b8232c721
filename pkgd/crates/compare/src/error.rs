//! Why two trees could not be compared.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A file that the manifest names could not be read: the tree is not the one of its manifest, or the disk
/// fails. What is *in* a file is never an error.
#[derive(Debug)]
pub struct CompareError {
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot compare {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for CompareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
