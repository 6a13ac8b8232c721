//! The installed system: a store, a file system below it, and what the policy says.

use std::collections::BTreeMap;

use minos_model::Name;

use super::SystemError;
use crate::db::Store;
use crate::error::StoreError;
use crate::fs::Fs;
use crate::generations::{
    self, ConfigMap, GenerationRow, IntentRow, Keep, Own, Reason, TransactionKind, compare,
};
use crate::maintain::Parted;
use crate::objects;
use crate::packages::{Change, Delta, PackageRow, PathRow, Trees};
use crate::snapshot::Source as _;
use crate::table::{META, PATHS};
use crate::write::Write;

/// Files that follow the machine and not the generation, where the caller says nothing else. What is not
/// a handful of small files (`/home`, `/root`, `/var`) belongs on a file system of its own.
pub const DEFAULT_KEEP: [&str; 17] = [
    "etc/passwd",
    "etc/shadow",
    "etc/group",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "etc/machine-id",
    "etc/hostname",
    "etc/adjtime",
    "etc/minos/checks/",
    "etc/minos/services/",
    "etc/ssh/ssh_host_ecdsa_key",
    "etc/ssh/ssh_host_ecdsa_key.pub",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_rsa_key.pub",
];

/// Policy and limits of a system. `Default` is what pkgd uses.
#[derive(Debug, Clone)]
pub struct SystemOptions {
    /// Roots kept realised, the current one among them. The oldest is rebuilt into the next one.
    pub roots_kept: usize,
    /// Bytes of the disk that no transaction may use.
    pub reserve_bytes: u64,
    /// Threads that take contents in or verify.
    pub threads: usize,
    /// Paths that follow the machine, relative to the root; one that ends in `/` stands for all below.
    pub keep: Vec<String>,
    /// Generations that the machine runs, may boot next or falls back to: their roots are never touched.
    pub in_use: Vec<u64>,
    /// The generation that the machine runs, where it runs one: accounts and keys are as its root has them, which may
    /// be another than the current one's.
    pub runs: Option<u64>,
}

impl Default for SystemOptions {
    fn default() -> Self {
        Self {
            roots_kept: 3,
            reserve_bytes: 64 << 20,
            threads: 2,
            keep: DEFAULT_KEEP.iter().map(ToString::to_string).collect(),
            in_use: Vec::new(),
            runs: None,
        }
    }
}

/// Packages and generations of a state root. Reading may be done on any thread; changes are made by
/// one at a time, pkgd's engine thread.
pub struct System<'a> {
    pub(crate) store: &'a Store,
    pub(crate) fs: &'a dyn Fs,
    pub(crate) options: SystemOptions,
    pub(crate) keep: Keep,
}

impl core::fmt::Debug for System<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("System").field("store", self.store).finish_non_exhaustive()
    }
}

impl<'a> System<'a> {
    /// The system below the store's root, which `fs` reads and writes. Makes the folders that are
    /// missing. The caller then calls [`System::settle`] once, before anything else.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn new(
        store: &'a Store,
        fs: &'a dyn Fs,
        options: SystemOptions,
    ) -> Result<Self, SystemError> {
        objects::prepare(fs).map_err(|e| SystemError::io("create", objects::OBJECTS, e))?;
        generations::prepare(fs).map_err(|e| SystemError::io("create", generations::ROOTS, e))?;
        let keep = Keep::new(&options.keep);
        Ok(Self { store, fs, options, keep })
    }

    pub(crate) fn trees(&self) -> Trees<'a> {
        Trees::new(self.store, self.fs)
    }

    /// The current generation.
    pub(crate) fn current(&self) -> Result<Option<GenerationRow>, StoreError> {
        let read = self.store.read()?;
        match read.current_generation()? {
            Some(number) => read.generation(number),
            None => Ok(None),
        }
    }

    /// A generation that must be there.
    pub(crate) fn generation(&self, number: u64) -> Result<GenerationRow, SystemError> {
        let found = self.store.read()?.generation(number)?;
        found.ok_or(SystemError::NoGeneration { number })
    }

    pub(crate) fn own_of(&self, generation: u64) -> Result<Own, StoreError> {
        self.store.read()?.own(generation)
    }

    /// The config files of these packages.
    pub(crate) fn config_of(
        trees: &mut Trees<'_>,
        packages: &[u32],
    ) -> Result<ConfigMap, StoreError> {
        let file = |row: &PackageRow| {
            let entry = |c: &crate::packages::ConfigFile| {
                (c.path.as_bytes().to_vec(), (c.object.clone(), c.size))
            };
            row.config.iter().map(entry).collect::<Vec<_>>()
        };
        Ok(trees.rows(packages)?.iter().flat_map(|row| file(row)).collect())
    }

    pub(crate) fn begin(w: &mut Write<'_>, intent: &IntentRow) -> Result<(), StoreError> {
        w.put(crate::table::INTENTS, generations::OPEN, intent)
    }

    pub(crate) fn intent(
        kind: TransactionKind,
        from: u64,
        to: u64,
        by: By<'_>,
        at_ms: u64,
    ) -> IntentRow {
        let (peer, note) = (by.peer, by.note.to_owned());
        IntentRow { kind, from, to, at_ms, makes_root: true, peer, note }
    }

    /// Brings the index of paths up to the current generation, which a switch leaves behind, and
    /// returns how many packages it had to look at.
    ///
    /// # Errors
    /// A manifest cannot be read, or the database cannot be read or written.
    pub fn refresh_paths(&self) -> Result<usize, SystemError> {
        let read = self.store.read()?;
        let described = read.counter(generations::PATHS_OF)?;
        let current = read.counter(generations::CURRENT_KEY)?;
        if described == current {
            return Ok(0);
        }
        let members = |n| Ok::<_, StoreError>(read.generation(n)?.map_or(vec![], |g| g.numbers()));
        let (old, new) = (members(described)?, members(current)?);
        let changes = compare(&mut self.trees(), &old, &new)?;
        let delta = Delta::new(&read, changes.values())?;
        drop(read);
        self.store.write(|w| {
            // Somebody else may have changed the system, and the index with it, since it was looked at.
            let now = |key| Ok::<u64, StoreError>(w.get(META, key)?.unwrap_or(0));
            if (now(generations::PATHS_OF)?, now(generations::CURRENT_KEY)?) != (described, current)
            {
                return Ok(());
            }
            delta.write(w)?;
            w.put(META, generations::PATHS_OF, &current)
        })?;
        Ok(changes.len())
    }

    /// Generations whose roots must not be touched: current, in use, last proven, pinned.
    pub(crate) fn guarded(&self) -> Result<Vec<u64>, StoreError> {
        let read = self.store.read()?;
        let mut guarded: Vec<u64> = read.current_generation()?.into_iter().collect();
        guarded.extend(&self.options.in_use);
        guarded.extend(read.last_proven()?);
        for row in read.generations()? {
            if read.marks(row.number)?.pinned.is_some() {
                guarded.push(row.number);
            }
        }
        Ok(guarded)
    }

    /// A realised root that may be rebuilt into the next one: the oldest that nothing guards, once
    /// there are as many as are to be kept. Roots in which somebody has put things are neither taken nor counted; where
    /// there are no more than usual none is looked for, and whoever takes one looks at it anyway.
    pub(crate) fn spare(&self, trees: &mut Trees<'_>) -> Result<Option<u64>, SystemError> {
        let realised = generations::realised(self.fs)?;
        let kept = self.options.roots_kept.max(2);
        if realised.len() < kept {
            return Ok(None);
        }
        let guarded = self.guarded()?;
        let mut count = realised.len();
        let mut free: Vec<u64> = realised.into_iter().filter(|n| !guarded.contains(n)).collect();
        if count > kept {
            let (plain, foreign) = self.without_foreign(free, trees)?;
            count -= foreign.len();
            free = plain;
        }
        Ok(free.first().copied().filter(|_| count >= kept))
    }

    /// Those of these roots in which there is nothing that nobody brought, and the others with what it is.
    pub(crate) fn without_foreign(
        &self,
        roots: Vec<u64>,
        trees: &mut Trees<'_>,
    ) -> Result<Parted, SystemError> {
        let (mut plain, mut others) = (Vec::new(), Vec::new());
        for root in roots {
            // A root that no generation has any more is swept away.
            let Some(row) = self.store.read()?.generation(root)? else { continue };
            match self.foreign_of(&row, trees)? {
                foreign if foreign.count > 0 => others.push((root, foreign)),
                _ => plain.push(root),
            }
        }
        Ok((plain, others))
    }
}

/// Who asked for a transaction, and what for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) peer: Option<(u32, u32)>,
    pub(crate) note: &'a str,
}

/// What differs between two sets of packages, by name.
pub(crate) fn package_changes(
    trees: &mut Trees<'_>,
    old: &[u32],
    new: &[u32],
) -> Result<Vec<generations::PackageChange>, SystemError> {
    let mut changes: BTreeMap<Name, generations::PackageChange> = BTreeMap::new();
    let only = |a: &[u32], b: &[u32]| -> Vec<u32> {
        a.iter().filter(|n| b.binary_search(n).is_err()).copied().collect()
    };
    let blank =
        |name: &Name| generations::PackageChange { name: name.clone(), from: None, to: None };
    for row in trees.rows(&only(old, new))? {
        let change = changes.entry(row.name.clone()).or_insert_with(|| blank(&row.name));
        change.from = Some(row.version.clone());
    }
    for row in trees.rows(&only(new, old))? {
        let change = changes.entry(row.name.clone()).or_insert_with(|| blank(&row.name));
        change.to = Some(row.version.clone());
    }
    Ok(changes.into_values().collect())
}

impl Delta {
    /// Puts and removes the rows.
    pub(crate) fn write(&self, w: &mut Write<'_>) -> Result<(), StoreError> {
        self.rows.iter().try_for_each(|(path, row)| match row {
            Some(row) => w.put(PATHS, path, row),
            None => w.remove(PATHS, path),
        })
    }

    /// What stands at `path` after the change, given what the table says.
    pub(crate) fn view(
        &self,
        path: &[u8],
        table: impl FnOnce() -> Result<Option<PathRow>, StoreError>,
    ) -> Result<Option<PathRow>, StoreError> {
        self.rows.get(path).map_or_else(table, |row| Ok(row.clone()))
    }
}

/// How the members of a generation are found by name.
pub(crate) type Members = BTreeMap<Name, (std::sync::Arc<PackageRow>, Reason)>;

/// Changes by package name.
pub(crate) type Changes = BTreeMap<Name, Change>;
