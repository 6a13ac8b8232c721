//! Runs init as PID 1 of fresh namespaces: the same binary as in the machine, in a second, without
//! an image.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use minos_proto::{BootEvent, frame};
use tempfile::TempDir;

/// Longer than anything here takes on a machine that is not overloaded.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pkgd that is ready at once and ends when told to.
pub const GOOD_PKGD: &str =
    "echo >&$MINOS_READY_FD\ntrap 'exit 0' TERM\nwhile :; do sleep 60 & wait $!; done";
/// A console that waits.
pub const GOOD_CONSOLE: &str = "trap 'exit 0' TERM HUP\nwhile :; do sleep 60 & wait $!; done";

/// The programs and options of one run.
pub struct Plan<'a> {
    pub init: PathBuf,
    pub pkgd: &'a str,
    pub console: &'a str,
    pub cmdline: &'a str,
    pub stderr: Option<File>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            init: env!("CARGO_BIN_EXE_init").into(),
            pkgd: GOOD_PKGD,
            console: GOOD_CONSOLE,
            cmdline: "minos.log=debug",
            stderr: None,
        }
    }
}

/// A running init.
pub struct Ns {
    pub dir: TempDir,
    child: Child,
    pub pid: i32,
}

impl Ns {
    /// Starts init. The scripts find the directory of the run in `$0`'s directory.
    pub fn start(plan: Plan<'_>) -> Self {
        assert_eq!(
            nix::unistd::geteuid().as_raw(),
            0,
            "this test makes namespaces: run it as root"
        );
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, body: &str| {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\nD=$(dirname \"$0\")\n{body}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (pkgd, console) = (script("pkgd", plan.pkgd), script("console", plan.console));
        let stderr = plan.stderr.unwrap_or_else(|| File::create(dir.path().join("log")).unwrap());
        let events = dir.path().join("events");
        File::create(&events).unwrap();
        let child = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount",
                "--mount-proc",
                "--uts",
                "--ipc",
                "--net",
            ])
            .arg(plan.init)
            .arg("--container")
            .args([Path::new("--pkgd"), &pkgd, Path::new("--console"), &console])
            .args(["--cmdline", plan.cmdline, "--tty", "/dev/null"])
            .args([Path::new("--events"), &events])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("unshare of util-linux must be installed");
        let mut ns = Self { dir, child, pid: 0 };
        let launcher = ns.child.id() as i32;
        ns.pid = wait_for("init to start", || children(launcher).first().copied());
        ns
    }

    /// Starts init and waits until pkgd is ready.
    pub fn ready(plan: Plan<'_>) -> Self {
        let ns = Self::start(plan);
        ns.wait_event("readiness", |e| {
            matches!(e, BootEvent::Phase { phase: minos_proto::BootPhase::Ready, .. })
        });
        ns
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), signal).unwrap();
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap_or_default())
            .into_owned()
    }

    pub fn events(&self) -> Vec<BootEvent> {
        let bytes = fs::read(self.dir.path().join("events")).unwrap();
        let mut reader = frame::Reader::strict(&bytes[..], frame::MAX_REQUEST);
        std::iter::from_fn(|| reader.next_frame().ok()).map(|f| f.decode().unwrap()).collect()
    }

    pub fn wait_event(&self, what: &str, wanted: impl Fn(&BootEvent) -> bool) {
        wait_for(&format!("{what}; log:\n{}", self.log()), || {
            self.events().iter().any(&wanted).then_some(())
        });
    }

    pub fn wait_log(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < PATIENCE, "{text:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn wait_file(&self, name: &str) {
        wait_for(name, || self.file(name).exists().then_some(()));
    }

    /// Waits for the end; the exit status, which `unshare` passes on.
    pub fn end(&mut self) -> ExitStatus {
        wait_for(&format!("the end; log:\n{}", self.log()), || self.child.try_wait().unwrap())
    }

    /// The value in kB of one line of init's `/proc/PID/status`.
    pub fn status_kb(&self, key: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count()
    }

    /// How many children init has, dead ones included.
    pub fn children(&self) -> usize {
        children(self.pid).len()
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        // unshare takes its namespace with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn children(of: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
