//! The engine: one thread that owns every write to the state and decides what runs.
//!
//! It takes commands from connections and reports from workers on one channel, so that each is handled
//! alone and in order. Between two messages the state on disk is always one that a restart can go on
//! from; [`Engine::recover`] is that restart.

mod command;
mod job;
pub mod plan;
pub mod record;
mod recover;
mod repair;
mod unattended;
pub mod unwritten;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use minos_model::{Digest, JobState, StepId};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, EventBody, Reply};
use minos_store::{AuditEntry, StoreError, Write};

use crate::recipes::Recipes;
use crate::service::{Peer, Service, state_error};
pub use command::Command;
use job::RunningJob;
use worker::{News, Report};

/// How often watchers are told where the job stands.
const PROGRESS: Duration = Duration::from_secs(1);

/// A job that waits.
struct Queued {
    job: u64,
    /// As they were when it was asked for, or when pkgd started: what is changed later is for later jobs.
    recipes: Arc<Recipes>,
}

/// The engine's own state.
pub struct Engine {
    service: Arc<Service>,
    inbox: Receiver<Command>,
    outbox: Sender<Command>,
    queue: VecDeque<Queued>,
    running: Option<RunningJob>,
    unattended: Option<unattended::Run>,
}

impl Engine {
    /// An engine that listens on `inbox`, the other end of the service's sender.
    pub fn new(service: Arc<Service>, inbox: Receiver<Command>) -> Self {
        let outbox = service.engine.clone();
        Self { service, inbox, outbox, queue: VecDeque::new(), running: None, unattended: None }
    }

    /// Works until [`Command::Stop`].
    pub fn run(mut self) {
        loop {
            self.start_next();
            match self.inbox.recv_timeout(PROGRESS) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(command) => self.command(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(job) = &mut self.running {
                job.progress(&self.service, PROGRESS);
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Build { target, options, recipes, retry_of, peer, reply } => {
                let what = match retry_of {
                    Some(job) => format!("retry job {job}: build {target}"),
                    None => format!("build {target}"),
                };
                let asked = entry(Some(&peer), &what);
                let answer = self.build(&target, &options, recipes, asked);
                let _ = reply.send(answer.map(|job| Reply::Started { job }));
            }
            Command::Cancel { job, peer, reply } => {
                let asked = self.audited(Some(&peer), &format!("cancel job {job}"));
                match (asked, self.running.as_mut().filter(|running| running.id == job)) {
                    (Ok(()), Some(running)) => running.cancel(reply),
                    (asked, _) => {
                        let _ = reply.send(asked.and_then(|()| self.cancel(job)));
                    }
                }
            }
            Command::Forget { outputs, peer, reply } => {
                let _ = reply.send(self.forget(&outputs, &peer));
            }
            Command::Audit { what, peer, reply } => {
                let _ = reply.send(self.audited(Some(&peer), &what).map(|()| Reply::Done));
            }
            Command::Worker(report) => self.report(report),
            Command::Stop => {}
        }
    }

    /// Writes down who asked for what; `None` stands for pkgd itself.
    fn audited(&self, peer: Option<&Peer>, what: &str) -> Result<(), ErrorReport> {
        self.write_audit(entry(peer, what))
    }

    fn write_audit(&self, entry: AuditEntry) -> Result<(), ErrorReport> {
        let now = self.service.now_ms();
        let written = self.service.store.write(|w| w.audit(entry, now));
        written.map(|_| ()).map_err(|e| state_error(&e))
    }

    /// Not while a job runs: its root may stand on what is to go.
    fn forget(&self, outputs: &[(Digest, String)], peer: &Peer) -> Result<Reply, ErrorReport> {
        if let Some(running) = &self.running {
            let what = format!("job {} runs, and may stand on what is to be repaired", running.id);
            let hint = "wait for its end ('pkgctl watch') or cancel it";
            return Err(ErrorReport::new(ErrorKind::Conflict, what, hint));
        }
        self.audited(Some(peer), &format!("repair {} outputs", outputs.len()))?;
        for (digest, why) in outputs {
            repair::forget(&self.service, digest, why).map_err(|e| state_error(&e))?;
        }
        self.empty_trash();
        Ok(Reply::Done)
    }

    /// Makes the job. That it was asked for is in the same commit, or in one of its own when nothing came of it.
    /// A job whose steps are all cached is done in that commit too: nothing to run.
    fn build(
        &mut self,
        target: &str,
        options: &BuildOptions,
        recipes: Result<Arc<Recipes>, ErrorReport>,
        asked: AuditEntry,
    ) -> Result<u64, ErrorReport> {
        let refused = self.service.refusal().map_or(Ok(()), Err);
        let resolved = refused.and(recipes).and_then(|recipes| {
            Ok((plan::resolve(&self.service, &recipes, target, options)?, recipes))
        });
        let (resolved, recipes) = match resolved {
            Ok(both) => both,
            Err(refusal) => {
                self.write_audit(asked)?;
                return Err(refusal);
            }
        };
        let bytes = postcard::to_allocvec(options).map_err(|e| {
            ErrorReport::new(ErrorKind::Internal, format!("options cannot be stored: {e}"), "")
        })?;
        let now = self.service.now_ms();
        let all_cached = resolved.all_cached() && !options.compare;
        let job = self.service.store.write(|w| {
            w.audit(asked, now)?;
            if all_cached {
                return cached_job(w, target, bytes, &resolved, now);
            }
            let job = w.create_job(target, bytes, &resolved.order(), now)?;
            record::note(w, job, &EventBody::JobQueued { target: target.to_owned() }, now)?;
            Ok(job)
        });
        let job = job.map_err(|e| state_error(&e))?;
        if all_cached {
            self.over(job, JobState::Done);
        } else {
            self.queue.push_back(Queued { job, recipes });
        }
        Ok(job)
    }

    /// Cancels a job that waits.
    fn cancel(&mut self, job: u64) -> Result<Reply, ErrorReport> {
        if let Some(place) = self.queue.iter().position(|queued| queued.job == job) {
            let now = self.service.now_ms();
            let written = self.service.store.write(|w| finish(w, job, JobState::Cancelled, now));
            written.map_err(|e| state_error(&e))?;
            self.queue.remove(place);
            self.over(job, JobState::Cancelled);
            return Ok(Reply::Done);
        }
        self.service.job_number(Some(job))?;
        let what = format!("job {job} is over already");
        Err(ErrorReport::new(ErrorKind::Conflict, what, "'pkgctl jobs' shows how it ended"))
    }

    fn start_next(&mut self) {
        while self.running.is_none() {
            let Some(Queued { job: id, recipes }) = self.queue.pop_front() else { return };
            match RunningJob::start(&self.service, id, recipes, &self.outbox) {
                Ok(mut job) => match job.advance(&self.service) {
                    Some(state) => self.over(id, state),
                    None => self.running = Some(job),
                },
                Err(report) => {
                    eprintln!("pkgd: job {id} cannot start: {report}");
                    let now = self.service.now_ms();
                    // When even this cannot be written the state is latched, and status says so.
                    if self.service.store.write(|w| finish(w, id, JobState::Failed, now)).is_err() {
                        self.service.unwritten.job(id, JobState::Failed);
                    }
                    self.over(id, JobState::Failed);
                }
            }
        }
    }

    fn report(&mut self, report: Report) {
        let Some(job) = &mut self.running else { return };
        let finished = matches!(report.news, News::Finished { .. });
        job.handle(&self.service, report);
        let (id, end) = (job.id, job.advance(&self.service));
        if let Some(state) = end {
            let waiting = self.running.take().map(RunningJob::cancelled_for).unwrap_or_default();
            self.over(id, state);
            for reply in waiting {
                let _ = reply.send(cancelled(id, state));
            }
        }
        // Not at the job's end alone: the build trees of a hundred steps do not fit on every disk.
        if finished {
            self.empty_trash();
        }
    }

    /// Everything that follows the end of a job.
    fn over(&mut self, job: u64, state: JobState) {
        job::publish_end(&self.service, job, state);
        if self.unattended.as_ref().is_some_and(|run| run.job == Some(job))
            && let Some(run) = self.unattended.take()
        {
            run.finished(job, state);
        }
    }
}

/// The answer to who cancelled a job that ended so.
fn cancelled(job: u64, end: JobState) -> Result<Reply, ErrorReport> {
    if end == JobState::Cancelled {
        return Ok(Reply::Done);
    }
    let what = format!("that job {job} is cancelled could not be written down");
    Err(ErrorReport::new(ErrorKind::State, what, "'pkgctl status' tells why"))
}

/// A line of the audit trail: who asked for what; `None` stands for pkgd itself.
fn entry(peer: Option<&Peer>, what: &str) -> AuditEntry {
    let by = |peer: &Peer| minos_store::Peer {
        uid: peer.uid,
        pid: u32::try_from(peer.pid).unwrap_or(0),
    };
    let client = peer.map(|peer| &*peer.client).filter(|client| !client.is_empty());
    AuditEntry {
        peer: peer.map(by),
        what: client.map_or(what.to_owned(), |client| format!("{what} ({client})")),
    }
}

/// Makes a job that has nothing to do, in the commit under way.
fn cached_job(
    w: &mut Write<'_>,
    target: &str,
    options: Vec<u8>,
    resolved: &plan::Resolved,
    now_ms: u64,
) -> Result<u64, StoreError> {
    let steps: Vec<(StepId, Digest)> =
        resolved.keys().map(|(step, key)| (step.clone(), *key)).collect();
    let (job, outputs) = w.create_cached_job(target, options, &steps, now_ms)?;
    let mut told = vec![EventBody::JobQueued { target: target.to_owned() }];
    let cached = steps.into_iter().zip(outputs);
    told.extend(cached.map(|((step, _), row)| EventBody::StepCached { step, output: row.digest }));
    told.push(EventBody::JobFinished { state: JobState::Done });
    record::note_all(w, job, &told, now_ms)?;
    Ok(job)
}

/// Makes a job final, in the commit under way.
fn finish(w: &mut Write<'_>, job: u64, state: JobState, now_ms: u64) -> Result<(), StoreError> {
    w.set_job_state(job, state, now_ms)?;
    record::note(w, job, &EventBody::JobFinished { state }, now_ms)
}
