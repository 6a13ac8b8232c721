//! `minos-image`: makes what the appliance boots from. `minos-image --help` lists the commands.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(argh::from_env())
}
