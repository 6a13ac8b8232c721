//! `pkgctl watch`, and the watching part of `build` and `retry`.

use std::time::{Duration, Instant};

use minos_model::JobState;
use minos_proto::{Event, EventBody, Reply, Request};

use crate::client::Client;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::board::Board;
use crate::render::text::labelled;
use crate::render::{self, json};
use crate::spec::{Given, Spec, maybe};

/// How often a watch looks whether its status line is to be drawn.
const TICK: Duration = Duration::from_millis(250);
/// A running job says something every second. After so long a silence pkgd is asked again: it lets go
/// of a watcher that was too slow, and the wire does not tell.
const QUIET: Duration = Duration::from_secs(5);
/// Where no line can be drawn in place, a progress line appears after so long without any other.
const PLAIN_PROGRESS_MS: u64 = 60_000;

/// The verb.
pub static WATCH: Spec = Spec {
    more: "Ctrl-C ends the watching, not the job.",
    words: &[maybe("job", "the job's number (default: the newest)")],
    run: Some(run),
    ..Spec::new("watch", "Follows a job until it ends.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let job = given.maybe(0)?;
    let client = context.connect()?;
    follow(context, client, job)
}

/// Watches a job to its end. A pkgd that goes away is waited for: the job survives it, and so does
/// the watch.
pub(super) fn follow(
    context: &mut Context<'_>,
    mut client: Client,
    job: Option<u64>,
) -> Result<Exit, Error> {
    let mut watching = Watching { job, last_sign: Instant::now(), last_line_ms: 0 };
    loop {
        let lost = match watching.session(context, &mut client) {
            Err(lost @ Error::Unreachable { .. }) => lost,
            done => return watching.end(context, done),
        };
        let left = context.patience.saturating_sub(watching.last_sign.elapsed());
        if left.is_zero() {
            return watching.end(context, Err(lost));
        }
        watching.note_loss(context)?;
        match context.connect_within(left) {
            Ok(again) => client = again,
            Err(e) => return watching.end(context, Err(e)),
        }
    }
}

/// Shows what came of second builds; whether anything differs.
fn compared(context: &mut Context<'_>, client: &mut Client, job: u64) -> Result<bool, Error> {
    let reply = client.call(&Request::Compared { job: Some(job) })?;
    let Reply::Sheet(sheet) = &reply else { return Err(unexpected()) };
    context.show(&reply, &|_, view| Some(format!("\n{}", render::sheet::text(sheet, view))))?;
    Ok(sheet.alarm)
}

/// A watch, over all its connections.
struct Watching {
    job: Option<u64>,
    last_sign: Instant,
    last_line_ms: u64,
}

impl Watching {
    /// One connection's part of the watch.
    fn session(&mut self, context: &mut Context<'_>, client: &mut Client) -> Result<Exit, Error> {
        let reply = client.call(&Request::Watch { job: self.job })?;
        let Reply::Job { job, steps } = &reply else { return Err(unexpected()) };
        self.job = Some(job.id);
        self.last_line_ms = job.created_ms;
        let mut board = Board::new(job, steps);
        if board.finished().is_none() {
            context.show(&reply, &|_, view| Some(board.opening(job, view)))?;
        }
        let mut asked = Instant::now();
        let state = loop {
            if let Some(state) = board.finished() {
                break state;
            }
            if let Some(event) = client.next_event(job.id, TICK)? {
                (self.last_sign, asked) = (Instant::now(), Instant::now());
                self.take(context, &mut board, &event)?;
            } else if asked.elapsed() >= QUIET {
                asked = Instant::now();
                if let Reply::Job { job, steps } = client.call(&Request::Watch { job: self.job })? {
                    board.resume(&job, &steps);
                }
            }
            context.draw_status()?;
        };
        context.clear_status()?;
        let command = context.command();
        let summary = client.call(&Request::Job { job: self.job })?;
        context.show(&summary, &|reply, view| match reply {
            Reply::Job { job, steps } => Some(render::job::job(job, steps, &command, view)),
            _ => None,
        })?;
        let differs = match &summary {
            Reply::Job { job, .. } if job.compares => compared(context, client, job.id)?,
            _ => false,
        };
        Ok(match (state, differs) {
            (JobState::Done, false) => Exit::Ok,
            (JobState::Done, true) => Exit::Differs,
            _ => Exit::JobFailed,
        })
    }

    fn take(
        &mut self,
        context: &mut Context<'_>,
        board: &mut Board,
        event: &Event,
    ) -> Result<(), Error> {
        if context.json {
            board.event(event, context.view());
            return context.print(&(json::event(event) + "\n"));
        }
        let lines = board.event(event, context.view());
        let columns = context.view().width;
        if !lines.is_empty() {
            self.last_line_ms = event.at_ms;
            context.print(&lines)?;
        }
        if !matches!(event.body, EventBody::Progress { .. }) {
            return Ok(());
        }
        if context.terminal().live {
            return context.status(board.status_line(columns));
        }
        if event.at_ms.saturating_sub(self.last_line_ms) >= PLAIN_PROGRESS_MS {
            self.last_line_ms = event.at_ms;
            return context.print(&(board.status_line(columns) + "\n"));
        }
        Ok(())
    }

    fn note_loss(&self, context: &mut Context<'_>) -> Result<(), Error> {
        if context.json {
            return Ok(());
        }
        context.print("pkgd went away; waiting for it to come back\n")
    }

    /// The end of a watch, with a word about the job where it goes on.
    fn end(&self, context: &mut Context<'_>, done: Result<Exit, Error>) -> Result<Exit, Error> {
        match (done, self.job) {
            (Err(Error::Interrupted), Some(job)) => {
                self.detach(context, job)?;
                Ok(Exit::Interrupted)
            }
            (done, _) => {
                context.clear_status()?;
                done
            }
        }
    }

    fn detach(&self, context: &mut Context<'_>, job: u64) -> Result<(), Error> {
        if context.json {
            let text = json::object([("type", "detached".into()), ("job", job.into())]);
            return context.print(&(text + "\n"));
        }
        let command = context.command();
        let limit = context.view().width;
        let lines = [
            ("", format!("detached: job {job} goes on")),
            ("follow it: ", format!("{command} watch {job}")),
            ("cancel it: ", format!("{command} cancel {job}")),
        ];
        let text: String = lines.iter().map(|(label, t)| labelled(label, t, limit)).collect();
        context.print(&text)
    }
}
