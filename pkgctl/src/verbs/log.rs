//! `pkgctl log`

use std::time::Duration;

use minos_model::StepId;
use minos_proto::{Attempt, ErrorKind, ErrorReport, Reply, Request};

use crate::client::Client;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::json;
use crate::render::log::{Decoder, Section, Tail};
use crate::spec::{Given, Spec, one, option, switch};
use crate::sys::{self, Wait};

/// How often the log of a running attempt is asked for more.
const POLL: Duration = Duration::from_millis(500);
/// Bytes read first for each line of a tail: longer lines cost a second reading.
const BYTES_A_LINE: u64 = 200;

/// The verb.
pub static LOG: Spec = Spec {
    words: &[one("step", "the step: NAME or NAME:PASS")],
    flags: &[
        option("--attempt", "n", "this attempt instead of the newest"),
        switch("--follow", "go on while the attempt runs"),
        option(
            "--phase",
            "phase",
            "only what this phase printed: unpack, prepare, configure, build, check, install, assert",
        ),
        option("--tail", "lines", "only the last lines"),
    ],
    run: Some(run),
    ..Spec::new("log", "Shows the log of a step's newest attempt.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (step, attempt) = (given.needed(0)?, given.parsed("--attempt")?);
    let (tail, follow) = (given.parsed("--tail")?, given.has("--follow"));
    let section = given.parsed("--phase")?.map(Section::of);
    let mut reader = Reader { client: context.connect()?, step, attempt, offset: 0, section };
    let mut printer = Printer { decoder: Decoder::default() };
    if let Some(lines) = tail {
        let (attempt, tail) = reader.tail(lines)?;
        printer.print(context, &attempt, tail, attempt.finished_ms.is_some())?;
    }
    loop {
        let (attempt, read, bytes, end) = reader.next()?;
        let stuck = read == 0;
        if !bytes.is_empty() || end {
            printer.print(context, &attempt, bytes, end)?;
        }
        if end || (stuck && !follow) {
            return reader.found();
        }
        if stuck && sys::pause(POLL) == Wait::Interrupted {
            return Err(Error::Interrupted);
        }
    }
}

/// Reads a log piece by piece. Once an attempt is known it stays the same: a newer one that begins
/// meanwhile must not be spliced in.
struct Reader {
    client: Client,
    step: StepId,
    attempt: Option<u64>,
    offset: u64,
    /// The part of it that is wanted.
    section: Option<Section>,
}

impl Reader {
    /// How many bytes were there to read, what is wanted of them, and whether there can be no more.
    fn next(&mut self) -> Result<(Attempt, usize, Vec<u8>, bool), Error> {
        let request =
            Request::Log { step: self.step.clone(), attempt: self.attempt, offset: self.offset };
        let Reply::Log { attempt, bytes, end } = self.client.call(&request)? else {
            return Err(unexpected());
        };
        self.attempt = Some(attempt.id);
        let read = bytes.len();
        self.offset += read as u64;
        let wanted = match &mut self.section {
            Some(section) => section.push(&bytes, end),
            None => bytes,
        };
        Ok((attempt, read, wanted, end))
    }

    /// Says so where the wanted phase is not in the log.
    fn found(&self) -> Result<Exit, Error> {
        let Some(phase) = self.section.as_ref().and_then(Section::missing) else {
            return Ok(Exit::Ok);
        };
        let what = format!("phase {phase} did not run in this attempt of '{}'", self.step);
        let hint =
            "finished phases are not run again: an attempt before it may have it (--attempt)";
        Err(Error::Daemon(ErrorReport::new(ErrorKind::NotFound, what, hint)))
    }

    /// The last lines of what is there now.
    fn tail(&mut self, lines: usize) -> Result<(Attempt, Vec<u8>), Error> {
        // The length of a log that is being written is not known: it is read from its start.
        let guess = (lines as u64).saturating_mul(BYTES_A_LINE);
        self.offset = match self.finished_length()? {
            Some(length) if self.section.is_none() => length.saturating_sub(guess),
            // Neither is it known where a phase begins.
            _ => 0,
        };
        loop {
            let start = self.offset;
            let mut tail = Tail::new(lines);
            let attempt = loop {
                let (attempt, read, bytes, end) = self.next()?;
                tail.push(&bytes);
                if end || read == 0 {
                    break attempt;
                }
            };
            if start == 0 || tail.is_full() {
                return Ok((attempt, tail.into_bytes()));
            }
            self.offset = 0;
        }
    }

    fn finished_length(&mut self) -> Result<Option<u64>, Error> {
        let reply = self.client.call(&Request::Attempts { step: self.step.clone() })?;
        let Reply::Attempts(attempts) = reply else { return Err(unexpected()) };
        let ours = |a: &&Attempt| self.attempt.is_none_or(|id| a.id == id);
        let attempt = attempts.iter().find(ours);
        Ok(attempt.filter(|a| a.finished_ms.is_some()).map(|a| a.log_bytes))
    }
}

/// Prints pieces: as they are into a file or pipe, made harmless on a terminal.
struct Printer {
    decoder: Decoder,
}

impl Printer {
    fn print(
        &mut self,
        context: &mut Context<'_>,
        attempt: &Attempt,
        bytes: Vec<u8>,
        end: bool,
    ) -> Result<(), Error> {
        if context.json {
            let reply = Reply::Log { attempt: attempt.clone(), bytes, end };
            return context.print(&(json::reply(&reply) + "\n"));
        }
        if context.terminal().live {
            return context.print(&self.decoder.push(&bytes));
        }
        context.out().write_all(&bytes)?;
        Ok(context.out().flush()?)
    }
}
