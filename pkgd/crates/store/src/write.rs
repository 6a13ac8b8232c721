//! The write under way: what every change is made of.

use std::path::PathBuf;

use redb::{ReadableTableMetadata as _, WriteTransaction};
use serde::Serialize;

use crate::db::Store;
use crate::error::StoreError;
use crate::rows::EventRow;
use crate::snapshot::Source;
use crate::table::{Definition, EVENTS, Table, number, seal};

/// The changes of one commit; see [`Store::write`]. Reads inside it see what it has already done.
pub struct Write<'a> {
    store: &'a Store,
    txn: WriteTransaction,
}

impl core::fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Write").field("store", self.store).finish_non_exhaustive()
    }
}

impl Source for Write<'_> {
    type Rows<'b>
        = redb::Table<'b, &'static [u8], &'static [u8]>
    where
        Self: 'b;

    fn open<R>(&self, table: Table<R>) -> Result<Self::Rows<'_>, StoreError> {
        self.txn
            .open_table(table.definition())
            .map_err(|e| StoreError::redb("write", &self.path(), e))
    }

    fn path(&self) -> PathBuf {
        self.store.layout.database()
    }
}

impl<'a> Write<'a> {
    pub(crate) fn new(store: &'a Store, txn: WriteTransaction) -> Self {
        Self { store, txn }
    }

    pub(crate) fn into_txn(self) -> WriteTransaction {
        self.txn
    }

    pub(crate) fn store(&self) -> &'a Store {
        self.store
    }

    pub(crate) fn make_table(&mut self, table: Definition) -> Result<(), StoreError> {
        let made = self.txn.open_table(table).map(drop);
        made.map_err(|e| StoreError::redb("write", &self.path(), e))
    }

    pub(crate) fn put<R: Serialize>(
        &mut self,
        table: Table<R>,
        key: &[u8],
        row: &R,
    ) -> Result<(), StoreError> {
        let bytes = seal(table.name, key, row).map_err(|what| StoreError::Invalid { what })?;
        let mut rows = self.open(table)?;
        let put = rows.insert(key, &bytes[..]).map(drop);
        put.map_err(|e| StoreError::redb("write", &self.path(), e))
    }

    pub(crate) fn remove<R>(&mut self, table: Table<R>, key: &[u8]) -> Result<(), StoreError> {
        let mut rows = self.open(table)?;
        let removed = rows.remove(key).map(drop);
        removed.map_err(|e| StoreError::redb("write", &self.path(), e))
    }

    /// Adds an event to the ring and returns its number. `body` is the caller's own encoding.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn event(&mut self, job: u64, body: Vec<u8>, now_ms: u64) -> Result<u64, StoreError> {
        let seq = self.last_number(EVENTS)? + 1;
        self.put(EVENTS, &number(seq), &EventRow { seq, job, at_ms: now_ms, body })?;
        let count = {
            let rows = self.open(EVENTS)?;
            rows.len().map_err(|e| StoreError::redb("read", &self.path(), e))?
        };
        let kept = self.store.options.events_kept.max(1);
        for old in (seq + 1 - count)..=seq.saturating_sub(kept) {
            self.remove(EVENTS, &number(old))?;
        }
        Ok(seq)
    }
}
