//! Looking for a source in folders, and asking pip.

use std::fs;
use std::mem;
use std::path::{Path, PathBuf};

use minos_recipe::LockedSource;

use crate::sources::Tried;
use crate::tool::Run;
use crate::{Error, Progress, Result};

/// The first folder that holds the file, as (its name, the path); the others are noted in `tried`.
pub fn in_folders(
    folders: &[PathBuf],
    source: &LockedSource,
    tried: &mut Tried,
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
///
/// pip runs code of what it downloads to learn its metadata, so it is told the hash, which it checks
/// before that.
pub fn from_pypi(
    requirement: &str,
    source: &LockedSource,
    dir: &Path,
    log: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let list = crate::cache::sibling(dir, "requirements");
    let line = format!("{requirement} --hash=sha256:{}\n", source.sha256);
    fs::write(&list, line).map_err(Error::io("write", &list))?;
    Run::new("pip3")?
        .args(["download", "--no-deps", "--no-binary", ":all:", "--require-hashes"])
        .args(["--disable-pip-version-check", "--no-input", "--dest"])
        .arg(dir)
        .arg("--requirement")
        .arg(list)
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
    match files.as_mut_slice() {
        [only] => Ok(mem::take(only)),
        _ => Err(Error::request(format!("{} files came, none named {}", files.len(), source.file))),
    }
}
