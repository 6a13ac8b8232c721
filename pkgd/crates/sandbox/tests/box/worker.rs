//! A worker that does what it must not: the kernel kills it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use minos_sandbox::{Worker, receive_file};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, setuid};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("a_worker_reads_the_file_it_was_given", a_worker_reads_the_file_it_was_given),
    ("a_worker_that_does_anything_else_is_killed", a_worker_that_does_anything_else_is_killed),
];

/// The name of the worker of these tests.
pub const NAME: &str = "minos-test-worker";

/// Every act that a worker that was taken over might try. The first is what workers are for.
const ACTS: [fn(File) -> io::Result<()>; 10] = [
    |mut file| file.read(&mut [0; 8]).map(drop),
    |_| File::open("/etc/passwd").map(drop),
    |_| std::fs::write("/tmp/minos-escaped", "x"),
    |_| UnixStream::connect("/run/pkgd.sock").map(drop),
    |_| std::net::TcpStream::connect("127.0.0.1:9").map(drop),
    |_| Command::new("/bin/true").status().map(drop),
    |_| Ok(kill(Pid::from_raw(1), Signal::SIGKILL)?),
    |_| Ok(nix::sys::ptrace::attach(Pid::from_raw(1))?),
    |_| Ok(setuid(Uid::from_raw(0))?),
    |_| std::thread::Builder::new().spawn(|| ()).map(drop),
];

/// The worker: does the act whose number comes with a file, and answers whether it was done.
pub fn work(mut socket: UnixStream) -> u8 {
    let mut number = [0];
    let Ok(Some(file)) = receive_file(&socket, &mut number) else { return 1 };
    let done = ACTS.get(usize::from(number[0])).map(|act| act(file.into()).is_ok());
    u8::from(socket.write_all(&[u8::from(done == Some(true))]).is_err())
}

/// Has a worker do an act. What it answered, and the signal that ended it.
fn act(number: usize) -> (Option<u8>, Option<i32>) {
    let mut worker = Worker::start(NAME).expect("a worker");
    let file = File::open("/proc/self/exe").expect("a file");
    let patience = Some(Duration::from_secs(30));
    worker.socket().set_read_timeout(patience).expect("a time-out");
    let number = u8::try_from(number).expect("few acts");
    worker.send_file(&[number], file.as_fd()).expect("it listens");
    let mut answer = [0];
    let answered = worker.socket().read_exact(&mut answer).is_ok().then_some(answer[0]);
    (answered, worker.wait().expect("its end").signal())
}

fn a_worker_reads_the_file_it_was_given() {
    assert_eq!(act(0), (Some(1), None));
}

fn a_worker_that_does_anything_else_is_killed() {
    for number in 1..ACTS.len() {
        assert_eq!(act(number), (None, Some(Signal::SIGSYS as i32)), "act {number}");
    }
}
