//! `pkgctl`: see the library `minos_pkgctl`.

use std::process::ExitCode;

use minos_pkgctl::{cli, context::Terminal, sys};

fn main() -> ExitCode {
    sys::catch_interrupts();
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let terminal = Terminal::of_process();
    cli::run(&words, terminal, &mut std::io::stdout().lock()).into()
}
