//! Processes: clone into namespaces, pidfds, wait with resource usage, descriptors, seccomp.

use super::{check, owned};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// From `linux/sched.h`; the constant of libc has too narrow a type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a clone this is.
pub enum Side {
    /// The caller; the child is named by number and by a pidfd that cannot be reused.
    Parent(Pid, OwnedFd),
    /// The new process.
    Child,
}

/// `clone3(2)` without shared memory (like fork) into new namespaces, optionally straight into the
/// cgroup v2 directory `cgroup`.
///
/// Only sound to call from a single-threaded process: the caller is the re-executed helper.
pub fn clone_into(namespaces: libc::c_int, cgroup: Option<BorrowedFd>) -> io::Result<Side> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: an all-zero clone_args is a valid value of that plain structure.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(dir) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = dir.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and without a stack this behaves like fork; one thread exists.
    let ret = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match check(ret)? {
        0 => Ok(Side::Child),
        pid => {
            // SAFETY: CLONE_PIDFD stored a fresh descriptor here for us alone.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent(Pid::from_raw(pid as i32), pidfd))
        }
    }
}

/// `fork(2)`; only sound in the single-threaded helper. `None` is the child.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the helper has one thread, so no lock can be held by another one.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// A descriptor for a process that is known not to have been reaped yet.
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
}

/// SIGKILL by pidfd; a process that is gone already is no error.
pub fn pidfd_kill(pidfd: BorrowedFd) -> io::Result<()> {
    // SAFETY: no siginfo is passed; the descriptor is borrowed for the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match check(ret) {
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// What `wait4(2)` knows about an ended process and all descendants it has waited for.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Exited or signalled.
    pub status: WaitStatus,
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Largest resident set of any one process, bytes.
    pub max_rss: u64,
    /// Bytes read from and written to devices.
    pub blocks: (u64, u64),
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec.max(0) as u64, (time.tv_usec.clamp(0, 999_999) * 1000) as u32)
}

/// The kernel counts in units of 512 bytes.
fn blocks(count: libc::c_long) -> u64 {
    count.max(0) as u64 * 512
}

/// Waits for the end of `pid` (-1: any child).
pub fn wait4(pid: i32) -> io::Result<Ended> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of that plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both out-pointers are valid for writes.
    let pid = check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }.into())?;
    Ok(Ended {
        status: WaitStatus::from_raw(Pid::from_raw(pid as i32), status)?,
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        max_rss: usage.ru_maxrss.max(0) as u64 * 1024,
        blocks: (blocks(usage.ru_inblock), blocks(usage.ru_oublock)),
    })
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_uint;
    // SAFETY: marks descriptors only; none is closed under its owner.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) })
        .map(drop)
}

/// Closes every descriptor from `first` on. Only for a process that has just been started and owns none of them yet.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the caller is a fresh process, in which no owner of such a descriptor exists.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Gives every signal its default action and unblocks all. Rust's start-up code ignores SIGPIPE, and
/// what pkgd ignores must not leak into a build.
pub fn reset_signals() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: the default action runs no code of ours.
            unsafe { sigaction(signal, &default) }?;
        }
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Replaces the session keyring by a fresh one, so that keys of pkgd's session stay unseen.
/// A kernel without keyrings is fine.
pub fn leave_session_keyring() -> io::Result<()> {
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    let ret = unsafe {
        libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, null, 0, 0, 0)
    };
    match check(ret) {
        Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        other => other.map(drop),
    }
}

/// Installs a seccomp filter on this thread; it survives execve. Needs no_new_privs.
pub fn install_filter(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let prog = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `prog` describes a valid slice that outlives the call; the kernel copies it.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const prog)
    })
    .map(drop)
}

/// Takes descriptor 0 as an owned one: in the helper it is the control socket pkgd gave it.
pub fn take_stdin() -> OwnedFd {
    // SAFETY: called once, first thing in the helper; std's handle on 0 is never used there.
    unsafe { OwnedFd::from_raw_fd(0) }
}

/// Size of the structures above, so that a mismatch of libc and kernel shows at compile time.
const _: () = assert!(size_of::<libc::clone_args>() == 88);

/// The version of Landlock. `ENOSYS`: not in the kernel; `EOPNOTSUPP`: switched off at boot.
pub fn landlock_abi() -> io::Result<u32> {
    /// `LANDLOCK_CREATE_RULESET_VERSION`
    const VERSION: libc::c_uint = 1;
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no attributes and makes no descriptor.
    let ret = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0_usize, VERSION) };
    check(ret).map(|abi| abi as u32)
}

/// A harmless device command: asks the random device for its entropy count.
pub fn device_ioctl(device: BorrowedFd) -> io::Result<()> {
    /// `RNDGETENTCNT` of `linux/random.h`.
    const ENTROPY_COUNT: libc::Ioctl = 0x8004_5200;
    let mut bits: libc::c_int = 0;
    // SAFETY: the command writes one int to the pointer given.
    let ret = unsafe { libc::ioctl(device.as_raw_fd(), ENTROPY_COUNT, &raw mut bits) };
    check(ret.into()).map(drop)
}
