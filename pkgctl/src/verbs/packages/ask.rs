//! The question before a change.

use std::time::Duration;

use crate::context::Context;
use crate::error::Error;
use crate::sys::{self, Wait};

/// How long one wait for a person is; then the next begins.
const A_WHILE: Duration = Duration::from_secs(3600);
/// Who types more than this has not typed yes.
const LONGEST_ANSWER: usize = 256;

/// An answer given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// `--yes`.
    Given,
    /// The person is to be asked.
    Open,
}

/// Whether to go on. Asks only a person at a terminal; `way_out` is one more way, for those who are none.
///
/// # Errors
/// [`Error::Usage`] where nobody can be asked; [`Error::Interrupted`] on Ctrl-C.
pub fn consent(
    context: &mut Context<'_>,
    question: &str,
    consent: Consent,
    way_out: &str,
) -> Result<bool, Error> {
    if consent == Consent::Given {
        return Ok(true);
    }
    if context.json || !context.terminal().interactive {
        let what = "nothing was changed: nobody is at a terminal to agree";
        return Err(Error::usage(what, format!("say --yes beforehand{way_out}")));
    }
    context.print(&format!("{question} [y/N] "))?;
    let answer = answer();
    // Without an answer the cursor still stands behind the question.
    if answer.as_ref().map_or(true, Option::is_none) {
        context.print("\n")?;
    }
    let answer = answer?.unwrap_or_default();
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// One line from the terminal; `None` at its end.
fn answer() -> Result<Option<String>, Error> {
    let mut line = Vec::new();
    while line.len() < LONGEST_ANSWER && !line.ends_with(b"\n") {
        match sys::wait_readable(sys::stdin_fd(), A_WHILE)? {
            Wait::Ready => {}
            Wait::TimedOut => continue,
            Wait::Interrupted => return Err(Error::Interrupted),
        }
        let mut buffer = [0; LONGEST_ANSWER];
        let read = sys::read_stdin(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        line.extend_from_slice(&buffer[..read]);
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}
