//! What a worker fetches, what it cannot do, and what becomes of one that lies.
//!
//! This program plays every part: the tests, the worker ([`minos_fetch::run_if_worker`]), workers that lie ([`hostile`]),
//! and an attacker who has taken a worker over ([`escape`]).

mod escape;
mod hostile;
#[path = "../../../../../tests/src/web.rs"]
#[allow(dead_code)] // what the system tests use alone
mod server;
mod work;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    minos_fetch::run_if_worker();
    let name = std::env::args_os().next().unwrap_or_default();
    match name.to_str() {
        Some(escape::ARGV0) => return escape::main(),
        Some(lie) if lie.starts_with(hostile::ARGV0) => return hostile::main(lie),
        _ => {}
    }
    let groups: [&[Test]; 3] = [work::TESTS, hostile::TESTS, escape::TESTS];
    let trials =
        groups.concat().into_iter().map(|(name, test)| Trial::test(name, move || run(test)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(test: fn()) -> Result<(), Failed> {
    if !nix::unistd::geteuid().is_root() {
        return Err("a worker becomes another user: run this test as root".into());
    }
    test();
    Ok(())
}
