//! The system calls that std does not wrap: waiting on a descriptor, signals, the terminal.
//!
//! The only module with `unsafe`: `sigaction` and ioctls are so by nature.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{TIOCGWINSZ, ioctl, winsize};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawnp};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt};
use nix::sys::socket::{socket, sockopt};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices};
use nix::sys::termios::{Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::sys::wait::waitpid;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_: nix::libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From now on Ctrl-C is noted, not deadly: see [`interrupted`].
pub fn catch_interrupts() {
    // No SA_RESTART: a blocked poll must come back to look at the flag.
    let action =
        SigAction::new(SigHandler::Handler(on_interrupt), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing but store to an atomic, which is async-signal-safe.
    let done = unsafe { sigaction(Signal::SIGINT, &action) };
    // It fails only for signals that cannot be caught; SIGINT can.
    debug_assert!(done.is_ok());
}

/// Whether Ctrl-C came since [`forget_interrupt`].
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Forgets a Ctrl-C: the shell goes on with its next command.
pub fn forget_interrupt() {
    INTERRUPTED.store(false, Ordering::Relaxed);
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is something to read, or the peer hung up.
    Ready,
    /// The time is over.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

/// Waits until `fd` can be read, at most for `time` (rounded up to milliseconds).
///
/// # Errors
/// What `poll` reports.
pub fn wait_readable(fd: impl AsFd, time: Duration) -> io::Result<Wait> {
    let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    if interrupted() {
        return Ok(Wait::Interrupted);
    }
    match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => Ok(Wait::TimedOut),
        Ok(_) => Ok(Wait::Ready),
        Err(Errno::EINTR) if interrupted() => Ok(Wait::Interrupted),
        Err(Errno::EINTR) => Ok(Wait::TimedOut),
        Err(e) => Err(e.into()),
    }
}

/// Connects to a Unix socket; gives up after `time` when nobody accepts. `std` would wait for ever on
/// a peer that hangs with a full backlog.
///
/// # Errors
/// As `connect(2)`; `WouldBlock` when the time is over.
pub fn connect_unix(path: &Path, time: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::milliseconds(millis))?;
    connect(fd.as_raw_fd(), &address)?;
    Ok(UnixStream::from(fd))
}

/// The terminal's size as columns and rows, where the kernel knows it. A serial line says 0 by 0.
pub fn terminal_size(fd: impl AsFd) -> Option<(usize, usize)> {
    let mut size = winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `winsize` through the pointer, which is valid for that.
    let failed = unsafe { ioctl(fd.as_fd().as_raw_fd(), TIOCGWINSZ, &raw mut size) } != 0;
    (!failed && size.ws_col > 0 && size.ws_row > 0)
        .then(|| (size.ws_col.into(), size.ws_row.into()))
}

/// Raw mode for as long as the guard lives: keys come one by one, unechoed.
#[derive(Debug)]
pub struct RawMode {
    cooked: Termios,
}

impl RawMode {
    /// Switches the terminal on standard input to raw mode.
    ///
    /// # Errors
    /// What `tcsetattr` reports; `ENOTTY` when it is no terminal.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let now = tcgetattr(&stdin)?;
        let mut raw = now.clone();
        cfmakeraw(&mut raw);
        // Output stays processed: a line feed still returns the carriage.
        raw.output_flags = now.output_flags | OutputFlags::OPOST | OutputFlags::ONLCR;
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw)?;
        Ok(Self { cooked: cooked(now) })
    }
}

/// A predecessor killed at its prompt leaves the line raw; commands need one that is not.
fn cooked(mut mode: Termios) -> Termios {
    mode.input_flags |= InputFlags::ICRNL;
    mode.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
    mode.local_flags |=
        LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN;
    mode
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that hung up cannot be restored, and there is nobody left to tell.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.cooked);
    }
}

/// Standard input as a descriptor to wait on.
pub fn stdin_fd() -> impl AsFd {
    io::stdin()
}

/// Whether people sit at both ends: standard input and output are terminals.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Reads bytes from standard input without the buffering of `std`, which would hide them from a wait.
///
/// # Errors
/// As `read(2)`.
pub fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    let stdin = io::stdin();
    let fd: BorrowedFd<'_> = stdin.as_fd();
    loop {
        match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Runs a program to its end, with our own input, errors and environment, and returns what it wrote to its standard
/// output. A name without `/` is looked for in `PATH`. By `posix_spawn`: [`std::process::Command`] is 57 KB.
///
/// # Errors
/// It cannot be started, or its output cannot be read.
pub fn output_of(program: &Path, words: &[&str]) -> io::Result<Vec<u8>> {
    let name = program.as_os_str().as_bytes();
    let words = std::iter::once(name).chain(words.iter().map(|word| word.as_bytes()));
    let words = c_strings(&mut words.map(<[u8]>::to_vec))?;
    let variables = c_strings(
        &mut std::env::vars_os()
            .map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat()),
    )?;
    let Some(name) = words.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (mut read, write) = io::pipe()?;
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(write.as_raw_fd(), nix::libc::STDOUT_FILENO)?;
    let child = posix_spawnp(name, &actions, &PosixSpawnAttr::init()?, &words, &variables)?;
    drop(write);
    let mut said = Vec::new();
    let done = read.read_to_end(&mut said);
    while waitpid(child, None) == Err(Errno::EINTR) {}
    done.map(|_| said)
}

fn c_strings(texts: &mut dyn Iterator<Item = Vec<u8>>) -> io::Result<Vec<CString>> {
    let mut all = Vec::new();
    for text in texts {
        all.push(CString::new(text).map_err(|_| io::ErrorKind::InvalidInput)?);
    }
    Ok(all)
}

/// Sleeps, but not through a Ctrl-C.
pub fn pause(time: Duration) -> Wait {
    let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    if !interrupted() {
        // Woken early by another signal: the caller looks again, a little sooner.
        let _ = poll(&mut [], PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
    }
    if interrupted() { Wait::Interrupted } else { Wait::TimedOut }
}
