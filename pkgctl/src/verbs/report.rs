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
    more: "SBU: CPU time against that of binutils:pass1.",
    words: &[TARGET],
    flags: &[switch("--html", "as a page: pkgctl report TARGET --html > FILE")],
    run: Some(run),
    ..Spec::new("report", "Tells what the steps of a target cost.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let request = Request::Costs { target: given.word(0), page: given.has("--html") };
    show(context, &request)
}

/// Asks and shows: a sheet, or a page as it is. A sheet that tells of something wrong is a no.
pub(super) fn show(context: &mut Context<'_>, request: &Request) -> Result<Exit, Error> {
    let reply = context.ask(request, &|reply, view| match reply {
        Reply::Sheet(costs) => Some(sheet::text(costs, view)),
        Reply::Page(page) => Some(page.clone()),
        _ => None,
    })?;
    Ok(if matches!(reply, Reply::Sheet(sheet) if sheet.alarm) { Exit::JobFailed } else { Exit::Ok })
}
