//! What the probe tries from inside its box. Each act would succeed, or fail in another way, if the fence
//! it is about were missing; the first ones must succeed, or the box would be of no use.

use crate::sys::process::{device_ioctl, fork};
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::kill;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getppid, truncate};
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Name of the probe program, in the root of its box.
pub const ARGV0: &str = "minos-sandbox-probe";
/// A file of a lower layer.
pub const CANARY: &str = "canary";
/// Where the box may write.
pub const WRITABLE: &str = "/writable";

/// One thing to try.
pub struct Act {
    /// What is tried.
    pub name: &'static str,
    /// Whether it is Landlock, and nothing else, that refuses it.
    pub landlock: bool,
    /// The answers that are right; none means that it must succeed.
    refusals: &'static [Errno],
    run: fn() -> io::Result<()>,
}

impl Act {
    /// Whether an error number (0: success) is the right answer.
    pub fn wants(&self, errno: i32) -> bool {
        match self.refusals {
            [] => errno == 0,
            some => some.iter().any(|refusal| *refusal as i32 == errno),
        }
    }
}

const DENIED: &[Errno] = &[Errno::EACCES];
const MOVED: &[Errno] = &[Errno::EACCES, Errno::EXDEV];
const FORBIDDEN: &[Errno] = &[Errno::EPERM];

const fn must(name: &'static str, run: fn() -> io::Result<()>) -> Act {
    Act { name, landlock: false, refusals: &[], run }
}

const fn fence(name: &'static str, refusals: &'static [Errno], run: fn() -> io::Result<()>) -> Act {
    Act { name, landlock: false, refusals, run }
}

const fn landlock(
    name: &'static str,
    refusals: &'static [Errno],
    run: fn() -> io::Result<()>,
) -> Act {
    Act { name, landlock: true, refusals, run }
}

/// All acts, in the order of trying.
pub const ACTS: &[Act] = &[
    must("write in /build", || fs::write("/build/file", "x")),
    must("write in /tmp", || fs::write("/tmp/file", "x")),
    must("write in a writable directory", || fs::write("/writable/file", "x")),
    must("link across writable directories", link_across),
    must("replace a file of a layer below /build", || fs::rename("/build/file", "/build/other")),
    landlock("make a file outside", DENIED, || File::create("/outside").map(drop)),
    landlock("make a directory outside", DENIED, || fs::create_dir("/outside")),
    landlock("open a layer's file for writing", DENIED, open_canary),
    landlock("truncate a layer's file", DENIED, || Ok(truncate("/canary", 0)?)),
    landlock("remove a layer's file", DENIED, || fs::remove_file("/canary")),
    landlock("move a layer's file", MOVED, || fs::rename("/canary", "/writable/canary")),
    landlock("bind a TCP port", DENIED, || TcpListener::bind("127.0.0.1:0").map(drop)),
    landlock("connect by TCP", DENIED, || TcpStream::connect("127.0.0.1:9").map(drop)),
    landlock("signal a process outside the domain", FORBIDDEN, || {
        Ok(kill(Pid::from_raw(1), None)?)
    }),
    landlock("nested: signal the parent", FORBIDDEN, signal_parent),
    landlock("nested: reach an abstract socket outside", FORBIDDEN, abstract_socket),
    landlock("nested: control a device", DENIED, control_device),
    fence("mount", FORBIDDEN, mount_tmpfs),
    fence("make a user namespace", &[Errno::ENOSPC, Errno::EPERM], || {
        Ok(unshare(CloneFlags::CLONE_NEWUSER)?)
    }),
    fence("make a mount namespace", FORBIDDEN, || Ok(unshare(CloneFlags::CLONE_NEWNS)?)),
    fence("write into /proc/sys", &[Errno::EROFS, Errno::EACCES], || {
        fs::write("/proc/sys/kernel/hostname", "x")
    }),
    fence("make a socket without namespaces", &[Errno::EAFNOSUPPORT], || {
        socket(AddressFamily::Vsock, SockType::Stream, SockFlag::empty(), None)?;
        Ok(())
    }),
];

/// Tries everything and prints the number of each act with its error number. The caller is the probe
/// program, whose standard output is a pipe to [`super::probe`].
pub fn run() {
    for (index, act) in ACTS.iter().enumerate() {
        let errno = match (act.run)() {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(-1),
        };
        println!("{index} {errno}");
    }
}

fn link_across() -> io::Result<()> {
    fs::create_dir_all("/writable/a")?;
    fs::create_dir_all("/writable/b")?;
    fs::write("/writable/a/file", "x")?;
    fs::hard_link("/writable/a/file", "/writable/b/file")
}

fn open_canary() -> io::Result<()> {
    File::options().append(true).open("/canary").map(drop)
}

fn mount_tmpfs() -> io::Result<()> {
    Ok(mount(Some("none"), WRITABLE, Some("tmpfs"), MsFlags::empty(), None::<&str>)?)
}

/// Runs `act` in a child below a further domain of `ruleset`; its error number is the exit status.
fn nested(ruleset: Ruleset, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let Some(child) = fork()? else {
        let done = ruleset
            .create()
            .and_then(|ruleset| ruleset.restrict_self())
            .map_err(io::Error::other)
            .and_then(|_| act());
        let code = done.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
        crate::helper::leave(code)
    };
    match waitpid(child, None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(io::ErrorKind::Interrupted.into()),
    }
}

fn strict() -> Ruleset {
    Ruleset::default().set_compatibility(CompatLevel::HardRequirement)
}

fn signal_parent() -> io::Result<()> {
    let scoped = strict().scope(Scope::Signal).map_err(io::Error::other)?;
    nested(scoped, || Ok(kill(getppid(), None)?))
}

fn abstract_socket() -> io::Result<()> {
    let address = UnixAddr::new_abstract(b"minos-probe")?;
    let stream = || -> nix::Result<OwnedFd> {
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
    };
    let listener = stream()?;
    bind(listener.as_raw_fd(), &address)?;
    listen(&listener, Backlog::new(1)?)?;
    let scoped = strict().scope(Scope::AbstractUnixSocket).map_err(io::Error::other)?;
    nested(scoped, || Ok(connect(stream()?.as_raw_fd(), &address)?))
}

/// Handles only the ioctl right, so that opening stays possible.
fn control_device() -> io::Result<()> {
    device_ioctl(File::open("/dev/urandom")?.as_fd())?;
    let ruleset = strict()
        .handle_access(AccessFs::from_all(ABI::V5) & AccessFs::IoctlDev)
        .map_err(io::Error::other)?;
    nested(ruleset, || device_ioctl(File::open("/dev/urandom")?.as_fd()))
}
