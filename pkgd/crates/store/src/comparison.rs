//! Second builds: what came of comparing one with the output that the step has.

use minos_model::{Digest, Metrics, StepState};

use crate::build::AttemptEnd;
use crate::error::StoreError;
use crate::rows::ComparisonRow;
use crate::snapshot::Source as _;
use crate::table::{COMPARISONS, OUTPUTS, step_key};
use crate::write::Write;

/// A second build that went well; see [`Write::commit_comparison`].
#[derive(Debug, Clone)]
pub struct CommitComparison {
    /// The attempt. Job and step are the attempt's.
    pub attempt: u64,
    /// Where the step stood before: built or cached.
    pub state: StepState,
    /// What its first build in this job cost; nothing for one from the cache.
    pub metrics: Metrics,
    /// The output that the step has.
    pub first: Digest,
    /// The digest of what the second build gave.
    pub second: Digest,
    /// Paths that differ.
    pub files: u64,
    /// What differs, opaque to the store.
    pub report: Vec<u8>,
    /// Length of the uncompressed log in bytes.
    pub log_bytes: u64,
}

impl Write<'_> {
    /// Ends a second build, keeps what was found, and puts its step back to where it stood. The output, the
    /// cache and the history stay as they are: a second build never takes the place of the first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when attempt, job, step or output does not exist, [`StoreError::Invalid`] when
    /// the attempt is over or the step cannot have stood there; and when the database cannot be written.
    pub fn commit_comparison(
        &mut self,
        commit: CommitComparison,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let CommitComparison { attempt, state, first, .. } = commit;
        if !matches!(state, StepState::Built | StepState::Cached) {
            let what = format!("attempt {attempt} was no second build: its step was {state:?}");
            return Err(StoreError::Invalid { what });
        }
        if self.get(OUTPUTS, first.as_bytes())?.is_none() {
            return Err(StoreError::NotFound { what: format!("output {first}") });
        }
        let mut row = self.open_attempt(attempt)?;
        row.log_bytes = commit.log_bytes;
        self.close_attempt(&mut row, AttemptEnd::Compared, now_ms)?;
        self.edit_step(row.job, &row.step, |step| {
            step.state = state;
            step.metrics = commit.metrics;
        })?;
        let key = step_key(row.job, &row.step);
        let comparison = ComparisonRow {
            job: row.job,
            step: row.step,
            attempt,
            at_ms: now_ms,
            first,
            second: commit.second,
            files: commit.files,
            report: commit.report,
        };
        self.put(COMPARISONS, &key, &comparison)
    }
}
