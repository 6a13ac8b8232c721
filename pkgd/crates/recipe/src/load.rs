//! Reading a recipes' folder: the only place of this crate that touches files.

use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::lint::Lint;
use crate::set::RecipeSet;

/// The largest file that is read; recipes and scripts are a few kilobytes.
pub const MAX_FILE: u64 = 1 << 20;

/// The folder, or something in it, could not be read.
#[derive(Debug)]
pub struct LoadError {
    /// What could not be read.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(
            f,
            "cannot read recipes at {path}: {}; give the folder with sources.lock",
            self.cause
        )
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl RecipeSet {
    /// Reads `dir` with [`Self::from_files`]: `sources.lock` and `<stage>/<step>/*`. Hidden files
    /// and other files beside `sources.lock` are passed over; symbolic links are not followed.
    ///
    /// # Errors
    /// Only when something cannot be read at all; what is wrong with the recipes is in the list.
    pub fn load(dir: &Path) -> Result<(Self, Vec<Lint>), LoadError> {
        Ok(Self::from_files(&read_files(dir)?))
    }
}

fn read_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, LoadError> {
    let mut files = BTreeMap::new();
    for (name, kind) in entries(dir)? {
        if name == crate::set::LOCK_FILE {
            files.insert(name.clone(), read(&dir.join(&name))?);
        } else if kind.is_dir() {
            let stage = dir.join(&name);
            for (step, _) in entries(&stage)?.into_iter().filter(|(_, kind)| kind.is_dir()) {
                read_step(&stage.join(&step), &format!("{name}/{step}"), &mut files)?;
            }
        }
    }
    Ok(files)
}

fn read_step(
    path: &Path,
    name: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), LoadError> {
    for (file, _) in entries(path)?.into_iter().filter(|(_, kind)| kind.is_file()) {
        files.insert(format!("{name}/{file}"), read(&path.join(&file))?);
    }
    Ok(())
}

/// The entries of a folder that are not hidden and have names of text.
fn entries(dir: &Path) -> Result<Vec<(String, fs::FileType)>, LoadError> {
    let fail = |cause| LoadError { path: dir.to_owned(), cause };
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let kind = entry.file_type().map_err(fail)?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            out.push((name, kind));
        }
    }
    Ok(out)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let fail = |cause| LoadError { path: path.to_owned(), cause };
    if fs::symlink_metadata(path).map_err(fail)?.len() > MAX_FILE {
        return Err(fail(io::Error::other(format!("larger than {MAX_FILE} bytes"))));
    }
    fs::read(path).map_err(fail)
}
