//! `pkgctl jobs`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec, maybe, option};

/// The verb.
pub static JOBS: Spec = Spec {
    words: &[maybe("job", "the job's number")],
    flags: &[option("--limit", "n", "list at most so many (default 100)")],
    run: Some(run),
    ..Spec::new("jobs", "Lists the jobs, newest first, or shows one with its steps.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (command, job) = (context.command(), given.maybe(0)?);
    let request = match job {
        Some(_) => Request::Job { job },
        None => Request::Jobs { limit: given.parsed("--limit")?.unwrap_or(0) },
    };
    context.ask(&request, &|reply, view| match reply {
        Reply::Jobs(jobs) if job.is_none() => Some(render::job::jobs(jobs, view)),
        Reply::Job { job: one, steps } if job.is_some() => {
            Some(render::job::job(one, steps, &command, view))
        }
        _ => None,
    })?;
    Ok(Exit::Ok)
}
