//! A build with no hand on the keyboard: started by the command line, ended with a verdict.

use std::process;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use minos_model::{JobState, StepId, StepState};
use minos_proto::{
    BuildOptions, Clobbers, ErrorReport, EventBody, Recorded, Reply, StepReport, Tag, Verdict,
};
use minos_store::{AuditEntry, Store};

use super::{Engine, record};
use crate::config::Then;
use crate::server::Port;
use crate::service::{Service, state_error};
use crate::system::boots;
use crate::{host, seed, summary, views};

/// How long to wait for the host to take the verdict before the machine goes down without it.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(20);

/// One unattended build.
pub struct Run {
    service: Arc<Service>,
    target: String,
    control: Option<Port>,
    started: Instant,
    /// The job, once there is one.
    pub job: Option<u64>,
    /// The machine came up from the reboot that this very build asked for at its end.
    rebooted: bool,
}

/// Starts of pkgd that may lie between the reboot and the build that it was for: boots that were cut off.
const STARTS: usize = 64;

/// The line of the audit trail in front of a reboot that an unattended build asks for.
fn reboot_line(target: &str) -> String {
    format!("unattended build of {target} is over: reboot")
}

/// Whether the last thing that was asked of this pkgd is the reboot of an unattended build of `target`.
/// `minos.build` and `minos.then=reboot` stand on the command line of the next boot as well: without a
/// mark the machine would build nothing and reboot for ever. What a start itself writes down comes behind the mark.
fn rebooted(store: &Store, target: &str) -> bool {
    let newest = store.read().and_then(|s| s.audit(STARTS)).unwrap_or_default();
    let mut asked = newest.iter().filter(|row| !row.what.starts_with(boots::STARTED));
    asked.next().is_some_and(|row| row.uid.is_none() && row.what == reboot_line(target))
}

/// Asks for the reboot once it is written down. Without the mark there is none: a state that cannot be
/// written would reboot for ever.
fn reboot(service: &Service, target: &str) {
    let entry = AuditEntry { peer: None, what: reboot_line(target) };
    let now = service.now_ms();
    match service.store.write(|w| w.audit(entry, now)) {
        Ok(_) => host::ask_init(true),
        Err(e) => eprintln!("pkgd: no reboot after {target}: {e}"),
    }
}

impl Engine {
    /// Starts the unattended build named on the command line, or takes up the one that was
    /// interrupted. `control` is where its verdict goes.
    pub fn unattended(&mut self, control: Option<Port>) {
        let Some(target) = self.service.args.build.clone() else { return };
        let mut run = Run::new(&self.service, target.clone(), control);
        match self.take_up(&target, &run.options()) {
            Ok(job) => {
                run.job = Some(job);
                // With everything cached the job is over already, and nobody will report its end.
                let row = self.service.store.read().and_then(|s| s.job(job));
                match row.ok().flatten().filter(|row| row.state.is_final()) {
                    Some(row) => run.finished(job, row.state),
                    None => self.unattended = Some(run),
                }
            }
            Err(report) => run.refused(&report),
        }
    }

    /// The unfinished job for `target` with the same options, or a new one. A job for it with other
    /// options is cancelled: what the command line of this boot says is what counts, and what that job
    /// has built is not lost.
    fn take_up(&mut self, target: &str, options: &BuildOptions) -> Result<u64, ErrorReport> {
        let unfinished = self.service.store.read().and_then(|s| s.unfinished_jobs());
        let mut same = unfinished.map_err(|e| state_error(&e))?;
        same.retain(|row| row.target == target);
        let (same, other): (Vec<_>, Vec<_>) =
            same.into_iter().partition(|row| views::options(row).as_ref() == Ok(options));
        for row in other {
            self.audited(None, &format!("cancel job {}: other options of {target}", row.id))?;
            eprintln!("pkgd: job {} was begun with other options: cancelled", row.id);
            self.cancel(row.id)?;
        }
        if let Some(row) = same.first() {
            return Ok(row.id);
        }
        let asked = super::entry(None, &format!("unattended build {target}"));
        self.build(target, options, Ok(self.service.recipes.loaded()), asked)
    }
}

impl Run {
    /// A run that has not begun.
    pub fn new(service: &Arc<Service>, target: String, control: Option<Port>) -> Self {
        let service = Arc::clone(service);
        let rebooted = rebooted(&service.store, &target);
        Self { service, target, control, started: Instant::now(), job: None, rebooted }
    }

    /// The options from the command line.
    pub fn options(&self) -> BuildOptions {
        let args = &self.service.args;
        BuildOptions {
            keep_going: args.keep_going,
            jobs: args.jobs,
            tests: args.tests,
            rebuild: Vec::new(),
            observe: false,
            compare: false,
        }
    }

    /// The build could not even begin.
    pub fn refused(self, report: &ErrorReport) {
        eprintln!("pkgd: cannot build {}: {report}", self.target);
        let verdict = self.verdict(false, report.to_string(), &[]);
        self.end(&verdict);
    }

    /// The job is over: prints the summary, sends the verdict, does what comes then.
    pub fn finished(self, job: u64, state: JobState) {
        let steps = match views::job(&self.service.store, &self.service.unwritten, job) {
            Ok(Reply::Job { steps, .. }) => steps,
            _ => self.service.unwritten.steps(job),
        };
        let success = state == JobState::Done;
        let mut summary = summary::line(&self.target, state, &steps);
        // The steps say what was lost; what the disk refused first is the cause.
        if let Some(first) = self.service.store.latched() {
            summary = format!("{summary}; the state disk failed: {first}");
        }
        if !self.service.args.quiet {
            let warnings = self.warnings(job);
            let wall = self.started.elapsed();
            print!("{}", summary::table(&self.target, state, &steps, &warnings, wall));
        }
        let verdict = self.verdict(success, summary, &steps);
        self.end(&verdict);
    }

    /// What steps of the job took the place of in their inputs. The events that are still kept say so.
    fn warnings(&self, job: u64) -> Vec<(StepId, Clobbers)> {
        let events = record::last(&self.service.store, Some(job), u32::MAX).unwrap_or_default();
        let warning = |recorded: Recorded| match recorded.event.body {
            EventBody::StepClobbers { step, clobbers } => Some((step, clobbers)),
            _ => None,
        };
        events.into_iter().filter_map(warning).collect()
    }

    fn verdict(&self, success: bool, summary: String, steps: &[StepReport]) -> Verdict {
        let count = |wanted: &StepState| {
            u32::try_from(steps.iter().filter(|s| s.state == *wanted).count()).unwrap_or(u32::MAX)
        };
        let failed = steps.iter().filter_map(|step| match &step.state {
            StepState::Failed(failure) => Some((step.step.clone(), failure.clone())),
            _ => None,
        });
        Verdict {
            success,
            target: self.target.clone(),
            summary,
            built: count(&StepState::Built),
            cached: count(&StepState::Cached),
            failed: failed.collect(),
            wall_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn end(self, verdict: &Verdict) {
        if let Some(port) = self.control {
            send(port, verdict);
        }
        match self.service.args.then {
            Then::Stay => {}
            Then::PowerOff => host::ask_init(false),
            Then::Reboot if self.rebooted => {
                eprintln!("pkgd: rebooted once after {} already: this time it stays", self.target);
            }
            Then::Reboot => reboot(&self.service, &self.target),
            Then::Exit => {
                // Nobody empties it after the end of this process.
                super::recover::empty_trash(&self.service.store);
                self.service.packages.close();
                seed::unmount(&self.service.args.seed_mount());
                exit(i32::from(!verdict.success))
            }
        }
    }
}

/// On a thread of its own, since a port without a listener takes nothing and the machine must still
/// go down.
fn send(mut port: Port, verdict: &Verdict) {
    let (done, wait) = channel();
    let verdict = verdict.clone();
    thread::spawn(move || {
        let _ = done.send(port.send(Tag::Verdict, &verdict));
    });
    match wait.recv_timeout(VERDICT_TIMEOUT) {
        Ok(Ok(())) => {}
        Ok(Err(e)) => eprintln!("pkgd: the verdict could not be sent: {e}"),
        Err(_) => eprintln!("pkgd: nobody took the verdict from the control port"),
    }
}

/// Nothing of pkgd needs an orderly end: the state is committed, sandboxes die with their parent.
#[expect(clippy::exit, reason = "the one place where an unattended host run ends, with its status")]
fn exit(status: i32) -> ! {
    process::exit(status)
}
