//! Attempts, checkpoints, and the commit that makes a step built.

use minos_model::{Digest, Failure, Metrics, Phase, StepId, StepState, Version};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::jobs::set_output;
use crate::rows::{AttemptRow, CacheRow, CheckpointRow, HistoryRow, Layer, OutputRow, Sample};
use crate::schema::FIRST_ATTEMPT;
use crate::snapshot::{Source as _, open_attempts};
use crate::table::{
    ATTEMPTS, CACHE, CHECKPOINTS, HISTORY, META, OPEN_ATTEMPTS, OUTPUTS, STEP_ATTEMPTS, number,
    step_attempt_key,
};
use crate::write::Write;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEnd {
    /// Its output was committed.
    Built,
    /// It failed.
    Failed(Failure),
    /// It was stopped on request.
    Cancelled,
    /// pkgd was killed or lost power while it ran.
    Interrupted,
    /// It was a second build, and has been compared with the output that the step has.
    Compared,
}

/// The end of an attempt that did not build its output.
#[derive(Debug, Clone)]
pub struct Finish {
    /// How it ended; neither [`AttemptEnd::Built`] nor [`AttemptEnd::Compared`].
    pub end: AttemptEnd,
    /// Length of the uncompressed log in bytes.
    pub log_bytes: u64,
    /// The phase it ended in, with its cost.
    pub last: Option<(Phase, Metrics)>,
}

/// A finished phase whose layer is durable.
#[derive(Debug, Clone)]
pub struct PhaseDone {
    /// The attempt it ran in.
    pub attempt: u64,
    /// The phase.
    pub phase: Phase,
    /// What it cost.
    pub metrics: Metrics,
    /// Name of its layer's folder inside [`crate::Layout::scratch_of`]; `None` for a phase that leaves
    /// nothing to go on from.
    pub layer: Option<String>,
}

/// A captured step; see [`Write::commit_output`].
#[derive(Debug, Clone)]
pub struct CommitOutput {
    /// The attempt that built it. Job, step and task key are the attempt's.
    pub attempt: u64,
    /// What the task key was made of.
    pub parts: Vec<u8>,
    /// The output's digest, already in place under [`crate::Layout::output`].
    pub output: Digest,
    /// The version of the package.
    pub version: Version,
    /// Size of the output in bytes.
    pub size: u64,
    /// Number of entries of the output.
    pub files: u64,
    /// Built in a weaker sandbox.
    pub weak: bool,
    /// Every phase of the step with its cost, also those taken over from a checkpoint.
    pub phases: Vec<(Phase, Metrics)>,
    /// Length of the uncompressed log in bytes.
    pub log_bytes: u64,
}

/// What [`Write::commit_output`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The sum of all phases.
    pub metrics: Metrics,
    /// The same task key had given another output before: the step is not reproducible.
    pub replaced: Option<Digest>,
}

/// All methods fail with [`StoreError::NotFound`] when job, step or attempt does not exist, with
/// [`StoreError::Invalid`] when the attempt is already over, and when the database cannot be written.
impl Write<'_> {
    /// Begins an attempt of a step under its task key and marks the step as running. The number is
    /// given out for good: the log named by it may be made with `create_new`.
    pub fn begin_attempt(
        &mut self,
        job: u64,
        step: &StepId,
        key: &Digest,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        if self.has_open_attempt(&self.step_row(job, step)?)? {
            let what = format!("step '{step}' of job {job} has an attempt that is not over");
            return Err(StoreError::Invalid { what });
        }
        let first = self.get(META, FIRST_ATTEMPT)?.unwrap_or(1);
        let id = (self.last_number(ATTEMPTS)? + 1).max(first);
        self.edit_step(job, step, |row| {
            row.state = StepState::Running(None);
            row.attempt = Some(id);
            row.key = Some(*key);
            row.metrics = Metrics::default();
        })?;
        let row = AttemptRow {
            id,
            job,
            step: step.clone(),
            key: *key,
            started_ms: now_ms,
            finished_ms: None,
            end: None,
            log_bytes: 0,
            phases: Vec::new(),
        };
        self.put(ATTEMPTS, &number(id), &row)?;
        self.put(STEP_ATTEMPTS, &step_attempt_key(step, id), &())?;
        self.put(OPEN_ATTEMPTS, &number(id), &())?;
        Ok(id)
    }

    /// Records a finished phase. Where it left a layer, the phase becomes a checkpoint of the
    /// attempt's task: the caller has synced the layer before.
    pub fn phase_done(&mut self, done: PhaseDone) -> Result<(), StoreError> {
        let PhaseDone { attempt, phase, metrics, layer } = done;
        let mut row = self.open_attempt(attempt)?;
        row.phases.push((phase, metrics));
        self.put(ATTEMPTS, &number(attempt), &row)?;
        if let Some(name) = layer {
            let found = self.get(CHECKPOINTS, row.key.as_bytes())?;
            let mut checkpoint = found
                .unwrap_or_else(|| CheckpointRow { step: row.step.clone(), layers: Vec::new() });
            // A phase run again (its old layer was lost) takes the place of itself and all later ones.
            checkpoint.layers.retain(|layer| layer.phase < phase);
            checkpoint.layers.push(Layer { phase, metrics, name });
            self.put(CHECKPOINTS, row.key.as_bytes(), &checkpoint)?;
        }
        self.edit_step(row.job, &row.step, |step| step.metrics += metrics)
    }

    /// Forgets the checkpoint of a task; its scratch folder may then be discarded.
    pub fn clear_checkpoint(&mut self, key: &Digest) -> Result<(), StoreError> {
        self.remove(CHECKPOINTS, key.as_bytes())
    }

    /// Gives the layers of one task to another of the same step, and with them its checkpoint: those of `phases` alone.
    /// The caller has moved the scratch folder before, and says that what they are made of is the same.
    pub fn move_checkpoint(
        &mut self,
        from: &Digest,
        to: &Digest,
        phases: &[Phase],
    ) -> Result<(), StoreError> {
        let Some(mut row) = self.get(CHECKPOINTS, from.as_bytes())? else { return Ok(()) };
        self.remove(CHECKPOINTS, from.as_bytes())?;
        row.layers.retain(|layer| phases.contains(&layer.phase));
        if row.layers.is_empty() { Ok(()) } else { self.put(CHECKPOINTS, to.as_bytes(), &row) }
    }

    /// Forgets the checkpoints that a step has under other task keys than `key`, and returns those keys: no build goes
    /// on from them once the step is built as it is now. Their scratch folders are the caller's to discard, after
    /// the commit. A step for another machine is another step.
    pub fn abandon_checkpoints(
        &mut self,
        step: &StepId,
        key: &Digest,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut others = Vec::new();
        for (bytes, row) in self.prefixed(CHECKPOINTS, &[])? {
            if row.step == *step && bytes != key.as_bytes() {
                self.remove(CHECKPOINTS, &bytes)?;
                others.extend(<[u8; 32]>::try_from(bytes).map(Digest::from_bytes));
            }
        }
        Ok(others)
    }

    /// Keeps only the first `layers` layers of a checkpoint; with 0 it is forgotten.
    pub(crate) fn shorten_checkpoint(
        &mut self,
        key: &Digest,
        layers: usize,
    ) -> Result<(), StoreError> {
        let Some(mut row) = self.get(CHECKPOINTS, key.as_bytes())? else { return Ok(()) };
        if layers == 0 {
            return self.clear_checkpoint(key);
        }
        row.layers.truncate(layers);
        self.put(CHECKPOINTS, key.as_bytes(), &row)
    }

    /// Ends an attempt without an output and sets its step accordingly: failed, cancelled, or
    /// waiting again when it was interrupted. Its checkpoint stays.
    pub fn finish_attempt(
        &mut self,
        attempt: u64,
        finish: Finish,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let state = match &finish.end {
            AttemptEnd::Failed(failure) => StepState::Failed(failure.clone()),
            AttemptEnd::Cancelled => StepState::Cancelled,
            AttemptEnd::Interrupted => StepState::Waiting,
            end @ (AttemptEnd::Built | AttemptEnd::Compared) => {
                let what = format!("attempt {attempt} cannot end as {end:?} without an output");
                return Err(StoreError::Invalid { what });
            }
        };
        let mut row = self.open_attempt(attempt)?;
        row.phases.extend(finish.last);
        row.log_bytes = finish.log_bytes;
        self.close_attempt(&mut row, finish.end, now_ms)?;
        let last = finish.last.map_or_else(Metrics::default, |(_, metrics)| metrics);
        self.edit_step(row.job, &row.step, |step| {
            step.state = state;
            step.metrics += last;
        })
    }

    /// Ends every attempt that has no end as interrupted, and returns them: the first thing a daemon
    /// does when it starts, since nothing runs then. Their steps wait again. `log_bytes` tells how
    /// much of an attempt's log survived.
    pub fn interrupt_attempts(
        &mut self,
        log_bytes: impl Fn(&AttemptRow) -> u64,
        now_ms: u64,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let open = open_attempts(self)?;
        for row in &open {
            let end = AttemptEnd::Interrupted;
            let finish = Finish { end, log_bytes: log_bytes(row), last: None };
            self.finish_attempt(row.id, finish, now_ms)?;
        }
        Ok(open)
    }

    /// Makes a step built: output, cache, step, attempt and history in this one commit; the
    /// checkpoint goes, so the task's scratch folder may be discarded afterwards.
    ///
    /// Before: the tree was put in place by [`crate::Store::place_output`] and synced by one `syncfs`.
    ///
    /// # Errors
    /// Besides those of the other methods, [`StoreError::NoBytes`] when tree or manifest is not there.
    pub fn commit_output(
        &mut self,
        commit: CommitOutput,
        now_ms: u64,
    ) -> Result<Committed, StoreError> {
        let layout = &self.store().layout;
        for path in [layout.output_tree(&commit.output), layout.output_manifest(&commit.output)] {
            if !path.exists() {
                return Err(StoreError::NoBytes { path });
            }
        }
        let mut attempt = self.open_attempt(commit.attempt)?;
        let mut metrics = Metrics::default();
        commit.phases.iter().for_each(|(_, cost)| metrics += *cost);
        attempt.log_bytes = commit.log_bytes;
        self.close_attempt(&mut attempt, AttemptEnd::Built, now_ms)?;
        let output = self.put_output(&commit, &attempt, metrics, now_ms)?;
        let replaced = self.put_claim(&commit, &attempt, now_ms)?;
        self.put_sample(&commit, &attempt, metrics, now_ms)?;
        self.clear_checkpoint(&attempt.key)?;
        self.edit_step(attempt.job, &attempt.step, |step| {
            step.state = StepState::Built;
            step.metrics = metrics;
            set_output(step, &OutputRow { weak: commit.weak, ..output });
        })?;
        // From here on its row says that it is whole.
        self.store().forget_placed(&commit.output);
        Ok(Committed { metrics, replaced })
    }

    /// The output's row. One that exists stays as it is, but is no longer weak once a full sandbox
    /// has made the same bytes.
    fn put_output(
        &mut self,
        commit: &CommitOutput,
        attempt: &AttemptRow,
        metrics: Metrics,
        now_ms: u64,
    ) -> Result<OutputRow, StoreError> {
        let row = match self.get(OUTPUTS, commit.output.as_bytes())? {
            Some(row) => OutputRow { weak: row.weak && commit.weak, ..row },
            None => OutputRow {
                digest: commit.output,
                step: attempt.step.clone(),
                version: commit.version.clone(),
                size: commit.size,
                files: commit.files,
                weak: commit.weak,
                created_ms: now_ms,
                attempt: attempt.id,
                metrics,
            },
        };
        self.put(OUTPUTS, commit.output.as_bytes(), &row)?;
        Ok(row)
    }

    /// The claim "this key gives this output"; returns the different output it gave before.
    fn put_claim(
        &mut self,
        commit: &CommitOutput,
        attempt: &AttemptRow,
        now_ms: u64,
    ) -> Result<Option<Digest>, StoreError> {
        let before = self.get(CACHE, attempt.key.as_bytes())?;
        let row = CacheRow {
            output: commit.output,
            step: attempt.step.clone(),
            weak: commit.weak,
            created_ms: now_ms,
            parts: commit.parts.clone(),
        };
        self.put(CACHE, attempt.key.as_bytes(), &row)?;
        Ok(before.map(|row| row.output).filter(|output| *output != commit.output))
    }

    fn put_sample(
        &mut self,
        commit: &CommitOutput,
        attempt: &AttemptRow,
        metrics: Metrics,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let name = attempt.step.to_string();
        let old = self.get(HISTORY, name.as_bytes())?;
        let mut samples = old.map(|row| row.samples).unwrap_or_default();
        let phases = commit.phases.clone();
        samples.push(Sample { at_ms: now_ms, metrics, size: commit.size, phases });
        let kept = self.store().options.samples_kept.max(1);
        samples.drain(..samples.len().saturating_sub(kept));
        self.put(HISTORY, name.as_bytes(), &HistoryRow { last_key: attempt.key, samples })
    }

    pub(crate) fn open_attempt(&self, attempt: u64) -> Result<AttemptRow, StoreError> {
        let missing = || StoreError::NotFound { what: format!("attempt {attempt}") };
        let row: AttemptRow = self.get(ATTEMPTS, &number(attempt))?.ok_or_else(missing)?;
        if row.end.is_some() {
            return Err(StoreError::Invalid { what: format!("attempt {attempt} is over") });
        }
        Ok(row)
    }

    pub(crate) fn close_attempt(
        &mut self,
        row: &mut AttemptRow,
        end: AttemptEnd,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        row.finished_ms = Some(now_ms);
        row.end = Some(end);
        self.remove(OPEN_ATTEMPTS, &number(row.id))?;
        self.put(ATTEMPTS, &number(row.id), row)
    }
}
