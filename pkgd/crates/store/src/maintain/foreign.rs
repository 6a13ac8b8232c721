//! What stands in a root that nobody brought: no package, no trigger, no user's word in `/etc`. It comes along nowhere, and
//! it may be somebody's only copy.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::fs::FileType;
use crate::generations::{GenerationRow, root_path};
use crate::packages::Trees;
use crate::transaction::{System, SystemError};

/// How many of the paths are named.
const NAMED: usize = 5;

/// Folders in which everything is made again, or is not the root's: what stands there is no loss.
const PASSING: [&[u8]; 9] =
    [b"dev", b"lost+found", b"proc", b"run", b"state", b"sys", b"tmp", b"var/cache", b"var/tmp"];

/// What stands in a root that nobody brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// How many paths; a folder counts as one, whatever is in it.
    pub count: usize,
    /// The first few of them, relative to the root.
    pub first: Vec<Vec<u8>>,
}

/// Roots in which there is nothing of the kind, and the others with what it is.
pub(crate) type Parted = (Vec<u64>, Vec<(u64, Foreign)>);

/// Whether a path that nobody brought is worth anything. What is in `/etc` comes along.
pub(crate) fn is_foreign(path: &[u8]) -> bool {
    let below = |folder: &[u8]| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    !below(b"etc")
        && !PASSING.iter().any(|folder| below(folder))
        && !path.ends_with(b"/__pycache__")
}

impl System<'_> {
    /// What stands in the root of a generation that nobody brought, outside of `/etc`. Only names are read.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; a folder or a manifest cannot be read.
    pub fn foreign(&self, generation: u64) -> Result<Foreign, SystemError> {
        self.foreign_of(&self.generation(generation)?, &mut self.trees())
    }

    pub(crate) fn foreign_of(
        &self,
        row: &GenerationRow,
        trees: &mut Trees<'_>,
    ) -> Result<Foreign, SystemError> {
        let list: Vec<_> =
            row.numbers().into_iter().map(|n| trees.tree(n)).collect::<Result<_, _>>()?;
        let own = self.own_of(row.number)?;
        let brought = list.iter().flat_map(|tree| tree.iter().map(|(path, _)| path));
        let known: HashSet<&[u8]> = brought.chain(own.iter().map(|(path, ..)| path)).collect();
        let root = root_path(row.number);
        let (mut open, mut found) = (vec![Vec::new()], Foreign::default());
        while let Some(folder) = open.pop() {
            let at = root.join(OsStr::from_bytes(&folder));
            let entries = match self.fs.list(&at).map_err(|e| SystemError::io("list", at, e)) {
                // What is mounted there is no part of the root.
                Err(error) if error.is_about_shape() => continue,
                entries => entries?,
            };
            for (name, kind) in entries {
                let path = match folder.is_empty() {
                    true => name,
                    false => [&folder, b"/".as_slice(), &name].concat(),
                };
                if !is_foreign(&path) || self.keeps(&path) {
                    continue;
                }
                match known.contains(path.as_slice()) {
                    true if kind == FileType::Directory => open.push(path),
                    true => {}
                    false => found.add(path),
                }
            }
        }
        found.first.sort();
        Ok(found)
    }
}

impl Foreign {
    fn add(&mut self, path: Vec<u8>) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn what_is_made_again_is_worth_nothing() {
        for path in ["usr/local/foo", "opt/x", "srv", "temporary", "root/.profile"] {
            assert!(is_foreign(path.as_bytes()), "{path}");
        }
        for path in ["etc/mine", "etc", "tmp/x", "var/cache/x/y", "usr/lib/x/__pycache__"] {
            assert!(!is_foreign(path.as_bytes()), "{path}");
        }
    }
}
