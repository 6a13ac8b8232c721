//! What every connection shares, and the answers to requests.
//!
//! Requests that only look are answered here from a snapshot of the state; whatever changes something
//! goes to the engine, which owns all writes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use minos_model::StepId;
use minos_proto::{
    BuildOptions, ErrorKind, ErrorReport, Reply, Request, Role, RunningStep, Status,
};
use minos_store::{Store, StoreError};

use crate::config::Args;
use crate::costs::Costs;
use crate::engine::unwritten::Unwritten;
use crate::engine::{Command, plan, record};
use crate::hub::Hub;
use crate::recipes::Library;
use crate::seed::Seed;
use crate::server::SERVER;
use crate::syntax;
use crate::system::{self, Packages, Tell};
use crate::{comparison, doctor, host, observed, suites, verify, views};

/// How long a request waits for the engine. The engine answers between two commits, so only a state
/// on a dying disk takes longer.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(60);

/// Who is on the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What it may do.
    pub role: Role,
    /// Its user.
    pub uid: u32,
    /// Its process, 0 when it is not on this machine.
    pub pid: i32,
    /// The program, as it called itself in its hello; for the audit trail.
    pub client: String,
}

/// What the engine is doing right now, for those who watch.
#[derive(Debug, Default)]
pub struct Live(Mutex<BTreeMap<StepId, RunningStep>>);

impl Live {
    /// Changes or adds what is known of a running step.
    pub fn update(&self, step: &StepId, change: impl FnOnce(&mut RunningStep)) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || RunningStep {
            step: step.clone(),
            phase: None,
            elapsed_ms: 0,
            left_ms: None,
            cpu_ms: 0,
            memory_kib: 0,
        };
        change(map.entry(step.clone()).or_insert_with(fresh));
    }

    /// The step no longer runs.
    pub fn remove(&self, step: &StepId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(step);
    }

    /// Everything that runs.
    pub fn all(&self) -> Vec<RunningStep> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Shared by all connections and the engine.
pub struct Service {
    /// The command line.
    pub args: Args,
    /// The state.
    pub store: Arc<Store>,
    /// The package manager.
    pub packages: Packages,
    /// All recipes.
    pub recipes: Library,
    /// The host tools, or why there are none.
    pub seed: Result<Seed, String>,
    /// The sandbox as proven at start, or why pkgd refuses to build.
    pub sandbox: Result<minos_sandbox::Report, String>,
    /// Where events go.
    pub hub: Hub,
    /// What runs now.
    pub live: Live,
    /// Ends of jobs and steps that the state did not take.
    pub unwritten: Unwritten,
    /// To the engine.
    pub engine: Sender<Command>,
    /// When pkgd started.
    pub started: Instant,
}

impl Service {
    /// Milliseconds since the Unix epoch; 0 on a clock before it.
    pub fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    /// Folders in which sources are looked for.
    pub fn source_folders(&self) -> Vec<PathBuf> {
        let mut folders = self.args.sources.clone();
        folders.push(self.store.layout().sources());
        folders
    }

    /// Why pkgd refuses to build, where it does.
    pub fn refusal(&self) -> Option<ErrorReport> {
        let machine = |what: &String, hint: &str| ErrorReport::new(ErrorKind::Machine, what, hint);
        match (&self.sandbox, &self.seed) {
            (Err(what), _) => Some(machine(what, "run 'pkgctl doctor' for what is missing")),
            (_, Err(what)) => Some(machine(what, "start pkgd with --seed and a usable seed")),
            _ => None,
        }
    }

    /// The job's number, the newest one when none is named.
    ///
    /// # Errors
    /// There is no such job.
    pub fn job_number(&self, job: Option<u64>) -> Result<u64, ErrorReport> {
        let snapshot = self.store.read().map_err(|e| state_error(&e))?;
        let found = match job {
            Some(id) => snapshot.job(id),
            None => snapshot.jobs(1).map(|jobs| jobs.into_iter().next()),
        };
        let missing = || match job {
            Some(id) => ErrorReport::new(
                ErrorKind::NotFound,
                format!("there is no job {id}"),
                "'pkgctl jobs' lists them",
            ),
            None => ErrorReport::new(
                ErrorKind::NotFound,
                "there is no job yet",
                "start one with 'pkgctl build TARGET'",
            ),
        };
        found.map_err(|e| state_error(&e))?.map(|row| row.id).ok_or_else(missing)
    }

    /// Answers a request. `Watch` is answered like `Job`; the session adds the events. `tell` takes word of how
    /// far a long one is.
    ///
    /// # Errors
    /// What failed and what to do, for the client to show.
    pub fn handle(
        &self,
        request: Request,
        peer: &Peer,
        tell: Tell<'_>,
    ) -> Result<Reply, ErrorReport> {
        match request {
            Request::Status => self.status().map(Reply::Status),
            Request::Plan { target, options } => {
                let recipes = self.recipes.current()?;
                plan::report(self, &recipes, &target, &options).map(Reply::Plan)
            }
            Request::Build { target, options } => self.build(target, options, None, peer),
            Request::Jobs { limit } => {
                views::jobs(&self.store, &self.unwritten, limit).map(Reply::Jobs)
            }
            Request::Job { job } | Request::Watch { job } => {
                views::job(&self.store, &self.unwritten, self.job_number(job)?)
            }
            Request::Attempts { step } => views::attempts(&self.store, &step).map(Reply::Attempts),
            Request::Log { step, attempt, offset } => {
                views::log(&self.store, &step, attempt, offset)
            }
            Request::Cancel { job } => {
                self.ask(|reply| Command::Cancel { job, peer: peer.clone(), reply })
            }
            Request::Retry { job } => self.retry(job, peer),
            Request::RecipeList => Ok(Reply::Recipes(views::recipes(&self.recipes.current()?.set))),
            Request::RecipeShow { step } => views::recipe(&self.recipes.current()?.set, &step),
            Request::RecipeLint { step } => {
                let now = self.recipes.current()?;
                let observed = observed::findings(self.store.layout(), &now.set).into_iter();
                let beside = observed.chain(syntax::check(&now.set, step.as_ref())).collect();
                views::lints(&now.set, &now.lints, beside, step.as_ref())
            }
            Request::Doctor => Ok(Reply::Doctor(doctor::run(self))),
            Request::Shutdown { reboot } => self.shutdown(reboot, peer),
            Request::Events { job, limit } => {
                let events = record::last(&self.store, job, limit)?;
                if let (Some(_), true) = (job, events.is_empty()) {
                    self.job_number(job)?;
                }
                Ok(Reply::Events(events))
            }
            Request::Audit { limit } => views::audit(&self.store, limit).map(Reply::Audit),
            Request::Verify { quick, repair } => self.verify(quick, repair, peer, tell),
            Request::Compared { job } => {
                comparison::sheet(&self.store, self.job_number(job)?).map(Reply::Sheet)
            }
            Request::Costs { target, page: false } => {
                Ok(Reply::Sheet(Costs::of(self, &target)?.sheet()))
            }
            Request::Costs { target, page: true } => {
                Ok(Reply::Page(Costs::of(self, &target)?.page()))
            }
            Request::Tests { step, attempt } => {
                suites::sheet(&self.store, &step, attempt).map(Reply::Sheet)
            }
            Request::Package(request) => system::handle(self, request, peer, tell),
        }
    }

    fn status(&self) -> Result<Status, ErrorReport> {
        let snapshot = self.store.read().map_err(|e| state_error(&e))?;
        let unfinished = snapshot.unfinished_jobs().map_err(|e| state_error(&e))?;
        let latched = self.store.latched().map(|first| {
            format!("the state could not be written and is read-only until restart: {first}")
        });
        Ok(Status {
            server: SERVER.to_owned(),
            kernel: host::kernel_release(),
            host_mode: !self.args.appliance,
            landlock_abi: self.sandbox.as_ref().map_or(0, |report| report.landlock_abi),
            refuses: latched.or_else(|| self.refusal().map(|report| report.what)),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            active_jobs: u32::try_from(unfinished.len()).unwrap_or(u32::MAX),
            outputs: snapshot.output_count().map_err(|e| state_error(&e))?,
            free_bytes: minos_sandbox::tree::free_space(&self.args.root).map_or(0, |s| s.free),
            last_boot: self.args.last_boot.clone(),
            changing: self.packages.now_changing(),
        })
    }

    fn build(
        &self,
        target: String,
        options: BuildOptions,
        retry_of: Option<u64>,
        peer: &Peer,
    ) -> Result<Reply, ErrorReport> {
        let peer = peer.clone();
        // Read here and not by the engine, which must not wait for files.
        let recipes = self.recipes.current();
        self.ask(|reply| Command::Build { target, options, recipes, retry_of, peer, reply })
    }

    fn retry(&self, job: u64, peer: &Peer) -> Result<Reply, ErrorReport> {
        let id = self.job_number(Some(job))?;
        let row = self.store.read().and_then(|s| s.job(id)).map_err(|e| state_error(&e))?;
        match row {
            Some(row) if row.state.is_final() => {
                let options = views::options(&row)?;
                self.build(row.target, options, Some(id), peer)
            }
            _ => Err(ErrorReport::new(
                ErrorKind::Conflict,
                format!("job {job} is not over yet"),
                "'pkgctl cancel' stops it",
            )),
        }
    }

    fn shutdown(&self, reboot: bool, peer: &Peer) -> Result<Reply, ErrorReport> {
        if !self.args.appliance {
            return Err(ErrorReport::new(
                ErrorKind::Conflict,
                "this pkgd runs on a host: it does not own the machine",
                "stop pkgd with Ctrl-C or SIGTERM instead",
            ));
        }
        let word = if reboot { "reboot" } else { "power-off" };
        let what = format!("{word} asked for");
        self.ask(|reply| Command::Audit { what, peer: peer.clone(), reply })?;
        host::ask_init(reboot);
        Ok(Reply::Done)
    }

    fn verify(
        &self,
        quick: bool,
        repair: bool,
        peer: &Peer,
        tell: Tell<'_>,
    ) -> Result<Reply, ErrorReport> {
        let found = verify::outputs(&self.store, quick, tell);
        let mut report = found.map_err(|e| state_error(&e))?;
        if repair && !report.lost.is_empty() {
            let outputs = report.lost.iter().map(|l| (l.output, l.why.clone())).collect();
            self.ask(|reply| Command::Forget { outputs, peer: peer.clone(), reply })?;
            report.repaired = true;
        }
        Ok(Reply::Verified(report))
    }

    /// Sends a command to the engine and waits for its answer.
    pub fn ask(
        &self,
        command: impl FnOnce(SyncSender<Result<Reply, ErrorReport>>) -> Command,
    ) -> Result<Reply, ErrorReport> {
        let (sender, receiver) = sync_channel(1);
        let gone = || {
            ErrorReport::new(
                ErrorKind::State,
                "the engine does not answer",
                "the state's disk may be failing; see pkgd's own output",
            )
        };
        let late = |_| {
            let hint = "it may still be done later: look before you ask again; the state's disk may be failing";
            ErrorReport { hint: hint.to_owned(), ..gone() }
        };
        self.engine.send(command(sender)).map_err(|_| gone())?;
        receiver.recv_timeout(ENGINE_TIMEOUT).map_err(late)?
    }
}

/// A store's error as a client sees it.
pub fn state_error(error: &StoreError) -> ErrorReport {
    ErrorReport::new(ErrorKind::State, error.to_string(), error.hint())
}
