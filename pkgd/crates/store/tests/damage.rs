//! Damaged files: opening or reading says so, or the data is what was written. Never a panic, and
//! never other data. A daemon is built with `panic = "abort"`, so a panic here would be a daemon that
//! dies at every start without a word about the cause.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::disk::{Cache, Disk};
use common::script::{dump, long_build, open, place_outputs, run};
use minos_store::{Options, Store, StoreError};

/// Database and journal after a build that was killed, and what state may be found in them.
struct Built {
    dir: tempfile::TempDir,
    database: Vec<u8>,
    journal: Vec<u8>,
    last: String,
    /// The state before the last commit.
    before: String,
}

/// What came of opening damaged bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Intact,
    Error,
    /// The last commit is missing and all else is intact.
    LastLost,
    Panic,
    /// Other data, without a word.
    Wrong,
}

impl Built {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        place_outputs(dir.path());
        let disk = Disk::default();
        let store = open(&disk, dir.path()).unwrap();
        let (mut before, mut last) = (String::new(), String::new());
        for (at, op) in (1..).zip(long_build()) {
            run(&store, at, op).unwrap();
            before = std::mem::replace(&mut last, dump(&store).unwrap());
        }
        let (database, journal) = disk.live();
        Self { dir, database, journal, last, before }
    }

    fn outcome(&self, database: &[u8], journal: &[u8]) -> Outcome {
        let disk = Disk::with(database.to_vec(), journal.to_vec());
        let result = catch_unwind(AssertUnwindSafe(|| {
            let store = open(&disk, self.dir.path())?;
            let text = dump(&store)?;
            store.read()?.check()?;
            Ok::<_, StoreError>(text)
        }));
        match result {
            Err(_) => Outcome::Panic,
            Ok(Err(error)) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
                Outcome::Error
            }
            Ok(Ok(text)) if text == self.last => Outcome::Intact,
            Ok(Ok(text)) if text == self.before => Outcome::LastLost,
            Ok(Ok(_)) => Outcome::Wrong,
        }
    }

    fn flipped_database(&self, at: usize, bit: usize) -> Outcome {
        let mut bad = self.database.clone();
        bad[at] ^= 1 << bit;
        self.outcome(&bad, &self.journal)
    }

    fn flipped_journal(&self, at: usize, bit: usize) -> Outcome {
        let mut bad = self.journal.clone();
        bad[at] ^= 1 << bit;
        self.outcome(&self.database, &bad)
    }
}

fn good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Intact | Outcome::Error)
}

/// The first run of this test, without check sums of our own, found 36 panics of redb and six cases
/// of silently different rows in 17,000 flipped bits.
#[test]
fn flipped_bit_in_the_database_is_an_error_or_harmless() {
    let built = Built::new();
    let mut errors = 0;
    for at in (0..built.database.len()).step_by(797) {
        let outcome = built.flipped_database(at, at % 8);
        assert!(good(outcome), "byte {at}: {outcome:?}");
        errors += u32::from(outcome == Outcome::Error);
    }
    assert!(errors > 20, "the test must hit bytes that are in use, it hit {errors}");
}

/// A row that could not be read counted as one that is not there, and pkgd went on writing.
#[test]
fn what_cannot_be_read_latches_the_state() {
    let built = Built::new();
    let disk = Disk::with(built.database.clone(), built.journal.clone());
    let (database, journal) = disk.parts();
    // Without a cache every read goes to the disk.
    let options = Options { cache_bytes: 0, ..Options::default() };
    let store = Store::open_on(database, journal, built.dir.path(), 1, options).unwrap();
    assert_eq!((dump(&store).unwrap(), store.latched()), (built.last.clone(), None));
    disk.after_power_cut(Cache::Written);
    let error = dump(&store).unwrap_err();
    assert_eq!(store.latched(), Some(error.to_string()));
    let refused = store.write(|w| w.create_job("t", Vec::new(), &[], 1)).unwrap_err();
    assert!(matches!(refused, StoreError::Latched { .. }), "{refused}");
}

/// redb's header is the one block that our sums leave out.
#[test]
fn flipped_bit_in_the_header_is_an_error_or_harmless() {
    let built = Built::new();
    for at in 0..320 {
        for bit in [at % 8, (at + 3) % 8] {
            let outcome = built.flipped_database(at, bit);
            assert!(good(outcome), "byte {at}, bit {bit}: {outcome:?}");
        }
    }
}

/// redb panicked on 222 of 258 truncated files before the length was kept beside the sums.
#[test]
fn truncated_database_is_an_error() {
    let built = Built::new();
    for length in (0..built.database.len()).step_by(12_287) {
        let outcome = built.outcome(&built.database[..length], &built.journal);
        assert_eq!(outcome, Outcome::Error, "{length} bytes");
    }
}

/// Only damage to the very last record can go unseen: it looks like a commit that a power cut tore.
#[test]
fn flipped_bit_in_the_journal_loses_at_most_the_last_commit() {
    let built = Built::new();
    let mut lost = Vec::new();
    for at in (0..built.journal.len()).step_by(17).filter(|at| at % 4096 < 400) {
        match built.flipped_journal(at, at % 8) {
            Outcome::LastLost => lost.push(at / 4096),
            outcome => assert!(good(outcome), "byte {at}: {outcome:?}"),
        }
    }
    lost.dedup();
    assert_eq!(lost.len(), 1, "blocks whose damage goes unseen");
}

#[test]
fn truncated_journal_is_an_error() {
    let built = Built::new();
    for length in (0..built.journal.len()).step_by(4096) {
        let outcome = built.outcome(&built.database, &built.journal[..length]);
        assert_eq!(outcome, Outcome::Error, "{length} bytes");
    }
}

#[test]
fn any_other_file_is_refused() {
    let built = Built::new();
    for size in [1, 100, 4096, 100_000] {
        let noise: Vec<u8> = (0..size).map(|n: usize| (n * n % 251) as u8).collect();
        assert_eq!(built.outcome(&noise, &built.journal), Outcome::Error, "{size} bytes");
        assert_eq!(built.outcome(&noise, &[]), Outcome::Error, "{size} bytes, no journal");
    }
}
