//! `pkgd tool`: work on files that needs no daemon, for pkgctl.
//!
//! It runs as whoever calls it, and prints one frame: the reply that a daemon would give. Secret keys so never
//! pass through pkgd, and files from outside are parsed by a process that has shut itself in.

mod answer;
mod inspect;
mod key;
mod open;
mod pack;
mod passphrase;
mod publish;
mod restore;
mod sign;
mod skeleton;
mod tree;
mod trust;
mod verify;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use argh::FromArgs;
use minos_proto::frame;
use minos_proto::{ErrorKind, ErrorReport, Reply, Sheet, Tag};

/// Work on files that needs no daemon. Prints a frame, for pkgctl.
#[derive(Debug, FromArgs)]
struct Tool {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
enum Verb {
    KeyGenerate(key::Generate),
    KeyExport(key::Export),
    KeyList(trust::List),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Skeleton(skeleton::Skeleton),
    Pack(pack::Pack),
    Publish(publish::Publish),
    Restore(restore::Restore),
}

/// Does what the words behind `tool` say, and prints the frame.
pub fn run(words: &[OsString]) -> ExitCode {
    let answer = parse(words).and_then(Verb::run).map(Reply::Sheet);
    let failed = answer.is_err();
    match frame::write(&mut io::stdout().lock(), Tag::Reply, &(0u32, answer)) {
        Ok(()) if !failed => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("pkgd tool: {e}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[OsString]) -> Result<Verb, ErrorReport> {
    let hint = "this is made for pkgctl: 'pkgctl help' lists its verbs";
    let invalid = |what: String| ErrorReport::new(ErrorKind::Invalid, what, hint);
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let words = words.ok_or_else(|| invalid("a word is not UTF-8".to_owned()))?;
    let tool = Tool::from_args(&["pkgd tool"], &words);
    tool.map(|tool| tool.verb).map_err(|early| invalid(early.output.trim_end().replace('\n', " ")))
}

impl Verb {
    fn run(self) -> Result<Sheet, ErrorReport> {
        match self {
            Self::KeyGenerate(verb) => verb.run(),
            Self::KeyExport(verb) => verb.run(),
            Self::KeyList(verb) => verb.run(),
            Self::Sign(verb) => verb.run(),
            Self::Verify(verb) => verb.run(),
            Self::Inspect(verb) => verb.run(),
            Self::Skeleton(verb) => verb.run(),
            Self::Pack(verb) => verb.run(),
            Self::Publish(verb) => verb.run(),
            Self::Restore(verb) => verb.run(),
        }
    }
}
