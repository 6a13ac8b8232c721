//! What is tried from inside a box. Each act says which errors are right answers.

mod fence;
mod files;
mod net;
mod proc;
mod terminal;
mod tools;

use nix::errno::Errno;
use std::io;
use std::process::ExitCode;

/// The attacker's name, in `/bin` of the box.
pub const ARGV0: &str = "attack";

/// One thing to try: its name, the answers that are right (none: it must succeed), and how.
pub struct Act(pub &'static str, pub &'static [Errno], pub fn() -> io::Result<()>);

pub const REFUSED: &[Errno] = &[Errno::EPERM];
pub const DENIED: &[Errno] = &[Errno::EACCES];
/// Landlock and a read-only mount may answer first, one or the other.
pub const UNWRITABLE: &[Errno] = &[Errno::EACCES, Errno::EROFS];
pub const READ_ONLY: &[Errno] = &[Errno::EROFS];
pub const ABSENT: &[Errno] = &[Errno::ENOSYS];
pub const NOT_THERE: &[Errno] = &[Errno::ENOENT];

pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["group", name] => group(name),
        [tool, ..] => tools::run(tool, &words[1..]),
        [] => ExitCode::FAILURE,
    }
}

fn group(name: &str) -> ExitCode {
    let acts = match name {
        "fence" => fence::ACTS,
        "files" => files::ACTS,
        "loopback" => net::LOOPBACK_ACTS,
        "no-network" => net::ACTS,
        "host-network" => net::HOST_ACTS,
        "proc" => proc::ACTS,
        "terminal" => terminal::ACTS,
        _ => &[],
    };
    let mut wrong = 0;
    for Act(name, answers, run) in acts {
        let answer = run();
        let errno = match &answer {
            Ok(()) => None,
            Err(error) => Some(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
        };
        let right = match errno {
            None => answers.is_empty(),
            Some(errno) => answers.contains(&errno),
        };
        if !right {
            wrong += 1;
            println!("WRONG {name}: {answer:?}, not one of {answers:?}");
        }
    }
    println!("tried all {}", acts.len());
    if wrong == 0 && !acts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
