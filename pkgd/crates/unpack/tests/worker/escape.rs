//! An attacker who runs code of his own in a worker.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, ExitCode};
use std::thread;

use minos_sandbox::Program;
use minos_sandbox::wire;
use minos_unpack::PATIENCE;
use nix::libc;
use nix::unistd::getppid;

use crate::Test;
use crate::made::{Made, take};
use crate::sys::call;

pub const ARGV0: &str = "escape";

pub const TESTS: &[Test] = &[("nothing_gets_out_of_a_worker", nothing_gets_out_of_a_worker)];

/// Something to try and its name.
type Act = (&'static str, fn() -> io::Result<()>);

/// What is tried. Each must be refused as not permitted, and not for what is wrong with its arguments.
const ACTS: &[Act] = &[
    ("open a file", || File::open("/etc/passwd").map(drop)),
    ("open a device", || File::open("/dev/null").map(drop)),
    ("open a folder", || std::fs::read_dir("/").map(drop)),
    ("make a file", || File::create("/tmp/minos-escape").map(drop)),
    ("open by handle", || number(libc::SYS_open_by_handle_at, &[0, 0, 0])),
    ("open anew what is open", || File::open("/proc/self/fd/0").map(drop)),
    ("connect over TCP", || TcpStream::connect("127.0.0.1:1").map(drop)),
    ("make a socket", || UnixDatagram::unbound().map(drop)),
    ("connect to a socket", || UnixStream::connect("/run/pkgd.sock").map(drop)),
    ("fork", || number(libc::SYS_fork, &[])),
    ("clone", || number(libc::SYS_clone, &[libc::SIGCHLD as usize])),
    ("start a program", || Command::new("/bin/true").status().map(drop)),
    ("execute", || number(libc::SYS_execve, &[c"/bin/true".as_ptr() as usize, 0, 0])),
    ("start a thread", || thread::Builder::new().spawn(|| {}).map(drop)),
    ("trace its parent", || number(libc::SYS_ptrace, &[libc::PTRACE_ATTACH as usize, parent()])),
    ("read its parent's memory", || number(libc::SYS_process_vm_readv, &[parent(), 0, 0, 0, 0])),
    ("kill its parent", || number(libc::SYS_kill, &[parent(), 0])),
    ("get its parent's descriptors", || number(libc::SYS_pidfd_open, &[parent(), 0])),
    ("become root", || number(libc::SYS_setuid, &[0])),
    ("make a namespace", || number(libc::SYS_unshare, &[libc::CLONE_NEWUSER as usize])),
    ("lift its limits", || number(libc::SYS_prlimit64, &[0, libc::RLIMIT_AS as usize, 0, 0])),
    ("use io_uring", || number(libc::SYS_io_uring_setup, &[1, 0])),
    ("load a filter", || number(libc::SYS_bpf, &[0, 0, 0])),
    ("type on a terminal", || number(libc::SYS_ioctl, &[0, libc::TIOCSTI as usize, 0])),
    ("make memory executable", || {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS, usize::MAX)?;
        number(libc::SYS_mprotect, &[memory, 4096, libc::PROT_EXEC as usize])
    }),
    ("map executable memory", || map(libc::PROT_EXEC, libc::MAP_ANONYMOUS, usize::MAX).map(drop)),
    ("map a file", || map(libc::PROT_READ, 0, 0).map(drop)),
    ("have more memory than it may", || {
        let wanted = 1 << 30;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
        number(libc::SYS_mmap, &[0, wanted, libc::PROT_READ as usize, flags, usize::MAX, 0])
    }),
];

fn parent() -> usize {
    getppid().as_raw() as usize
}

fn number(number: libc::c_long, arguments: &[usize]) -> io::Result<()> {
    call(number, arguments).map(drop)
}

fn map(protection: i32, flags: i32, file: usize) -> io::Result<usize> {
    let flags = (libc::MAP_PRIVATE | flags) as usize;
    call(libc::SYS_mmap, &[0, 4096, protection as usize, flags, file, 0]).map(|at| at as usize)
}

fn nothing_gets_out_of_a_worker() {
    let mut made = Made::new();
    let package = made.package("escape", &[b"content".to_vec()], 4096);
    let program = Program::itself(ARGV0);
    let unpacker = made.unpacker().with_worker(program, PATIENCE);
    let error = take(&unpacker, &package, &|_| true).unwrap_err().to_string();
    assert_eq!(error, format!("package escape: refused {} of {}:", ACTS.len(), ACTS.len()));
}

/// Seals itself as a worker does, tries everything, and answers a request with what was not refused.
pub fn main() -> ExitCode {
    minos_sandbox::seal(512 << 20).unwrap();
    let requests = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned().unwrap());
    let (_, _files) = wire::receive::<()>(&requests).unwrap();
    let refused = |result: io::Result<()>| {
        let errno = result.err().and_then(|error| error.raw_os_error());
        matches!(errno, Some(libc::EPERM | libc::ENOMEM))
    };
    let done = ACTS.iter().filter(|(_, act)| !refused(act())).map(|(name, _)| *name);
    let done: Vec<&str> = done.collect();
    let refused = ACTS.len() - done.len();
    let words = format!("refused {refused} of {}:{}", ACTS.len(), done.join(","));
    let record = [&[3, words.len() as u8, 0], words.as_bytes()].concat();
    out.write_all(&record).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
