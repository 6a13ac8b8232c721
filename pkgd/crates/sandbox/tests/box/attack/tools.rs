//! Small programs for single tests; what they print is the test's to judge.

use crate::sys::{call, fork};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Uid, setgid, setsid, setuid};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirEntryExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

pub fn run(name: &str, arguments: &[&str]) -> ExitCode {
    let done = match (name, arguments) {
        ("descriptors", []) => descriptors(),
        ("forks", []) => forks(),
        ("eat", []) => eat(),
        ("spin", []) => spin(),
        ("daemon", []) => daemon(),
        ("numbers", dirs) => dirs.iter().try_for_each(|dir| numbers(dir)),
        ("euid", []) => writeln!(io::stdout(), "{}", Uid::effective()),
        ("become", [uid, name, program, rest @ ..]) => become_other(uid, name, program, rest),
        ("set-ids", [dir]) => set_ids(dir),
        ("forge", [path]) => forge(path),
        ("send-descriptor", [path]) => send_descriptor(path),
        ("listen", [path]) => listen(path),
        ("shm", [key]) => shm(key),
        ("kill", [pid]) => number(pid).and_then(|pid| call(libc::SYS_kill, &[pid, 9])).map(drop),
        ("trace", [pid]) => number(pid).and_then(|pid| {
            call(libc::SYS_ptrace, &[libc::PTRACE_SEIZE as usize, pid, 0, 0]).map(drop)
        }),
        ("read", [path]) => File::open(path).map(drop),
        ("write", [path]) => fs::write(path, "x"),
        _ => Err(io::Error::other("no such tool")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Directories whose inode number in the listing is another one than their own.
fn numbers(dir: &str) -> io::Result<()> {
    let here = fs::metadata(dir)?.dev();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let own = entry.metadata()?;
        // The number of a mount point in the listing is that of what it covers.
        if own.is_dir() && own.dev() == here && own.ino() != entry.ino() {
            println!("{}: {} and {}", entry.path().display(), entry.ino(), own.ino());
        }
    }
    Ok(())
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(io::Error::other)
}

/// Every open descriptor and what it is, without the one used for looking.
fn descriptors() -> io::Result<()> {
    let dir = nix::dir::Dir::open(
        "/proc/self/fd",
        nix::fcntl::OFlag::O_RDONLY,
        nix::sys::stat::Mode::empty(),
    )?;
    let own = dir.as_raw_fd().to_string();
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let name = entry.file_name();
        if let Ok(target) = fs::read_link(entry.path())
            && name != *own
            && !target.to_string_lossy().starts_with("/proc/")
        {
            println!("{} {}", name.display(), target.display());
        }
    }
    Ok(())
}

/// Forks until it may not; the children stay.
fn forks() -> io::Result<()> {
    let mut made = 0;
    loop {
        match fork() {
            Ok(ForkResult::Child) => loop {
                thread::sleep(Duration::from_secs(1000));
            },
            Ok(ForkResult::Parent { .. }) if made < 5000 => made += 1,
            _ => break,
        }
    }
    println!("{made}");
    loop {
        thread::sleep(Duration::from_secs(1000));
    }
}

fn eat() -> io::Result<()> {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 20]);
    }
}

fn spin() -> io::Result<()> {
    println!("spinning");
    loop {
        std::hint::spin_loop();
    }
}

/// Leaves a sleeper behind that has its own session and holds on to the working directory.
fn daemon() -> io::Result<()> {
    if let ForkResult::Parent { child } = fork()? {
        // When it has gone, the sleeper is there.
        waitpid(child, None)?;
        return Ok(());
    }
    setsid()?;
    match fork()? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => loop {
            thread::sleep(Duration::from_secs(1000));
        },
    }
}

fn become_other(uid: &str, name: &str, program: &str, rest: &[&str]) -> io::Result<()> {
    let id = number(uid)? as u32;
    setgid(Gid::from_raw(id))?;
    setuid(Uid::from_raw(id))?;
    Err(Command::new(program).arg0(name).args(rest).exec())
}

/// Every way to get a set-user-ID file that has ever been forgotten.
fn set_ids(dir: &str) -> io::Result<()> {
    let path = |name: &str| format!("{dir}/{name}");
    fs::write(path("chmod"), "")?;
    fs::set_permissions(path("chmod"), fs::Permissions::from_mode(0o4755))?;
    File::options().write(true).create_new(true).mode(0o4755).open(path("open"))?;
    fs::write(path("fchmodat2"), "")?;
    let name = CString::new(path("fchmodat2"))?;
    /// Linux 6.6; the number that filters by deny-list did not know.
    const FCHMODAT2: libc::c_long = 452;
    let here = libc::AT_FDCWD as usize;
    call(FCHMODAT2, &[here, name.as_ptr() as usize, 0o6755, 0])?;
    fs::create_dir(path("setgid"))?;
    fs::set_permissions(path("setgid"), fs::Permissions::from_mode(0o2777))
}

/// Writes overlayfs's own attributes, to lead the merged view somewhere else.
fn forge(path: &str) -> io::Result<()> {
    let target = CString::new(path)?;
    for (name, value) in [(c"user.overlay.redirect", "/../../etc"), (c"user.overlay.opaque", "y")] {
        let value = [value.as_ptr() as usize, value.len()];
        call(
            libc::SYS_setxattr,
            &[target.as_ptr() as usize, name.as_ptr() as usize, value[0], value[1], 0],
        )?;
    }
    Ok(())
}

/// Gives an open file of the box to whoever listens at `path`.
fn send_descriptor(path: &str) -> io::Result<()> {
    let file = File::create("/build/output")?;
    let socket = UnixStream::connect(path)?;
    let rights = [file.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"x")], &message, MsgFlags::empty(), None)?;
    Ok(())
}

fn listen(path: &str) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    println!("listening");
    listener.accept().map(|_| println!("heard somebody"))
}

/// Opens, does not make, shared memory of System V.
fn shm(key: &str) -> io::Result<()> {
    call(libc::SYS_shmget, &[number(key)?, 4096, 0]).map(|_| println!("found"))?;
    io::stdout().flush()
}
