//! Programs in the place of the worker, one for each lie.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use minos_package::Layout;
use minos_sandbox::Program;
use minos_sandbox::wire;
use minos_unpack::PATIENCE;
use serde::{Deserialize, Serialize};

use crate::Test;
use crate::made::{Made, take};

pub const ARGV0: &str = "lie-";

const DATA: u8 = 1;
const DONE: u8 = 2;
const FAILED: u8 = 3;
/// Bytes of the package that hostile workers are asked for: one record, all zeros.
const SIZE: usize = 1000;

pub const TESTS: &[Test] = &[
    ("less_than_asked", || told("less", "sent less than was asked for")),
    ("more_than_asked", || told("more", "sent more than was asked for")),
    ("an_endless_stream", || told("endless", "sent more than was asked for")),
    ("a_longer_record", || told("longer", "sent more than was asked for")),
    ("a_huge_record", || told("huge", "sent more than was asked for")),
    ("crumbs", || told("crumbs", "sent a piece that is too short")),
    ("records_of_nothing", || told("nothing", "sent a piece that is too short")),
    ("other_bytes", || told("other", "its SHA-256 is")),
    ("no_answer", || told("garbage", "sent what is no answer")),
    ("too_many_words", || told("wordy", "at too great length")),
    ("words_for_a_terminal", || told("terminal", "package lied: ?[2J?[31m????")),
    ("an_exit", || told("exit", "worker ended with status 3")),
    ("an_exit_before_the_question", || told("gone", "worker ended with status 4")),
    ("a_kill", || told("abort", "worker was killed by signal 6")),
    ("a_closed_output", || told("closed", "worker closed its output")),
    ("silence", || told("silence", "sent nothing for 0.3 s")),
    ("a_trickle", || told("trickle", "sent nothing for 0.3 s")),
    ("a_deaf_worker", || told("deaf", "sent nothing for 0.3 s")),
    ("words_nobody_asked_for", words_nobody_asked_for),
    ("a_program_that_is_not_there", a_program_that_is_not_there),
];

/// The frame of a request as the worker's side sees it.
#[derive(Serialize, Deserialize)]
struct Request {
    layout: Layout,
    pieces: Vec<(u64, u64)>,
}

fn program(lie: &str) -> Program {
    Program::itself(&format!("{ARGV0}{lie}"))
}

/// What is said of a worker that lies so: the package by name, and `words`; and it does not take long.
fn told(lie: &str, words: &str) {
    let mut made = Made::new();
    let package = made.package("lied", &[vec![0; SIZE]], 4096);
    let short = ["silence", "trickle", "deaf"].contains(&lie);
    let patience = if short { Duration::from_millis(300) } else { PATIENCE };
    let unpacker = made.unpacker().with_worker(program(lie), patience);
    let start = Instant::now();
    let error = take(&unpacker, &package, &|_| true).unwrap_err().to_string();
    assert!(error.contains("package lied: "), "{error}");
    assert!(error.contains(words), "{error}");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

/// The first answer is right; what follows it must not become part of the second.
fn words_nobody_asked_for() {
    let mut made = Made::new();
    let package = made.package("lied", &[vec![0; SIZE]], 4096);
    let unpacker = made.unpacker().with_worker(program("chatter"), PATIENCE);
    take(&unpacker, &package, &|_| true).unwrap();
    sleep(Duration::from_millis(200));
    let error = take(&unpacker, &package, &|_| true).unwrap_err().to_string();
    assert!(error.contains("sent what nobody had asked for"), "{error}");
    // The next one starts afresh.
    take(&unpacker, &package, &|_| true).unwrap();
}

fn a_program_that_is_not_there() {
    let mut made = Made::new();
    let package = made.package("lied", &[vec![0; SIZE]], 4096);
    let nowhere = Program { path: "/nowhere".into(), name: "x".into() };
    let unpacker = made.unpacker().with_worker(nowhere, PATIENCE);
    let error = take(&unpacker, &package, &|_| true).unwrap_err().to_string();
    assert!(error.contains("package lied: cannot start the unpacking worker"), "{error}");
}

/// The hostile program. It ends when nobody listens any more.
pub fn main(name: &str) -> ExitCode {
    let lie = name.strip_prefix(ARGV0).unwrap_or_default();
    if lie == "gone" {
        return ExitCode::from(4);
    }
    let requests = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned().unwrap());
    if lie == "deaf" {
        sleep(Duration::from_secs(60));
    }
    while wire::receive::<Request>(&requests).is_ok() {
        match lie {
            "exit" => return ExitCode::from(3),
            "abort" => std::process::abort(),
            "closed" => {
                drop(out);
                // Descriptor 1 is the other copy of it.
                crate::sys::call(nix::libc::SYS_close, &[1]).unwrap();
                sleep(Duration::from_secs(60));
                return ExitCode::SUCCESS;
            }
            "silence" => sleep(Duration::from_secs(60)),
            lie => {
                if say(lie, &mut out).is_err() {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn data(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[DATA][..], &length.to_le_bytes(), bytes].concat()
}

fn say(lie: &str, out: &mut File) -> io::Result<()> {
    let right = data(SIZE as u32, &[0; SIZE]);
    match lie {
        "less" => out.write_all(&[DONE]),
        "more" => out.write_all(&[&right[..], &right].concat()),
        "endless" => loop {
            out.write_all(&right)?;
        },
        "other" => out.write_all(&[&data(SIZE as u32, &[1; SIZE])[..], &[DONE]].concat()),
        "longer" => out.write_all(&data(SIZE as u32 + 1, &[0; SIZE + 1])),
        "huge" => out.write_all(&data(u32::MAX, &[0; SIZE])),
        "crumbs" => (0..SIZE).try_for_each(|_| out.write_all(&data(1, &[0]))),
        "nothing" => out.write_all(&data(0, &[]).repeat(SIZE)),
        "garbage" => out.write_all(&[0xff; 100]),
        "wordy" => out.write_all(&[&[FAILED, 0xff, 0xff][..], &[b'x'; 0xffff]].concat()),
        "terminal" => {
            let words = "\x1b[2J\x1b[31m\u{202e}\u{9b}\n\0";
            out.write_all(&[&[FAILED, words.len() as u8, 0], words.as_bytes()].concat())
        }
        "trickle" => right.iter().try_for_each(|byte| {
            sleep(Duration::from_millis(50));
            out.write_all(&[*byte])
        }),
        "chatter" => out.write_all(&[&right[..], &[DONE, DATA]].concat()),
        other => panic!("nobody lies like '{other}'"),
    }
}
