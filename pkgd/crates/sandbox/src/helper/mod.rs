//! The helper: real root, one thread. It makes the idmapped views and the cgroup, starts the first
//! process of the box, waits for its end and reports. Its control socket is its leash: when pkgd closes
//! it, or dies, the tree is killed.

mod init;
mod layers;
mod payload;
mod root;
mod rootfs;
mod uppers;
mod witness;

use crate::audit::Listener;
use crate::cgroup::{Cgroup, Place, Totals};
use crate::child::{Exit, FromHelper, Status};
use crate::error::{Context, Failure, Stage};
use crate::probe;
use crate::spec::{IdRange, Network, Spec};
use crate::sys::process::{Ended, Side, clone_into, pidfd_kill, take_stdin, wait4};
use crate::wire;
use layers::Plan;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_dumpable;
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, umask};
use nix::unistd::{Gid, Pid, Uid, dup2_stderr, dup2_stdout, fchown, getpid, setsid};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use witness::Witness;

/// The name the helper is started under.
pub const ARGV0: &str = "minos-sandbox";

/// A build is what the kernel should kill first when the whole machine runs out of memory.
const OOM_SCORE: &str = "500";

/// What the first process of the box tells the helper.
#[derive(Debug, Serialize, Deserialize)]
enum FromInit {
    /// The root is there; it waits for an empty answer before it starts the program. Only if the opening of
    /// files is to be observed.
    Assembled,
    /// The program runs.
    Ready,
    /// The box could not be finished.
    Failed(Failure),
    /// The program has ended, and everything else is dead.
    Ended(Status, u64),
}

/// Runs the helper, or the acts of the probe, and does not return, if this process was started as such;
/// otherwise does nothing.
/// To be called before anything else in `main`.
pub fn run_if_helper() {
    let Some(name) = std::env::args_os().next() else { return };
    if Path::new(&name).file_name() == Some(OsStr::new(probe::ARGV0)) {
        probe::run_acts();
        leave(0);
    }
    if name == ARGV0 {
        let control = UnixStream::from(take_stdin());
        let code = if supervise(&control).is_ok() { 0 } else { 1 };
        leave(code);
    }
}

/// Ends this process, which is never the daemon itself.
#[allow(clippy::exit)] // the helper has no caller to return to
pub(crate) fn leave(code: i32) -> ! {
    std::process::exit(code)
}

/// Makes the box, waits for its end, reports. An error is one of the control socket: nobody listens.
fn supervise(control: &UnixStream) -> io::Result<()> {
    let (spec, _) = wire::receive::<Spec>(control)?;
    let last = match Running::start(&spec, control) {
        Ok(running) => running.watch(&spec, control),
        Err(failure) => FromHelper::Failed(failure),
    };
    wire::send(control, &last, &[])
}

/// The namespaces of a box besides the cgroup one, which it enters when it is in its cgroup.
fn namespaces(spec: &Spec) -> libc::c_int {
    let net = if spec.network == Network::Host { 0 } else { libc::CLONE_NEWNET };
    libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | net
}

/// A pipe belongs to the id that made it; inside, `/dev/stdout` could not be opened.
fn hand_over_output(ids: IdRange) -> Result<(), Failure> {
    let stdout = io::stdout();
    let stat: FileStat = fstat(&stdout).at(Stage::Prepare)?;
    if SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFIFO {
        let (uid, gid) = (Uid::from_raw(ids.first), Gid::from_raw(ids.first));
        fchown(&stdout, Some(uid), Some(gid)).at(Stage::Prepare)?;
    }
    Ok(())
}

/// Whether pkgd still holds its end. It sends nothing after the description.
fn leashed(control: &UnixStream) -> bool {
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(control.as_raw_fd(), &mut [0], peek) == Err(Errno::EAGAIN)
}

/// The box, seen from outside.
struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    init: UnixStream,
    cgroup: Cgroup,
    denials: Option<Listener>,
    witness: Option<Witness>,
}

/// What the first process has told so far.
#[derive(Default)]
struct News {
    failure: Option<Failure>,
    ended: Option<(Status, u64)>,
}

impl Running {
    fn start(spec: &Spec, control: &UnixStream) -> Result<Self, Failure> {
        umask(Mode::from_bits_truncate(0o022));
        setsid().at(Stage::Prepare)?;
        set_dumpable(false).at(Stage::Prepare)?;
        hand_over_output(spec.ids)?;
        rootfs::leave()?;
        let plan = Plan::new(spec, uppers::open_all(spec, control)?)?;
        let name = getpid().as_raw().cast_unsigned();
        let cgroup = Cgroup::create(&Place::find(), name, &spec.limits).at(Stage::Cgroup)?;
        match clone_init(spec, &plan, &cgroup) {
            Ok((pid, pidfd, init)) => {
                let denials = Listener::new(spec.ids.first);
                let running = Self { pid, pidfd, init, cgroup, denials, witness: None };
                match running.furnish(spec, &plan) {
                    Ok(()) => Ok(running),
                    Err(failure) => Err(running.abandon(failure)),
                }
            }
            Err(failure) => {
                cgroup.finish();
                Err(failure)
            }
        }
    }

    /// Gives the first process its ids, its cgroup and its views of the layers.
    fn furnish(&self, spec: &Spec, plan: &Plan) -> Result<(), Failure> {
        let proc = format!("/proc/{}", self.pid);
        let IdRange { first, count } = spec.ids;
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("{proc}/{map}"), format!("0 {first} {count}")).at(Stage::IdMap)?;
        }
        fs::write(format!("{proc}/oom_score_adj"), OOM_SCORE).at(Stage::Limits)?;
        self.cgroup.adopt(self.pid).at(Stage::Cgroup)?;
        let userns = File::open(format!("{proc}/ns/user")).at(Stage::IdMap)?;
        let views = plan.open(userns.as_fd())?;
        let views: Vec<BorrowedFd> = views.iter().map(AsFd::as_fd).collect();
        wire::send(&self.init, &(), &views).at(Stage::Layers)?;
        let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
            .on(Stage::Mounts, "/dev/null")?;
        // The reader of the output must see its end when the tree has gone, not when we go.
        dup2_stdout(&null).at(Stage::Prepare)?;
        dup2_stderr(&null).at(Stage::Prepare)
    }

    fn kill(&self) {
        // The only error left is ESRCH-like: there is nothing to kill.
        let _ = pidfd_kill(self.pidfd.as_fd());
    }

    /// Takes down what was started of a box that cannot be finished.
    fn abandon(self, failure: Failure) -> Failure {
        self.kill();
        // A failure the first process met itself is nearer to the cause than our broken pipe.
        let told = match wire::receive::<FromInit>(&self.init) {
            Ok((FromInit::Failed(told), _)) => Some(told),
            _ => None,
        };
        let _ = wait4(self.pid.as_raw());
        self.cgroup.finish();
        told.unwrap_or(failure)
    }

    /// Waits for the end of the tree, relaying the news; kills it if pkgd asks or dies.
    fn watch(mut self, spec: &Spec, control: &UnixStream) -> FromHelper {
        let mut news = News::default();
        let (mut leashed, mut listening) = (true, true);
        loop {
            let event = self.wait_event(leashed.then_some(control), listening);
            if event.asked {
                // pkgd sends nothing after the description: this is the end of the stream.
                leashed = false;
                self.kill();
            }
            if let Some(log) = self.denials.as_mut().filter(|_| event.denied) {
                log.drain();
            }
            if let Some(witness) = self.witness.as_mut().filter(|_| event.opened) {
                witness.drain();
            }
            if event.told {
                listening = self.hear(&mut news, spec, control);
            } else if event.dead {
                break;
            }
        }
        self.report(news)
    }

    /// Blocks until pkgd lets go, or the first process has news or is dead.
    fn wait_event(&self, control: Option<&UnixStream>, listening: bool) -> Event {
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![watch(self.pidfd.as_fd())];
        fds.extend(listening.then(|| watch(self.init.as_fd())));
        fds.extend(control.map(|socket| watch(socket.as_fd())));
        fds.extend(self.denials.as_ref().map(|log| watch(log.as_fd())));
        fds.extend(self.witness.as_ref().map(|witness| watch(witness.as_fd())));
        while let Err(Errno::EINTR) = poll(&mut fds, PollTimeout::NONE) {}
        let mut seen = fds.iter().map(|fd| fd.any().unwrap_or(true));
        Event {
            dead: seen.next().unwrap_or(true),
            told: listening && seen.next().unwrap_or(true),
            asked: control.is_some() && seen.next().unwrap_or(true),
            denied: self.denials.is_some() && seen.next().unwrap_or(true),
            opened: self.witness.is_some() && seen.next().unwrap_or(true),
        }
    }

    /// Takes one message of the first process; false when there will be no more.
    fn hear(&mut self, news: &mut News, spec: &Spec, control: &UnixStream) -> bool {
        match wire::receive::<FromInit>(&self.init) {
            Ok((FromInit::Assembled, _)) => match Witness::new(spec, self.pid) {
                Ok(witness) => {
                    self.witness = Some(witness);
                    // If the first process is gone, so is its socket, which the next turn sees.
                    let _ = wire::send(&self.init, &(), &[]);
                }
                Err(failure) => {
                    news.failure = Some(failure);
                    self.kill();
                }
            },
            Ok((FromInit::Ready, _)) => {
                // If pkgd is gone, its socket will say so at the next turn.
                let started = FromHelper::Started(self.cgroup.meter(self.pid));
                let _ = wire::send(control, &started, &[self.pidfd.as_fd()]);
            }
            Ok((FromInit::Failed(failure), _)) => news.failure = Some(failure),
            Ok((FromInit::Ended(status, leftover), _)) => news.ended = Some((status, leftover)),
            Err(_) => return false,
        }
        true
    }

    /// Reaps the first process. That returns when all of its pid namespace is dead (the kernel sees to
    /// it), and with the last process the mount namespace has gone.
    fn report(self, news: News) -> FromHelper {
        let ended = wait4(self.pid.as_raw());
        let totals = self.cgroup.finish();
        let denials = self.denials.map(Listener::finish).unwrap_or_default();
        let opened = self.witness.map(Witness::finish).unwrap_or_default();
        match (news.failure, ended) {
            (Some(failure), _) => FromHelper::Failed(failure),
            (None, Ok(ended)) => {
                FromHelper::Ended(Exit { denials, opened, ..exit(&ended, news.ended, &totals) })
            }
            (None, Err(error)) => {
                FromHelper::Failed(Failure::new(Stage::Namespaces, error.to_string()))
            }
        }
    }
}

/// What woke the helper.
struct Event {
    asked: bool,
    told: bool,
    dead: bool,
    denied: bool,
    opened: bool,
}

fn clone_init(
    spec: &Spec,
    plan: &Plan,
    cgroup: &Cgroup,
) -> Result<(Pid, OwnedFd, UnixStream), Failure> {
    let (ours, theirs) = UnixStream::pair().at(Stage::Namespaces)?;
    let target = cgroup.clone_target().at(Stage::Cgroup)?;
    let side = clone_into(namespaces(spec), target.as_ref().map(AsFd::as_fd));
    match side.at(Stage::Namespaces)? {
        Side::Child => {
            drop(ours);
            let mut spec = spec.clone();
            if cgroup.bounds_processes() {
                // RLIMIT_NPROC would be reached first, and nobody counts what it refuses.
                spec.limits.processes = None;
            }
            leave(init::run(&spec, plan, &theirs))
        }
        Side::Parent(pid, pidfd) => Ok((pid, pidfd, ours)),
    }
}

fn exit(ended: &Ended, told: Option<(Status, u64)>, totals: &Totals) -> Exit {
    // Without a word from the first process it was killed itself, and its own status is the answer.
    let (status, leftover) = told.unwrap_or((ended.status.into(), 0));
    Exit {
        status,
        user: ended.user,
        system: ended.system,
        max_rss: ended.max_rss,
        leftover,
        oom_kills: totals.oom_kills,
        fork_failures: totals.fork_failures,
        memory_peak: totals.memory_peak,
        io: totals.io.or(Some(ended.blocks)),
        denials: Vec::new(),
        opened: Vec::new(),
    }
}
