//! Questions about generations and packages: all of them reads of one snapshot.

use minos_model::{Digest, Name};

use super::{GenerationRow, HoldRow, IntentRow, MarkRow, Own, Reason, TransactionRow};
use crate::error::StoreError;
use crate::packages::{PackageRow, PathRow};
use crate::snapshot::{ALL, Snapshot, Source, values};
use crate::table::{
    GENERATION_MARKS, GENERATION_OWN, GENERATIONS, HOLDS, INTENTS, META, PACKAGE_NUMBERS, PACKAGES,
    PATHS, TRANSACTIONS, number, trailing_number,
};

/// Key of the number of the current generation in `meta`.
pub(crate) const CURRENT_KEY: &[u8] = b"generation";
/// Key of the last number given to a generation.
pub(crate) const LAST_GENERATION: &[u8] = b"last-generation";
/// Key of the last number given to a package.
pub(crate) const LAST_PACKAGE: &[u8] = b"last-package";
/// Key of the generation that the table of paths describes.
pub(crate) const PATHS_OF: &[u8] = b"paths-of";
/// Key of the last package of which it is known which of its files users edit.
pub(crate) const CONFIG_OF: &[u8] = b"config-of";
/// Key of the transaction under way.
pub(crate) const OPEN: &[u8] = b"open";

/// A package of a generation and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The package.
    pub package: PackageRow,
    /// Why it is there.
    pub reason: Reason,
}

/// All methods fail only when the database cannot be read or is damaged.
impl Snapshot<'_> {
    pub(crate) fn counter(&self, key: &[u8]) -> Result<u64, StoreError> {
        Ok(self.get(META, key)?.unwrap_or(0))
    }

    /// The number of the current generation, if there is one.
    pub fn current_generation(&self) -> Result<Option<u64>, StoreError> {
        Ok(Some(self.counter(CURRENT_KEY)?).filter(|number| *number > 0))
    }

    /// A generation.
    pub fn generation(&self, generation: u64) -> Result<Option<GenerationRow>, StoreError> {
        self.get(GENERATIONS, &number(generation))
    }

    /// All generations, oldest first.
    pub fn generations(&self) -> Result<Vec<GenerationRow>, StoreError> {
        self.rows(GENERATIONS, ALL, false, usize::MAX).map(values)
    }

    /// What may change about a generation.
    pub fn marks(&self, generation: u64) -> Result<MarkRow, StoreError> {
        Ok(self.get(GENERATION_MARKS, &number(generation))?.unwrap_or_default())
    }

    /// The generation that was proven last.
    pub fn last_proven(&self) -> Result<Option<u64>, StoreError> {
        let marks = self.rows(GENERATION_MARKS, ALL, false, usize::MAX)?;
        let proven = marks
            .into_iter()
            .filter_map(|(key, row)| Some((row.proven_ms?, trailing_number(&key)?)));
        Ok(proven.max().map(|(_, generation)| generation))
    }

    pub(crate) fn own(&self, generation: u64) -> Result<Own, StoreError> {
        Ok(Own::from_row(self.get(GENERATION_OWN, &number(generation))?.unwrap_or_default()))
    }

    /// The package row with this number.
    pub fn package(&self, package: u32) -> Result<Option<PackageRow>, StoreError> {
        self.get(PACKAGES, &number(u64::from(package)))
    }

    /// The number of the package with this manifest, if some generation has it.
    pub fn package_number(&self, manifest: &Digest) -> Result<Option<u32>, StoreError> {
        self.get(PACKAGE_NUMBERS, manifest.as_bytes())
    }

    /// The packages of a generation, sorted by name; empty when there is no such generation.
    pub fn packages_of(&self, generation: u64) -> Result<Vec<Installed>, StoreError> {
        let Some(row) = self.generation(generation)? else { return Ok(Vec::new()) };
        let table = self.open(PACKAGES)?;
        let mut found = Vec::with_capacity(row.members.len());
        for member in row.members {
            let key = number(u64::from(member.package));
            let package = self.get_from(&table, PACKAGES, &key)?;
            let package = package.ok_or_else(|| StoreError::Damaged {
                path: self.path(),
                what: format!("generation {generation} names package {}", member.package),
            })?;
            found.push(Installed { package, reason: member.reason });
        }
        found.sort_by(|a, b| a.package.name.cmp(&b.package.name));
        Ok(found)
    }

    /// The packages of the current generation, sorted by name.
    pub fn installed(&self) -> Result<Vec<Installed>, StoreError> {
        self.packages_of(self.counter(CURRENT_KEY)?)
    }

    /// What the index says about a path, and of which generation.
    pub(crate) fn path_row(&self, path: &[u8]) -> Result<(u64, Option<PathRow>), StoreError> {
        Ok((self.counter(PATHS_OF)?, self.get(PATHS, path)?))
    }

    /// Why a package is held, if it is.
    pub fn hold(&self, package: &Name) -> Result<Option<HoldRow>, StoreError> {
        self.get(HOLDS, package.to_string().as_bytes())
    }

    /// All holds, by package name.
    pub fn holds(&self) -> Result<Vec<(String, HoldRow)>, StoreError> {
        let rows = self.rows(HOLDS, ALL, false, usize::MAX)?;
        Ok(rows.into_iter().map(|(k, r)| (String::from_utf8_lossy(&k).into_owned(), r)).collect())
    }

    /// The transaction under way, or cut off.
    pub fn intent(&self) -> Result<Option<IntentRow>, StoreError> {
        self.get(INTENTS, OPEN)
    }

    /// At most `limit` lines of the history, newest first.
    pub fn transactions(&self, limit: usize) -> Result<Vec<TransactionRow>, StoreError> {
        self.rows(TRANSACTIONS, ALL, true, limit).map(values)
    }
}
