//! `pkgctl report`

use minos_proto::{Reply, Request};

use super::build::TARGET;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::sheet;
use crate::spec::{Given, Spec, switch};

/// The verb.
pub static REPORT: Spec = Spec {
    more: "For each step that is built: time, memory, room on disk, size, and standard build units (SBU): CPU time \
           against that of binutils:pass1.",
    words: &[TARGET],
    flags: &[switch("--html", "as a page to look at: pkgctl report TARGET --html > FILE")],
    run: Some(run),
    ..Spec::new("report", "Tells what the steps of a target cost when they were built.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let request = Request::Costs { target: given.word(0), page: given.has("--html") };
    context.ask(&request, &|reply, view| match reply {
        Reply::Sheet(costs) => Some(sheet::text(costs, view)),
        Reply::Page(page) => Some(page.clone()),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
