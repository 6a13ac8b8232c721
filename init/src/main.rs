//! PID 1 of MinOS: a pure state machine and a thin shell of system calls around it.

use std::process::ExitCode;

use minos_init::args::{Start, parse};
use minos_init::machine::End;
use minos_init::panic;
use minos_init::runtime::{Mode, Off, Runtime};
use minos_init::sys::{Linux, is_pid1_of_machine};

/// Debug builds count the calls of the heap; the namespace tests ask for none while cruising.
#[cfg(debug_assertions)]
#[global_allocator]
static HEAP: minos_init::sys::counting::Counting = minos_init::sys::counting::Counting;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mode, paths) = match parse(&args, is_pid1_of_machine()) {
        Ok(Start::Run(mode, paths)) => (mode, paths),
        Ok(Start::Print(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("init: {wrong}");
            return ExitCode::from(64);
        }
    };
    let Some(sys) = Linux::new() else {
        eprintln!("init: not PID 1: run it as the init of a machine, or in a new pid namespace");
        return ExitCode::from(64);
    };
    let container = matches!(mode, Mode::Container { .. });
    panic::install(container);
    let mut runtime = Runtime::new(sys, mode, paths);
    let off = runtime.run();
    if container {
        return status(off);
    }
    loop {
        runtime.leave(off);
    }
}

/// The exit status of a container: 0 power-off, 1 halt, 2 reboot.
fn status(off: Off) -> ExitCode {
    ExitCode::from(match off.ending.end {
        End::PowerOff => 0,
        End::Halt => 1,
        End::Reboot => 2,
    })
}
