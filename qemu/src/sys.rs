//! The only unsafe code of this crate: system calls that std does not offer.
//!
//! What is here: sending a signal by pidfd, dying with the parent, raw terminal mode, waiting for
//! the signals that end a run, and (in [`kvm`]) a virtual machine of thirty bytes of code.
#![allow(unsafe_code)] // The system calls themselves; everything exported is safe to call.

pub(crate) mod kvm;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{c_int, c_long};

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_long(result: c_long) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as c_int) }
}

/// A process held by descriptor, so that a signal can never reach a later process with its number.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process with this number. It is the caller's child and not yet waited for, or the
    /// number is taken from a pid file whose lock is held.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pid = c_int::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or an error.
        let fd = check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        // SAFETY: the descriptor was just made by the kernel and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends `signal`. A process that is already gone is not an error.
    pub(crate) fn signal(&self, signal: c_int) -> io::Result<()> {
        let (fd, none) = (self.0.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: a null siginfo is allowed (the kernel fills it in); the other arguments are integers.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) };
        match check_long(sent) {
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// Makes the child die when the *thread* that spawns it ends. Call it from a thread that stays.
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let hook = move || {
        // SAFETY: prctl with PR_SET_PDEATHSIG takes integers only and is async-signal-safe.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        // The parent may have died before the call above: then nobody would send the signal.
        if std::os::unix::process::parent_id() == parent {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: the hook runs between fork and exec and makes two system calls, no allocation.
    unsafe { command.pre_exec(hook) };
}

/// Puts a terminal into raw mode and restores it when dropped.
#[derive(Debug)]
pub(crate) struct RawMode<'a> {
    tty: BorrowedFd<'a>,
    saved: libc::termios,
}

impl<'a> RawMode<'a> {
    /// # Errors
    /// `ENOTTY` when the descriptor is not a terminal.
    pub(crate) fn enter(tty: &'a impl AsFd) -> io::Result<Self> {
        let tty = tty.as_fd();
        // SAFETY: termios is plain integers; zero is a valid value of it.
        let mut saved: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open and `saved` is a termios we own.
        check(unsafe { libc::tcgetattr(tty.as_raw_fd(), &raw mut saved) })?;
        let mut raw = saved;
        // SAFETY: changes fields of a termios we own.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        set_terminal(tty, &raw)?;
        Ok(Self { tty, saved })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = set_terminal(self.tty, &self.saved);
    }
}

fn set_terminal(tty: BorrowedFd<'_>, to: &libc::termios) -> io::Result<()> {
    // SAFETY: the descriptor is open and `to` points at a valid termios.
    check(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSADRAIN, to) }).map(drop)
}

/// Waits until one of the two can be read or has hung up, and says which.
pub(crate) fn readable(a: BorrowedFd<'_>, b: Option<BorrowedFd<'_>>) -> io::Result<(bool, bool)> {
    // poll skips negative descriptors.
    let wait = |fd: c_int| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut both = [wait(a.as_raw_fd()), wait(b.map_or(-1, |b| b.as_raw_fd()))];
    // SAFETY: two pollfds that we own.
    match check(unsafe { libc::poll(both.as_mut_ptr(), 2, -1) }) {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok((false, false)),
        other => other.map(|_| (both[0].revents != 0, both[1].revents != 0)),
    }
}

/// The signals that ask a run to end: `SIGINT`, `SIGTERM`, `SIGHUP`.
pub(crate) struct EndSignals(libc::sigset_t);

impl EndSignals {
    /// Blocks them in this thread and all it starts from now on, so that [`Self::wait`] receives
    /// them. Child processes are not affected: std clears their mask.
    pub(crate) fn block() -> io::Result<Self> {
        // SAFETY: sigset_t is plain integers; sigemptyset sets it right below.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: a sigset_t we own.
        unsafe { libc::sigemptyset(&raw mut set) };
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: a sigset_t we own and a valid signal number.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        // SAFETY: valid set, and no old mask is asked for.
        match unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())
        } {
            0 => Ok(Self(set)),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Blocks until one of them arrives and returns its number.
    pub(crate) fn wait(&self) -> io::Result<c_int> {
        let mut signal = 0;
        // SAFETY: a valid set and an integer we own.
        match unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } {
            0 => Ok(signal),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}
