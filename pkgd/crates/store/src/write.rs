//! The write under way: what every change is made of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use redb::{ReadableTableMetadata as _, WriteTransaction};
use serde::Serialize;

use crate::db::Store;
use crate::error::StoreError;
use crate::journal::Change;
use crate::rows::EventRow;
use crate::schema::APPLIED;
use crate::snapshot::Source;
use crate::table::{self, Definition, EVENTS, META, Table, number, seal};

/// The changes of one commit; see [`Store::write`]. Reads inside it see what it has already done.
pub struct Write<'a> {
    store: &'a Store,
    txn: WriteTransaction,
    /// By table and key what is there in the end: a row put twice is one row of the journal.
    changes: BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>>,
    durable: bool,
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

    /// [`Store::write`] hears of it when the closure returns.
    fn failed(&self, error: StoreError) -> StoreError {
        error
    }
}

impl<'a> Write<'a> {
    pub(crate) fn new(store: &'a Store, txn: WriteTransaction) -> Self {
        Self { store, txn, changes: BTreeMap::new(), durable: false }
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

    /// Makes the commit one of redb itself, not of the journal: for what the journal cannot hold.
    pub(crate) fn make_durable(&mut self) {
        self.durable = true;
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.durable
    }

    /// What the commit changes; afterwards nothing.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let changes = core::mem::take(&mut self.changes).into_iter();
        changes.map(|((table, key), value)| Change { table, key, value }).collect()
    }

    /// Notes the commit's number in the database. Not a change of its own: replaying sets it anew.
    pub(crate) fn set_applied(&mut self, number: u64) -> Result<(), StoreError> {
        let bytes = sealed(META, APPLIED, &number)?;
        self.apply(META.definition(), APPLIED, Some(&bytes))
    }

    pub(crate) fn put<R: Serialize>(
        &mut self,
        table: Table<R>,
        key: &[u8],
        row: &R,
    ) -> Result<(), StoreError> {
        self.change(table, key, Some(sealed(table, key, row)?))
    }

    pub(crate) fn remove<R>(&mut self, table: Table<R>, key: &[u8]) -> Result<(), StoreError> {
        self.change(table, key, None)
    }

    fn change<R>(
        &mut self,
        table: Table<R>,
        key: &[u8],
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        self.apply(table.definition(), key, value.as_deref())?;
        self.changes.insert((table.index, key.to_vec()), value);
        Ok(())
    }

    /// Does a change out of the journal again.
    pub(crate) fn redo(&mut self, change: &Change) -> Result<(), StoreError> {
        let unknown = || StoreError::Damaged {
            path: self.store.layout.journal(),
            what: format!("it names table {}, which is unknown", change.table),
        };
        let table = table::ALL.get(usize::from(change.table)).ok_or_else(unknown)?;
        self.apply(*table, &change.key, change.value.as_deref())
    }

    fn apply(
        &mut self,
        table: Definition,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let error = |e: redb::Error| StoreError::redb("write", &self.path(), e);
        let mut rows = self.txn.open_table(table).map_err(|e| error(e.into()))?;
        let done = match value {
            Some(value) => rows.insert(key, value).map(drop),
            None => rows.remove(key).map(drop),
        };
        done.map_err(|e| error(e.into()))
    }

    /// Adds an event to the ring and returns its number; see [`Write::events`].
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn event(&mut self, job: u64, body: Vec<u8>, now_ms: u64) -> Result<u64, StoreError> {
        self.events(job, [body], now_ms)
    }

    /// Adds events to the ring and returns the number of the last. The bodies are the caller's own encoding.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn events(
        &mut self,
        job: u64,
        bodies: impl IntoIterator<Item = Vec<u8>>,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        let mut seq = self.last_number(EVENTS)?;
        for body in bodies {
            seq += 1;
            self.put(EVENTS, &number(seq), &EventRow { seq, job, at_ms: now_ms, body })?;
        }
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

fn sealed<R: Serialize>(table: Table<R>, key: &[u8], row: &R) -> Result<Vec<u8>, StoreError> {
    seal(table.name, key, row).map_err(|what| StoreError::Invalid { what })
}
