//! `pkgctl events`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec, maybe, option, switch};

/// The verb.
pub static EVENTS: Spec = Spec {
    words: &[maybe("limit", "at most so many (default 100)")],
    flags: &[
        option("--job", "job", "only those of this job"),
        switch("--audit", "the audit trail instead: who asked pkgd for a change"),
    ],
    run: Some(run),
    ..Spec::new("events", "Shows what happened in builds: the newest events the state keeps.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (limit, job) = (given.maybe(0)?.unwrap_or(0), given.parsed("--job")?);
    let audit = given.has("--audit");
    let request = match (audit, job) {
        (true, Some(_)) => return Err(given.wrong("--audit knows no jobs".into())),
        (true, None) => Request::Audit { limit },
        (false, job) => Request::Events { job, limit },
    };
    context.ask(&request, &|reply, view| match reply {
        Reply::Events(events) if !audit => Some(render::events::events(events, view)),
        Reply::Audit(lines) if audit => Some(render::events::audit(lines, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
