//! What init needs of the kernel, as a trait: [`crate::sys`] is the real one, the tests have one
//! that obeys orders such as "the 17th call fails".
//!
//! Every call either succeeds or returns an errno; none panics and none may block for long. What
//! can block (reading a disk, mounting, unmounting, syncing, killing everything) is a [`Job`] for a forked helper.

use heapless::{String, Vec};
pub use nix::errno::Errno;

use crate::disks::{LABEL, Name};
use crate::machine::End;
use crate::sup::Exit;

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// The longest path init handles, in bytes. Its own are short; mount points made by others are
/// skipped when longer.
pub const PATH: usize = 256;

/// A file descriptor: a plain number, because a fake kernel deals them out too. Whoever holds it
/// closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fd(pub i32);

/// How a file is opened: always without blocking, without becoming a controlling terminal, and
/// closed on exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// For reading.
    Read,
    /// For writing; not created.
    Write,
    /// Both.
    ReadWrite,
}

/// The most descriptors in one wait: two for each program, and a handful.
pub const MAX_WATCHES: usize = 64;

/// One descriptor to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The descriptor.
    pub fd: Fd,
    /// Wait for room to write instead of something to read.
    pub write: bool,
    /// Set by the call: readable or writable, or broken, which a read or write will tell.
    pub ready: bool,
}

/// What a call to reap found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This child ended.
    Child(u32, Exit),
    /// Children live, none ended.
    Busy,
    /// There is no child.
    NoChildren,
}

/// A list of strings for `execve(2)`, in one buffer, without the heap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8, 1024>,
    count: usize,
}

/// The most strings in one list.
pub const MAX_STRINGS: usize = 32;

impl Strings {
    /// Appends one string. False when there is no room or it contains a NUL byte.
    pub fn push(&mut self, text: &str) -> bool {
        self.push_joined("", text)
    }

    /// Appends `head` and `tail` as one string. False as for [`Strings::push`].
    pub fn push_joined(&mut self, head: &str, tail: &str) -> bool {
        let needed = self.bytes.len() + head.len() + tail.len() + 1;
        if needed > self.bytes.capacity() || self.count == MAX_STRINGS {
            return false;
        }
        if head.bytes().chain(tail.bytes()).any(|b| b == 0) {
            return false;
        }
        self.count += 1;
        [head.as_bytes(), tail.as_bytes(), &[0]]
            .iter()
            .all(|b| self.bytes.extend_from_slice(b).is_ok())
    }

    /// The strings, each with its NUL byte.
    pub fn iter_with_nul(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|b| *b == 0)
    }

    /// The strings.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.iter_with_nul().map(|s| str::from_utf8(&s[..s.len() - 1]).unwrap_or_default())
    }
}

/// Where a program's standard descriptors go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a box would be a heap call")]
pub enum Stdio {
    /// Nothing to read; output and errors into this pipe, which init reads.
    Pipe(Fd),
    /// All three are this terminal, which becomes the controlling one.
    Terminal(String<PATH>),
}

/// A program to start: in a session of its own, with default signals, nothing inherited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `argv[0]` is also the path.
    pub argv: Strings,
    /// `NAME=value`.
    pub envp: Strings,
    /// Standard descriptors.
    pub stdio: Stdio,
    /// The descriptor that becomes number [`READY_FD`].
    pub ready: Option<Fd>,
}

/// The number under which a service finds its readiness pipe.
pub const READY_FD: i32 = 3;

/// A file system to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Device, or a word for file systems without one.
    pub source: String<PATH>,
    /// Where.
    pub target: &'static str,
    /// Type.
    pub fstype: &'static str,
    /// Read-only.
    pub read_only: bool,
    /// Neither set-user-id programs nor device files count there.
    pub no_suid_dev: bool,
    /// Nothing there can be executed.
    pub no_exec: bool,
    /// Options of the file system, separated by commas.
    pub data: &'static str,
}

/// What may block, done by a forked helper with a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Read the superblock of a device and exit with what it says, as [`crate::disks::look`] has it.
    Look {
        /// The device.
        device: Name,
        /// The label that is looked for.
        label: String<LABEL>,
    },
    /// Mount it.
    Mount(Mount),
    /// Write bytes into a file at an offset, and make them durable.
    WriteRecord {
        /// The file; its directory is made when missing.
        path: &'static str,
        /// Offset in bytes.
        offset: u64,
        /// The bytes.
        bytes: [u8; crate::bootrec::SLOT],
        /// Afterwards, when the bytes are durable: remove this file, which they make superfluous.
        then_remove: Option<&'static str>,
    },
    /// Mount the root of this generation below [`crate::roots::NEW`].
    Root(u64),
    /// SIGKILL to every process but init and the helper.
    KillAll,
    /// Write back the file system that holds a path; an error when something of it got lost.
    Flush {
        /// The path.
        path: &'static str,
    },
    /// Unmount everything that can be; make the rest read-only.
    Unmount,
    /// Write everything back.
    Sync,
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes free for root.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A setting of the machine or of PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// File mode mask 022.
    Umask,
    /// Limits of open files and core dumps, which all services inherit.
    Limits,
    /// Host name `minos`.
    Hostname,
    /// The loopback interface is up.
    Loopback,
    /// Standard input, output and errors of init itself are `/dev/null`: it reads and writes only
    /// what it opened, and a terminal is never kept from its session by PID 1.
    NullStdio,
    /// Ctrl-Alt-Del sends SIGINT to init instead of rebooting at once.
    CtrlAltDel,
}

/// The kernel, as far as init is concerned.
pub trait Sys {
    /// Milliseconds since the kernel started (`CLOCK_BOOTTIME`).
    fn now_ms(&mut self) -> u64;
    /// Seconds since the Unix epoch, as far as the machine knows.
    fn wall_s(&mut self) -> u64;
    /// Sleeps; the last resort where `poll` itself fails.
    fn sleep_ms(&mut self, ms: u64);

    /// Opens a file.
    fn open(&mut self, path: &str, how: Open) -> Result<Fd>;
    /// Closes a descriptor.
    fn close(&mut self, fd: Fd);
    /// Reads; 0 is the end.
    fn read(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize>;
    /// Writes, perhaps only a part.
    fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize>;
    /// Opens, reads at an offset until the buffer is full or the file ends, closes.
    fn read_file(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize>;
    /// Opens, writes all with one call (what sysfs and procfs want), closes. Not created.
    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<()>;
    /// Creates if need be, writes at an offset, `fdatasync`, and the directory too.
    fn write_durable(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Makes a directory with this mode; one that exists is fine and keeps its own.
    fn mkdir_mode(&mut self, path: &str, mode: u32) -> Result<()>;
    /// Makes a directory that everybody may read; one that exists is fine.
    fn mkdir(&mut self, path: &str) -> Result<()> {
        self.mkdir_mode(path, 0o755)
    }
    /// Whether there is a directory: ENOENT, ENOTDIR.
    fn directory(&mut self, path: &str) -> Result<()>;
    /// Removes a file; one that is not there is fine.
    fn remove(&mut self, path: &str) -> Result<()>;
    /// Calls `each` for every name in a directory but `.` and `..`.
    fn list(&mut self, path: &str, each: &mut dyn FnMut(&str)) -> Result<()>;
    /// Whether a file can be executed.
    fn executable(&mut self, path: &str) -> Result<()>;
    /// A pipe: read end (never blocks), write end (blocks).
    fn pipe(&mut self) -> Result<(Fd, Fd)>;
    /// Waits until a descriptor is ready or the time is over.
    fn poll(&mut self, watches: &mut [Watch], timeout_ms: u64) -> Result<()>;

    /// A descriptor that is readable while a signal is pending. Only wakes the loop up: signals are
    /// taken by [`Sys::next_signal`], so without it the machine merely reacts later.
    fn wake_fd(&mut self) -> Result<Fd>;
    /// Takes one pending signal, if there is one.
    fn next_signal(&mut self) -> Result<Option<i32>>;
    /// Reaps one child, any child, without waiting. The only wait in this program.
    fn reap(&mut self) -> Result<Reaped>;
    /// Starts a program; its pid.
    fn spawn(&mut self, program: &Program) -> Result<u32>;
    /// Starts a helper on a job; its pid. It exits with 0, or with the errno.
    fn helper(&mut self, job: &Job) -> Result<u32>;
    /// Signals one process.
    fn kill(&mut self, pid: u32, signal: i32) -> Result<()>;
    /// Signals the session leader's process group.
    fn kill_group(&mut self, pid: u32, signal: i32) -> Result<()>;
    /// Signals every process but init and the caller.
    fn kill_all(&mut self, signal: i32) -> Result<()>;

    /// Mounts.
    fn mount(&mut self, mount: &Mount) -> Result<()>;
    /// Unmounts.
    fn unmount(&mut self, target: &str) -> Result<()>;
    /// Shows a directory in a second place; not what is mounted below it.
    fn bind(&mut self, from: &str, to: &str) -> Result<()>;
    /// Device files do not count in a bound mount any more; nor, if so asked, does writing, and nor do
    /// set-user-id programs.
    fn restrict(&mut self, path: &str, read_only: bool, no_suid: bool) -> Result<()>;
    /// Moves a mount, with what is mounted below it.
    fn move_mount(&mut self, from: &str, to: &str) -> Result<()>;
    /// Makes a mount the root of the machine and of this process; the old root is below it, out of reach.
    fn enter(&mut self, path: &str) -> Result<()>;
    /// Takes a mount and all below it out of the tree; it ends when nobody uses it any more.
    fn detach(&mut self, path: &str) -> Result<()>;
    /// Sets the host name.
    fn set_hostname(&mut self, name: &str) -> Result<()>;
    /// Remounts read-only.
    fn remount_ro(&mut self, target: &str) -> Result<()>;
    /// Room on the file system that holds a path.
    fn space(&mut self, path: &str) -> Result<Space>;
    /// Writes the file system back that holds a path. Unlike [`Sys::sync`] it tells what got lost.
    fn sync_fs(&mut self, path: &str) -> Result<()>;
    /// Writes everything back.
    fn sync(&mut self);
    /// Gives that part of the stack back which only the boot has used.
    fn release_stack(&mut self) {}
    /// Applies a setting.
    fn apply(&mut self, setting: Setting) -> Result<()>;
    /// Line editing and echo for a terminal, whatever a program left behind.
    fn sane_terminal(&mut self, fd: Fd) -> Result<()>;
    /// Sets the time-out of a watchdog in seconds; the one the driver chose.
    fn watchdog_timeout(&mut self, fd: Fd, seconds: u32) -> Result<u32>;
    /// Ends the machine. Returns only when that failed.
    fn reboot(&mut self, end: End) -> Errno;
}
