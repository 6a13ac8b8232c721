//! A pkgd in host mode under a test's control.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use minos_model::{Failure, JobState, StepId, StepState};
use minos_proto::{BuildOptions, Reply, Request, StepReport};
use minos_qemu::control::{Client, ControlError, Timeouts};

use crate::artefacts;

/// How long anything in these tests may take before it counts as hung. Generous: it is no measure.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A state root that outlives the daemons a test runs on it.
#[derive(Debug)]
pub struct Root {
    dir: PathBuf,
    recipes: PathBuf,
    seed: Option<PathBuf>,
    extra: Vec<String>,
    wrapper: Vec<OsString>,
    temporary: Option<tempfile::TempDir>,
}

impl Root {
    /// A fresh root for `recipes`.
    ///
    /// # Panics
    /// Not root; the temporary folder cannot be made.
    pub fn new(recipes: &Path) -> Self {
        artefacts::must_be_root();
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let dir = temporary.path().join("state");
        let mut root = Self::at(&dir, recipes);
        root.temporary = Some(temporary);
        root
    }

    /// A root at a given place, kept afterwards.
    pub fn at(dir: &Path, recipes: &Path) -> Self {
        artefacts::must_be_root();
        Self {
            dir: dir.to_owned(),
            recipes: recipes.to_owned(),
            seed: None,
            extra: Vec::new(),
            wrapper: Vec::new(),
            temporary: None,
        }
    }

    /// Daemons started here build on this seed, not on the image of the tree.
    pub fn on_seed(mut self, seed: &Path) -> Self {
        self.seed = Some(seed.to_owned());
        self
    }

    /// More arguments for every daemon started here.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.extra.extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// A program, with its arguments, that starts every daemon here: `unshare`, `strace`.
    pub fn under(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.wrapper.extend(words.into_iter().map(Into::into));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The command line of a daemon on this root.
    pub fn command(&self) -> Command {
        let mut words = self.wrapper.iter().cloned().chain([artefacts::binary("pkgd").into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command.arg("--root").arg(&self.dir).arg("--recipes").arg(&self.recipes);
        let seed = self.seed.clone().unwrap_or_else(artefacts::seed);
        command.arg("--seed").arg(seed).args(&self.extra);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a daemon and connects to it.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(&self) -> Daemon {
        Daemon::start(self)
    }

    /// Every committed output by step, from the rows of a daemon started for the question.
    pub fn outputs(&self, target: &str) -> BTreeMap<StepId, String> {
        let mut daemon = self.start();
        let outcome = daemon.build(target);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        let digest =
            |s: &StepReport| (s.step.clone(), s.output.map_or_else(String::new, |d| d.to_string()));
        outcome.steps.iter().map(digest).collect()
    }

    /// The manifest of every committed output by step, so that a difference shows what it is.
    ///
    /// # Panics
    /// A row names an output that is not there.
    pub fn manifests(&self, target: &str) -> BTreeMap<StepId, String> {
        let read = |digest: String| {
            let path = self.dir.join("outputs").join(digest).join("manifest");
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        self.outputs(target).into_iter().map(|(step, digest)| (step, read(digest))).collect()
    }

    /// Names of what stands in one of the root's folders.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join(folder)).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A killed daemon leaves the seed mounted for its successor; here there is none.
        let mount = self.dir.join("run/seed");
        let _ = nix::mount::umount2(&mount, nix::mount::MntFlags::MNT_DETACH);
        // The folder goes with `temporary`.
        let _ = self.temporary.take();
    }
}

/// A running pkgd. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    client: Option<Client>,
    socket: PathBuf,
}

/// How a job ended.
#[derive(Debug)]
pub struct Outcome {
    /// The job.
    pub job: u64,
    /// How it ended.
    pub state: JobState,
    /// Its steps.
    pub steps: Vec<StepReport>,
}

impl Outcome {
    /// The failure of a step.
    ///
    /// # Panics
    /// The step did not fail.
    pub fn failure(&self, step: &str) -> &Failure {
        let found = self.steps.iter().find(|s| s.step.to_string() == step);
        match found.map(|s| &s.state) {
            Some(StepState::Failed(failure)) => failure,
            other => panic!("step {step} did not fail: {other:?}"),
        }
    }
}

impl Daemon {
    fn start(root: &Root) -> Self {
        let mut process = root.command().spawn().expect("pkgd starts");
        let socket = root.path().join("run/pkgd.sock");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(client) = Client::connect(&socket, "test", Timeouts::default()) {
                return Self { process, client: Some(client), socket };
            }
            if let Some(status) = process.try_wait().expect("pkgd can be waited for") {
                panic!("pkgd ended with {status}: {}", all_output(&mut process));
            }
            assert!(Instant::now() < deadline, "pkgd did not answer on {}", socket.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// One request.
    ///
    /// # Errors
    /// As pkgd answers.
    pub fn call(&mut self, request: &Request) -> Result<Reply, ControlError> {
        self.client.as_mut().expect("connected").call(request)
    }

    /// Starts a job.
    ///
    /// # Panics
    /// pkgd refuses it.
    pub fn begin(&mut self, target: &str, options: BuildOptions) -> u64 {
        match self.call(&Request::Build { target: target.into(), options }) {
            Ok(Reply::Started { job }) => job,
            other => panic!("{target} was not started: {other:?}"),
        }
    }

    /// Waits for a job to become final.
    ///
    /// # Panics
    /// It does not, for [`PATIENCE`].
    pub fn wait(&mut self, job: u64) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.call(&Request::Job { job: Some(job) }) {
                Ok(Reply::Job { job: report, steps }) if report.state.is_final() => {
                    return Outcome { job, state: report.state, steps };
                }
                Ok(_) => {}
                Err(e) => panic!("job {job}: {e}"),
            }
            assert!(Instant::now() < deadline, "job {job} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the first phase of `step`'s newest attempt is committed: the second one runs then.
    ///
    /// # Panics
    /// It does not come to that, for [`PATIENCE`].
    pub fn first_phase_of(&mut self, step: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.call(&Request::Attempts { step: step.parse().expect("a step") }) {
                Ok(Reply::Attempts(list)) if list.first().is_some_and(|a| !a.phases.is_empty()) => {
                    return;
                }
                Ok(_) => std::thread::sleep(Duration::from_millis(10)),
                Err(e) => panic!("{e}"),
            }
            assert!(Instant::now() < deadline, "{step} does not get past its first phase");
        }
    }

    /// Waits until `step` has so many attempts.
    ///
    /// # Panics
    /// It does not come to that, for [`PATIENCE`].
    pub fn wait_for_attempt(&mut self, step: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let request = Request::Attempts { step: step.parse().expect("a step") };
        while !matches!(self.call(&request), Ok(Reply::Attempts(list)) if list.len() >= count) {
            assert!(Instant::now() < deadline, "{step} has no attempt {count}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Builds a target and waits for its end.
    pub fn build(&mut self, target: &str) -> Outcome {
        let job = self.begin(target, BuildOptions::default());
        self.wait(job)
    }

    /// The whole log of a step's newest attempt.
    ///
    /// # Panics
    /// There is none.
    pub fn log(&mut self, step: &str) -> String {
        let request =
            Request::Log { step: step.parse().expect("a step"), attempt: None, offset: 0 };
        match self.call(&request) {
            Ok(Reply::Log { bytes, .. }) => String::from_utf8_lossy(&bytes).into_owned(),
            other => panic!("no log of {step}: {other:?}"),
        }
    }

    /// Waits for a job to become final, which is true, or for pkgd to end before, which is false.
    ///
    /// # Panics
    /// Neither happens, for [`PATIENCE`].
    pub fn outlives(mut self, job: u64) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.call(&Request::Job { job: Some(job) }) {
                Ok(Reply::Job { job: report, .. }) if report.state.is_final() => return true,
                Ok(_) => std::thread::sleep(Duration::from_millis(10)),
                Err(_) => {
                    self.process.wait().expect("pkgd can be waited for");
                    return false;
                }
            }
            assert!(Instant::now() < deadline, "job {job} does not end");
        }
    }

    /// SIGKILL, as the worst end there is; returns when the process is gone.
    pub fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// SIGTERM, and its exit status.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .expect("pkgd can be signalled");
        self.process.wait().expect("pkgd can be waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.client = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process printed, after its end.
pub fn all_output(process: &mut Child) -> String {
    let mut text = String::new();
    if let Some(out) = &mut process.stdout {
        let _ = out.read_to_string(&mut text);
    }
    if let Some(err) = &mut process.stderr {
        let _ = err.read_to_string(&mut text);
    }
    text
}
