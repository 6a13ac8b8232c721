//! The job that runs now: which steps are next, and how it ends.

mod outcome;
mod progress;
mod resume;
mod second;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use minos_exec::{Cancel, Pool};
use minos_model::{Digest, Failure, JobState, Metrics, Phase, StepId, StepState};
use minos_plan::{Basis, Plan, Queue, Weights};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, Event, EventBody};
use minos_recipe::Recipe;
use minos_store::{LogWriter, StoreError};

use super::Command;
use super::command::Answer;
use super::plan::{self, Resolved};
use super::worker;
use super::{record, recover, repair};
use crate::recipes::Recipes;
use crate::service::{Service, state_error};
use crate::{suites, views};
use progress::Forecast;
use second::Second;

/// A step that runs.
struct Lane {
    attempt: u64,
    key: Digest,
    /// Which test suite it runs, if it runs one.
    suite: Digest,
    parts: Vec<u8>,
    cancel: Cancel,
    started: Instant,
    expected_ms: u64,
    slot: u16,
    phases: Vec<(Phase, Metrics)>,
    /// The phase that began last.
    running: Option<Phase>,
    /// It is a second build.
    second: Option<Second>,
}

/// What is needed to run a step.
struct Work<'a> {
    step: StepId,
    recipe: &'a Recipe,
    inputs: Vec<(StepId, Digest)>,
    /// What its test suite sees besides.
    check_inputs: Vec<(StepId, Digest)>,
    basis: Basis,
    key: Digest,
    /// It is built though its output is there.
    forced: bool,
}

/// The job that runs now.
pub struct RunningJob {
    /// Its number.
    pub id: u64,
    options: BuildOptions,
    /// As they were when the job was asked for.
    recipes: Arc<Recipes>,
    plan: Arc<Plan>,
    forecast: Forecast,
    queue: Queue,
    /// The jobs that steps on several lanes share.
    pool: Option<Pool>,
    outputs: Vec<Option<Digest>>,
    lanes: BTreeMap<usize, Lane>,
    outbox: Sender<Command>,
    /// Who asked that it be cancelled, and is told when it is.
    cancelled: Vec<Answer>,
    failed: bool,
    /// The state cannot be written: nothing more is started.
    broken: bool,
    last_progress: Instant,
}

impl RunningJob {
    /// Takes up job `id`, new or interrupted.
    ///
    /// # Errors
    /// Its target can no longer be planned, or the state cannot be written.
    pub fn start(
        service: &Arc<Service>,
        id: u64,
        recipes: Arc<Recipes>,
        outbox: &Sender<Command>,
    ) -> Result<Self, ErrorReport> {
        let row = service.store.read().and_then(|s| s.job(id)).map_err(|e| state_error(&e))?;
        let row = row.ok_or_else(|| ErrorReport::new(ErrorKind::NotFound, "no such job", ""))?;
        let options = views::options(&row)?;
        if let Some(refusal) = service.refusal() {
            return Err(refusal);
        }
        let resolved = plan::resolve(service, &recipes, &row.target, &options)?;
        let now = service.now_ms();
        let written = service.store.write(|w| w.set_job_state(id, JobState::Running, now));
        written.map_err(|e| state_error(&e))?;
        let Resolved { plan, outlook } = resolved;
        let snapshot = service.store.read().map_err(|e| state_error(&e))?;
        // What is compared costs a build, cached or not.
        let cached = |at: usize| {
            matches!(outlook.get(at), Some(minos_plan::Outlook::Cached { .. })) && !options.compare
        };
        let cached: Vec<bool> = (0..plan.steps().len()).map(cached).collect();
        let left = |at: usize, ms| if cached[at] { 0 } else { ms };
        let weights = Weights::new(&plan, &plan::estimates(&snapshot, &plan), left);
        Ok(Self {
            id,
            pool: task::pool(service, &options),
            options,
            recipes,
            queue: Queue::new(Arc::clone(&plan), &weights),
            outputs: vec![None; plan.steps().len()],
            forecast: Forecast::new(&plan, weights, service.args.lane_count(), cached),
            plan,
            lanes: BTreeMap::new(),
            outbox: outbox.clone(),
            cancelled: Vec::new(),
            failed: false,
            broken: false,
            last_progress: Instant::now(),
        })
    }

    /// Starts what can start. Returns the final state when nothing runs and nothing can start.
    pub fn advance(&mut self, service: &Arc<Service>) -> Option<JobState> {
        while self.lanes.len() < service.args.lane_count() && !self.stopping() {
            let Some(at) = self.queue.start() else { break };
            if let Err(e) = self.begin(service, at) {
                service.live.remove(self.step(at));
                self.lose(service, at, None, &e);
            }
        }
        if !self.lanes.is_empty() || !(self.stopping() || self.queue.is_finished()) {
            return None;
        }
        Some(self.end(service))
    }

    fn stopping(&self) -> bool {
        !self.cancelled.is_empty() || self.broken || (self.failed && !self.options.keep_going)
    }

    /// The state did not take what there was to say of a step: it is lost, nothing more is started, and what
    /// is told of the step from now on stands in memory alone.
    fn lose(&mut self, service: &Service, at: usize, phase: Option<Phase>, error: &StoreError) {
        eprintln!("pkgd: job {}: {}: {error}", self.id, self.step(at));
        self.broken = true;
        self.failed = true;
        self.queue.fail(at);
        let failure = Failure { phase, ..worker::state_failure(error) };
        let step = self.step(at).clone();
        service.unwritten.step(self.id, &step, &failure);
        self.publish(service, EventBody::StepFailed { step, failure });
    }

    fn step(&self, at: usize) -> &StepId {
        &self.plan.steps()[at].id
    }

    /// What is needed to run the step at position `at`, now that its inputs are there.
    fn work<'r>(
        &self,
        service: &Service,
        recipes: &'r Recipes,
        at: usize,
    ) -> Result<Work<'r>, StoreError> {
        let step = self.step(at).clone();
        let made = |needs: &[usize]| -> Vec<(StepId, Digest)> {
            let made =
                needs.iter().filter_map(|i| Some((self.step(*i).clone(), self.outputs[*i]?)));
            made.collect()
        };
        let inputs = made(&self.plan.steps()[at].inputs);
        let check_inputs = made(&self.plan.steps()[at].check_inputs);
        let world = plan::world(service);
        let (Some(recipe), Some(basis)) =
            (recipes.set.get(&step), recipes.prints.basis(&step, inputs.clone(), &world))
        else {
            return Err(StoreError::Invalid { what: format!("step '{step}' has no recipe") });
        };
        let key = basis.parts.key();
        Ok(Work { step, recipe, inputs, check_inputs, basis, key, forced: false })
    }

    /// Begins the step at position `at`: takes it from the cache or starts an attempt.
    fn begin(&mut self, service: &Arc<Service>, at: usize) -> Result<(), StoreError> {
        let recipes = Arc::clone(&self.recipes);
        let mut work = self.work(service, &recipes, at)?;
        let snapshot = service.store.read()?;
        // A job that was interrupted finds the steps it had finished before: they stay as they are. One
        // that finished under another key (a recipe changed meanwhile) is built anew.
        let before = snapshot
            .step(self.id, &work.step)?
            .filter(|row| matches!(row.state, StepState::Built | StepState::Cached));
        let finished = before.as_ref().is_some_and(|row| row.key == Some(work.key));
        let owed =
            plan::owed(&recipes, &snapshot, &self.plan.steps()[at], &self.options, &work.key)?;
        work.forced = (self.options.rebuild.contains(&work.step) || owed) && !finished;
        let stale = before.is_some() && !finished;
        if let Some(row) = snapshot.cached(&work.key)?.filter(|_| !work.forced && !stale) {
            if service.store.has_bytes(&row.digest) {
                return self.cached(service, at, &work.key, row.digest, finished);
            }
            repair::forget(service, &row.digest, "its files are gone")?;
        }
        let phases = self.done_before(service, &work)?;
        self.attempt(service, at, &work, phases, None)
    }

    /// Starts an attempt on a lane of its own; `phases` are done already.
    fn attempt(
        &mut self,
        service: &Arc<Service>,
        at: usize,
        work: &Work<'_>,
        phases: Vec<(Phase, Metrics)>,
        second: Option<Second>,
    ) -> Result<(), StoreError> {
        let step = &work.step;
        let now = service.now_ms();
        let last = service.store.read()?.attempts_of(step, 1)?;
        let last = last.first().map(|row| row.key).filter(|key| *key != work.key);
        let (attempt, body, abandoned) = service.store.write(|w| {
            let attempt = w.begin_attempt(self.id, step, &work.key, now)?;
            let abandoned = w.abandon_checkpoints(step, &work.key)?;
            let body = EventBody::StepStarted { step: step.clone(), attempt };
            record::note(w, self.id, &body, now)?;
            Ok((attempt, body, abandoned))
        })?;
        // Before the step runs: what an earlier recipe of it left may be the room that it needs.
        self.abandon(service, step, abandoned.iter().chain(&last));
        let log_path = service.store.layout().log(attempt, step);
        let limits = task::limits(service, work.recipe);
        let log = LogWriter::create(log_path, limits.log_bytes)?;
        let lane = Lane {
            attempt,
            key: work.key,
            suite: suites::digest(work.recipe),
            parts: plan::stored(&work.basis.parts),
            cancel: Cancel::new(),
            started: Instant::now(),
            expected_ms: self.forecast.weights.expected_ms(at),
            slot: self.free_slot(),
            phases,
            running: None,
            second,
        };
        let suite = suites::suite(&service.store.read()?, work.recipe)?;
        let task = self.task(service, work, &lane, limits, suite);
        service.live.update(step, |_| {});
        worker::spawn(service, lane.start(task, log, work, &self.recipes), &self.outbox);
        self.lanes.insert(at, lane);
        self.publish(service, body);
        Ok(())
    }

    /// Throws away the build trees that a step left under earlier task keys.
    fn abandon<'k>(
        &self,
        service: &Service,
        step: &StepId,
        keys: impl Iterator<Item = &'k Digest>,
    ) {
        let layout = service.store.layout();
        let mut any = false;
        for key in keys {
            any = true;
            // What cannot be moved now is swept by the next start, since no row names it any more.
            if let Err(e) = layout.discard(&layout.scratch_of(step, key)) {
                eprintln!("pkgd: {e}");
            }
        }
        if any {
            recover::empty_trash_aside(&service.store);
        }
    }

    /// Takes the step from the cache. One that this job `finished` before it was interrupted stays as it
    /// is.
    fn cached(
        &mut self,
        service: &Arc<Service>,
        at: usize,
        key: &Digest,
        output: Digest,
        finished: bool,
    ) -> Result<(), StoreError> {
        let step = self.step(at).clone();
        let body = EventBody::StepCached { step: step.clone(), output };
        let now = service.now_ms();
        if !finished {
            service.store.write(|w| {
                w.set_cached(self.id, &step, key)?;
                record::note(w, self.id, &body, now)
            })?;
        }
        self.outputs[at] = Some(output);
        self.publish(service, body);
        self.have(service, at)
    }

    /// Stops every running step; [`Self::advance`] ends the job when they are gone. Only then `reply` is due: a
    /// pkgd that ends before takes the job up again, so nobody may have been told that it is cancelled.
    pub fn cancel(&mut self, reply: Answer) {
        self.cancelled.push(reply);
        self.lanes.values().for_each(|lane| lane.cancel.request());
    }

    /// Who asked that it be cancelled.
    pub fn cancelled_for(self) -> Vec<Answer> {
        self.cancelled
    }

    fn end(&mut self, service: &Service) -> JobState {
        let state = match (!self.cancelled.is_empty(), self.failed) {
            (true, _) => JobState::Cancelled,
            (false, true) => JobState::Failed,
            (false, false) => JobState::Done,
        };
        let (job, now) = (self.id, service.now_ms());
        let written = service.store.write(|w| {
            let waiting: Vec<StepId> = service
                .store
                .read()?
                .steps(job)?
                .into_iter()
                .filter(|row| matches!(row.state, StepState::Waiting))
                .map(|row| row.step)
                .collect();
            waiting.iter().try_for_each(|step| w.set_step(job, step, StepState::Skipped))?;
            super::finish(w, job, state, now)
        });
        match written {
            Ok(()) => state,
            // What is not on the disk has not happened: nobody may be told that the job is done.
            Err(e) => {
                eprintln!("pkgd: job {job}: {e}");
                service.unwritten.job(job, JobState::Failed);
                JobState::Failed
            }
        }
    }

    fn publish(&self, service: &Service, body: EventBody) {
        service.hub.publish(&Event { job: self.id, at_ms: service.now_ms(), body });
    }
}

/// Tells watchers that the job is over and closes their channels.
pub fn publish_end(service: &Service, job: u64, state: JobState) {
    let body = EventBody::JobFinished { state };
    service.hub.publish(&Event { job, at_ms: service.now_ms(), body });
    service.hub.close(job);
}
