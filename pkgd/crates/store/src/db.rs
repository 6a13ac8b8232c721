//! Opening the state, one write at a time, the two ways of a commit, and the latch.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use minos_model::Digest;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, ReadableDatabase as _, StorageBackend, WriteTransaction,
};

use crate::error::StoreError;
use crate::guard::Guard;
use crate::journal::{CAPACITY, Found, Journal};
use crate::layout::Layout;
use crate::lock::Lock;
use crate::schema::{self, Access, Schema};
use crate::snapshot::Snapshot;
use crate::write::Write;

/// Limits of the state. `Default` is what pkgd uses.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events kept; older ones go as new ones come.
    pub events_kept: u64,
    /// Samples kept for each step, for the time it will take.
    pub samples_kept: usize,
    /// Memory for cached pages, in bytes.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { events_kept: 10_000, samples_kept: 10, cache_bytes: 8 << 20 }
    }
}

/// A lock of the store was poisoned by a panic.
const DIED: &str = "a thread of pkgd died while it wrote the state";

/// The state of pkgd. Holds the lock of the state root as long as it lives.
pub struct Store {
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    pub(crate) db: Database,
    journal: Mutex<Journal>,
    latch: Mutex<Option<String>>,
    /// Outputs that this process has put into place, whole: one without a row yet is on its way to its commit, and not
    /// left by one that failed.
    pub(crate) placed: Mutex<BTreeSet<Digest>>,
    /// Held by whoever empties the trash.
    pub(crate) sweeper: Mutex<()>,
    _lock: Lock,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store").field("root", &self.layout.root()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the state below `root`, or makes it. An older schema is migrated, after a copy of the
    /// database was put beside it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it open; [`StoreError::NewerSchema`],
    /// [`StoreError::OlderSchema`]; [`StoreError::Damaged`] when the database is not what was
    /// written; [`StoreError::Io`].
    pub fn open(
        root: impl Into<PathBuf>,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        schema::resume_set_back(&layout)?;
        Self::open_as(&schema::CURRENT, open_files, layout, now_ms, options)
    }

    /// [`Store::open`] with the database and its journal on these media instead of the files
    /// `state.redb` and `state.log`: the seam for fault injection.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_on(
        database: impl StorageBackend,
        journal: impl StorageBackend,
        root: impl Into<PathBuf>,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        let media = |_: &Layout| Ok((database, journal));
        Self::open_as(&schema::CURRENT, media, Layout::new(root), now_ms, options)
    }

    /// The lock comes before the database is touched, so that the second of two daemons is told
    /// about the first and not about a busy file.
    pub(crate) fn open_as<D: StorageBackend, J: StorageBackend>(
        schema: &Schema,
        media: impl FnOnce(&Layout) -> Result<(D, J), StoreError>,
        layout: Layout,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        layout.create()?;
        let lock = Lock::take(&layout.lock())?;
        let (data, log) = media(&layout)?;
        let log: Arc<dyn StorageBackend> = Arc::new(log);
        let journal = Journal::new(Arc::clone(&log), layout.journal());
        let path = layout.database();
        let io = |e| StoreError::io("prepare", &path, e);
        if must_be_made(data.len().map_err(io)? == 0, journal.found()?, &layout)? {
            journal.begin()?;
            data.set_len(0).map_err(io)?;
        }
        let guard = Guard::new(data, log, CAPACITY as u64)
            .map_err(|e| StoreError::redb("open", &path, redb::Error::Io(e)))?;
        let db = Builder::new()
            .set_cache_size(options.cache_bytes)
            .create_with_backend(guard)
            .map_err(|e| StoreError::redb("open", &path, e))?;
        let journal = Mutex::new(journal);
        let (latch, sweeper) = (Mutex::new(None), Mutex::new(()));
        let placed = Mutex::default();
        let store = Self { layout, options, db, journal, latch, placed, sweeper, _lock: lock };
        schema::access(&store)?;
        store.recover()?;
        schema::prepare(&store, schema, now_ms)?;
        // Once more: the latest commits may have come from the journal.
        if let Access::Read(bits) = schema::access(&store)? {
            store.note(&StoreError::UnknownFeatures { path: store.layout.database(), bits });
        }
        Ok(store)
    }

    /// Brings the database up to the last commit of the journal. In memory, like the commits
    /// themselves: the journal goes on behind them. A durable commit here would be seven syncs, which on a
    /// busy disk is all that an open waits for. What a killed process did not sync of the database is
    /// on the disk by now: redb syncs while it opens.
    fn recover(&self) -> Result<(), StoreError> {
        let applied = self.read()?.applied()?;
        let Some(applied) = applied else { return Ok(()) };
        let records = self.journal()?.recover(applied)?;
        let Some(last) = records.last() else { return Ok(()) };
        let txn = self.db.begin_write().map_err(|e| self.failed(e))?;
        let mut write = Write::new(self, txn);
        let changes = records.iter().flat_map(|record| &record.changes);
        changes.into_iter().try_for_each(|change| write.redo(change))?;
        write.set_applied(last.number)?;
        self.finish(write.into_txn(), false)
    }

    /// Commits what redb has: on the disk, or in memory only.
    fn finish(&self, mut txn: WriteTransaction, durable: bool) -> Result<(), StoreError> {
        let durability = if durable { Durability::Immediate } else { Durability::None };
        txn.set_durability(durability).map_err(|e| self.failed(e))?;
        txn.set_quick_repair(durable);
        txn.commit().map_err(|e| self.failed(e))
    }

    /// Where everything stands.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Does all that `change` does in one durable commit, or nothing of it: an error from `change`
    /// takes everything back. Returns when the commit is on the disk.
    ///
    /// Meant for one thread (pkgd's engine); a second one waits for the first.
    ///
    /// # Errors
    /// What `change` returns; [`StoreError::Latched`] after any failed write.
    pub fn write<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(first) = self.latched() {
            return Err(StoreError::Latched { first });
        }
        let result = self.try_write(change);
        if let Err(error) = &result {
            self.note(error);
        }
        result
    }

    fn try_write<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let txn = self.db.begin_write().map_err(|e| self.failed(e))?;
        let mut write = Write::new(self, txn);
        let value = change(&mut write)?;
        self.commit(write)?;
        Ok(value)
    }

    /// Journal first, then redb in memory; or, when the journal is full, redb durably.
    fn commit(&self, mut write: Write<'_>) -> Result<(), StoreError> {
        if write.is_empty() {
            return Ok(());
        }
        let mut journal = self.journal()?;
        write.set_applied(journal.next())?;
        let durable = write.is_durable() || !journal.append(&write.take_changes())?;
        self.finish(write.into_txn(), durable)?;
        if durable {
            journal.restart();
        }
        Ok(())
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::redb("write", &self.layout.database(), error)
    }

    fn journal(&self) -> Result<MutexGuard<'_, Journal>, StoreError> {
        self.journal.lock().map_err(|_| StoreError::Latched { first: DIED.to_owned() })
    }

    /// A consistent view of the last commit, unaffected by later ones. Any thread may take one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn read(&self) -> Result<Snapshot<'_>, StoreError> {
        match self.db.begin_read() {
            Ok(txn) => Ok(Snapshot::new(self, txn)),
            Err(e) => {
                let error = StoreError::redb("read", &self.layout.database(), e);
                self.note(&error);
                Err(error)
            }
        }
    }

    /// The first failure of a write or read, after which no more writes are taken.
    pub fn latched(&self) -> Option<String> {
        match self.latch.lock() {
            Ok(first) => first.clone(),
            Err(_) => Some(DIED.to_owned()),
        }
    }

    /// Latches when `error` says that the disk or the database is not to be trusted any more.
    pub(crate) fn note(&self, error: &StoreError) {
        if !error.is_fatal() {
            return;
        }
        if let Ok(mut first) = self.latch.lock() {
            first.get_or_insert_with(|| error.to_string());
        }
    }
}

/// Whether the database is to be made anew. Only when no commit can be lost by it: a database without
/// its journal, or a journal without its database, is damage and not a beginning.
fn must_be_made(empty: bool, found: Found, layout: &Layout) -> Result<bool, StoreError> {
    let damaged = |path, what: &str| Err(StoreError::Damaged { path, what: what.to_owned() });
    match (empty, found) {
        (_, Found::Unborn) | (true, Found::Nothing | Found::Blank) => Ok(true),
        (false, Found::Commits | Found::Blank) => Ok(false),
        (true, Found::Commits) => {
            damaged(layout.database(), "it is missing or empty, but its journal holds commits")
        }
        (false, Found::Nothing) => {
            damaged(layout.journal(), "it is missing or cut short, but there is a database")
        }
    }
}

fn open_files(layout: &Layout) -> Result<(FileBackend, FileBackend), StoreError> {
    let (database, journal) = (layout.database(), layout.journal());
    let new = !database.exists() || !journal.exists();
    let files = (open_file(&database)?, open_file(&journal)?);
    if new {
        // The names must be as durable as what is soon written into the files.
        let sync = File::open(layout.root()).and_then(|dir| dir.sync_all());
        sync.map_err(|e| StoreError::io("sync", layout.root(), e))?;
    }
    Ok(files)
}

fn open_file(path: &Path) -> Result<FileBackend, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| StoreError::io("open", path, e))?;
    FileBackend::new(file).map_err(|e| StoreError::redb("open", path, e))
}
