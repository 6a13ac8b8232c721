//! Second builds: a step whose output is there is built once more, under other conditions, and compared.
//!
//! A second build has an attempt with a log, and nothing else of a build: no checkpoint, no output, no place in
//! the cache or the history. Killed, it is begun anew. Those who depend on the step wait for it, so that a
//! job has one order of its steps.

use std::sync::Arc;
use std::time::Duration;

use minos_exec::Task;
use minos_model::{Digest, Metrics, StepState};
use minos_proto::EventBody;
use minos_store::{CommitComparison, LogWriter, StoreError};

use super::{Lane, RunningJob, Work, resume};
use crate::engine::record;
use crate::engine::worker::{Compared, Start};
use crate::recipes::Recipes;
use crate::service::Service;

/// Both builds of a step are at least this far apart, so that a time in whole seconds differs; in some
/// formats (zip, FAT) they count by two.
const APART: Duration = Duration::from_secs(2);

/// What was there before the second build.
pub(super) struct Second {
    /// The output.
    first: Digest,
    /// Built or cached.
    state: StepState,
    /// What the first build cost, if this job made it.
    metrics: Metrics,
    /// Time to let pass.
    wait: Duration,
}

impl Lane {
    /// What the worker gets.
    pub(super) fn start(
        &self,
        task: Task,
        log: LogWriter,
        work: &Work<'_>,
        recipes: &Arc<Recipes>,
    ) -> Start {
        let second = self.second.as_ref();
        Start {
            task,
            recipes: Arc::clone(recipes),
            basis: second.is_none().then(|| resume::stored(&work.basis)),
            attempt: self.attempt,
            log,
            first: second.map(|second| second.first),
            wait: second.map_or(Duration::ZERO, |second| second.wait),
            inputs: work.inputs.clone(),
            forced: work.forced,
        }
    }
}

impl RunningJob {
    /// The output of a step is there: now comes its second build, or those that wait for it.
    pub(super) fn have(&mut self, service: &Arc<Service>, at: usize) -> Result<(), StoreError> {
        let wanted = self.options.compare && self.plan.steps()[at].wanted;
        // A job that was interrupted finds what it had compared before.
        if !wanted || service.store.read()?.comparison(self.id, self.step(at))?.is_some() {
            self.queue.done(at);
            return Ok(());
        }
        let recipes = Arc::clone(&self.recipes);
        let work = self.work(service, &recipes, at)?;
        let snapshot = service.store.read()?;
        let row = snapshot.step(self.id, &work.step)?;
        let Some((row, first)) = row.and_then(|row| row.output.map(|output| (row, output))) else {
            return Err(StoreError::NotFound { what: format!("the output of '{}'", work.step) });
        };
        let made = snapshot.output(&first)?.map_or(0, |row| row.created_ms);
        let age = Duration::from_millis(service.now_ms().saturating_sub(made));
        let wait = APART.saturating_sub(age);
        let second = Second { first, state: row.state, metrics: row.metrics, wait };
        self.attempt(service, at, &work, Vec::new(), Some(second))
    }

    /// Records what came of a second build. The first one stays.
    pub(super) fn compared(
        &mut self,
        service: &Service,
        at: usize,
        lane: &Lane,
        compared: Compared,
        log_bytes: u64,
    ) -> Result<(), StoreError> {
        let Some(second) = &lane.second else { return Ok(()) };
        let Compared { second: digest, report, mended } = compared;
        let differs = !report.is_equal();
        // Writing to memory with derived encoders: postcard has no way to fail here.
        let bytes = differs.then(|| postcard::to_allocvec(&report).unwrap_or_default());
        let commit = CommitComparison {
            attempt: lane.attempt,
            state: second.state.clone(),
            metrics: second.metrics,
            first: second.first,
            second: digest,
            files: report.files,
            report: bytes.unwrap_or_default(),
            log_bytes,
        };
        let (step, output) = (self.step(at).clone(), second.first);
        let mended = mended.map(|why| super::outcome::mended(&step, output, why));
        let body = EventBody::StepCompared { step, output, files: report.files };
        let told: Vec<EventBody> = mended.into_iter().chain([body]).collect();
        let now = service.now_ms();
        service.store.write(|w| {
            w.commit_comparison(commit, now)?;
            record::note_all(w, self.id, &told, now)
        })?;
        self.queue.done(at);
        told.into_iter().for_each(|body| self.publish(service, body));
        Ok(())
    }
}
