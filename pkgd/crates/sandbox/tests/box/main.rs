//! Attempts to get out of a box, and what is left when one has ended. Needs root and a static busybox.
//!
//! This program plays every part: the tests; the helper that [`minos_sandbox::spawn`] starts; the
//! attacker inside (`/bin/attack`); a parent that is killed; and one that has no cgroups. See docs/SANDBOX.md.

mod attack;
mod files;
mod kernel;
mod layers;
mod leave;
mod life;
mod limits;
mod net;
mod rig;
mod slots;
mod sys;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use std::process::ExitCode;

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    minos_sandbox::run_if_helper();
    let name = std::env::args_os().next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some(attack::ARGV0) => return attack::main(),
        Some(life::PARENT) => return life::parent(),
        Some(life::HASTY) => return life::hasty_parent(),
        Some(limits::BARE) => return limits::bare(),
        _ => {}
    }
    let groups: [&[Test]; 8] = [
        files::TESTS,
        kernel::TESTS,
        layers::TESTS,
        leave::TESTS,
        life::TESTS,
        limits::TESTS,
        net::TESTS,
        slots::TESTS,
    ];
    let trials =
        groups.concat().into_iter().map(|(name, test)| Trial::test(name, move || run(test)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(test: fn()) -> Result<(), Failed> {
    if !nix::unistd::geteuid().is_root() {
        return Err("boxes need root: run this test as root".into());
    }
    test();
    Ok(())
}
