//! Requests that take a while: pkgd says how far it is before it answers.

use std::time::{Duration, Instant};

use minos_proto::{Progress, Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::render::{json, progress};

/// Where no line can be drawn in place, a progress line appears after so long.
const PLAIN_PROGRESS: Duration = Duration::from_secs(60);

/// Asks, and shows how far pkgd is until it answers.
///
/// # Errors
/// As [`crate::client::Client::call`].
pub fn ask(context: &mut Context<'_>, request: &Request) -> Result<Reply, Error> {
    let mut client = context.connect()?;
    let mut last_line = Instant::now();
    let done = client.call_with(request, &mut |progress| show(context, progress, &mut last_line));
    context.clear_status()?;
    done.map_err(|e| after_all(e, request, context))
}

/// Who asked for a change and hears no more of it is told where to look: to ask again at once is refused at best.
fn after_all(error: Error, request: &Request, context: &Context<'_>) -> Error {
    match error {
        Error::Unreachable { what, .. } if is_change(request) => {
            let command = context.command();
            let hint = format!(
                "what was asked for may still be going on: '{command} status' says so; '{command} history' says how a \
                 change ended, also one that pkgd ended or took back when it was started again"
            );
            Error::Unreachable { what, hint }
        }
        error => error,
    }
}

fn is_change(request: &Request) -> bool {
    matches!(request, Request::Package(_)) && request.changes()
}

fn show(
    context: &mut Context<'_>,
    progress: &Progress,
    last_line: &mut Instant,
) -> Result<(), Error> {
    if context.json {
        return context.print(&(json::progress(progress) + "\n"));
    }
    let line = progress::line(progress, context.view().width);
    if context.terminal().live {
        return context.status(line);
    }
    if last_line.elapsed() < PLAIN_PROGRESS {
        return Ok(());
    }
    *last_line = Instant::now();
    context.print(&(line + "\n"))
}
