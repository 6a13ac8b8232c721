//! What a worker does, what it cannot do, and what becomes of one that lies.
//!
//! This program plays every part: the tests, the worker ([`minos_unpack::run_if_worker`]), workers that lie
//! ([`hostile`]), and an attacker who has taken a worker over ([`escape`]).

mod escape;
mod hostile;
mod made;
mod sys;
mod work;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    minos_unpack::run_if_worker();
    let name = std::env::args_os().next().unwrap_or_default();
    match name.to_str() {
        Some(work::PARENT) => work::dying_parent(),
        Some(escape::ARGV0) => return escape::main(),
        Some(lie) if lie.starts_with(hostile::ARGV0) => return hostile::main(lie),
        _ => {}
    }
    let groups: [&[Test]; 3] = [work::TESTS, hostile::TESTS, escape::TESTS];
    let trials =
        groups.concat().into_iter().map(|(name, test)| Trial::test(name, move || run(test)));
    // One at a time: some look for their worker among the children of this process.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(test: fn()) -> Result<(), Failed> {
    if !nix::unistd::geteuid().is_root() {
        return Err("a worker becomes another user: run this test as root".into());
    }
    test();
    Ok(())
}
