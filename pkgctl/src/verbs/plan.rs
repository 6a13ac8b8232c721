//! `pkgctl plan`

use minos_proto::{Reply, Request};

use super::build::{self, MACHINE, REBUILD, TARGET, TESTS};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec};

/// The verb.
pub static PLAN: Spec = Spec {
    words: &[TARGET],
    flags: &[TESTS, REBUILD, MACHINE],
    run: Some(run),
    ..Spec::new("plan", "Shows what a build would do, and why.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let request = Request::Plan { target: build::target(given), options: build::options(given)? };
    context.ask(&request, &|reply, view| match reply {
        Reply::Plan(plan) => Some(render::plan::plan(plan, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
