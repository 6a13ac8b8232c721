//! Workers that do not keep to the protocol.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use minos_fetch::{Error, Fetcher, Patience};
use minos_sandbox::Program;

use crate::Test;

/// How the names of these workers begin; behind it stands what they do.
pub const ARGV0: &str = "minos-fetch-lies-";

pub const TESTS: &[Test] = &[("a_worker_that_lies_is_found_out", a_worker_that_lies_is_found_out)];

/// What they do, and what is said of it.
const LIES: [(&str, &str); 6] = [
    ("ends", "has ended"),
    ("kind", "sent what is no answer"),
    ("long", "sent too much at once"),
    ("more", "sent more than was asked for"),
    ("silent", "nothing came for"),
    ("dribbles", "nothing came for"),
];

pub fn main(name: &str) -> ExitCode {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let mut socket = UnixStream::from(stdin);
    socket.read_exact(&mut [0; 4]).expect("a request");
    let answer: &[u8] = match name.trim_start_matches(ARGV0) {
        "kind" => &[9, 0, 0, 0, 0],
        "long" => &[1, 255, 255, 255, 255],
        "more" => &[1, 4, 0, 0, 0, b'a', b'b', b'c', b'd'],
        "silent" | "dribbles" => &[1, 255, 0, 0, 0],
        _ => &[],
    };
    socket.write_all(answer).expect("a reader");
    while name.ends_with("silent") || name.ends_with("dribbles") {
        std::thread::sleep(Duration::from_millis(50));
        if name.ends_with("dribbles") && socket.write_all(b"x").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn a_worker_that_lies_is_found_out() {
    for (lie, said) in LIES {
        let program = Program::itself(&format!("{ARGV0}{lie}"));
        let patience = Patience { silence: Duration::from_millis(500), ..Patience::default() };
        let mut fetcher = Fetcher::new(program, patience);
        // Whether it serves a second time or not, it is never believed.
        for _ in 0..2 {
            let done = fetcher.fetch("http://127.0.0.1/f", 0, 3, &mut |_| Ok(()));
            let why = done.expect_err("a lie").to_string();
            assert!(why.contains(said), "{lie}: {why}");
        }
    }
    let program = Program { path: "/nowhere".into(), name: ARGV0.into() };
    let done =
        Fetcher::new(program, Patience::default()).fetch("http://a/f", 0, 1, &mut |_| Ok(()));
    assert!(matches!(done, Err(Error::Machine(_))), "{done:?}");
}
