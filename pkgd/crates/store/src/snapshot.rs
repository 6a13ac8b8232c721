//! Reading: one consistent view, typed.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minos_model::{Digest, JobState, StepId};
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata as _, TableHandle as _,
};
use serde::de::DeserializeOwned;

use crate::db::Store;
use crate::error::StoreError;
use crate::rows::{
    AttemptRow, AuditRow, CacheRow, CheckpointRow, ComparisonRow, EventRow, HistoryRow, JobRow,
    OutputRow, StepRow,
};
use crate::schema::{APPLIED, SCHEMA};
use crate::table::{
    ATTEMPTS, AUDIT, CACHE, CHECKPOINTS, COMPARISONS, Definition, EVENTS, HISTORY, JOBS, META,
    OPEN_ATTEMPTS, OUTPUTS, STEP_ATTEMPTS, STEPS, Table, number, step_key, trailing_number, unseal,
};

/// Key and value of a raw row.
type Bytes = &'static [u8];

/// A place rows can be read from: a snapshot, or the write that is under way.
pub(crate) trait Source {
    type Rows<'a>: ReadableTable<Bytes, Bytes>
    where
        Self: 'a;

    fn open<R>(&self, table: Table<R>) -> Result<Self::Rows<'_>, StoreError>;
    fn path(&self) -> PathBuf;
    /// Told of every read that fails, before the caller is.
    fn failed(&self, error: StoreError) -> StoreError;

    /// The row under `key`.
    fn get<R: DeserializeOwned>(
        &self,
        table: Table<R>,
        key: &[u8],
    ) -> Result<Option<R>, StoreError> {
        self.get_from(&self.open(table)?, table, key)
    }

    /// The row under `key` of a table that is open: for many rows in a row.
    fn get_from<R: DeserializeOwned>(
        &self,
        rows: &Self::Rows<'_>,
        table: Table<R>,
        key: &[u8],
    ) -> Result<Option<R>, StoreError> {
        let error = |e| self.failed(StoreError::redb("read", &self.path(), e));
        let found = rows.get(key).map_err(error)?;
        let row = found.map(|value| decode(&self.path(), table, key, value.value())).transpose();
        row.map_err(|e| self.failed(e))
    }

    /// The highest number in a table of numbered rows; 0 when it is empty.
    fn last_number<R>(&self, table: Table<R>) -> Result<u64, StoreError> {
        let rows = self.open(table)?;
        let error = |e| self.failed(StoreError::redb("read", &self.path(), e));
        let last = rows.last().map_err(error)?;
        Ok(last.and_then(|(key, _)| trailing_number(key.value())).unwrap_or(0))
    }

    /// At most `limit` rows in key order, or from the last one backwards.
    fn rows<R: DeserializeOwned>(
        &self,
        table: Table<R>,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, R)>, StoreError> {
        let error = |e| self.failed(StoreError::redb("read", &self.path(), e));
        let rows = self.open(table)?;
        let mut iter = rows.range::<&[u8]>(range).map_err(error)?;
        let mut found = Vec::new();
        while found.len() < limit {
            let next = if backwards { iter.next_back() } else { iter.next() };
            let Some((key, value)) = next.transpose().map_err(error)? else { break };
            let row = decode(&self.path(), table, key.value(), value.value());
            let row = row.map_err(|e| self.failed(e))?;
            found.push((key.value().to_vec(), row));
        }
        Ok(found)
    }

    /// All keys of a table, without looking at the rows.
    fn keys<R>(&self, table: Table<R>) -> Result<Vec<Vec<u8>>, StoreError> {
        let error = |e| self.failed(StoreError::redb("read", &self.path(), e));
        let rows = self.open(table)?;
        let keys =
            rows.iter().map_err(error)?.map(|row| Ok(row.map_err(error)?.0.value().to_vec()));
        keys.collect()
    }

    /// Every row whose key begins with `prefix`, in key order.
    fn prefixed<R: DeserializeOwned>(
        &self,
        table: Table<R>,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, R)>, StoreError> {
        let end = after_prefix(prefix);
        let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.rows(table, (Bound::Included(prefix), upper), false, usize::MAX)
    }
}

/// The first key behind all that begin with `prefix`; `None` when there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn decode<R: DeserializeOwned>(
    path: &Path,
    table: Table<R>,
    key: &[u8],
    value: &[u8],
) -> Result<R, StoreError> {
    unseal(table.name, key, value).map_err(|why| {
        let what = format!("table '{}', key '{}': {why}", table.name, key.escape_ascii());
        StoreError::Damaged { path: path.to_owned(), what }
    })
}

/// Rows without their keys.
pub(crate) fn values<R>(rows: Vec<(Vec<u8>, R)>) -> Vec<R> {
    rows.into_iter().map(|(_, row)| row).collect()
}

/// One consistent view of the state. Keep it short: pages it can see are not reused while it lives.
pub struct Snapshot<'a> {
    store: &'a Store,
    txn: ReadTransaction,
}

impl core::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Snapshot").field("store", self.store).finish_non_exhaustive()
    }
}

impl Source for Snapshot<'_> {
    type Rows<'a>
        = ReadOnlyTable<Bytes, Bytes>
    where
        Self: 'a;

    fn open<R>(&self, table: Table<R>) -> Result<Self::Rows<'_>, StoreError> {
        self.txn
            .open_table(table.definition())
            .map_err(|e| self.failed(StoreError::redb("read", &self.path(), e)))
    }

    fn path(&self) -> PathBuf {
        self.store.layout.database()
    }

    /// What cannot be read will not be written to either: design by the first error ends it.
    fn failed(&self, error: StoreError) -> StoreError {
        self.store.note(&error);
        error
    }
}

pub(crate) const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

/// All methods fail only when the database cannot be read or is damaged.
impl<'a> Snapshot<'a> {
    pub(crate) fn new(store: &'a Store, txn: ReadTransaction) -> Self {
        Self { store, txn }
    }

    /// A table without the type of its rows.
    pub(crate) fn open_raw(
        &self,
        table: Definition,
    ) -> Result<ReadOnlyTable<Bytes, Bytes>, StoreError> {
        let opened = self.txn.open_table(table);
        opened.map_err(|e| self.failed(StoreError::redb("read", &self.path(), e)))
    }

    /// The schema version, `None` in a database without tables.
    pub(crate) fn schema(&self) -> Result<Option<u32>, StoreError> {
        let tables =
            self.txn.list_tables().map_err(|e| StoreError::redb("read", &self.path(), e))?;
        if !tables.into_iter().any(|table| table.name() == META.name) {
            return Ok(None);
        }
        let found = self.get(META, SCHEMA)?;
        let found = found.and_then(|version| u32::try_from(version).ok());
        let damaged = || StoreError::Damaged {
            path: self.path(),
            what: "it has tables but no schema version".to_owned(),
        };
        found.map(Some).ok_or_else(damaged)
    }

    /// Number of the last commit in this view, `None` in a database without tables.
    pub(crate) fn applied(&self) -> Result<Option<u64>, StoreError> {
        if self.schema()?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.get(META, APPLIED)?.unwrap_or(0)))
    }

    /// A job.
    pub fn job(&self, job: u64) -> Result<Option<JobRow>, StoreError> {
        self.get(JOBS, &number(job))
    }

    /// At most `limit` jobs, newest first.
    pub fn jobs(&self, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        self.rows(JOBS, ALL, true, limit).map(values)
    }

    /// Jobs that are queued or running, oldest first: what a daemon takes up again when it starts.
    pub fn unfinished_jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        let mut jobs: Vec<JobRow> = self.rows(JOBS, ALL, false, usize::MAX).map(values)?;
        jobs.retain(|job| matches!(job.state, JobState::Queued | JobState::Running));
        Ok(jobs)
    }

    /// The steps of a job, in the plan's order.
    pub fn steps(&self, job: u64) -> Result<Vec<StepRow>, StoreError> {
        let mut steps = values(self.prefixed(STEPS, &number(job))?);
        steps.sort_by_key(|row| row.index);
        Ok(steps)
    }

    /// One step of a job.
    pub fn step(&self, job: u64, step: &StepId) -> Result<Option<StepRow>, StoreError> {
        self.get(STEPS, &step_key(job, step))
    }

    /// What came of the second builds of a job, by the names of their steps.
    pub fn comparisons(&self, job: u64) -> Result<Vec<ComparisonRow>, StoreError> {
        self.prefixed(COMPARISONS, &number(job)).map(values)
    }

    /// What came of the second build of a step of a job.
    pub fn comparison(&self, job: u64, step: &StepId) -> Result<Option<ComparisonRow>, StoreError> {
        self.get(COMPARISONS, &step_key(job, step))
    }

    /// An attempt.
    pub fn attempt(&self, attempt: u64) -> Result<Option<AttemptRow>, StoreError> {
        self.get(ATTEMPTS, &number(attempt))
    }

    /// At most `limit` attempts of a step, newest first.
    pub fn attempts_of(&self, step: &StepId, limit: usize) -> Result<Vec<AttemptRow>, StoreError> {
        let prefix = [step.to_string().as_bytes(), &[0]].concat();
        let end = after_prefix(&prefix);
        let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.rows(STEP_ATTEMPTS, (Bound::Included(&prefix[..]), upper), true, limit)?;
        let mut found = Vec::with_capacity(keys.len());
        for (key, ()) in keys {
            found.extend(self.get(ATTEMPTS, &number(trailing_number(&key).unwrap_or(0)))?);
        }
        Ok(found)
    }

    /// The newest attempt of every step.
    pub fn newest_attempts(&self) -> Result<Vec<AttemptRow>, StoreError> {
        let mut newest: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for (key, ()) in self.rows(STEP_ATTEMPTS, ALL, false, usize::MAX)? {
            let (Some(number), Some(step)) = (trailing_number(&key), key.split(|b| *b == 0).next())
            else {
                continue;
            };
            // They come in the order of their numbers.
            newest.insert(step.to_vec(), number);
        }
        let rows = newest.into_values().map(|id| self.get(ATTEMPTS, &number(id)));
        rows.filter_map(Result::transpose).collect()
    }

    /// Attempts without an end, oldest first. With no daemon running there are none but those that a
    /// kill cut off.
    pub fn open_attempts(&self) -> Result<Vec<AttemptRow>, StoreError> {
        open_attempts(self)
    }

    /// The checkpoint of a task, only as far as its layers are still on the disk.
    pub fn checkpoint(&self, key: &Digest) -> Result<Option<CheckpointRow>, StoreError> {
        let Some(mut row) = self.get(CHECKPOINTS, key.as_bytes())? else { return Ok(None) };
        let dir = self.store.layout.scratch_of(&row.step, key);
        let whole = row.layers.iter().take_while(|layer| dir.join(&layer.name).is_dir()).count();
        row.layers.truncate(whole);
        Ok((whole > 0).then_some(row))
    }

    /// Every checkpoint with its task key, as stored.
    pub fn checkpoints(&self) -> Result<Vec<(Digest, CheckpointRow)>, StoreError> {
        keyed(self.rows(CHECKPOINTS, ALL, false, usize::MAX)?, &self.path())
    }

    /// An output.
    pub fn output(&self, digest: &Digest) -> Result<Option<OutputRow>, StoreError> {
        self.get(OUTPUTS, digest.as_bytes())
    }

    /// All outputs, in the order of their digests.
    pub fn outputs(&self) -> Result<Vec<OutputRow>, StoreError> {
        self.rows(OUTPUTS, ALL, false, usize::MAX).map(values)
    }

    /// How many outputs there are.
    pub fn output_count(&self) -> Result<u64, StoreError> {
        let error = |e| self.failed(StoreError::redb("read", &self.path(), e));
        self.open(OUTPUTS)?.len().map_err(error)
    }

    /// The output of a task key, where it was built before. `weak` says whether *this* key's claim
    /// came from a weaker sandbox.
    pub fn cached(&self, key: &Digest) -> Result<Option<OutputRow>, StoreError> {
        cached(self, key)
    }

    /// What a task key was made of, where it was built before.
    pub fn cache_row(&self, key: &Digest) -> Result<Option<CacheRow>, StoreError> {
        self.get(CACHE, key.as_bytes())
    }

    /// All claims "this task key gives this output".
    pub fn cache_rows(&self) -> Result<Vec<(Digest, CacheRow)>, StoreError> {
        keyed(self.rows(CACHE, ALL, false, usize::MAX)?, &self.path())
    }

    /// The key under which a step was last built and what that key was made of: compared with the
    /// new key's parts, it says why the step is to be built again.
    pub fn last_key_parts(&self, step: &StepId) -> Result<Option<(Digest, CacheRow)>, StoreError> {
        let Some(history) = self.history(step)? else { return Ok(None) };
        Ok(self.cache_row(&history.last_key)?.map(|row| (history.last_key, row)))
    }

    /// What a step cost lately.
    pub fn history(&self, step: &StepId) -> Result<Option<HistoryRow>, StoreError> {
        self.get(HISTORY, step.to_string().as_bytes())
    }

    /// At most `limit` events behind number `seq`, oldest first. Events that the ring has dropped are
    /// missing from the front: the first number tells.
    pub fn events_since(&self, seq: u64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let from = number(seq);
        self.rows(EVENTS, (Bound::Excluded(&from[..]), Bound::Unbounded), false, limit).map(values)
    }

    /// At most `limit` of the newest events, newest first.
    pub fn last_events(&self, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        self.rows(EVENTS, ALL, true, limit).map(values)
    }

    /// At most `limit` lines of the audit trail, newest first.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.rows(AUDIT, ALL, true, limit).map(values)
    }

    /// The whole audit trail, oldest first.
    pub(crate) fn audit_trail(&self) -> Result<Vec<AuditRow>, StoreError> {
        self.rows(AUDIT, ALL, false, usize::MAX).map(values)
    }
}

pub(crate) fn keyed<R>(
    rows: Vec<(Vec<u8>, R)>,
    path: &Path,
) -> Result<Vec<(Digest, R)>, StoreError> {
    let digest = |key: Vec<u8>| {
        let what = "a key is not a digest".to_owned();
        let damaged = |_| StoreError::Damaged { path: path.to_owned(), what };
        key.try_into().map(Digest::from_bytes).map_err(damaged)
    };
    rows.into_iter().map(|(key, row)| Ok((digest(key)?, row))).collect()
}

pub(crate) fn open_attempts(source: &impl Source) -> Result<Vec<AttemptRow>, StoreError> {
    let keys = source.rows(OPEN_ATTEMPTS, ALL, false, usize::MAX)?;
    let row = |(key, ()): (Vec<u8>, ())| source.get(ATTEMPTS, &key).transpose();
    keys.into_iter().filter_map(row).collect()
}

pub(crate) fn cached(source: &impl Source, key: &Digest) -> Result<Option<OutputRow>, StoreError> {
    let Some(claim) = source.get(CACHE, key.as_bytes())? else { return Ok(None) };
    let output = source.get(OUTPUTS, claim.output.as_bytes())?;
    Ok(output.map(|row| OutputRow { weak: claim.weak, ..row }))
}
