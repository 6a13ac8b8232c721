//! Work on files that needs no daemon: the pkgd beside us does it, as `pkgd tool`, with the caller's own rights.
//!
//! pkgctl does not have the package format in it, and a daemon should neither see secret keys nor parse what any
//! user hands it.

use std::path::PathBuf;

use minos_proto::frame::{MAX_PAYLOAD, Reader};
use minos_proto::{Reply, Tag};

use crate::client::decode_reply;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::sheet;
use crate::spec::Given;
use crate::sys;

/// The program.
const PROGRAM: &str = "pkgd";

/// Has `verb` of `pkgd tool` done with these words, and shows its answer.
///
/// # Errors
/// There is no pkgd; it says no; it is not one that we understand.
pub fn run(context: &mut Context<'_>, verb: &str, words: &[String]) -> Result<Exit, Error> {
    let reply = ask(verb, words)?;
    let Reply::Sheet(sheet) = &reply else { return Err(unexpected()) };
    let exit = if sheet.alarm { Exit::State } else { Exit::Ok };
    context.show(&reply, &|_, view| Some(sheet::text(sheet, view)))?;
    Ok(exit)
}

/// As [`run`], with the words and options as they were given; the tool knows them by the same names.
///
/// # Errors
/// As [`run`].
pub fn pass_on(given: &Given, context: &mut Context<'_>, verb: &str) -> Result<Exit, Error> {
    run(context, verb, &words_of(given))
}

/// What was given, as words of a command line. Behind `--` a word may start as it likes.
pub fn words_of(given: &Given) -> Vec<String> {
    let mut words = Vec::new();
    for (name, value) in &given.options {
        words.push((*name).to_owned());
        words.extend((!value.is_empty()).then(|| value.clone()));
    }
    words.push("--".to_owned());
    words.extend_from_slice(&given.words);
    words
}

fn ask(verb: &str, words: &[String]) -> Result<Reply, Error> {
    let program = program();
    let words: Vec<&str> =
        ["tool", verb].into_iter().chain(words.iter().map(String::as_str)).collect();
    let said = sys::output_of(&program, &words).map_err(|e| Error::Unreachable {
        what: format!("cannot start {}: {e}", program.display()),
        hint: "put pkgd beside pkgctl, or into a folder of PATH".into(),
    })?;
    if said.is_empty() && sys::interrupted() {
        return Err(Error::Interrupted);
    }
    let damaged = |e| Error::from_frame("pkgd tool", e);
    let frame = Reader::strict(&said[..], MAX_PAYLOAD).next_frame().map_err(damaged)?;
    if frame.tag != Tag::Reply {
        return Err(unexpected());
    }
    let (_, answer) = decode_reply(&frame).map_err(damaged)?;
    answer.map_err(Error::Daemon)
}

/// The pkgd in the folder of this very program, which is from the same build; else whichever PATH has.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(PROGRAM));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PROGRAM.into())
}
