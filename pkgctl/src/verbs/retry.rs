//! `pkgctl retry`

use minos_proto::Request;

use super::build;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one};

/// The verb.
pub static RETRY: Spec = Spec {
    words: &[one("job", "the number of the job to try again")],
    flags: &[build::DETACH],
    run: Some(run),
    ..Spec::new("retry", "Starts a new job for the target of a failed or cancelled one.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let job = given.needed(0)?;
    build::start(context, &Request::Retry { job }, given.has("--detach"))
}
