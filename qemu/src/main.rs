//! `minos-qemu`: runs the appliance in QEMU. The work is done by the library `minos_qemu`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    ExitCode::from(cli::run(&words) as u8)
}
