//! Workers: this binary again, under another name, for work on bytes from outside.
//!
//! A worker has one socket to the daemon and what comes through it: no path, no capability, a user id that nobody
//! has, bounded memory. It computes; it can neither open, connect, fork nor signal. See `docs/SANDBOX.md`.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid};

use crate::confine;
use crate::error::{Context, Failure, Stage};
use crate::filter;
use crate::helper::leave;
use crate::spec::{Network, Strength};
use crate::sys::process::{close_from, take_stdin};
use crate::wire::receive_bytes;

/// The user and group of workers: no user has it, and no box.
const ID: u32 = 0x4bff_ffff;
/// Address space of a worker in bytes: enough for the largest manifest, and two frames.
const MEMORY: u64 = 1 << 30;
/// Open descriptors of a worker: three streams and one file at a time.
const FILES: u64 = 8;

/// A worker that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    socket: UnixStream,
}

impl Worker {
    /// Starts this binary under the name `name`; its `main` calls [`run_if_worker`] with the same name.
    ///
    /// # Errors
    /// No process could be made.
    pub fn start(name: &str) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0(name);
        Self::start_command(command)
    }

    /// Starts another program in place of a worker. It confines itself or does not: for tests of who listens to it.
    ///
    /// # Errors
    /// No process could be made.
    pub fn start_command(mut command: Command) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        command.env_clear().current_dir("/").stdin(OwnedFd::from(theirs));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, socket })
    }

    /// The socket to the worker.
    #[must_use]
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Sends bytes (at least one) and an open file with the first of them.
    ///
    /// # Errors
    /// The worker is gone, or does not listen.
    pub fn send_file(&self, bytes: &[u8], file: BorrowedFd) -> io::Result<()> {
        let raw = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&raw)];
        let parts = [io::IoSlice::new(bytes)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        let sent = sendmsg::<()>(self.socket.as_raw_fd(), &parts, &rights, flags, None)?;
        let mut rest = bytes.get(sent..).unwrap_or_default();
        while !rest.is_empty() {
            let parts = [io::IoSlice::new(rest)];
            let sent = sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], flags, None)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Kills the worker, and says how it had ended before, if it had.
    pub fn end(mut self) -> Option<std::process::ExitStatus> {
        let before = self.child.try_wait().ok().flatten();
        let _ = self.child.kill();
        let _ = self.child.wait();
        before
    }

    /// Waits for the end of the worker.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fills `bytes` (not empty) from a worker's socket, and takes a descriptor that came with the first of them.
///
/// # Errors
/// `UnexpectedEof` when the other end is gone; I/O.
pub fn receive_file(socket: &UnixStream, bytes: &mut [u8]) -> io::Result<Option<OwnedFd>> {
    Ok(receive_bytes(socket, bytes)?.pop())
}

/// If this process was started by [`Worker::start`] under `name`: gives up everything, does `work` and ends with its
/// answer. Nothing is done where anything could not be given up. Otherwise returns.
/// To be called at the start of `main`, before there are threads.
pub fn run_if_worker(name: &str, work: impl FnOnce(UnixStream) -> u8) {
    if std::env::args_os().next().is_none_or(|given| given != name) {
        return;
    }
    let socket = UnixStream::from(take_stdin());
    let code = if confine_worker().is_ok() { work(socket) } else { CANNOT_CONFINE };
    leave(i32::from(code))
}

/// The exit status of a worker that could not give up what it must not have.
pub const CANNOT_CONFINE: u8 = 121;

/// Gives up all but standard streams, memory and time, in an order in which nothing given up is needed later.
fn confine_worker() -> Result<(), Failure> {
    setsid().at(Stage::Privileges)?;
    close_from(3).at(Stage::Privileges)?;
    limit()?;
    confine::drop_bounding(&[])?;
    setgroups(&[]).at(Stage::Privileges)?;
    let (user, group) = (Uid::from_raw(ID), Gid::from_raw(ID));
    setresgid(group, group, group).at(Stage::Privileges)?;
    setresuid(user, user, user).at(Stage::Privileges)?;
    confine::set_capabilities(&[])?;
    set_dumpable(false).at(Stage::Privileges)?;
    set_no_new_privs().at(Stage::Privileges)?;
    // The filter lets no call with a path through: Landlock is the second fence, as far as the kernel has it.
    let ruleset = confine::ruleset(Network::None, Strength::Weak).map_err(confine::refused)?;
    ruleset.restrict_self().map_err(confine::refused)?;
    filter::install_worker().at(Stage::Filter)
}

fn limit() -> Result<(), Failure> {
    let table = [
        (Resource::RLIMIT_AS, MEMORY),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_CORE, 0),
    ];
    table.iter().try_for_each(|(what, most)| setrlimit(*what, *most, *most).at(Stage::Limits))
}
