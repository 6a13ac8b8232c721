//! The journal: what makes a commit durable with one sync of one small file.
//!
//! redb alone needs two syncs and about a dozen scattered pages for a commit with quick-repair, four
//! times the cost of one synced 4 KiB write (`docs/decisions/0003-state-commit.md`). So a commit
//! appends the rows it puts and removes to `state.log` and syncs that; redb commits the same rows in
//! memory. Every 64th commit or so, when the journal is full, is a durable commit of redb instead,
//! and the journal starts over. After a kill redb opens at its last durable commit and the journal's
//! rows are put again.
//!
//! **A commit is there exactly when its record is whole and its number follows the one before.**
//!
//! The file has a fixed length and is written with zeros when it is made, so that a sync never has to
//! touch the file system's metadata, and a full disk does not stop a commit that fits. Each record
//! begins on a block of its own: writing one never rewrites a block of another.

use std::path::PathBuf;
use std::sync::Arc;

use minos_model::Hasher;
use redb::StorageBackend;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Bytes of a block; the sector size of every disk divides it.
const BLOCK: usize = 4096;
/// Length of the journal in bytes: the number of blocks is how many small commits redb holds only
/// in memory, and how many are put again after a kill.
pub(crate) const CAPACITY: usize = 64 * BLOCK;
const MAGIC: [u8; 4] = *b"MJR1";
/// Number of the record that says: the database is being made. No commit has it.
const BIRTH: u64 = 0;
/// Magic, length of the operations, number of the commit, check sum.
const HEADER: usize = 4 + 4 + 8 + 8;

/// One row put or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Place of the table in [`crate::table::ALL`].
    pub(crate) table: u8,
    /// The key.
    pub(crate) key: Vec<u8>,
    /// The sealed row; `None` removes it.
    pub(crate) value: Option<Vec<u8>>,
}

/// A commit as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) changes: Vec<Change>,
}

/// What stands in a journal when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is missing or shorter than a journal.
    Nothing,
    /// It is there and holds no record.
    Blank,
    /// The database was about to be made and no commit was ever acknowledged: whatever is in it may
    /// be thrown away. redb cannot open a file whose making was cut off by a power cut.
    Unborn,
    /// Commits.
    Commits,
}

/// The journal's file and where the next record goes.
pub(crate) struct Journal {
    medium: Arc<dyn StorageBackend>,
    path: PathBuf,
    /// Number of the last commit.
    last: u64,
    /// Offset of the next record; `CAPACITY` when only a durable commit of redb may follow: in a new database.
    at: usize,
}

impl Journal {
    /// The journal on `medium`, not yet read: [`Journal::begin`] or [`Journal::recover`] comes next.
    pub(crate) fn new(medium: Arc<dyn StorageBackend>, path: PathBuf) -> Self {
        Self { medium, path, last: 0, at: CAPACITY }
    }

    /// Empties the journal for a database that is about to be made, and marks it so. The first commit
    /// through the journal takes the place of the mark.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        let mark = encode(BIRTH, &[]).map_err(|what| StoreError::Invalid { what })?;
        let mut bytes = vec![0; CAPACITY];
        bytes[..mark.len()].copy_from_slice(&mark);
        let write = || {
            self.medium.set_len(CAPACITY as u64)?;
            self.medium.write(0, &bytes)?;
            self.medium.sync_data()
        };
        write().map_err(|e| self.error("prepare", e))
    }

    /// What stands in the journal.
    pub(crate) fn found(&self) -> Result<Found, StoreError> {
        let bytes = self.contents()?;
        let mut records = (0..bytes.len()).step_by(BLOCK).filter_map(|at| parse(&bytes[at..]));
        Ok(match records.next() {
            Some((record, _)) if record.number == BIRTH => Found::Unborn,
            Some(_) => Found::Commits,
            None if bytes.len() < CAPACITY => Found::Nothing,
            None => Found::Blank,
        })
    }

    /// The commits behind number `applied` that the database does not have. The next one goes behind
    /// them, or to the beginning where there are none. The database must be synced by then: commits that
    /// it has are overwritten.
    ///
    /// The last commit may be in memory alone, left by a process that was killed before its sync, or whose
    /// sync failed: it is written again, so that nothing is built upon what a power cut would take.
    pub(crate) fn recover(&mut self, applied: u64) -> Result<Vec<Record>, StoreError> {
        let bytes = self.contents()?;
        let mut found: Vec<Record> = Vec::new();
        let (mut at, mut before) = (0, 0);
        while let Some((record, blocks)) = bytes.get(at..).and_then(parse) {
            if record.number != applied + 1 + found.len() as u64 {
                break;
            }
            before = at;
            at += blocks * BLOCK;
            found.push(record);
        }
        let last = applied + found.len() as u64;
        // A record is only begun when the one before is on the disk, so none can follow a gap.
        let later = (at..bytes.len()).step_by(BLOCK).filter_map(|at| parse(&bytes[at..]));
        if let Some((stray, _)) = later.into_iter().find(|(record, _)| record.number > last) {
            let what = format!("commit {} is there and commit {} is not", stray.number, last + 1);
            return Err(StoreError::Damaged { path: self.path.clone(), what });
        }
        self.last = last;
        self.at = at;
        if !found.is_empty() {
            let write = || {
                self.medium.write(before as u64, bytes.get(before..at).unwrap_or_default())?;
                self.medium.sync_data()
            };
            write().map_err(|e| self.error("write", e))?;
        }
        Ok(found)
    }

    fn contents(&self) -> Result<Vec<u8>, StoreError> {
        let length = self.medium.len().map_err(|e| self.error("read", e))?;
        let length = usize::try_from(length).unwrap_or(CAPACITY).min(CAPACITY) / BLOCK * BLOCK;
        let mut bytes = vec![0; length];
        self.medium.read(0, &mut bytes).map_err(|e| self.error("read", e))?;
        Ok(bytes)
    }

    /// Number of the next commit.
    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    /// Makes a commit durable, or says `false` without having done anything when it does not fit.
    pub(crate) fn append(&mut self, changes: &[Change]) -> Result<bool, StoreError> {
        let record = encode(self.next(), changes).map_err(|what| StoreError::Invalid { what })?;
        if record.len() > CAPACITY - self.at {
            return Ok(false);
        }
        let write = || {
            self.medium.write(self.at as u64, &record)?;
            self.medium.sync_data()
        };
        write().map_err(|e| self.error("write", e))?;
        self.at += record.len();
        self.last += 1;
        Ok(true)
    }

    /// Starts over: the database has durably committed everything up to the next number.
    pub(crate) fn restart(&mut self) {
        self.last += 1;
        self.at = 0;
    }

    fn error(&self, doing: &'static str, source: std::io::Error) -> StoreError {
        StoreError::io(doing, &self.path, source)
    }
}

/// A record, padded with zeros to whole blocks.
fn encode(number: u64, changes: &[Change]) -> Result<Vec<u8>, String> {
    let cannot = |e: &dyn core::fmt::Display| format!("cannot encode a commit: {e}");
    let mut bytes = postcard::to_extend(changes, vec![0; HEADER]).map_err(|e| cannot(&e))?;
    let length = u32::try_from(bytes.len() - HEADER).map_err(|e| cannot(&e))?;
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let sum = check(&bytes[..16], &bytes[HEADER..]);
    bytes[16..HEADER].copy_from_slice(&sum);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(bytes)
}

/// The record that begins at the start of `bytes`, if a whole one does, and its length in blocks.
fn parse(bytes: &[u8]) -> Option<(Record, usize)> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let (fields, sum) = header.split_at(16);
    let (magic, fields_rest) = fields.split_first_chunk::<4>()?;
    let (length, number) = fields_rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    if *magic != MAGIC || check(fields, body) != sum {
        return None;
    }
    let number = u64::from_le_bytes(number.try_into().ok()?);
    let changes = postcard::from_bytes(body).ok()?;
    Some((Record { number, changes }, (HEADER + length).div_ceil(BLOCK)))
}

/// The first eight bytes of a SHA-256: a torn record passes with a chance of 2^-64.
fn check(fields: &[u8], body: &[u8]) -> [u8; 8] {
    let mut hasher = Hasher::new();
    hasher.field(fields);
    hasher.field(body);
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finish().as_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn change(n: u8, length: usize) -> Vec<Change> {
        vec![Change { table: n, key: vec![n], value: Some(vec![n; length]) }]
    }

    /// A journal with `records` in it, as bytes.
    fn written(records: &[Vec<Change>]) -> Vec<u8> {
        let mut journal =
            Journal::new(Arc::new(InMemoryBackend::new()), PathBuf::from("state.log"));
        journal.begin().unwrap();
        journal.at = 0;
        for record in records {
            assert!(journal.append(record).unwrap());
        }
        journal.contents().unwrap()
    }

    fn recover(bytes: &[u8], applied: u64) -> Result<Vec<Record>, StoreError> {
        let medium = InMemoryBackend::new();
        medium.set_len(bytes.len() as u64).unwrap();
        medium.write(0, bytes).unwrap();
        Journal::new(Arc::new(medium), PathBuf::from("state.log")).recover(applied)
    }

    #[test]
    fn records_come_back_in_order_and_only_what_is_missing() {
        let records = [change(1, 10), change(2, 9000), change(3, 0)];
        let bytes = written(&records);
        let found = recover(&bytes, 0).unwrap();
        assert_eq!(found.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(found.iter().map(|r| r.changes.clone()).collect::<Vec<_>>(), records);
        assert_eq!(recover(&bytes, 3).unwrap(), [], "all of it is older than the database");
    }

    #[test]
    fn new_round_over_an_older_one_is_not_mixed_with_it() {
        let medium = InMemoryBackend::new();
        let mut journal = Journal::new(Arc::new(medium), PathBuf::from("state.log"));
        journal.begin().unwrap();
        journal.at = 0;
        for n in 0..5 {
            assert!(journal.append(&change(n, 1)).unwrap());
        }
        journal.restart();
        assert!(journal.append(&change(7, 1)).unwrap());
        let found = journal.recover(6).unwrap();
        assert_eq!(found, [Record { number: 7, changes: change(7, 1) }]);
    }

    #[test]
    fn torn_last_record_is_no_commit() {
        let bytes = written(&[change(1, 10), change(2, 9000)]);
        for cut in [BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 700] {
            let mut torn = bytes.clone();
            torn[cut..].fill(0);
            assert_eq!(recover(&torn, 0).unwrap().len(), 1, "cut at {cut}");
        }
    }

    #[test]
    fn damage_before_the_last_record_is_an_error() {
        let bytes = written(&[change(1, 10), change(2, 10), change(3, 10)]);
        for at in [0, 5, 9, 20, 30, BLOCK + 3] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let error = recover(&bad, 0).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn full_journal_says_so_and_writes_nothing() {
        let mut journal =
            Journal::new(Arc::new(InMemoryBackend::new()), PathBuf::from("state.log"));
        journal.begin().unwrap();
        assert!(!journal.append(&change(1, 1)).unwrap(), "before the first durable commit");
        journal.restart();
        assert!(!journal.append(&change(1, CAPACITY)).unwrap(), "larger than the whole journal");
        let mut count = 0;
        while journal.append(&change(1, 100)).unwrap() {
            count += 1;
        }
        assert_eq!(count, CAPACITY / BLOCK);
        assert_eq!(journal.recover(1).unwrap().len(), count);
    }

    #[test]
    fn any_bytes_are_read_without_panic() {
        let mut state = 1u32;
        for length in [0, 1, HEADER, BLOCK, CAPACITY, CAPACITY + 9] {
            let mut bytes = vec![0; length];
            for byte in &mut bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 24) as u8;
            }
            assert_eq!(recover(&bytes, 0).unwrap(), []);
        }
        let mut huge = written(&[change(1, 10)]);
        huge[4..8].fill(0xff);
        assert_eq!(recover(&huge, 0).unwrap(), []);
    }
}
