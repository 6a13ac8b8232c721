//! Rows and trees of packages, read when they are first asked for.

use std::collections::HashMap;
use std::sync::Arc;

use minos_model::{Digest, PackageManifest};

use super::{PackageRow, Tree};
use crate::db::Store;
use crate::error::StoreError;
use crate::fs::Fs;
use crate::objects::{self, manifest_path};
use crate::snapshot::Source as _;
use crate::table::{PACKAGES, number};
use crate::transaction::SystemError;

/// What was read of packages so far.
pub(crate) struct Trees<'a> {
    store: &'a Store,
    fs: &'a dyn Fs,
    trees: HashMap<u32, Arc<Tree>>,
    rows: HashMap<u32, Arc<PackageRow>>,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(store: &'a Store, fs: &'a dyn Fs) -> Self {
        Self { store, fs, trees: HashMap::new(), rows: HashMap::new() }
    }

    /// Adds a package that has no row yet, under the number it is about to get.
    pub(crate) fn add(&mut self, row: PackageRow, tree: Arc<Tree>) {
        self.trees.insert(row.number, tree);
        self.rows.insert(row.number, Arc::new(row));
    }

    /// Reads the rows of these packages in one go.
    pub(crate) fn rows(&mut self, numbers: &[u32]) -> Result<Vec<Arc<PackageRow>>, StoreError> {
        if numbers.iter().any(|n| !self.rows.contains_key(n)) {
            let read = self.store.read()?;
            let table = read.open(PACKAGES)?;
            for n in numbers.iter().filter(|n| !self.rows.contains_key(n)).collect::<Vec<_>>() {
                let row = read.get_from(&table, PACKAGES, &number(u64::from(*n)))?;
                let row = row.ok_or_else(|| StoreError::Damaged {
                    path: self.store.layout.database(),
                    what: format!("a generation names package {n}, which has no row"),
                })?;
                self.rows.insert(*n, Arc::new(row));
            }
        }
        Ok(numbers.iter().filter_map(|n| self.rows.get(n).cloned()).collect())
    }

    /// The row of a package.
    pub(crate) fn row(&mut self, package: u32) -> Result<Arc<PackageRow>, StoreError> {
        let rows = self.rows(&[package])?;
        rows.into_iter()
            .next()
            .ok_or_else(|| StoreError::NotFound { what: format!("package number {package}") })
    }

    /// Lets go of a tree that is not needed again.
    pub(crate) fn forget(&mut self, package: u32) {
        self.trees.remove(&package);
    }

    /// The tree of a package.
    pub(crate) fn tree(&mut self, package: u32) -> Result<Arc<Tree>, SystemError> {
        if let Some(tree) = self.trees.get(&package) {
            return Ok(Arc::clone(tree));
        }
        let row = self.row(package)?;
        let manifest = read_manifest(self.fs, &row.digest)?;
        let tree = Tree::new(manifest, row.accounts.clone()).map_err(|name| {
            SystemError::Damaged { what: format!("package {} has no number for {name}", row.name) }
        })?;
        let tree = Arc::new(tree);
        self.trees.insert(package, Arc::clone(&tree));
        Ok(tree)
    }
}

/// Reads a package's manifest and checks that it is the one its name says.
pub(crate) fn read_manifest(fs: &dyn Fs, digest: &Digest) -> Result<PackageManifest, SystemError> {
    let path = manifest_path(digest);
    let bytes = objects::read(fs, &path).map_err(|e| SystemError::io("read", &path, e))?;
    decode_manifest(&bytes, digest)
}

/// Decodes a manifest's bytes after checking their digest.
pub(crate) fn decode_manifest(
    bytes: &[u8],
    digest: &Digest,
) -> Result<PackageManifest, SystemError> {
    let found = Digest::of(bytes);
    if found != *digest {
        let why = format!("the SHA-256 of the manifest is {found}");
        return Err(SystemError::Content { digest: *digest, why });
    }
    match postcard::take_from_bytes(bytes) {
        Ok((manifest, [])) => Ok(manifest),
        Ok(_) => {
            let why = "bytes are left over behind the manifest".to_owned();
            Err(SystemError::Content { digest: *digest, why })
        }
        Err(e) => Err(SystemError::Content { digest: *digest, why: format!("manifest: {e}") }),
    }
}
