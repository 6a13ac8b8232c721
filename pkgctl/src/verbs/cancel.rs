//! `pkgctl cancel`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one};

/// The verb.
pub static CANCEL: Spec = Spec {
    words: &[one("job", "the job's number")],
    run: Some(run),
    ..Spec::new("cancel", "Stops a job. Steps already built stay built.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let job: u64 = given.needed(0)?;
    context.ask(&Request::Cancel { job }, &|reply, _| match reply {
        Reply::Done => Some(format!("job {job} is cancelled; what it built stays\n")),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
