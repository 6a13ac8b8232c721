//! Reading a recipes' folder: the only place of this crate that touches files.

use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::found::{Odd, Odds};
use crate::lint::{Lint, Rule};
use crate::set::RecipeSet;

pub use crate::found::MAX_FILE;

/// The most files and folders that are looked at in the folder of one recipe, and the most bytes of it that are read:
/// what a recipe can need many times over, and a checked-out tree beside one costs no more than that.
const MAX_ENTRIES: usize = 1000;
const MAX_BYTES: u64 = 16 << 20;
/// How deep the folders in it are looked into.
const MAX_DEPTH: usize = 8;

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
    /// Reads `dir` with [`Self::from_files`]: `sources.lock` and `<stage>/<step>/**`. Hidden files
    /// and other files beside `sources.lock` are passed over; symbolic links are not followed. What else is not read is in
    /// the list: files that are too large, names that are no text, and whatever a recipe names that is no file.
    ///
    /// # Errors
    /// Only when something cannot be read at all; what is wrong with the recipes is in the list.
    pub fn load(dir: &Path) -> Result<(Self, Vec<Lint>), LoadError> {
        let mut reader = Reader::default();
        reader.folder(dir)?;
        let (set, mut lints) = Self::from_found(&reader.files, &reader.odd);
        lints.extend(reader.lints);
        Ok((set, lints))
    }
}

/// What was read so far, by path below the folder, and what was not.
#[derive(Default)]
struct Reader {
    files: BTreeMap<String, Vec<u8>>,
    odd: Odds,
    lints: Vec<Lint>,
}

/// What may still be read of the folder of one recipe.
struct Room {
    entries: usize,
    bytes: u64,
}

impl Room {
    fn takes(&mut self, bytes: u64) -> bool {
        let fits = self.entries > 0 && bytes <= self.bytes;
        if fits {
            self.entries -= 1;
            self.bytes -= bytes;
        }
        fits
    }
}

impl Reader {
    fn folder(&mut self, dir: &Path) -> Result<(), LoadError> {
        for (name, kind) in self.entries(dir, "")? {
            if name == crate::set::LOCK_FILE {
                self.files.insert(name.clone(), read(&dir.join(&name))?);
            } else if kind.is_dir() {
                let stage = dir.join(&name);
                for (step, _) in self.directories(&stage, &name)? {
                    let mut room = Room { entries: MAX_ENTRIES, bytes: MAX_BYTES };
                    self.step(&stage.join(&step), &format!("{name}/{step}"), 0, &mut room)?;
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

    /// The folder of a recipe, or one in it: its files before its folders, which may hold much.
    fn step(
        &mut self,
        path: &Path,
        name: &str,
        depth: usize,
        room: &mut Room,
    ) -> Result<(), LoadError> {
        let mut entries = self.entries(path, name)?;
        entries.sort_by(|a, b| (a.1.is_dir(), &a.0).cmp(&(b.1.is_dir(), &b.0)));
        for (file, kind) in entries {
            let (at, told) = (path.join(&file), format!("{name}/{file}"));
            if kind.is_dir() {
                self.odd.insert(told.clone(), Odd::Folder);
                if depth == MAX_DEPTH || !room.takes(0) {
                    self.beyond(&told);
                } else {
                    self.step(&at, &told, depth + 1, room)?;
                }
            } else if kind.is_file() {
                self.file(&at, told, room)?;
            } else {
                let odd = if kind.is_symlink() { Odd::Link } else { Odd::Special };
                self.odd.insert(told, odd);
            }
        }
        Ok(())
    }

    fn file(&mut self, at: &Path, told: String, room: &mut Room) -> Result<(), LoadError> {
        let size = fs::symlink_metadata(at)
            .map_err(|cause| LoadError { path: at.to_owned(), cause })?
            .len();
        // One stray file is the fault of its recipe and not of all others.
        if size > MAX_FILE {
            let odd = Odd::Large(size);
            // Of a recipe.toml more is said than that.
            if !told.ends_with("/recipe.toml") {
                let hint = "take it out of the folder; large data are sources";
                self.not_read(&told, format!("{odd}: it was not read"), hint);
            }
            self.odd.insert(told, odd);
        } else if room.takes(size) {
            self.files.insert(told, read(at)?);
        } else {
            self.beyond(&told);
        }
        Ok(())
    }

    fn beyond(&mut self, told: &str) {
        let message = format!(
            "the recipe's folder has more than {MAX_ENTRIES} files, {MAX_BYTES} bytes or {MAX_DEPTH} folders in one \
             another: this was not read"
        );
        self.odd.insert(told.to_owned(), Odd::Beyond);
        self.not_read(told, message, "take out what is no part of the recipe");
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
