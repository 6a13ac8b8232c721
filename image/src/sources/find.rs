//! Looking for a source in folders, and asking pip.

use std::fs;
use std::path::{Path, PathBuf};

use minos_recipe::LockedSource;

use crate::tool::Run;
use crate::{Error, Progress, Result};

/// The first folder that holds the file, as (its name, the path); the others are noted in `tried`.
pub fn in_folders(
    folders: &[PathBuf],
    source: &LockedSource,
    tried: &mut Vec<(String, String)>,
) -> Option<(String, PathBuf)> {
    for folder in folders {
        let path = folder.join(&source.file);
        if path.is_file() {
            return Some((folder.display().to_string(), path));
        }
        tried.push((folder.display().to_string(), format!("has no {}", source.file)));
    }
    None
}

/// Downloads the source distribution of one exact version into `dir`.
pub fn from_pypi(requirement: &str, dir: &Path, log: &Path, progress: &dyn Progress) -> Result<()> {
    // --no-build-isolation: pip looks into the metadata of what it downloaded, and would otherwise
    // fetch a build system for that.
    let run = Run::new("pip3")?.args(["download", "--no-deps", "--no-binary", ":all:"]);
    run.args(["--no-build-isolation", "--disable-pip-version-check", "--dest"])
        .arg(dir)
        .arg(requirement)
        .logged(log, requirement, progress)
}

/// The file a program has put into `dir`: the one with the locked name, else the only one.
///
/// Debian and PyPI name files their own way; the hash decides what they are.
pub fn downloaded(dir: &Path, source: &LockedSource) -> Result<PathBuf> {
    let named = dir.join(&source.file);
    if named.is_file() {
        return Ok(named);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        files.push(entry.map_err(Error::io("list", dir))?.path());
    }
    match files.pop() {
        Some(only) if files.is_empty() => Ok(only),
        _ => Err(Error::request(format!("{} files came, none named {}", files.len(), source.file))),
    }
}
