//! Opening the state, one write at a time, and the latch.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase as _, StorageBackend};

use crate::error::StoreError;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::schema::{self, Schema};
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

/// The state of pkgd. Holds the lock of the state root as long as it lives.
pub struct Store {
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    pub(crate) db: Database,
    latch: Mutex<Option<String>>,
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
        Self::open_as(&schema::CURRENT, open_file, Layout::new(root), now_ms, options)
    }

    /// [`Store::open`] with the database on `backend` instead of the file `state.redb`: the seam for
    /// fault injection.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_on(
        backend: impl StorageBackend,
        root: impl Into<PathBuf>,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        Self::open_as(&schema::CURRENT, |_| Ok(backend), Layout::new(root), now_ms, options)
    }

    /// The lock comes before the database is touched, so that the second of two daemons is told
    /// about the first and not about a busy file.
    pub(crate) fn open_as<B: StorageBackend>(
        schema: &Schema,
        backend: impl FnOnce(&Path) -> Result<B, StoreError>,
        layout: Layout,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        layout.create()?;
        let lock = Lock::take(&layout.lock())?;
        let path = layout.database();
        let db = Builder::new()
            .set_cache_size(options.cache_bytes)
            .create_with_backend(backend(&path)?)
            .map_err(|e| StoreError::redb("open", &path, e))?;
        let store = Self { layout, options, db, latch: Mutex::new(None), _lock: lock };
        schema::prepare(&store, schema, now_ms)?;
        Ok(store)
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
        if let Err(error) = &result
            && error.is_fatal()
        {
            self.latch(error);
        }
        result
    }

    fn try_write<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.layout.database();
        let error = |e: redb::Error| StoreError::redb("write", &path, e);
        let mut txn = self.db.begin_write().map_err(|e| error(e.into()))?;
        txn.set_durability(Durability::Immediate).map_err(|e| error(e.into()))?;
        txn.set_quick_repair(true);
        let mut write = Write::new(self, txn);
        let value = change(&mut write)?;
        write.into_txn().commit().map_err(|e| error(e.into()))?;
        Ok(value)
    }

    /// A consistent view of the last commit, unaffected by later ones. Any thread may take one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn read(&self) -> Result<Snapshot<'_>, StoreError> {
        let txn = self
            .db
            .begin_read()
            .map_err(|e| StoreError::redb("read", &self.layout.database(), e))?;
        Ok(Snapshot::new(self, txn))
    }

    /// The first failure of a write, after which no more writes are taken.
    pub fn latched(&self) -> Option<String> {
        match self.latch.lock() {
            Ok(first) => first.clone(),
            Err(_) => Some("a thread of pkgd died while it wrote the state".to_owned()),
        }
    }

    fn latch(&self, error: &StoreError) {
        if let Ok(mut first) = self.latch.lock() {
            first.get_or_insert_with(|| error.to_string());
        }
    }
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
