//! Jobs and their steps.

use minos_model::{Digest, JobState, Metrics, StepId, StepState};

use crate::error::StoreError;
use crate::rows::{JobRow, OutputRow, StepRow};
use crate::snapshot::{Source as _, cached, values};
use crate::table::{JOBS, OPEN_ATTEMPTS, STEPS, number, step_key};
use crate::write::Write;

/// All methods fail with [`StoreError::NotFound`] when the job or step does not exist, and when the
/// database cannot be written.
impl Write<'_> {
    /// Makes a queued job with its steps, all waiting, and returns its number. A step that is listed
    /// twice is refused.
    pub fn create_job(
        &mut self,
        target: &str,
        options: Vec<u8>,
        steps: &[StepId],
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        let id = self.last_number(JOBS)? + 1;
        for (index, step) in (0..).zip(steps) {
            self.put_new_step(target, new_step(id, index, step))?;
        }
        self.put(JOBS, &number(id), &new_job(id, target, options, steps.len(), now_ms))?;
        Ok(id)
    }

    /// Makes a job that is done: every step was found in the cache under its key. As
    /// [`Write::create_job`], [`Write::set_cached`] and [`Write::set_job_state`] would make it, at a fraction of their cost:
    /// this is what a build with nothing to do consists of. Returns its number, and each step's output.
    pub fn create_cached_job(
        &mut self,
        target: &str,
        options: Vec<u8>,
        steps: &[(StepId, Digest)],
        now_ms: u64,
    ) -> Result<(u64, Vec<OutputRow>), StoreError> {
        let id = self.last_number(JOBS)? + 1;
        let mut outputs = Vec::with_capacity(steps.len());
        for (index, (step, key)) in (0..).zip(steps) {
            let output = self.cached_output(key)?;
            let mut row = new_step(id, index, step);
            row.state = StepState::Cached;
            row.key = Some(*key);
            set_output(&mut row, &output);
            self.put_new_step(target, row)?;
            outputs.push(output);
        }
        let mut job = new_job(id, target, options, steps.len(), now_ms);
        job.state = JobState::Done;
        job.finished_ms = Some(now_ms);
        job.cached = job.steps;
        self.put(JOBS, &number(id), &job)?;
        Ok((id, outputs))
    }

    fn put_new_step(&mut self, target: &str, row: StepRow) -> Result<(), StoreError> {
        let key = step_key(row.job, &row.step);
        if self.get(STEPS, &key)?.is_some() {
            let what = format!("step '{}' is twice in the plan of '{target}'", row.step);
            return Err(StoreError::Invalid { what });
        }
        self.put(STEPS, &key, &row)
    }

    fn cached_output(&self, key: &Digest) -> Result<OutputRow, StoreError> {
        let not_found = || StoreError::NotFound { what: format!("output for task key {key}") };
        cached(self, key)?.ok_or_else(not_found)
    }

    /// Sets where a job stands. A final state stays: to go on, make a new job.
    pub fn set_job_state(
        &mut self,
        job: u64,
        state: JobState,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.edit_job(job, |row| {
            if row.state.is_final() && row.state != state {
                let what = format!("job {job} is {}, it cannot become {state}", row.state);
                return Err(StoreError::Invalid { what });
            }
            row.state = state;
            row.finished_ms = state.is_final().then(|| row.finished_ms.unwrap_or(now_ms));
            Ok(())
        })
    }

    /// Counts that a job was taken up again, and puts its running steps back to waiting.
    pub fn bump_resumed(&mut self, job: u64) -> Result<(), StoreError> {
        for mut row in values(self.prefixed(STEPS, &number(job))?) {
            if matches!(row.state, StepState::Running(_)) {
                row.state = StepState::Waiting;
                row.metrics = Metrics::default();
                self.put(STEPS, &step_key(job, &row.step), &row)?;
            }
        }
        self.edit_job(job, |row| {
            row.resumed += 1;
            Ok(())
        })
    }

    /// Sets where a step stands, and keeps the job's counts. Running is only a step with an open
    /// attempt; a step with one, or one that has ended, cannot be set to anything else. For [`StepState::Built`] and
    /// [`StepState::Cached`] use [`Write::commit_output`] and [`Write::set_cached`], which also
    /// record the output.
    pub fn set_step(
        &mut self,
        job: u64,
        step: &StepId,
        state: StepState,
    ) -> Result<(), StoreError> {
        if matches!(state, StepState::Built | StepState::Cached) {
            let what = format!("step '{step}' cannot be {state:?} without an output");
            return Err(StoreError::Invalid { what });
        }
        if matches!(state, StepState::Running(_)) != self.refuse_ended(job, step)? {
            let what = format!("step '{step}' of job {job} cannot become {state:?} now");
            return Err(StoreError::Invalid { what });
        }
        self.edit_step(job, step, |row| row.state = state)
    }

    /// Whether the step has an open attempt; an error when it has ended.
    fn refuse_ended(&self, job: u64, step: &StepId) -> Result<bool, StoreError> {
        let row = self.step_row(job, step)?;
        if matches!(row.state, StepState::Waiting | StepState::Running(_) | StepState::Skipped) {
            return self.has_open_attempt(&row);
        }
        let what = format!("step '{step}' of job {job} has ended: {:?}", row.state);
        Err(StoreError::Invalid { what })
    }

    pub(crate) fn has_open_attempt(&self, row: &StepRow) -> Result<bool, StoreError> {
        let Some(attempt) = row.attempt else { return Ok(false) };
        Ok(self.get(OPEN_ATTEMPTS, &number(attempt))?.is_some())
    }

    pub(crate) fn step_row(&self, job: u64, step: &StepId) -> Result<StepRow, StoreError> {
        let missing = || StoreError::NotFound { what: format!("step '{step}' in job {job}") };
        self.get(STEPS, &step_key(job, step))?.ok_or_else(missing)
    }

    /// Marks a step as found in the cache under `key`, and returns its output.
    pub fn set_cached(
        &mut self,
        job: u64,
        step: &StepId,
        key: &Digest,
    ) -> Result<OutputRow, StoreError> {
        if self.refuse_ended(job, step)? {
            let what =
                format!("step '{step}' of job {job} runs, it cannot be taken from the cache");
            return Err(StoreError::Invalid { what });
        }
        let output = self.cached_output(key)?;
        self.edit_step(job, step, |row| {
            row.state = StepState::Cached;
            row.key = Some(*key);
            set_output(row, &output);
        })?;
        Ok(output)
    }

    fn edit_job(
        &mut self,
        job: u64,
        edit: impl FnOnce(&mut JobRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let missing = || StoreError::NotFound { what: format!("job {job}") };
        let mut row = self.get(JOBS, &number(job))?.ok_or_else(missing)?;
        edit(&mut row)?;
        self.put(JOBS, &number(job), &row)
    }

    pub(crate) fn edit_step(
        &mut self,
        job: u64,
        step: &StepId,
        edit: impl FnOnce(&mut StepRow),
    ) -> Result<(), StoreError> {
        let key = step_key(job, step);
        let mut row = self.step_row(job, step)?;
        let before = counts(&row.state);
        edit(&mut row);
        self.put(STEPS, &key, &row)?;
        let after = counts(&row.state);
        if before == after {
            return Ok(());
        }
        self.edit_job(job, |job| {
            for (count, (old, new)) in [&mut job.built, &mut job.cached, &mut job.failed]
                .into_iter()
                .zip(before.into_iter().zip(after))
            {
                *count = (*count + new).saturating_sub(old);
            }
            Ok(())
        })
    }
}

/// What a step in this state adds to the job's counts: built, cached, failed.
fn counts(state: &StepState) -> [u32; 3] {
    match state {
        StepState::Built => [1, 0, 0],
        StepState::Cached => [0, 1, 0],
        StepState::Failed(_) => [0, 0, 1],
        _ => [0, 0, 0],
    }
}

pub(crate) fn set_output(row: &mut StepRow, output: &OutputRow) {
    row.output = Some(output.digest);
    row.size = output.size;
    row.files = output.files;
    row.weak = output.weak;
}

fn new_job(id: u64, target: &str, options: Vec<u8>, steps: usize, now_ms: u64) -> JobRow {
    JobRow {
        id,
        target: target.to_owned(),
        options,
        state: JobState::Queued,
        created_ms: now_ms,
        finished_ms: None,
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
        built: 0,
        cached: 0,
        failed: 0,
        resumed: 0,
    }
}

fn new_step(job: u64, index: u32, step: &StepId) -> StepRow {
    StepRow {
        job,
        index,
        step: step.clone(),
        state: StepState::Waiting,
        key: None,
        attempt: None,
        output: None,
        size: 0,
        files: 0,
        weak: false,
        metrics: Metrics::default(),
    }
}
