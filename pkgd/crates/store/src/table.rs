//! Tables and the sealed form of their rows.
//!
//! Every key and value is a byte string; numbers in keys are big-endian, so that byte order is
//! number order. A value is `version (1) | check (4) | postcard bytes`, where `check` is the first
//! four bytes of a SHA-256 over table name, key, version and postcard bytes. redb verifies its own
//! page checksums only when it repairs, not when it reads; this check sees a flipped bit on every
//! read, and a value that stands under a key it was not written for.

use core::marker::PhantomData;

use minos_model::{Hasher, StepId};
use redb::TableDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::generations::{GenerationRow, HoldRow, IntentRow, MarkRow, OwnRow, TransactionRow};
use crate::packages::{PackageRow, PathRow};
use crate::rows::{
    AttemptRow, AuditRow, CacheRow, CheckpointRow, ComparisonRow, EventRow, HistoryRow, JobRow,
    OutputRow, StepRow, SuiteRow,
};

/// The version byte of every row of the present schema.
const ROW_VERSION: u8 = 1;
/// Bytes in front of the postcard bytes.
const HEAD: usize = 5;

/// A table whose values are `R`.
pub(crate) struct Table<R> {
    pub(crate) name: &'static str,
    /// Place in [`ALL`]; stored in the journal.
    pub(crate) index: u8,
    row: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Table<R> {}

impl<R> Table<R> {
    pub(crate) const fn new(index: u8, name: &'static str) -> Self {
        Self { name, index, row: PhantomData }
    }

    pub(crate) const fn definition(self) -> Definition {
        TableDefinition::new(self.name)
    }
}

/// How redb sees each table.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// `schema` -> version number, and counters.
pub(crate) const META: Table<u64> = Table::new(0, "meta");
/// job -> [`JobRow`].
pub(crate) const JOBS: Table<JobRow> = Table::new(1, "jobs");
/// job, step -> [`StepRow`].
pub(crate) const STEPS: Table<StepRow> = Table::new(2, "steps");
/// attempt -> [`AttemptRow`].
pub(crate) const ATTEMPTS: Table<AttemptRow> = Table::new(3, "attempts");
/// step, 0, attempt -> nothing: the attempts of a step.
pub(crate) const STEP_ATTEMPTS: Table<()> = Table::new(4, "step-attempts");
/// attempt -> nothing: the attempts that have no end yet.
pub(crate) const OPEN_ATTEMPTS: Table<()> = Table::new(5, "open-attempts");
/// task key -> [`CheckpointRow`].
pub(crate) const CHECKPOINTS: Table<CheckpointRow> = Table::new(6, "checkpoints");
/// output -> [`OutputRow`].
pub(crate) const OUTPUTS: Table<OutputRow> = Table::new(7, "outputs");
/// task key -> [`CacheRow`].
pub(crate) const CACHE: Table<CacheRow> = Table::new(8, "cache");
/// step -> [`HistoryRow`].
pub(crate) const HISTORY: Table<HistoryRow> = Table::new(9, "history");
/// number -> [`EventRow`].
pub(crate) const EVENTS: Table<EventRow> = Table::new(10, "events");
/// number -> [`AuditRow`].
pub(crate) const AUDIT: Table<AuditRow> = Table::new(11, "audit");

/// number -> [`GenerationRow`].
pub(crate) const GENERATIONS: Table<GenerationRow> = Table::new(12, "generations");
/// generation -> [`OwnRow`]: files that come from no package.
pub(crate) const GENERATION_OWN: Table<OwnRow> = Table::new(13, "generation-own");
/// generation -> [`MarkRow`]: what may change about a generation.
pub(crate) const GENERATION_MARKS: Table<MarkRow> = Table::new(14, "generation-marks");
/// number -> [`PackageRow`].
pub(crate) const PACKAGES: Table<PackageRow> = Table::new(15, "packages");
/// digest of a package's manifest -> its number.
pub(crate) const PACKAGE_NUMBERS: Table<u32> = Table::new(16, "package-numbers");
/// package -> keys of its objects.
pub(crate) const PACKAGE_OBJECTS: Table<Vec<u64>> = Table::new(17, "package-objects");
/// path -> [`PathRow`], of one generation.
pub(crate) const PATHS: Table<PathRow> = Table::new(18, "paths");
/// number -> [`TransactionRow`].
pub(crate) const TRANSACTIONS: Table<TransactionRow> = Table::new(19, "transactions");
/// package name -> [`HoldRow`].
pub(crate) const HOLDS: Table<HoldRow> = Table::new(20, "holds");
/// `open` -> [`IntentRow`]: the transaction under way.
pub(crate) const INTENTS: Table<IntentRow> = Table::new(21, "intents");

/// job, step -> [`ComparisonRow`].
pub(crate) const COMPARISONS: Table<ComparisonRow> = Table::new(22, "comparisons");
/// step, 0, attempt -> [`SuiteRow`].
pub(crate) const SUITES: Table<SuiteRow> = Table::new(23, "suites");

/// Tables of schema 1.
pub(crate) const SCHEMA_1: usize = 12;
/// Tables of schema 2.
pub(crate) const SCHEMA_2: usize = 22;
/// Tables of schema 3; the one behind came with schema 4.
pub(crate) const SCHEMA_3: usize = 23;

/// All tables, made when the database is made. Their places are part of the journal's format.
pub(crate) const ALL: [Definition; 24] = [
    META.definition(),
    JOBS.definition(),
    STEPS.definition(),
    ATTEMPTS.definition(),
    STEP_ATTEMPTS.definition(),
    OPEN_ATTEMPTS.definition(),
    CHECKPOINTS.definition(),
    OUTPUTS.definition(),
    CACHE.definition(),
    HISTORY.definition(),
    EVENTS.definition(),
    AUDIT.definition(),
    GENERATIONS.definition(),
    GENERATION_OWN.definition(),
    GENERATION_MARKS.definition(),
    PACKAGES.definition(),
    PACKAGE_NUMBERS.definition(),
    PACKAGE_OBJECTS.definition(),
    PATHS.definition(),
    TRANSACTIONS.definition(),
    HOLDS.definition(),
    INTENTS.definition(),
    COMPARISONS.definition(),
    SUITES.definition(),
];

/// Key of a numbered row.
pub(crate) const fn number(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

/// Key of a step of a job.
pub(crate) fn step_key(job: u64, step: &StepId) -> Vec<u8> {
    [&number(job)[..], step.to_string().as_bytes()].concat()
}

/// Key of an attempt in the list of its step. No step name holds a zero byte.
pub(crate) fn step_attempt_key(step: &StepId, attempt: u64) -> Vec<u8> {
    [step.to_string().as_bytes(), &[0], &number(attempt)].concat()
}

/// The number at the end of a key.
pub(crate) fn trailing_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

fn check(table: &str, key: &[u8], version: u8, body: &[u8]) -> [u8; 4] {
    let mut hasher = Hasher::new();
    [table.as_bytes(), key, &[version], body].iter().for_each(|part| hasher.field(part));
    let [a, b, c, d, ..] = *hasher.finish().as_bytes();
    [a, b, c, d]
}

/// The bytes stored for `row` under `key`.
pub(crate) fn seal<R: Serialize>(table: &str, key: &[u8], row: &R) -> Result<Vec<u8>, String> {
    let head = vec![ROW_VERSION, 0, 0, 0, 0];
    let mut bytes = postcard::to_extend(row, head).map_err(|e| format!("cannot encode: {e}"))?;
    let sum = check(table, key, ROW_VERSION, &bytes[HEAD..]);
    bytes[1..HEAD].copy_from_slice(&sum);
    Ok(bytes)
}

/// The row in `bytes`, which must be exactly what [`seal`] made for this table and key.
pub(crate) fn unseal<R: DeserializeOwned>(
    table: &str,
    key: &[u8],
    bytes: &[u8],
) -> Result<R, String> {
    let Some((&[version, ref sum @ ..], body)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(format!("a row of {} bytes is too short", bytes.len()));
    };
    if version != ROW_VERSION {
        return Err(format!("row version {version} is unknown"));
    }
    if check(table, key, version, body) != *sum {
        return Err("the check sum does not match".to_owned());
    }
    match postcard::take_from_bytes(body) {
        Ok((row, [])) => Ok(row),
        Ok(_) => Err("bytes are left over".to_owned()),
        Err(e) => Err(format!("cannot decode: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_a_sealed_row_is_seen() {
        let sealed = seal("t", b"key", &("text", 7u64)).unwrap();
        assert_eq!(unseal::<(String, u64)>("t", b"key", &sealed), Ok(("text".to_owned(), 7)));
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<(String, u64)>("t", b"key", &bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn each_table_knows_its_place() {
        use redb::TableHandle as _;
        let places = [META.index, JOBS.index, STEPS.index, ATTEMPTS.index, STEP_ATTEMPTS.index];
        assert_eq!(places, [0, 1, 2, 3, 4]);
        let rest = [
            (OPEN_ATTEMPTS.index, OPEN_ATTEMPTS.name),
            (CHECKPOINTS.index, CHECKPOINTS.name),
            (OUTPUTS.index, OUTPUTS.name),
            (CACHE.index, CACHE.name),
            (HISTORY.index, HISTORY.name),
            (EVENTS.index, EVENTS.name),
            (AUDIT.index, AUDIT.name),
            (GENERATIONS.index, GENERATIONS.name),
            (GENERATION_OWN.index, GENERATION_OWN.name),
            (GENERATION_MARKS.index, GENERATION_MARKS.name),
            (PACKAGES.index, PACKAGES.name),
            (PACKAGE_NUMBERS.index, PACKAGE_NUMBERS.name),
            (PACKAGE_OBJECTS.index, PACKAGE_OBJECTS.name),
            (PATHS.index, PATHS.name),
            (TRANSACTIONS.index, TRANSACTIONS.name),
            (HOLDS.index, HOLDS.name),
            (INTENTS.index, INTENTS.name),
            (COMPARISONS.index, COMPARISONS.name),
            (SUITES.index, SUITES.name),
        ];
        for (index, name) in rest {
            assert_eq!(ALL[usize::from(index)].name(), name);
        }
    }

    #[test]
    fn row_is_bound_to_its_place() {
        let sealed = seal("t", b"key", &7u64).unwrap();
        assert!(unseal::<u64>("u", b"key", &sealed).is_err());
        assert!(unseal::<u64>("t", b"kez", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(unseal::<u64>("t", b"key", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn byte_order_of_keys_is_number_order() {
        let step: StepId = "gcc:pass1".parse().unwrap();
        assert!(step_attempt_key(&step, 255) < step_attempt_key(&step, 256));
        assert!(number(u64::from(u32::MAX)) < number(1 << 32));
        assert_eq!(trailing_number(&step_attempt_key(&step, 77)), Some(77));
        assert_eq!(trailing_number(b"short"), None);
    }
}
