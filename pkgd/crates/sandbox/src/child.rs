//! pkgd's side of a box: start the helper, watch it, kill it, take its report.

use crate::error::{Error, Failure};
use crate::helper::ARGV0;
use crate::meter::{Meter, Usage};
use crate::spec::Spec;
use crate::sys::process::{pidfd_kill, pidfd_open};
use crate::wire;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How the program of a box ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal; [`Child::kill`] shows as 9.
    Signaled(i32),
}

impl Status {
    /// Exit code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// One access that Landlock refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The file, or the peer, as the kernel names it.
    pub path: PathBuf,
    /// The right that was missing, in the kernel's words, for example `fs.make_reg`.
    pub right: String,
}

/// What is known of a tree when all of it is dead and its mounts are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How the program ended. The other processes have no say in it.
    pub status: Status,
    /// CPU time of the whole tree in user mode.
    pub user: Duration,
    /// CPU time of the whole tree in the kernel, set-up and tear-down included.
    pub system: Duration,
    /// Largest resident set of any one process, bytes.
    pub max_rss: u64,
    /// Processes still alive when the program ended; they were killed. Not counted after a kill.
    pub leftover: u64,
    /// Processes that the kernel killed because the tree reached its memory limit. 0 without cgroup.
    pub oom_kills: u64,
    /// How often a new process was refused because the tree reached [`crate::Limits::processes`], as its
    /// cgroup counted. Without a pids cgroup: 1 if [`Child::usage`] has ever seen the limit reached.
    pub fork_failures: u64,
    /// Highest memory use of the tree, page cache and tmpfs included, bytes. `None` without cgroup.
    pub memory_peak: Option<u64>,
    /// Bytes read from and written to block devices: of the cgroup (version 2), else the sum over the
    /// processes, which misses what is written back later.
    pub io: Option<(u64, u64)>,
    /// What Landlock refused, if the kernel tells (see [`crate::Report::denials`]).
    pub denials: Vec<Denial>,
    /// Files of the layers that were opened or executed, absolute paths of the box, sorted; if
    /// [`crate::Spec::observe`] asked for it.
    pub opened: Vec<String>,
}

/// What the helper tells pkgd.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromHelper {
    /// The program runs. A pidfd of the first process of the box comes along.
    Started(Meter),
    /// The box could not be made.
    Failed(Failure),
    /// All is over.
    Ended(Exit),
}

/// A running box. Dropping it kills the tree and waits for its end.
#[derive(Debug)]
pub struct Child {
    helper: std::process::Child,
    pidfd: OwnedFd,
    first: OwnedFd,
    control: Arc<UnixStream>,
    meter: Meter,
    /// The limit of processes, if only sampling can tell that it was reached.
    sampled_limit: Option<u64>,
    limit_seen: AtomicBool,
    done: bool,
}

/// Kills a box from another thread than the one that waits for it.
#[derive(Debug, Clone)]
pub struct Killer(Arc<UnixStream>);

impl Killer {
    /// Kills the whole tree. Does nothing the second time, or when the tree is dead already.
    pub fn kill(&self) {
        // The helper takes the end of its input as the order to kill, so that our death is one too.
        // The only possible error, ENOTCONN, says that the helper is gone, and the tree with it.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

/// Makes the box and starts its program; returns when the program runs.
///
/// `output` becomes standard output and standard error of the tree; a pipe is handed over to the ids of
/// the box so that `/dev/stdout` can be opened. Standard input is `/dev/null`.
///
/// # Errors
/// A box that could not be made leaves no process and no mount behind.
pub fn spawn(spec: &Spec, output: OwnedFd) -> Result<Child, Error> {
    spec.validate()?;
    let helper = |what| move |source| Error::Helper { what, source };
    let (control, theirs) = UnixStream::pair().map_err(helper("make its control socket"))?;
    let mut starting = Starting(Some(start_helper(theirs, output)?));
    let pid = Pid::from_raw(starting.id().cast_signed());
    let pidfd = pidfd_open(pid).map_err(helper("watch it"))?;
    wire::send(&control, spec, &[]).map_err(helper("send it the description"))?;
    let (message, fds) = wire::receive(&control).map_err(helper("hear from it"))?;
    let started = match message {
        FromHelper::Started(meter) => fds.into_iter().next().map(|first| (first, meter)),
        FromHelper::Failed(failure) => {
            starting.wait();
            return Err(Error::Setup(failure));
        }
        FromHelper::Ended(_) => None,
    };
    let ((first, meter), Some(helper)) = (started.ok_or(Error::Lost)?, starting.0.take()) else {
        return Err(Error::Lost);
    };
    let limit = spec.limits.processes.filter(|limit| *limit > 0 && meter.processes.is_none());
    Ok(Child {
        helper,
        pidfd,
        first,
        control: Arc::new(control),
        meter,
        sampled_limit: limit.map(u64::from),
        limit_seen: AtomicBool::new(false),
        done: false,
    })
}

fn start_helper(control: UnixStream, output: OwnedFd) -> Result<std::process::Child, Error> {
    let failed = |what| move |source| Error::Helper { what, source };
    // Without this, a program that forgets run_if_helper() would start itself without end.
    if std::env::args_os().next().is_some_and(|name| name == ARGV0) {
        return Err(failed("start it")(io::Error::other("this process is a helper itself")));
    }
    Command::new("/proc/self/exe")
        .arg0(ARGV0)
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(control))
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed("start it"))
}

/// A helper that has not reported yet: killed and reaped on any early return.
struct Starting(Option<std::process::Child>);

impl Starting {
    fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, std::process::Child::id)
    }

    /// Lets the helper clean up after itself.
    fn wait(&mut self) {
        if let Some(mut helper) = self.0.take() {
            let _ = helper.wait();
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(helper) = &mut self.0 {
            let _ = helper.kill();
            let _ = helper.wait();
        }
    }
}

impl Child {
    /// Becomes readable when the tree is dead and [`Child::wait`] will not block for long.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// What the tree uses now; meant to be asked several times a second. A dead tree uses nothing.
    #[must_use]
    pub fn usage(&self) -> Usage {
        // A number of a process that has been reaped may be another's by now.
        let dead = PollFd::new(self.first.as_fd(), PollFlags::POLLIN);
        if poll(&mut [dead], PollTimeout::ZERO) != Ok(0) {
            return Usage::default();
        }
        let usage = self.meter.read();
        if self.sampled_limit.is_some_and(|limit| usage.processes >= limit) {
            self.limit_seen.store(true, Ordering::Relaxed);
        }
        usage
    }

    /// Kills the whole tree; idempotent. Its end is still to be waited for.
    pub fn kill(&self) {
        self.killer().kill();
    }

    /// A handle for killing from another thread.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.control))
    }

    /// Waits until every process of the tree is dead and its mounts are gone.
    ///
    /// # Errors
    /// [`Error::Lost`] if the helper was killed from outside. The tree is dead then, too.
    pub fn wait(mut self) -> Result<Exit, Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<Exit, Error> {
        self.done = true;
        let report = wire::receive(&self.control);
        if report.is_err() {
            // The helper is dead or broken. Its death kills the tree; make sure of both.
            let _ = self.helper.kill();
            let _ = pidfd_kill(self.first.as_fd());
            wait_readable(self.first.as_fd());
        }
        let _ = self.helper.wait();
        match report {
            Ok((FromHelper::Ended(exit), _)) => {
                let seen = u64::from(self.limit_seen.load(Ordering::Relaxed));
                Ok(Exit { fork_failures: exit.fork_failures.max(seen), ..exit })
            }
            Ok((FromHelper::Failed(failure), _)) => Err(Error::Setup(failure)),
            Ok((FromHelper::Started(_), _)) | Err(_) => Err(Error::Lost),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.done {
            self.kill();
            let _ = self.finish();
        }
    }
}

/// Blocks until a descriptor is readable; a pidfd is when its process has ended.
fn wait_readable(fd: BorrowedFd) {
    loop {
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            _ => return,
        }
    }
}

impl From<nix::sys::wait::WaitStatus> for Status {
    fn from(status: nix::sys::wait::WaitStatus) -> Self {
        use nix::sys::wait::WaitStatus;
        match status {
            WaitStatus::Exited(_, code) => Self::Exited(code),
            WaitStatus::Signaled(_, signal, _) => Self::Signaled(signal as i32),
            // wait4 without WUNTRACED reports nothing else.
            _ => Self::Signaled(0),
        }
    }
}
