//! Collecting: generations that no policy keeps, and what only they had.
//!
//! Marking works on numbers: a generation is a list of package numbers, a package a list of 64-bit keys
//! of its objects. No manifest is read to find out what is dead, only to delete it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use super::{Foreign, Parted};
use crate::error::StoreError;
use crate::generations::{
    GenerationRow, Outcome, TransactionKind, discard_root, realised, record_path, remove_tree,
    root_path,
};
use crate::objects::{ObjectId, manifest_path};
use crate::packages::Node;
use crate::snapshot::{ALL, Snapshot, Source as _};
use crate::table::{
    GENERATION_MARKS, GENERATION_OWN, GENERATIONS, PACKAGE_NUMBERS, PACKAGE_OBJECTS, PACKAGES,
    number, trailing_number,
};
use crate::transaction::{By, System, SystemError};
use crate::write::Write;

/// Which generations stay. The current, those in use, the last proven one and every pinned
/// one always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// The newest, and the young.
    Policy {
        /// So many of the newest stay.
        newest: usize,
        /// So do all that are not older than this, in milliseconds.
        younger_than_ms: u64,
    },
    /// All but this one, however new it is.
    AllBut(u64),
}

/// What was collected, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Generations, oldest first.
    pub generations: Vec<u64>,
    /// Roots of generations that stay, deleted because there were more than are kept realised.
    pub roots: Vec<u64>,
    /// Such roots that stay because somebody has put things there, and what these are.
    pub kept: Vec<(u64, Foreign)>,
    /// How many packages no generation has any more.
    pub packages: usize,
    /// How many objects no package has any more.
    pub objects: usize,
    /// Their sizes added up, in bytes.
    pub bytes: u64,
    /// It was stopped before everything was deleted; the rest goes before the next transaction.
    pub interrupted: bool,
}

/// What nothing reaches.
#[derive(Debug, Default)]
struct Dead {
    generations: Vec<u64>,
    packages: Vec<u32>,
    /// Keys of objects.
    objects: HashSet<u64>,
}

impl System<'_> {
    /// Counts what [`System::collect`] would delete and reads nothing but rows: generations, packages
    /// and objects.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_garbage(
        &self,
        retention: Retention,
        now_ms: u64,
    ) -> Result<(usize, usize, usize), SystemError> {
        let dead = self.garbage(&self.store.read()?, retention, now_ms)?;
        Ok((dead.generations.len(), dead.packages.len(), dead.objects.len()))
    }

    /// Deletes generations that `retention` does not keep, with everything that only they had. With
    /// `dry_run` it only says what it would do. `stop` is asked now and then; once it says yes, the rest
    /// is left for the next call of any kind that changes something.
    ///
    /// # Errors
    /// A file cannot be deleted, the database cannot be read or written.
    pub fn collect(
        &self,
        retention: Retention,
        dry_run: bool,
        peer: Option<(u32, u32)>,
        clock: &dyn Fn() -> u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Collected, SystemError> {
        if !dry_run {
            self.settle(clock)?;
            self.refresh_paths()?;
        }
        let dead = self.garbage(&self.store.read()?, retention, clock())?;
        let files = self.dead_files(&dead)?;
        let (roots, kept) = self.roots_too_many(&dead)?;
        let mut report = Collected {
            roots,
            kept,
            generations: dead.generations.clone(),
            packages: dead.packages.len(),
            objects: files.len(),
            bytes: files.values().sum(),
            interrupted: false,
        };
        if dry_run || (report.generations.is_empty() && report.roots.is_empty()) {
            return Ok(report);
        }
        let current = self.store.read()?.current_generation()?.unwrap_or(0);
        let by = By { peer, note: "collect" };
        let intent = Self::intent(TransactionKind::Collect, current, current, by, clock());
        self.store.write(|w| {
            Self::begin(w, &intent)?;
            forget(w, &dead)
        })?;
        report.interrupted = !self.delete(&dead, &report.roots, files.into_keys(), stop)?;
        if !report.interrupted {
            self.fs.sync().map_err(|e| SystemError::io("sync", "", e))?;
            self.conclude(&intent, Outcome::Done, current, clock)?;
        }
        Ok(report)
    }

    fn garbage(
        &self,
        read: &Snapshot<'_>,
        retention: Retention,
        now_ms: u64,
    ) -> Result<Dead, StoreError> {
        let rows = read.generations()?;
        let guarded = self.guarded()?;
        let stays = |(index, row): &(usize, &GenerationRow)| {
            guarded.contains(&row.number)
                || match retention {
                    Retention::AllBut(number) => row.number != number,
                    Retention::Policy { newest, younger_than_ms } => {
                        *index >= rows.len().saturating_sub(newest)
                            || now_ms.saturating_sub(row.created_ms) < younger_than_ms
                    }
                }
        };
        let (live, dead): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(stays);
        let dead: Vec<u64> = dead.into_iter().map(|(_, row)| row.number).collect();
        let mut packages = Bits::default();
        live.iter().flat_map(|(_, row)| &row.members).for_each(|m| packages.set(m.package));
        let mut found = Dead { generations: dead, ..Dead::default() };
        if found.generations.is_empty() {
            return Ok(found);
        }
        let all = read.keys(PACKAGES)?;
        let numbers = all.iter().filter_map(|key| u32::try_from(trailing_number(key)?).ok());
        found.packages = numbers.filter(|package| !packages.has(*package)).collect();
        self.mark_objects(read, &mut found)?;
        Ok(found)
    }

    /// Objects of what is dead, less those of what lives.
    fn mark_objects(&self, read: &Snapshot<'_>, found: &mut Dead) -> Result<(), StoreError> {
        for generation in &found.generations {
            found.objects.extend(read.own(*generation)?.objects().map(ObjectId::key));
        }
        let dead: BTreeSet<u32> = found.packages.iter().copied().collect();
        let lists = read.rows(PACKAGE_OBJECTS, ALL, false, usize::MAX)?;
        let of = |key: &[u8]| trailing_number(key).and_then(|n| u32::try_from(n).ok());
        let (gone, stay): (Vec<_>, Vec<_>) =
            lists.into_iter().partition(|(key, _)| of(key).is_some_and(|n| dead.contains(&n)));
        found.objects.extend(gone.into_iter().flat_map(|(_, keys)| keys));
        if found.objects.is_empty() {
            return Ok(());
        }
        for key in stay.into_iter().flat_map(|(_, keys)| keys) {
            found.objects.remove(&key);
        }
        for row in read.generations()? {
            if !found.generations.contains(&row.number) {
                for object in read.own(row.number)?.objects() {
                    found.objects.remove(&object.key());
                }
            }
        }
        Ok(())
    }

    /// The files of dead objects and their sizes.
    fn dead_files(&self, dead: &Dead) -> Result<HashMap<PathBuf, u64>, SystemError> {
        let mut files = HashMap::new();
        let mut add = |node: &Node| {
            if let Node::File { object, size } = node
                && dead.objects.contains(&object.key())
            {
                files.insert(object.path(), *size);
            }
        };
        for generation in &dead.generations {
            self.own_of(*generation)?.iter().filter_map(|(_, _, node)| node).for_each(&mut add);
        }
        let mut trees = self.trees();
        let mut manifests = Vec::new();
        for package in &dead.packages {
            let tree = trees.tree(*package)?;
            tree.iter().for_each(|(_, node)| add(node));
            manifests.push(manifest_path(&trees.row(*package)?.digest));
            trees.forget(*package);
        }
        for path in manifests {
            let stat = self.fs.stat(&path).map_err(|e| SystemError::io("look at", &path, e))?;
            files.insert(path, stat.map_or(0, |stat| stat.size));
        }
        Ok(files)
    }

    /// Roots of generations that live, oldest first, that are more than are kept; and roots that would be if there was not
    /// something in them that nobody brought, which is nowhere else.
    fn roots_too_many(&self, dead: &Dead) -> Result<Parted, SystemError> {
        let mut roots = realised(self.fs)?;
        roots.retain(|root| !dead.generations.contains(root));
        let kept = self.options.roots_kept.max(1);
        if roots.len() <= kept {
            return Ok((Vec::new(), Vec::new()));
        }
        let guarded = self.guarded()?;
        let mut count = roots.len();
        roots.retain(|root| !guarded.contains(root));
        let (mut plain, foreign) = self.without_foreign(roots, &mut self.trees())?;
        count -= foreign.len();
        plain.truncate(count.saturating_sub(kept));
        Ok((plain, foreign))
    }

    /// Returns whether everything was deleted.
    fn delete(
        &self,
        dead: &Dead,
        roots: &[u64],
        files: impl Iterator<Item = PathBuf>,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool, SystemError> {
        for generation in dead.generations.iter().chain(roots) {
            if stop() {
                return Ok(false);
            }
            discard_root(self.fs, &root_path(*generation))?;
        }
        for generation in &dead.generations {
            remove_tree(self.fs, &record_path(*generation))?;
        }
        for (index, path) in files.enumerate() {
            if index % 64 == 0 && stop() {
                return Ok(false);
            }
            remove_tree(self.fs, &path)?;
        }
        Ok(true)
    }
}

/// Removes the rows of what is dead.
fn forget(w: &mut Write<'_>, dead: &Dead) -> Result<(), StoreError> {
    for generation in &dead.generations {
        let key = number(*generation);
        w.remove(GENERATIONS, &key)?;
        w.remove(GENERATION_OWN, &key)?;
        w.remove(GENERATION_MARKS, &key)?;
    }
    for package in &dead.packages {
        let key = number(u64::from(*package));
        if let Some(row) = w.get(PACKAGES, &key)? {
            w.remove(PACKAGE_NUMBERS, row.digest.as_bytes())?;
        }
        w.remove(PACKAGES, &key)?;
        w.remove(PACKAGE_OBJECTS, &key)?;
    }
    Ok(())
}

/// A set of small numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, n: u32) {
        let word = n as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (n % 64);
        }
    }

    fn has(&self, n: u32) -> bool {
        self.0.get(n as usize / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }
}
