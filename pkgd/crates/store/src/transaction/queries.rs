//! Questions that need more than rows, and the small changes that need no transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use minos_model::{Digest, Name, PackageManifest};

use super::SystemError;
use super::system::{System, package_changes};
use crate::generations::{ConfigMap, HoldRow, MarkRow, Own, PackageChange, changed_files, compare};
use crate::packages::{Node, PathRow, Tree, Trees, read_manifest};
use crate::snapshot::Source as _;
use crate::table::{GENERATION_MARKS, HOLDS, number};

/// A path that differs between two generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathDifference {
    /// The path, relative to the root.
    pub path: Vec<u8>,
    /// What stands there in the first one.
    pub before: Option<Node>,
    /// What stands there in the second one.
    pub after: Option<Node>,
}

impl System<'_> {
    /// The manifest of a package that some generation has, by its digest.
    ///
    /// # Errors
    /// The store does not have it, or it is damaged.
    pub fn manifest(&self, package: &Digest) -> Result<PackageManifest, SystemError> {
        read_manifest(self.fs, package)
    }

    /// Which packages of the current generation have `path` (relative to the root, no `/` in front).
    ///
    /// # Errors
    /// As for [`System::refresh_paths`].
    pub fn owners(&self, path: &[u8]) -> Result<Vec<Name>, SystemError> {
        self.refresh_paths()?;
        match self.store.read()?.path_row(path)?.1 {
            None => Ok(Vec::new()),
            Some(PathRow::File { owner, .. }) => Ok(vec![owner]),
            Some(PathRow::Directory { .. }) => self.owners_of_directory(path),
        }
    }

    /// The index only counts them, so every manifest is read.
    fn owners_of_directory(&self, path: &[u8]) -> Result<Vec<Name>, SystemError> {
        let mut trees = self.trees();
        let mut found = Vec::new();
        for package in self.current()?.map_or(Vec::new(), |row| row.numbers()) {
            let tree = trees.tree(package)?;
            if tree.get(path).is_some() {
                found.push(tree.name().clone());
            }
        }
        found.sort();
        Ok(found)
    }

    /// The files of an installed package: path and what the package has there, sorted by path.
    ///
    /// # Errors
    /// [`SystemError::NoPackage`]; the manifest cannot be read.
    pub fn files(&self, package: &Name) -> Result<Vec<(Vec<u8>, Node)>, SystemError> {
        let installed = self.store.read()?.installed()?;
        let row = installed.into_iter().find(|i| i.package.name == *package);
        let row =
            row.ok_or_else(|| SystemError::NoPackage { what: format!("package {package}") })?;
        let tree = self.trees().tree(row.package.number)?;
        Ok(tree.iter().map(|(path, node)| (path.to_vec(), node.clone())).collect())
    }

    /// What differs between the packages of two generations, by name: versions before and after.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; the database cannot be read.
    pub fn compare(&self, a: u64, b: u64) -> Result<Vec<PackageChange>, SystemError> {
        let (a, b) = (self.generation(a)?.numbers(), self.generation(b)?.numbers());
        package_changes(&mut self.trees(), &a, &b)
    }

    /// The paths at which the roots of two generations differ, as they were made: packages' files, and own
    /// files as recorded. Sorted by path.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; a manifest cannot be read.
    pub fn compare_files(&self, a: u64, b: u64) -> Result<Vec<PathDifference>, SystemError> {
        let (old, new) = (self.generation(a)?.numbers(), self.generation(b)?.numbers());
        let (own_a, own_b) = (self.own_of(a)?, self.own_of(b)?);
        let mut trees = self.trees();
        let changes = compare(&mut trees, &old, &new)?;
        let files = changed_files(changes.values(), &ConfigMap::new());
        let mut paths: BTreeSet<&[u8]> = files.into_keys().collect();
        paths.extend(own_a.iter().chain(own_b.iter()).map(|(path, ..)| path));
        // A directory that one package gives up may be another's: every package is asked.
        let (old, new) = (load(&mut trees, &old)?, load(&mut trees, &new)?);
        let difference = |path: &[u8]| PathDifference {
            path: path.to_vec(),
            before: node_at(&old, &own_a, path),
            after: node_at(&new, &own_b, path),
        };
        let all = paths.into_iter().map(difference);
        Ok(all.filter(|difference| difference.before != difference.after).collect())
    }

    /// Holds a package, or lets go of it with `None`.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn hold(&self, package: &Name, note: Option<&str>, now_ms: u64) -> Result<(), SystemError> {
        self.restrict(&package.to_string(), note, now_ms)
    }

    /// Binds a package to some versions or to a repository, or lets go of it with `None`. `what` is for the
    /// solver; it is not the name of a package alone, which would be a hold.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn restrict(&self, what: &str, note: Option<&str>, now_ms: u64) -> Result<(), SystemError> {
        let key = what.to_owned();
        let note = note.map(str::to_owned);
        Ok(self.store.write(|w| match note {
            Some(note) => w.put(HOLDS, key.as_bytes(), &HoldRow { note, at_ms: now_ms }),
            None => w.remove(HOLDS, key.as_bytes()),
        })?)
    }

    /// Pins a generation, so that it is never collected, or lets go of it with `None`.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; the database cannot be written.
    pub fn pin(&self, generation: u64, note: Option<&str>) -> Result<(), SystemError> {
        self.mark(generation, |mark| mark.pinned = note.map(str::to_owned))
    }

    /// Records that a generation has booted and passed its checks.
    ///
    /// # Errors
    /// As for [`System::pin`].
    pub fn prove(&self, generation: u64, now_ms: u64) -> Result<(), SystemError> {
        self.mark(generation, |mark| mark.proven_ms = Some(now_ms))
    }

    fn mark(&self, generation: u64, change: impl FnOnce(&mut MarkRow)) -> Result<(), SystemError> {
        self.generation(generation)?;
        Ok(self.store.write(|w| {
            let mut mark: MarkRow =
                w.get(GENERATION_MARKS, &number(generation))?.unwrap_or_default();
            change(&mut mark);
            w.put(GENERATION_MARKS, &number(generation), &mark)
        })?)
    }
}

fn load(trees: &mut Trees<'_>, packages: &[u32]) -> Result<Vec<Arc<Tree>>, SystemError> {
    packages.iter().map(|package| trees.tree(*package)).collect()
}

/// What a generation has at a path.
fn node_at(trees: &[Arc<Tree>], own: &Own, path: &[u8]) -> Option<Node> {
    match own.get(path) {
        Some((_, node)) => node.clone(),
        None => trees.iter().find_map(|tree| tree.get(path)).cloned(),
    }
}
