//! What came of the test suites of steps, attempt by attempt; and keys that change without their outputs.

use core::ops::Bound;

use minos_model::{Digest, StepId, Tested};

use crate::error::StoreError;
use crate::rows::SuiteRow;
use crate::snapshot::{ALL, Snapshot, Source as _, after_prefix, values};
use crate::table::{SUITES, number, step_attempt_key};
use crate::write::Write;

/// A suite that was run; see [`Write::commit_suite`].
#[derive(Debug, Clone)]
pub struct CommitSuite {
    /// The attempt, which is not over. Job, step and task key are the attempt's.
    pub attempt: u64,
    /// What the suite was: a digest over its script and its list of expected failures.
    pub suite: Digest,
    /// It fails the step.
    pub failed: bool,
    /// What it came to.
    pub tested: Tested,
    /// All that is known of it, opaque to the store.
    pub report: Vec<u8>,
}

impl Write<'_> {
    /// Keeps what came of a suite. Of each step the newest rows are kept, as many as there are samples of
    /// its cost.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the attempt does not exist, [`StoreError::Invalid`] when it is over; and when
    /// the database cannot be written.
    pub fn commit_suite(&mut self, commit: CommitSuite, now_ms: u64) -> Result<(), StoreError> {
        let attempt = self.open_attempt(commit.attempt)?;
        let row = SuiteRow {
            attempt: attempt.id,
            job: attempt.job,
            step: attempt.step.clone(),
            key: attempt.key,
            suite: commit.suite,
            at_ms: now_ms,
            failed: commit.failed,
            tested: commit.tested,
            report: commit.report,
        };
        self.put(SUITES, &step_attempt_key(&attempt.step, attempt.id), &row)?;
        let rows: Vec<(Vec<u8>, SuiteRow)> = self.prefixed(SUITES, &prefix(&attempt.step))?;
        let kept = self.store().options.samples_kept.max(1);
        let old = rows.len().saturating_sub(kept);
        rows.iter().take(old).try_for_each(|(key, _)| self.remove(SUITES, key))
    }
}

/// All methods fail only when the database cannot be read or is damaged.
impl Snapshot<'_> {
    /// What came of the suite of a step, at most `limit` times, newest first.
    pub fn suites_of(&self, step: &StepId, limit: usize) -> Result<Vec<SuiteRow>, StoreError> {
        let prefix = prefix(step);
        let end = after_prefix(&prefix);
        let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.rows(SUITES, (Bound::Included(&prefix[..]), upper), true, limit).map(values)
    }

    /// All that is kept of suites.
    pub fn suites(&self) -> Result<Vec<SuiteRow>, StoreError> {
        self.rows(SUITES, ALL, false, usize::MAX).map(values)
    }
}

/// What the keys of a step's rows begin with.
fn prefix(step: &StepId) -> Vec<u8> {
    let mut key = step_attempt_key(step, 0);
    key.truncate(key.len() - number(0).len());
    key
}
