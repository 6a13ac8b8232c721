//! An attacker who has taken a worker over: what a server sent made it do as it likes.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::Test;
use crate::server::Server;

pub const ARGV0: &str = "minos-fetch-escapes";

pub const TESTS: &[Test] =
    &[("nothing_gets_out_but_by_connecting", nothing_gets_out_but_by_connecting)];

/// What is tried: each must fail in a sealed worker, and does not outside.
fn attempts() -> Vec<(&'static str, io::Result<()>)> {
    vec![
        ("read a file", File::open("/etc/passwd").map(drop)),
        ("read a folder", fs::read_dir("/etc").map(drop)),
        ("write a file", fs::write("/tmp/minos-fetch-escaped", "x")),
        ("make a folder", fs::create_dir("/tmp/minos-fetch-escaped-folder")),
        ("talk to a daemon", UnixStream::pair().map(drop)),
        ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("start a program", Command::new("/bin/true").status().map(drop)),
        ("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
    ]
}

pub fn main() -> ExitCode {
    let port: u16 = std::env::args().nth(1).expect("a port").parse().expect("a number");
    let failed = |(name, done): &(&str, io::Result<()>)| {
        done.is_ok().then(|| eprintln!("could {name}")).is_none()
    };
    let free = attempts().iter().all(|(_, done)| done.is_ok());
    let _ = fs::remove_file("/tmp/minos-fetch-escaped");
    let _ = fs::remove_dir("/tmp/minos-fetch-escaped-folder");
    if !free {
        eprintln!("not even outside of the sandbox: the test shows nothing");
        return ExitCode::FAILURE;
    }
    if let Err(why) = minos_sandbox::seal_but_for_network(128 << 20) {
        eprintln!("cannot be sealed: {why}");
        return ExitCode::FAILURE;
    }
    let held = attempts().iter().filter(|attempt| !failed(attempt)).count() == 0;
    let reached = TcpStream::connect(("127.0.0.1", port));
    if let Err(why) = &reached {
        eprintln!("cannot connect: {why}");
    }
    if held && reached.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn nothing_gets_out_but_by_connecting() {
    let server = Server::of(b"x");
    let attacker = Command::new("/proc/self/exe").arg0(ARGV0).arg(server.port.to_string()).output();
    let attacker = attacker.expect("it runs");
    let said = String::from_utf8_lossy(&attacker.stderr);
    assert!(attacker.status.success(), "{said}");
}
