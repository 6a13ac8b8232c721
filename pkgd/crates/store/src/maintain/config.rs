//! Which config files of a generation are not as their packages have them, whenever that came about, and what waits
//! beside them to be looked at.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use minos_model::{Digest, Name};

use super::repair::Repaired;
use crate::generations::{OwnKind, look, moved, place, remove_tree, root_path};
use crate::packages::{ConfigFile, Node, PackageRow};
use crate::transaction::{ContentSource, System, SystemError};

/// What users have made of a config file. None of it is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigState {
    /// It is not as its package has it.
    Edited,
    /// It was taken away.
    Deleted,
    /// The package's version, which could not be merged, stands there as `PATH.new`.
    Waiting,
}

/// A config file that is not as its package has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigFinding {
    /// The path, relative to the root; of what waits, that of the `.new` file.
    pub path: Vec<u8>,
    /// What became of it.
    pub state: ConfigState,
    /// Whose it is.
    pub package: Option<Name>,
}

impl System<'_> {
    /// Every config file of a generation that is not as its package has it, sorted by path. Of a root that is not there,
    /// or has no `/etc`, nothing can be said.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; something cannot be read.
    pub fn config_state(&self, generation: u64) -> Result<Vec<ConfigFinding>, SystemError> {
        let numbers = self.generation(generation)?.numbers();
        let root = root_path(generation);
        let mut found = Vec::new();
        if !self.has_etc(&root)? {
            return Ok(found);
        }
        let mut owners = Vec::new();
        for row in self.trees().rows(&numbers)? {
            for file in &row.config {
                let path = file.path.as_bytes();
                if let Some(state) = self.state_of(&root, file)? {
                    let package = Some(row.name.clone());
                    found.push(ConfigFinding { path: path.to_vec(), state, package });
                }
                owners.push((path.to_vec(), row.name.clone()));
            }
        }
        for (path, kind, _) in self.own_of(generation)?.iter() {
            if kind == OwnKind::New && look(self.fs, &root, path)?.is_some() {
                let beside = path.strip_suffix(b".new").unwrap_or(path);
                let owner = owners.iter().find(|(of, _)| of == beside);
                let package = owner.map(|(_, name)| name.clone());
                let state = ConfigState::Waiting;
                found.push(ConfigFinding { path: path.to_vec(), state, package });
            }
        }
        found.sort();
        Ok(found)
    }

    /// What became of a config file; `None` where it is as its package has it, or is none of the generation.
    fn state_of(&self, root: &Path, file: &ConfigFile) -> Result<Option<ConfigState>, SystemError> {
        let path = file.path.as_bytes();
        if self.keep.has(path) || moved(self.fs, root, path)? {
            return Ok(None);
        }
        let shipped = Node::File { object: file.object.clone(), size: file.size };
        Ok(match look(self.fs, root, path) {
            Ok(Some((node, _))) if node == shipped => None,
            Ok(Some(_)) => Some(ConfigState::Edited),
            Ok(None) => Some(ConfigState::Deleted),
            Err(SystemError::Io { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge => {
                Some(ConfigState::Edited)
            }
            Err(error) => return Err(error),
        })
    }

    /// Puts the config files of a package back as it has them. What stood there is not lost: it stands beside as
    /// `PATH.edited`.
    pub(super) fn reset_config(
        &self,
        generation: u64,
        package: &PackageRow,
        source: Option<&dyn ContentSource>,
        report: &mut Repaired,
    ) -> Result<(), SystemError> {
        let root = root_path(generation);
        for file in &package.config {
            let path = file.path.as_bytes();
            if self.state_of(&root, file)?.is_none() || report.repaired.iter().any(|p| p == path) {
                continue;
            }
            let node = Node::File { object: file.object.clone(), size: file.size };
            let digest: Digest = package.digest;
            if !self.restore(&node, Some(digest), source)? {
                report.lost.push((path.to_vec(), digest));
                continue;
            }
            let at = root.join(OsStr::from_bytes(path));
            if let Some(aside) = self.put_aside(&at)? {
                let name = aside.strip_prefix(&root).unwrap_or(&aside);
                report.aside.push(name.as_os_str().as_bytes().to_vec());
            }
            place(self.fs, &at, &node, true)?;
            report.repaired.push(path.to_vec());
        }
        Ok(())
    }

    /// Gives what stands at a path, if anything, the same name with `.edited` behind it.
    fn put_aside(&self, at: &Path) -> Result<Option<PathBuf>, SystemError> {
        let there = self.fs.stat(at).map_err(|e| SystemError::io("look at", at, e))?;
        if there.is_none() {
            return Ok(None);
        }
        let mut name = at.as_os_str().to_owned();
        name.push(".edited");
        let aside = PathBuf::from(name);
        remove_tree(self.fs, &aside)?;
        self.fs.rename(at, &aside).map_err(|e| SystemError::io("move", at, e))?;
        Ok(Some(aside))
    }
}
