//! What a subcommand made, for people and for machines.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result, digest};

/// How an artefact came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Made in this run.
    Made,
    /// Found in the cache, verified.
    Cached,
}

/// One finished file, or folder of files.
#[derive(Debug, Clone, Serialize)]
pub struct Artefact {
    /// Its role: `kernel`, `seed`, ...
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256; none of a folder, and of a sparse disk image, where that would say little.
    pub sha256: Option<String>,
    /// Whether it was made now.
    pub how: How,
}

impl Artefact {
    /// Describes the file at `path`, hashing it.
    pub fn of(name: &str, path: &Path, how: How) -> Result<Self> {
        let mut artefact = Self::unhashed(name, path, how)?;
        artefact.sha256 = Some(digest::of_file(path)?);
        Ok(artefact)
    }

    /// Describes the file at `path` without reading it.
    pub fn unhashed(name: &str, path: &Path, how: How) -> Result<Self> {
        let meta = fs::metadata(path).map_err(Error::io("look at", path))?;
        let path = path.to_path_buf();
        Ok(Artefact { name: name.to_owned(), path, bytes: meta.len(), sha256: None, how })
    }
}
