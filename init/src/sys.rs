//! The kernel for real: the only system calls and the only `unsafe` of this crate.
//!
//! No call here allocates. After `fork` the child runs the same code: there is one thread, so
//! nothing can be locked.

#![allow(unsafe_code)] // system calls that nix has no safe wrapper for; each block says why it is sound

use core::ffi::{CStr, c_char, c_int};
use core::mem::{MaybeUninit, size_of};
use core::ptr;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{AccessFlags, access, getpid, mkdir, sethostname, setsid};
use nix::{NixPath as _, unistd};

use crate::kernel::{
    Fd, Job, MAX_STRINGS, MAX_WATCHES, Mount, Open, Program, READY_FD, Reaped, Result, Setting,
    Space, Stdio, Strings, Sys, Watch,
};
use crate::machine::End;
use crate::sup::Exit;

/// The kernel. Exists only in PID 1: some of its calls end every process they can reach.
#[derive(Debug)]
pub struct Linux(());

impl Linux {
    /// Blocks all signals; `None` when this process is not PID 1 (of its namespace).
    ///
    /// Signals are blocked before the first fork and never handled: the kernel queues what is
    /// blocked even for PID 1, and the loop takes it from there.
    pub fn new() -> Option<Self> {
        if getpid().as_raw() != 1 {
            return None;
        }
        // Cannot fail: the arguments are constants.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
        Some(Self(()))
    }
}

const CREATE_MODE: libc::mode_t = 0o600;

fn open_raw(path: &str, flags: c_int) -> Result<Fd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    let fd = path.with_nix_path(|p| {
        // SAFETY: `p` is a NUL-terminated string that lives for the call.
        unsafe { libc::open(p.as_ptr(), flags, CREATE_MODE) }
    })?;
    Errno::result(fd).map(Fd)
}

fn close_raw(fd: Fd) {
    // SAFETY: closing a number touches no memory of ours; an unknown one is EBADF.
    unsafe { libc::close(fd.0) };
}

fn with_fd<T>(path: &str, flags: c_int, work: impl FnOnce(Fd) -> Result<T>) -> Result<T> {
    let fd = open_raw(path, flags)?;
    let done = work(fd);
    close_raw(fd);
    done
}

fn pread_full(fd: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        let at = offset as i64 + filled as i64;
        // SAFETY: `rest` is valid for writes of its length.
        let n = unsafe { libc::pread(fd.0, rest.as_mut_ptr().cast(), rest.len(), at) };
        match Errno::result(n)? {
            0 => break,
            n => filled += n as usize,
        }
    }
    Ok(filled)
}

fn write_raw(fd: Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: `bytes` is valid for reads of its length.
    let n = unsafe { libc::write(fd.0, bytes.as_ptr().cast(), bytes.len()) };
    Errno::result(n).map(|n| n as usize)
}

fn fsync_raw(fd: Fd, data_only: bool) -> Result<()> {
    let code = if data_only {
        // SAFETY: takes a number only.
        unsafe { libc::fdatasync(fd.0) }
    } else {
        // SAFETY: takes a number only.
        unsafe { libc::fsync(fd.0) }
    };
    Errno::result(code).map(drop)
}

fn clock_ms(clock: ClockId) -> u64 {
    let t = clock_gettime(clock).unwrap_or(TimeSpec::new(0, 0));
    (t.tv_sec() as u64).saturating_mul(1000) + t.tv_nsec() as u64 / 1_000_000
}

/// Calls `each` for the names in a block of `getdents64(2)` records: inode (8 bytes), offset (8),
/// record length (2), type (1), NUL-terminated name.
fn for_each_name(mut block: &[u8], each: &mut dyn FnMut(&str)) {
    while let Some((head, _)) = block.split_at_checked(19) {
        let length = usize::from(u16::from_ne_bytes([head[16], head[17]]));
        let Some((record, rest)) = block.split_at_checked(length) else { return };
        let Some(name) = record.get(19..) else { return };
        if let Ok(Ok(name)) = CStr::from_bytes_until_nul(name).map(CStr::to_str)
            && name != "."
            && name != ".."
        {
            each(name);
        }
        block = rest;
    }
}

impl Sys for Linux {
    fn now_ms(&mut self) -> u64 {
        clock_ms(ClockId::CLOCK_BOOTTIME)
    }

    fn wall_s(&mut self) -> u64 {
        clock_ms(ClockId::CLOCK_REALTIME) / 1000
    }

    fn sleep_ms(&mut self, ms: u64) {
        let t =
            libc::timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000) as i64 * 1_000_000 };
        // SAFETY: `t` is valid for reads; a null remainder is allowed.
        unsafe { libc::nanosleep(&raw const t, ptr::null_mut()) };
    }

    fn open(&mut self, path: &str, how: Open) -> Result<Fd> {
        let flags = match how {
            Open::Read => libc::O_RDONLY,
            Open::Write => libc::O_WRONLY,
            Open::ReadWrite => libc::O_RDWR,
        };
        open_raw(path, flags | libc::O_NONBLOCK)
    }

    fn close(&mut self, fd: Fd) {
        close_raw(fd);
    }

    fn read(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: `buffer` is valid for writes of its length.
        let n = unsafe { libc::read(fd.0, buffer.as_mut_ptr().cast(), buffer.len()) };
        Errno::result(n).map(|n| n as usize)
    }

    fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize> {
        write_raw(fd, bytes)
    }

    fn read_file(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        with_fd(path, libc::O_RDONLY | libc::O_NONBLOCK, |fd| pread_full(fd, offset, buffer))
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        with_fd(path, libc::O_WRONLY, |fd| match write_raw(fd, bytes)? {
            n if n == bytes.len() => Ok(()),
            _ => Err(Errno::EIO),
        })
    }

    fn write_durable(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let flags = libc::O_WRONLY | libc::O_NOFOLLOW;
        let write = |fd: Fd| {
            // SAFETY: `bytes` is valid for reads of its length.
            let n =
                unsafe { libc::pwrite(fd.0, bytes.as_ptr().cast(), bytes.len(), offset as i64) };
            if Errno::result(n)? as usize != bytes.len() {
                return Err(Errno::ENOSPC);
            }
            fsync_raw(fd, true)
        };
        match with_fd(path, flags, write) {
            Err(Errno::ENOENT) => with_fd(path, flags | libc::O_CREAT, write)?,
            done => return done,
        }
        // A new file: its name has to be durable too.
        let directory = path.rsplit_once('/').map_or(".", |(d, _)| d);
        with_fd(directory, libc::O_RDONLY | libc::O_DIRECTORY, |fd| fsync_raw(fd, false))
    }

    fn mkdir_mode(&mut self, path: &str, mode: u32) -> Result<()> {
        match mkdir(path, Mode::from_bits_truncate(mode)) {
            Err(Errno::EEXIST) => Ok(()),
            done => done,
        }
    }

    fn directory(&mut self, path: &str) -> Result<()> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        with_fd(path, flags, |_| Ok(()))
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        match unistd::unlink(path) {
            Err(Errno::ENOENT) => Ok(()),
            done => done,
        }
    }

    fn list(&mut self, path: &str, each: &mut dyn FnMut(&str)) -> Result<()> {
        with_fd(path, libc::O_RDONLY | libc::O_DIRECTORY, |fd| {
            let mut block = [0u8; 2048];
            loop {
                // opendir(3) would allocate.
                // SAFETY: `block` is valid for writes of its length.
                let n = unsafe {
                    libc::syscall(libc::SYS_getdents64, fd.0, block.as_mut_ptr(), block.len())
                };
                match Errno::result(n)? as usize {
                    0 => return Ok(()),
                    n => for_each_name(block.get(..n).unwrap_or_default(), each),
                }
            }
        })
    }

    fn executable(&mut self, path: &str) -> Result<()> {
        access(path, AccessFlags::X_OK)
    }

    fn pipe(&mut self) -> Result<(Fd, Fd)> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two numbers.
        Errno::result(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
        // SAFETY: takes numbers only. Failure leaves a blocking end, which is read only when poll
        // says so.
        unsafe { libc::fcntl(ends[0], libc::F_SETFL, libc::O_NONBLOCK) };
        Ok((Fd(ends[0]), Fd(ends[1])))
    }

    fn poll(&mut self, watches: &mut [Watch], timeout_ms: u64) -> Result<()> {
        let mut fds = [libc::pollfd { fd: -1, events: 0, revents: 0 }; MAX_WATCHES];
        for (slot, watch) in fds.iter_mut().zip(watches.iter()) {
            slot.fd = watch.fd.0;
            slot.events = if watch.write { libc::POLLOUT } else { libc::POLLIN };
        }
        let timeout = timeout_ms.min(c_int::MAX as u64) as c_int;
        let count = watches.len().min(fds.len());
        // SAFETY: the first `count` elements of `fds` are valid for reads and writes.
        let n = unsafe { libc::poll(fds.as_mut_ptr(), count as libc::nfds_t, timeout) };
        for (slot, watch) in fds.iter().zip(watches.iter_mut()) {
            watch.ready = n > 0 && slot.revents != 0;
        }
        Errno::result(n).map(drop)
    }

    fn wake_fd(&mut self) -> Result<Fd> {
        let all = SigSet::all();
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: the set is valid for reads; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, all.as_ref(), flags) };
        Errno::result(fd).map(Fd)
    }

    fn next_signal(&mut self) -> Result<Option<i32>> {
        let all = SigSet::all();
        let no_wait = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: set and time are valid for reads; a null siginfo is allowed.
        let n = unsafe { libc::sigtimedwait(all.as_ref(), ptr::null_mut(), &raw const no_wait) };
        match Errno::result(n) {
            Ok(n) => Ok(Some(n)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn reap(&mut self) -> Result<Reaped> {
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        match Errno::result(pid) {
            Ok(0) => Ok(Reaped::Busy),
            // Stopped and continued children are not asked for, so there is always an end.
            Ok(pid) => {
                Ok(Exit::from_wait(status).map_or(Reaped::Busy, |e| Reaped::Child(pid as u32, e)))
            }
            Err(Errno::ECHILD) => Ok(Reaped::NoChildren),
            Err(e) => Err(e),
        }
    }

    fn spawn(&mut self, program: &Program) -> Result<u32> {
        match fork_raw()? {
            0 => exec_child(program),
            pid => Ok(pid),
        }
    }

    fn helper(&mut self, job: &Job) -> Result<u32> {
        match fork_raw()? {
            0 => exit_child(crate::helper::run(self, job)),
            pid => Ok(pid),
        }
    }

    fn kill(&mut self, pid: u32, signal: i32) -> Result<()> {
        kill_raw(pid as i32, signal)
    }

    fn kill_group(&mut self, pid: u32, signal: i32) -> Result<()> {
        kill_raw(-(pid as i32), signal)
    }

    fn kill_all(&mut self, signal: i32) -> Result<()> {
        kill_raw(-1, signal)
    }

    fn mount(&mut self, m: &Mount) -> Result<()> {
        let mut flags = MsFlags::empty();
        flags.set(MsFlags::MS_RDONLY, m.read_only);
        flags.set(MsFlags::MS_NOSUID | MsFlags::MS_NODEV, m.no_suid_dev);
        flags.set(MsFlags::MS_NOEXEC, m.no_exec);
        mount(Some(m.source.as_str()), m.target, Some(m.fstype), flags, Some(m.data))
    }

    fn unmount(&mut self, target: &str) -> Result<()> {
        umount2(target, MntFlags::UMOUNT_NOFOLLOW)
    }

    fn bind(&mut self, from: &str, to: &str) -> Result<()> {
        mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
    }

    fn restrict(&mut self, path: &str, read_only: bool, no_suid: bool) -> Result<()> {
        let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NODEV;
        flags.set(MsFlags::MS_RDONLY, read_only);
        flags.set(MsFlags::MS_NOSUID, no_suid);
        mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
    }

    fn move_mount(&mut self, from: &str, to: &str) -> Result<()> {
        mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
    }

    fn enter(&mut self, path: &str) -> Result<()> {
        unistd::chdir(path)?;
        if let Err(e) = mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>) {
            // So that nothing keeps what could not be entered.
            let _ = unistd::chdir("/");
            return Err(e);
        }
        // The mount is where the old root is; these two have nothing left that could fail.
        unistd::chroot(".")?;
        unistd::chdir("/")
    }

    fn detach(&mut self, path: &str) -> Result<()> {
        umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
    }

    fn set_hostname(&mut self, name: &str) -> Result<()> {
        sethostname(name)
    }

    fn remount_ro(&mut self, target: &str) -> Result<()> {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
    }

    fn space(&mut self, path: &str) -> Result<Space> {
        let s = statvfs(path)?;
        let block = s.fragment_size();
        Ok(Space { free: block * s.blocks_free(), total: block * s.blocks() })
    }

    fn sync_fs(&mut self, path: &str) -> Result<()> {
        with_fd(path, libc::O_RDONLY | libc::O_DIRECTORY, |fd| {
            // SAFETY: the descriptor is open for the length of the call.
            Errno::result(unsafe { libc::syncfs(fd.0) }).map(drop)
        })
    }

    fn sync(&mut self) {
        unistd::sync();
    }

    #[inline(never)]
    fn release_stack(&mut self) {
        const PAGE: usize = 4096;
        // A megabyte is more than the boot uses, and less than the kernel keeps free below a stack.
        const LENGTH: usize = 1 << 20;
        let here = 0u8;
        let top = ((&raw const here).addr() & !(PAGE - 1)) - PAGE;
        let start = ptr::without_provenance_mut(top - LENGTH);
        // SAFETY: nothing below this frame is alive: what is called next writes before it reads, and the
        // page in between is more than the 128 bytes that a function may use below its frame. Where
        // nothing is mapped, the call does nothing.
        unsafe { libc::madvise(start, LENGTH, libc::MADV_DONTNEED) };
    }

    fn apply(&mut self, setting: Setting) -> Result<()> {
        match setting {
            Setting::Umask => {
                umask(Mode::from_bits_truncate(0o022));
                Ok(())
            }
            // The hard limits are those of other inits; the soft ones keep select(2) users safe and
            // the state disk free of core dumps.
            Setting::Limits => {
                setrlimit(Resource::RLIMIT_NOFILE, 1024, 524_288)?;
                setrlimit(Resource::RLIMIT_CORE, 0, libc::RLIM_INFINITY)
            }
            Setting::Hostname => sethostname("minos"),
            Setting::Loopback => loopback_up(),
            Setting::CtrlAltDel => set_cad_enabled(false),
            Setting::NullStdio => {
                let null = open_raw("/dev/null", libc::O_RDWR)?;
                let done = (0..3).try_for_each(|n| move_fd(null, n));
                if null.0 > 2 {
                    close_raw(null);
                }
                done
            }
        }
    }

    fn sane_terminal(&mut self, fd: Fd) -> Result<()> {
        let mut t = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: `t` is valid for writes.
        Errno::result(unsafe { libc::tcgetattr(fd.0, t.as_mut_ptr()) })?;
        // SAFETY: the call above succeeded and has filled it.
        let mut t = unsafe { t.assume_init() };
        t.c_iflag |= libc::ICRNL | libc::IXON;
        t.c_oflag |= libc::OPOST | libc::ONLCR;
        t.c_lflag |= libc::ICANON | libc::ECHO | libc::ECHOE | libc::ECHOK | libc::IEXTEN;
        t.c_lflag &= !libc::ISIG;
        // SAFETY: `t` is valid for reads.
        Errno::result(unsafe { libc::tcsetattr(fd.0, libc::TCSANOW, &raw const t) }).map(drop)
    }

    fn watchdog_timeout(&mut self, fd: Fd, seconds: u32) -> Result<u32> {
        /// `_IOWR('W', 6, int)` of linux/watchdog.h.
        const WDIOC_SETTIMEOUT: libc::c_ulong = 0xc004_5706;
        let mut value = seconds as c_int;
        // SAFETY: the request reads and writes one int, and `value` is one.
        Errno::result(unsafe { libc::ioctl(fd.0, WDIOC_SETTIMEOUT as _, &raw mut value) })?;
        Ok(value as u32)
    }

    fn reboot(&mut self, end: End) -> Errno {
        let mode = match end {
            End::PowerOff => RebootMode::RB_POWER_OFF,
            End::Halt => RebootMode::RB_HALT_SYSTEM,
            End::Reboot => RebootMode::RB_AUTOBOOT,
        };
        match reboot(mode) {
            Err(e) => e,
            Ok(never) => match never {},
        }
    }
}

fn kill_raw(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes numbers only. -1 reaches only what PID 1 may end: see `Linux::new`.
    Errno::result(unsafe { libc::kill(pid, signal) }).map(drop)
}

fn fork_raw() -> Result<u32> {
    // SAFETY: there is one thread, so the child may run any code.
    Errno::result(unsafe { libc::fork() }).map(|pid| pid as u32)
}

fn exit_child(status: u8) -> ! {
    // SAFETY: ends this process at once, without running anything of the parent's.
    unsafe { libc::_exit(c_int::from(status)) }
}

fn loopback_up() -> Result<()> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    let fd = Errno::result(fd)?;
    // SAFETY: an all-zero ifreq is valid: plain numbers and characters.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: the request reads one ifreq, and `request` is one.
    let code = unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request) };
    let done = Errno::result(code).map(drop);
    close_raw(Fd(fd));
    done
}

// ---- the child between fork and exec ---------------------------------------------------------------

/// Becomes the program; exits with 127 when that fails, as shells do.
fn exec_child(program: &Program) -> ! {
    let _ = become_program(program);
    exit_child(127)
}

fn become_program(program: &Program) -> Result<()> {
    setsid()?;
    let _ = with_fd("/proc/self/oom_score_adj", libc::O_WRONLY, |fd| write_raw(fd, b"0"));
    let ready = program.ready.map(out_of_the_way).transpose()?;
    match &program.stdio {
        Stdio::Pipe(out) => {
            let out = out_of_the_way(*out)?;
            let null = open_raw("/dev/null", libc::O_RDWR)?;
            move_fd(null, 0)?;
            move_fd(out, 1)?;
            move_fd(out, 2)?;
        }
        Stdio::Terminal(path) => own_terminal(path)?,
    }
    if let Some(fd) = ready {
        move_fd(fd, READY_FD)?;
    }
    close_above(if ready.is_some() { READY_FD } else { 2 });
    default_signals()?;
    exec(&program.argv, &program.envp)
}

/// A copy above the numbers the program will use, so that filling those overwrites no source.
fn out_of_the_way(fd: Fd) -> Result<Fd> {
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::fcntl(fd.0, libc::F_DUPFD, READY_FD + 1) }).map(Fd)
}

/// Makes `fd` available as number `to`, not closed on exec.
fn move_fd(fd: Fd, to: i32) -> Result<()> {
    if fd.0 == to {
        // SAFETY: takes numbers only.
        return Errno::result(unsafe { libc::fcntl(to, libc::F_SETFD, 0) }).map(drop);
    }
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::dup2(fd.0, to) }).map(drop)
}

fn own_terminal(path: &str) -> Result<()> {
    // Without blocking, because a modem line would wait for its carrier; then blocking, as programs
    // expect it.
    let tty = open_raw(path, libc::O_RDWR | libc::O_NONBLOCK)?;
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::fcntl(tty.0, libc::F_SETFL, 0) })?;
    // SAFETY: the request takes a number: 1 = take it from whoever had it (a session that died).
    // Failure costs job control only.
    unsafe { libc::ioctl(tty.0, libc::TIOCSCTTY as _, 1) };
    (0..3).try_for_each(|n| move_fd(tty, n))
}

fn close_above(last: i32) {
    // SAFETY: closing numbers touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_close_range, last as u32 + 1, u32::MAX, 0) };
}

/// The kernel's own `struct sigaction` on this architecture.
#[repr(C)]
#[derive(Default)]
struct KernelSigaction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Default actions and nothing blocked: what is ignored (std ignores SIGPIPE) or blocked here would
/// be inherited.
fn default_signals() -> Result<()> {
    // All zero is SIG_DFL with no flags and no mask. The C library's call would refuse the two
    // signals it keeps for itself, which whoever started this may have left ignored.
    let default = KernelSigaction::default();
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel reads one of its `struct sigaction` and writes none.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                ptr::null_mut::<KernelSigaction>(),
                size_of::<u64>(),
            )
        };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

fn pointers(strings: &Strings) -> [*const c_char; MAX_STRINGS + 1] {
    let mut list = [ptr::null(); MAX_STRINGS + 1];
    for (slot, s) in list.iter_mut().zip(strings.iter_with_nul()).take(MAX_STRINGS) {
        *slot = s.as_ptr().cast();
    }
    list
}

fn exec(argv: &Strings, envp: &Strings) -> Result<()> {
    let argv = pointers(argv);
    let envp = pointers(envp);
    if argv[0].is_null() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: both lists end with a null pointer and point to NUL-terminated strings that outlive
    // the call.
    Errno::result(unsafe { libc::execve(argv[0], argv.as_ptr(), envp.as_ptr()) }).map(drop)
}

/// Ends this process at once; only where init is not the PID 1 of a machine.
pub fn exit(status: i32) -> ! {
    // SAFETY: ends this process at once.
    unsafe { libc::_exit(status) }
}

/// Whether this process is PID 1 of the machine itself and not of a container: by its number and the inode number the
/// kernel reserves for it (`PROC_PID_INIT_INO` of linux/proc_ns.h). Without a proc file system the
/// answer is yes: nobody but the kernel starts PID 1 like that.
pub fn is_pid1_of_machine() -> bool {
    const PROC_PID_INIT_INO: u64 = 0xefff_fffc;
    getpid().as_raw() == 1
        && nix::sys::stat::stat("/proc/self/ns/pid").map_or(true, |s| s.st_ino == PROC_PID_INIT_INO)
}

/// The size of the kernel's `struct input_event` on this architecture, in bytes.
pub const INPUT_EVENT: usize = size_of::<libc::input_event>();

/// A heap that counts its calls, in debug builds only: the tests ask whether init is quiet.
#[cfg(debug_assertions)]
pub mod counting {
    use core::sync::atomic::{AtomicU64, Ordering};
    use std::alloc::{GlobalAlloc, Layout, System};

    static CALLS: AtomicU64 = AtomicU64::new(0);

    /// Calls of the heap so far.
    pub fn calls() -> u64 {
        CALLS.load(Ordering::Relaxed)
    }

    /// The system's heap, counted.
    #[derive(Debug)]
    pub struct Counting;

    // SAFETY: every call is passed on unchanged to the system's allocator.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            CALLS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the caller's promises are passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
            CALLS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the caller's promises are passed on.
            unsafe { System.dealloc(p, layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Fd, Linux, Open, Strings, Sys as _, Watch, for_each_name, pointers};

    #[test]
    fn files_are_read_written_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let mut sys = Linux(());
        sys.mkdir(&path("d")).unwrap();
        sys.mkdir(&path("d")).unwrap();
        sys.write_durable(&path("d/f"), 5, b"later").unwrap();
        sys.write_durable(&path("d/f"), 0, b"first").unwrap();
        let mut buffer = [0; 20];
        assert_eq!(sys.read_file(&path("d/f"), 3, &mut buffer), Ok(7));
        assert_eq!(&buffer[..7], b"stlater");
        assert_eq!(sys.read_file(&path("d/none"), 0, &mut buffer), Err(Errno::ENOENT));
        assert_eq!(sys.write_file(&path("d/none"), b"x"), Err(Errno::ENOENT));
        (0..200).for_each(|n| std::fs::write(path(&format!("d/{n}")), "").unwrap());
        let mut names = vec![];
        sys.list(&path("d"), &mut |n| names.push(n.to_owned())).unwrap();
        assert_eq!(names.len(), 201, "over several blocks, without . and ..");
        std::os::unix::fs::symlink("/etc/passwd", path("d/link")).unwrap();
        assert_eq!(sys.write_durable(&path("d/link"), 0, b"x"), Err(Errno::ELOOP));
    }

    #[test]
    fn a_pipe_never_blocks_its_reader_and_poll_sees_both_ends() {
        let mut sys = Linux(());
        let (read, write) = sys.pipe().unwrap();
        let mut byte = [0; 4];
        assert_eq!(sys.read(read, &mut byte), Err(Errno::EAGAIN));
        let watch = |fd: Fd, write| Watch { fd, write, ready: false };
        let mut watches = [watch(read, false), watch(write, true)];
        sys.poll(&mut watches, 0).unwrap();
        assert_eq!(watches.map(|w| w.ready), [false, true]);
        assert_eq!(sys.write(write, b"\n"), Ok(1));
        sys.poll(&mut watches, 0).unwrap();
        assert!(watches[0].ready);
        sys.close(write);
        assert_eq!((sys.read(read, &mut byte), sys.read(read, &mut byte)), (Ok(1), Ok(0)));
        sys.close(read);
        assert_eq!(sys.open("/nowhere/at/all", Open::Read), Err(Errno::ENOENT));
    }

    #[test]
    fn a_cut_block_of_names_ends_quietly() {
        let mut block = vec![0u8; 24];
        block[16..18].copy_from_slice(&24u16.to_ne_bytes());
        block[19..22].copy_from_slice(b"abc");
        let mut names = vec![];
        for cut in 0..=block.len() {
            for_each_name(&block[..cut], &mut |n| names.push(n.to_owned()));
        }
        assert_eq!(names, ["abc"]);
        // A record that claims no length would go on for ever.
        block[16] = 0;
        for_each_name(&block, &mut |n| names.push(n.to_owned()));
    }

    #[test]
    fn argument_lists_end_with_null() {
        let mut strings = Strings::default();
        let pushed = (0..100).filter(|_| strings.push("x")).count();
        assert_eq!(pushed, crate::kernel::MAX_STRINGS);
        let list = pointers(&strings);
        assert_eq!(list.iter().filter(|p| !p.is_null()).count(), pushed);
        assert!(list[pushed].is_null());
    }
}
