//! A full check of the rows against each other, for `doctor` and for tests.

use std::collections::HashSet;

use minos_model::{Digest, StepState};

use crate::build::AttemptEnd;
use crate::error::StoreError;
use crate::rows::AttemptRow;
use crate::snapshot::Snapshot;

/// What [`Snapshot::check`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Rows read, each with its check sum verified.
    pub rows: u64,
    /// Rows that contradict each other, one line each. Empty when the state is sound.
    pub contradictions: Vec<String>,
}

impl Snapshot<'_> {
    /// Reads every row and checks that no change is half there. Time grows with the state.
    ///
    /// # Errors
    /// A row cannot be read or is damaged.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        let outputs: HashSet<Digest> = self.outputs()?.into_iter().map(|row| row.digest).collect();
        report.rows += outputs.len() as u64;
        self.check_cache(&outputs, &mut report)?;
        self.check_jobs(&outputs, &mut report)?;
        for attempt in self.open_attempts()? {
            if attempt.end.is_some() {
                report.say(format!("attempt {} is over and listed as open", attempt.id));
            }
        }
        report.rows += self.checkpoints()?.len() as u64;
        report.rows += self.events_since(0, usize::MAX)?.len() as u64;
        report.rows += self.suites()?.len() as u64;
        report.rows += self.verify_audit()?;
        Ok(report)
    }

    /// Every claim names an output that exists, and every output has a claim.
    fn check_cache(
        &self,
        outputs: &HashSet<Digest>,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        let claims = self.cache_rows()?;
        report.rows += claims.len() as u64;
        let mut claimed = HashSet::new();
        for (key, claim) in claims {
            claimed.insert(claim.output);
            if !outputs.contains(&claim.output) {
                report.say(format!("task key {key} names output {}, which is not", claim.output));
            }
            if self.history(&claim.step)?.is_none() {
                report.say(format!("step '{}' was built and has no history", claim.step));
            }
        }
        for output in outputs.difference(&claimed) {
            report.say(format!("output {output} has no task key"));
        }
        Ok(())
    }

    /// Every step agrees with its job's counts, its attempt and its output.
    fn check_jobs(
        &self,
        outputs: &HashSet<Digest>,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        for job in self.jobs(usize::MAX)? {
            let steps = self.steps(job.id)?;
            report.rows += 1 + steps.len() as u64 + self.comparisons(job.id)?.len() as u64;
            let count =
                |f: fn(&StepState) -> bool| steps.iter().filter(|s| f(&s.state)).count() as u64;
            let counts = [
                (u64::from(job.steps), steps.len() as u64, "steps"),
                (u64::from(job.built), count(|s| *s == StepState::Built), "built"),
                (u64::from(job.cached), count(|s| *s == StepState::Cached), "cached"),
                (u64::from(job.failed), count(|s| matches!(s, StepState::Failed(_))), "failed"),
            ];
            for (kept, real, what) in counts {
                if kept != real {
                    report.say(format!("job {} counts {kept} {what}, it has {real}", job.id));
                }
            }
            for step in steps {
                let built = matches!(step.state, StepState::Built | StepState::Cached);
                // What a job that is over made may have been forgotten since; one that goes on needs it.
                if built
                    && !job.state.is_final()
                    && !step.output.is_some_and(|output| outputs.contains(&output))
                {
                    report.say(format!("job {}: '{}' is done without output", job.id, step.step));
                }
                let Some(id) = step.attempt else { continue };
                report.rows += 1;
                match self.attempt(id)? {
                    None => report.say(format!("attempt {id} has no row")),
                    Some(attempt) if !agrees(&attempt, &step.state) => report.say(format!(
                        "job {}: '{}' is {:?}, its attempt {id} ended as {:?}",
                        job.id, step.step, step.state, attempt.end
                    )),
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Whether a step can be in `state` when its latest attempt is `attempt`.
fn agrees(attempt: &AttemptRow, state: &StepState) -> bool {
    match (&attempt.end, state) {
        (None, StepState::Running(_)) => true,
        (Some(AttemptEnd::Built), StepState::Built) => true,
        (Some(AttemptEnd::Compared), StepState::Built | StepState::Cached) => true,
        (Some(AttemptEnd::Failed(_)), StepState::Failed(_)) => true,
        (Some(AttemptEnd::Cancelled), StepState::Cancelled) => true,
        (Some(AttemptEnd::Interrupted), state) => *state != StepState::Built,
        _ => false,
    }
}

impl CheckReport {
    pub(crate) fn say(&mut self, what: String) {
        self.contradictions.push(what);
    }
}
