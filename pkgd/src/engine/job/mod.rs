//! The job that runs now: which steps are next, and how it ends.

mod outcome;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use minos_exec::{Allowed, Cancel, Limits, Pool, Task};
use minos_model::{Digest, JobState, Metrics, Phase, StepId, StepState};
use minos_plan::{Plan, Queue, Weights};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, Event, EventBody};
use minos_recipe::Recipe;
use minos_store::{LogWriter, StoreError};

use super::Command;
use super::plan::{self, Resolved};
use super::worker::{self, Start};
use super::{record, repair};
use crate::config::Sandbox;
use crate::service::{Service, state_error};
use crate::views;

/// A step that runs.
struct Lane {
    attempt: u64,
    key: Digest,
    parts: Vec<u8>,
    cancel: Cancel,
    started: Instant,
    expected_ms: u64,
    slot: u16,
    phases: Vec<(Phase, Metrics)>,
}

/// The job that runs now.
pub struct RunningJob {
    /// Its number.
    pub id: u64,
    options: BuildOptions,
    plan: Arc<Plan>,
    weights: Weights,
    queue: Queue,
    /// The jobs that steps on several lanes share.
    pool: Option<Pool>,
    outputs: Vec<Option<Digest>>,
    lanes: BTreeMap<usize, Lane>,
    outbox: Sender<Command>,
    cancelled: bool,
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
        outbox: &Sender<Command>,
    ) -> Result<Self, ErrorReport> {
        let row = service.store.read().and_then(|s| s.job(id)).map_err(|e| state_error(&e))?;
        let row = row.ok_or_else(|| ErrorReport::new(ErrorKind::NotFound, "no such job", ""))?;
        let options = views::options(&row.options);
        if let Some(refusal) = service.refusal() {
            return Err(refusal);
        }
        let resolved = plan::resolve(service, &row.target, &options)?;
        let now = service.now_ms();
        let written = service.store.write(|w| w.set_job_state(id, JobState::Running, now));
        written.map_err(|e| state_error(&e))?;
        let Resolved { plan, outlook } = resolved;
        let snapshot = service.store.read().map_err(|e| state_error(&e))?;
        let cached =
            |at: usize| matches!(outlook.get(at), Some(minos_plan::Outlook::Cached { .. }));
        let weights = Weights::new(&plan, &plan::estimates(&snapshot, &plan), cached);
        Ok(Self {
            id,
            pool: pool(service, &options),
            options,
            queue: Queue::new(Arc::clone(&plan), &weights),
            outputs: vec![None; plan.steps().len()],
            plan,
            weights,
            lanes: BTreeMap::new(),
            outbox: outbox.clone(),
            cancelled: false,
            failed: false,
            broken: false,
            last_progress: Instant::now(),
        })
    }

    /// Starts what can start. Returns the final state when nothing runs and nothing can start.
    pub fn advance(&mut self, service: &Arc<Service>) -> Option<JobState> {
        let lanes = usize::from(service.args.lanes.max(1));
        while self.lanes.len() < lanes && !self.stopping() {
            let Some(at) = self.queue.start() else { break };
            if let Err(e) = self.begin(service, at) {
                self.state_broke(&e);
                self.queue.fail(at);
            }
        }
        if !self.lanes.is_empty() || !(self.stopping() || self.queue.is_finished()) {
            return None;
        }
        Some(self.end(service))
    }

    fn stopping(&self) -> bool {
        self.cancelled || self.broken || (self.failed && !self.options.keep_going)
    }

    fn state_broke(&mut self, error: &StoreError) {
        eprintln!("pkgd: job {}: {error}", self.id);
        self.broken = true;
        self.failed = true;
    }

    fn step(&self, at: usize) -> &StepId {
        &self.plan.steps()[at].id
    }

    /// Begins the step at position `at`: takes it from the cache or starts an attempt.
    fn begin(&mut self, service: &Arc<Service>, at: usize) -> Result<(), StoreError> {
        let step = self.step(at).clone();
        let inputs: Vec<(StepId, Digest)> = self.plan.steps()[at]
            .inputs
            .iter()
            .filter_map(|i| Some((self.step(*i).clone(), self.outputs[*i]?)))
            .collect();
        let world = plan::world(service);
        let (Some(recipe), Some(parts)) =
            (service.recipes.get(&step), service.prints.parts(&step, inputs.clone(), &world))
        else {
            return Err(StoreError::Invalid { what: format!("step '{step}' has no recipe") });
        };
        let key = parts.key();
        let snapshot = service.store.read()?;
        // A job that was interrupted finds the steps it had finished before: they stay as they are. One
        // that finished under another key (a recipe changed meanwhile) is built anew.
        let before = snapshot
            .step(self.id, &step)?
            .filter(|row| matches!(row.state, StepState::Built | StepState::Cached));
        let finished = before.as_ref().is_some_and(|row| row.key == Some(key));
        let forced = self.options.rebuild.contains(&step) && !finished;
        let stale = before.is_some() && !finished;
        if let Some(row) = snapshot.cached(&key)?.filter(|_| !forced && !stale) {
            if service.store.has_bytes(&row.digest) {
                return self.cached(service, at, &key, row.digest, finished);
            }
            repair::forget(service, &row.digest, "its files are gone")?;
        }
        let phases = match snapshot.checkpoint(&key)? {
            Some(row) => row.layers.iter().map(|l| (l.phase, l.metrics)).collect(),
            None => Vec::new(),
        };
        let now = service.now_ms();
        let (attempt, body) = service.store.write(|w| {
            let attempt = w.begin_attempt(self.id, &step, &key, now)?;
            let body = EventBody::StepStarted { step: step.clone(), attempt };
            record::note(w, self.id, &body, now)?;
            Ok((attempt, body))
        })?;
        let log_path = service.store.layout().log(attempt, &step);
        let limits = limits(service, recipe);
        let log = LogWriter::create(log_path, limits.log_bytes)?;
        let lane = Lane {
            attempt,
            key,
            parts: plan::stored(&parts),
            cancel: Cancel::new(),
            started: Instant::now(),
            expected_ms: self.weights.expected_ms(at),
            slot: self.free_slot(),
            phases,
        };
        let task = self.task(service, recipe, &inputs, &lane, limits);
        service.live.update(&step, |_| {});
        worker::spawn(service, Start { task, attempt, log }, &self.outbox);
        self.lanes.insert(at, lane);
        self.publish(service, body);
        Ok(())
    }

    /// Takes the step from the cache. One that this job `finished` before it was interrupted stays as it
    /// is.
    fn cached(
        &mut self,
        service: &Service,
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
        self.queue.done(at);
        self.publish(service, body);
        Ok(())
    }

    fn free_slot(&self) -> u16 {
        let taken: Vec<u16> = self.lanes.values().map(|lane| lane.slot).collect();
        (0..u16::MAX).find(|slot| !taken.contains(slot)).unwrap_or(0)
    }

    fn task(
        &self,
        service: &Service,
        recipe: &Recipe,
        inputs: &[(StepId, Digest)],
        lane: &Lane,
        limits: Limits,
    ) -> Task {
        let layout = service.store.layout();
        // Inputs are listed lowest layer first, a root is described from the top.
        let mut layers: Vec<_> =
            inputs.iter().rev().map(|(_, digest)| layout.output_tree(digest)).collect();
        layers.extend(service.seed.as_ref().ok().map(|seed| seed.dir.clone()));
        let check = self.options.check;
        let scripts = recipe.phases().into_iter().filter(|(p, _)| check || *p != Phase::Check);
        let jobs = jobs(service, &self.options);
        let cap = recipe.needs.jobs_max;
        Task {
            step: recipe.id.clone(),
            layers,
            scratch: layout.scratch_of(&recipe.id, &lane.key),
            done: lane.phases.iter().map(|(phase, _)| *phase).collect(),
            scripts: scripts.collect(),
            sources: Vec::new(),
            env: recipe.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            prefix: recipe.install.prefix.clone(),
            check_fatal: recipe.check_fatal,
            allowed: Allowed {
                setuid: recipe.install.setuid.clone(),
                xattrs: recipe.install.xattrs.clone(),
            },
            jobs: if cap > 0 { jobs.min(cap) } else { jobs },
            pool: self.pool.clone(),
            epoch: plan::SOURCE_DATE_EPOCH,
            slot: lane.slot,
            limits,
            weak: service.args.sandbox == Sandbox::Weak,
            cancel: lane.cancel.clone(),
        }
    }

    /// Stops every running step; [`Self::advance`] ends the job when they are gone.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        self.lanes.values().for_each(|lane| lane.cancel.request());
    }

    fn end(&mut self, service: &Service) -> JobState {
        let state = match (self.cancelled, self.failed) {
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
                JobState::Failed
            }
        }
    }

    /// Tells watchers how things stand, at most once in `every`.
    pub fn progress(&mut self, service: &Service, every: Duration) {
        if self.last_progress.elapsed() < every {
            return;
        }
        self.last_progress = Instant::now();
        for (at, lane) in &self.lanes {
            let elapsed = millis(lane.started.elapsed());
            let left = lane.expected_ms.checked_sub(elapsed).filter(|_| lane.expected_ms > 0);
            service.live.update(self.step(*at), |running| {
                running.elapsed_ms = elapsed;
                running.left_ms = left;
            });
        }
        let total = self.plan.steps().len();
        let done = total - self.queue.open().min(total);
        let body = EventBody::Progress {
            done: u32::try_from(done).unwrap_or(u32::MAX),
            total: u32::try_from(total).unwrap_or(u32::MAX),
            running: service.live.all(),
            left_ms: self.left_ms(),
        };
        self.publish(service, body);
    }

    /// What is still to do at the expected times, spread over the lanes.
    fn left_ms(&self) -> Option<u64> {
        let open = |at: &usize| self.outputs[*at].is_none();
        let expected = |at: usize| match self.lanes.get(&at) {
            Some(lane) => lane.expected_ms.saturating_sub(millis(lane.started.elapsed())),
            None => self.weights.expected_ms(at),
        };
        let left: u64 = (0..self.outputs.len()).filter(open).map(expected).sum();
        (left > 0).then(|| left / self.lanes.len().max(1) as u64)
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

/// Jobs of all steps together.
fn jobs(service: &Service, options: &BuildOptions) -> u16 {
    if options.jobs > 0 { options.jobs } else { service.args.default_jobs() }
}

/// Every lane runs a job at least, or it would be none.
fn pool(service: &Service, options: &BuildOptions) -> Option<Pool> {
    let lanes = service.args.lanes;
    (lanes > 1).then(|| Pool::new(jobs(service, options).max(lanes)))
}

fn limits(service: &Service, recipe: &Recipe) -> Limits {
    let mut limits = Limits {
        silence: Duration::from_secs(recipe.limits.silence_s.into()),
        memory_bytes: service.args.memory << 20,
        processes: service.args.processes,
        log_bytes: service.args.log_limit << 20,
        ..Limits::default()
    };
    if let Some(wall) = recipe.limits.wall_s {
        limits.wall = Duration::from_secs(wall.into());
    }
    limits
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
