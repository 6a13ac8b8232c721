//! What a worker's report means: for the state, for the steps that wait, for those who watch.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use minos_model::{Digest, Failure, Metrics, Phase, StepId, StepState};
use minos_proto::{Clobbers, EventBody};
use minos_store::{AttemptEnd, CommitOutput, CommitSuite, Finish, PhaseDone, StoreError};
use minos_suite::Report;

use super::{Lane, RunningJob, resume};
use crate::config::Sandbox;
use crate::engine::record;
use crate::engine::worker::{self, Made, News, Placed, state_failure};
use crate::service::Service;

impl RunningJob {
    /// Takes a worker's report.
    pub fn handle(&mut self, service: &Arc<Service>, report: worker::Report) {
        let worker::Report { step, news } = report;
        let Some(at) = self.plan.position(&step) else { return };
        match news {
            News::PhaseStarted { phase, resumed } => {
                if let Some(lane) = self.lanes.get_mut(&at) {
                    lane.running = Some(phase);
                }
                // On the disk the step is "running" already; a commit for each phase's start would
                // double the number of commits for nothing.
                self.publish(service, EventBody::PhaseStarted { step, phase, resumed });
            }
            News::PhaseDone { phase, metrics, committed } => {
                self.phase_done(service, at, phase, metrics, &committed);
            }
            News::Tested { report, fails, committed } => {
                let _ = committed.send(self.tested(service, at, &report, fails));
            }
            News::Finished { result, log_bytes } => {
                self.finished(service, at, result, log_bytes);
            }
        }
    }

    /// Keeps what came of a test suite, whatever becomes of the step.
    fn tested(
        &mut self,
        service: &Service,
        at: usize,
        report: &Report,
        fails: bool,
    ) -> Result<(), Failure> {
        let Some(lane) = self.lanes.get(&at) else { return Ok(()) };
        let commit = CommitSuite {
            attempt: lane.attempt,
            suite: lane.suite,
            failed: fails,
            tested: report.tested,
            // Writing to memory with derived encoders: postcard has no way to fail here.
            report: postcard::to_allocvec(report).unwrap_or_default(),
        };
        let body = EventBody::StepTested { step: self.step(at).clone(), tested: report.tested };
        let (job, now) = (self.id, service.now_ms());
        let written = service.store.write(|w| {
            w.commit_suite(commit, now)?;
            record::note(w, job, &body, now)
        });
        written.map_err(|e| state_failure(&e))?;
        self.publish(service, body);
        Ok(())
    }

    fn phase_done(
        &mut self,
        service: &Service,
        at: usize,
        phase: Phase,
        metrics: Metrics,
        committed: &SyncSender<Result<(), Failure>>,
    ) {
        let step = self.step(at).clone();
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        // A phase whose checkpoint was of no use ran again: only this run of it counts.
        lane.phases.retain(|(earlier, _)| *earlier != phase);
        lane.phases.push((phase, metrics));
        let done = PhaseDone {
            attempt: lane.attempt,
            phase,
            metrics,
            layer: lane.second.is_none().then(|| phase.as_str().to_owned()),
        };
        let body = EventBody::PhaseDone { step, phase, metrics };
        let now = service.now_ms();
        let written = service.store.write(|w| {
            w.phase_done(done)?;
            record::note(w, self.id, &body, now)
        });
        let ok = written.is_ok();
        // A worker that is gone has already reported why.
        let _ = committed.send(written.map_err(|e| state_failure(&e)));
        if ok {
            self.publish(service, body);
        }
    }

    fn finished(
        &mut self,
        service: &Arc<Service>,
        at: usize,
        result: Result<Made, Failure>,
        log_bytes: u64,
    ) {
        let Some(lane) = self.lanes.remove(&at) else { return };
        self.forecast.stale = true;
        if lane.second.is_some() {
            self.clear(service, at, &lane);
        }
        let written = match result {
            Ok(Made::Placed(placed)) => self.built(service, at, &lane, &placed, log_bytes),
            Ok(Made::Compared(compared)) => self.compared(service, at, &lane, compared, log_bytes),
            Err(_) if lane.cancel.requested() => self.stopped(service, at, &lane, log_bytes),
            Err(failure) => self.step_failed(service, at, &lane, failure, log_bytes),
        };
        if let Err(e) = written {
            self.lose(service, at, lane.running, &e);
        }
    }

    /// Throws away what the scratch folder of a lane still holds.
    fn clear(&self, service: &Service, at: usize, lane: &Lane) {
        let layout = service.store.layout();
        if let Err(e) = layout.discard(&lane.scratch(layout, self.step(at))) {
            eprintln!("pkgd: {e}");
        }
    }

    fn built(
        &mut self,
        service: &Arc<Service>,
        at: usize,
        lane: &Lane,
        placed: &Placed,
        log_bytes: u64,
    ) -> Result<(), StoreError> {
        let step = self.plan.steps()[at].clone();
        let commit = CommitOutput {
            attempt: lane.attempt,
            parts: lane.parts.clone(),
            output: placed.digest,
            version: step.version.clone(),
            size: placed.size,
            files: placed.files,
            weak: service.args.sandbox == Sandbox::Weak,
            phases: lane.phases.clone(),
            log_bytes,
        };
        let now = service.now_ms();
        let (output, id) = (placed.digest, step.id.clone());
        let warning = |clobbers: &Clobbers| EventBody::StepClobbers {
            step: step.id.clone(),
            clobbers: clobbers.clone(),
        };
        let mended = placed.mended.clone().map(|why| mended(&step.id, placed.digest, why));
        let warnings: Vec<EventBody> = placed.clobbers.iter().map(warning).chain(mended).collect();
        let (committed, body) = service.store.write(|w| {
            warnings.iter().try_for_each(|body| record::note(w, self.id, body, now))?;
            let committed = w.commit_output(commit, now)?;
            let body = EventBody::StepBuilt { step: id, output, metrics: committed.metrics };
            record::note(w, self.id, &body, now)?;
            Ok((committed, body))
        })?;
        if let Some(before) = committed.replaced {
            eprintln!(
                "pkgd: {} is not reproducible: the same inputs gave {} before and {} now",
                step.id,
                before.short(),
                placed.digest.short()
            );
        }
        // The rows are committed; what the scratch folder still holds is of no use to anyone.
        self.clear(service, at, lane);
        self.outputs[at] = Some(placed.digest);
        warnings.into_iter().for_each(|body| self.publish(service, body));
        self.publish(service, body);
        self.have(service, at)
    }

    fn stopped(
        &mut self,
        service: &Service,
        at: usize,
        lane: &Lane,
        log_bytes: u64,
    ) -> Result<(), StoreError> {
        let finish = Finish { end: AttemptEnd::Cancelled, log_bytes, last: None };
        let now = service.now_ms();
        service.store.write(|w| w.finish_attempt(lane.attempt, finish, now))?;
        self.queue.fail(at);
        Ok(())
    }

    fn step_failed(
        &mut self,
        service: &Service,
        at: usize,
        lane: &Lane,
        failure: Failure,
        log_bytes: u64,
    ) -> Result<(), StoreError> {
        self.failed = true;
        let step = self.step(at).clone();
        let failure = resume::with_place(service, lane, &step, failure);
        let end = AttemptEnd::Failed(failure.clone());
        let dropped: Vec<StepId> =
            self.queue.fail(at).into_iter().map(|at| self.step(at).clone()).collect();
        let mut told = vec![EventBody::StepFailed { step: step.clone(), failure }];
        told.extend(dropped.iter().map(|skipped| EventBody::StepSkipped {
            step: skipped.clone(),
            because: step.clone(),
        }));
        let (now, job) = (service.now_ms(), self.id);
        service.store.write(|w| {
            w.finish_attempt(lane.attempt, Finish { end, log_bytes, last: None }, now)?;
            dropped.iter().try_for_each(|step| w.set_step(job, step, StepState::Skipped))?;
            told.iter().try_for_each(|body| record::note(w, job, body, now))
        })?;
        told.into_iter().for_each(|body| self.publish(service, body));
        Ok(())
    }
}

/// The store's files of an output were damaged, and those of a new build took their place: told, and on pkgd's own
/// output, since a disk that changes bytes is worth a look.
pub(super) fn mended(step: &StepId, output: Digest, why: String) -> EventBody {
    eprintln!("pkgd: output {} of {step} was damaged, now mended: {why}", output.short());
    EventBody::OutputMended { step: step.clone(), output, why }
}
