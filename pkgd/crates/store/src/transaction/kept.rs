//! What comes along from one root into the next that no package brings: edits, and what follows the machine.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::SystemError;
use super::apply::is_directory;
use super::system::System;
use crate::fs::{FileType, is_gone};
use crate::generations::{self, ConfigMap, Own, remove_tree, root_path};
use crate::packages::{Delta, Trees};

impl System<'_> {
    /// The own files of a generation of these packages as its root has them at this moment: with its config files as they
    /// were edited, and with what was added to `/etc`. Where the root has lost its `/etc` they are as recorded.
    pub(crate) fn edits(
        &self,
        (generation, packages): (u64, &[u32]),
        config: &ConfigMap,
        trees: &mut Trees<'_>,
        recorded: &Own,
    ) -> Result<Own, SystemError> {
        let root = root_path(generation);
        let has_etc = self.has_etc(&root)?;
        let mut own = generations::capture(self.fs, &root, &there(config, has_etc), recorded)?;
        if !has_etc {
            return Ok(own);
        }
        let read = self.store.read()?;
        // The table of paths answers for one generation, and with what differs for any other: who goes back and forth
        // between two that are much alike need not read the manifests of all packages.
        let table = read.generation(read.path_row(b"")?.0)?.map(|row| row.numbers());
        let delta = match table.filter(|table| are_alike(table, packages)) {
            Some(table) => {
                let changes = generations::compare(trees, &table, packages)?;
                Some(Delta::new(&read, changes.values())?)
            }
            None => None,
        };
        let mut known = |path: &[u8]| match &delta {
            _ if self.keeps(path) => Ok(true),
            Some(delta) => Ok(delta.view(path, || Ok(read.path_row(path)?.1))?.is_some()),
            None => any_has(trees, packages, path),
        };
        generations::capture_added(self.fs, &root, config, &mut known, &mut own)?;
        Ok(own)
    }

    /// Whether what is missing in `/etc` of a root was taken away by somebody who does not want it. Where the root or the
    /// folder itself is gone, that is a loss and no wish.
    pub(crate) fn has_etc(&self, root: &Path) -> Result<bool, SystemError> {
        let etc = root.join("etc");
        let there = match self.fs.stat(&etc) {
            Err(e) if is_gone(&e) => None,
            found => found.map_err(|e| SystemError::io("look at", &etc, e))?,
        };
        Ok(there.is_some_and(|stat| stat.kind == FileType::Directory))
    }

    /// Brings what is kept into the root of `to`, of these packages, from the root that is in use: that of the
    /// generation that runs, else that of `current`. What is not there any more goes in `to` as well, unless `to`'s
    /// packages are the first to bring it. The root that is in use is never written to.
    ///
    /// Where it has lost its `/etc`, a root that was there stays as it is; one that was `made` just now gets what is kept
    /// from the newest other root that has some.
    pub(crate) fn carry_kept(
        &self,
        trees: &mut Trees<'_>,
        current: u64,
        (to, packages): (u64, &[u32]),
        made: bool,
    ) -> Result<(), SystemError> {
        let mut from = current;
        if let Some(runs) = self.options.runs
            && is_directory(self, &root_path(runs))?
            && self.store.read()?.generation(runs)?.is_some()
        {
            from = runs;
        }
        if from != to && from != 0 && self.has_etc(&root_path(from))? {
            return self.carry_from(trees, from, (to, packages));
        }
        if made && let Some(other) = self.newest_with_etc(to)? {
            // What it has not is no wish of anybody: `to` keeps what its packages bring.
            self.keep.carry(self.fs, &root_path(other), &root_path(to))?;
        }
        Ok(())
    }

    fn carry_from(
        &self,
        trees: &mut Trees<'_>,
        from: u64,
        (to, packages): (u64, &[u32]),
    ) -> Result<(), SystemError> {
        let root = root_path(to);
        let only = self.keep.carry(self.fs, &root_path(from), &root)?;
        if only.is_empty() {
            return Ok(());
        }
        let before = self.generation(from)?.numbers();
        for path in only {
            if any_has(trees, &before, &path)? || !any_has(trees, packages, &path)? {
                remove_tree(self.fs, &root.join(OsStr::from_bytes(&path)))?;
            }
        }
        Ok(())
    }

    fn newest_with_etc(&self, but: u64) -> Result<Option<u64>, SystemError> {
        for generation in generations::realised(self.fs)?.into_iter().rev() {
            if generation != but && self.has_etc(&root_path(generation))? {
                return Ok(Some(generation));
            }
        }
        Ok(None)
    }
}

/// The config files that can be looked for in a root: without an `/etc`, those that stand elsewhere.
fn there(config: &ConfigMap, has_etc: bool) -> Cow<'_, ConfigMap> {
    if has_etc {
        return Cow::Borrowed(config);
    }
    let elsewhere = config.iter().filter(|(path, _)| !path.starts_with(b"etc/"));
    Cow::Owned(elsewhere.map(|(path, file)| (path.clone(), file.clone())).collect())
}

/// Whether fewer packages are in only one of these lists than there are in `packages`; both are sorted.
fn are_alike(table: &[u32], packages: &[u32]) -> bool {
    let both = packages.iter().filter(|package| table.binary_search(package).is_ok()).count();
    table.len() + packages.len() - 2 * both < packages.len().max(1)
}

/// Whether one of the packages has the path.
fn any_has(trees: &mut Trees<'_>, packages: &[u32], path: &[u8]) -> Result<bool, SystemError> {
    for package in packages {
        if trees.tree(*package)?.get(path).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
