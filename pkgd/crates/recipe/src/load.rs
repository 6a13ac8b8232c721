//! Reading a recipes' folder: the only place of this crate that touches files.

use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::lint::{Lint, Rule};
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
    /// and other files beside `sources.lock` are passed over; symbolic links are not followed. What else is not read is in
    /// the list: files that are too large, names that are no text.
    ///
    /// # Errors
    /// Only when something cannot be read at all; what is wrong with the recipes is in the list.
    pub fn load(dir: &Path) -> Result<(Self, Vec<Lint>), LoadError> {
        let mut reader = Reader::default();
        reader.folder(dir)?;
        let (set, mut lints) = Self::from_files(&reader.files);
        lints.extend(reader.lints);
        Ok((set, lints))
    }
}

/// What was read so far, by path below the folder, and what was not.
#[derive(Default)]
struct Reader {
    files: BTreeMap<String, Vec<u8>>,
    lints: Vec<Lint>,
}

impl Reader {
    fn folder(&mut self, dir: &Path) -> Result<(), LoadError> {
        for (name, kind) in self.entries(dir, "")? {
            if name == crate::set::LOCK_FILE {
                self.files.insert(name.clone(), read(&dir.join(&name))?);
            } else if kind.is_dir() {
                let stage = dir.join(&name);
                for (step, _) in self.directories(&stage, &name)? {
                    self.step(&stage.join(&step), &format!("{name}/{step}"))?;
                }
            }
        }
        Ok(())
    }

    fn directories(
        &mut self,
        dir: &Path,
        name: &str,
    ) -> Result<Vec<(String, fs::FileType)>, LoadError> {
        let mut entries = self.entries(dir, name)?;
        entries.retain(|(_, kind)| kind.is_dir());
        Ok(entries)
    }

    fn step(&mut self, path: &Path, name: &str) -> Result<(), LoadError> {
        for (file, _) in self.entries(path, name)?.into_iter().filter(|(_, kind)| kind.is_file()) {
            let (at, told) = (path.join(&file), format!("{name}/{file}"));
            let size = fs::symlink_metadata(&at)
                .map_err(|cause| LoadError { path: at.clone(), cause })?
                .len();
            // One stray file is the fault of its recipe and not of all others.
            if size > MAX_FILE {
                let message = format!("has {size} bytes, more than {MAX_FILE}: it was not read");
                self.not_read(&told, message, "take it out of the folder; large data are sources");
                continue;
            }
            self.files.insert(told, read(&at)?);
        }
        Ok(())
    }

    /// The entries of a folder that are not hidden and have names of text.
    fn entries(
        &mut self,
        dir: &Path,
        name: &str,
    ) -> Result<Vec<(String, fs::FileType)>, LoadError> {
        let fail = |cause| LoadError { path: dir.to_owned(), cause };
        let mut out = Vec::new();
        for entry in fs::read_dir(dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let kind = entry.file_type().map_err(fail)?;
            match entry.file_name().into_string() {
                Ok(file) if !file.starts_with('.') => out.push((file, kind)),
                Ok(_) => {}
                Err(file) => {
                    let told = Path::new(name).join(file).display().to_string();
                    let message = "the name is not UTF-8: it was not read".to_owned();
                    self.not_read(&told, message, "give it another name");
                }
            }
        }
        Ok(out)
    }

    fn not_read(&mut self, file: &str, message: String, hint: &str) {
        self.lints.push(Lint::new(Rule::UnusedFile, file, None, message, hint));
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let fail = |cause| LoadError { path: path.to_owned(), cause };
    if fs::symlink_metadata(path).map_err(fail)?.len() > MAX_FILE {
        return Err(fail(io::Error::other(format!("larger than {MAX_FILE} bytes"))));
    }
    fs::read(path).map_err(fail)
}
