//! `pkgctl tests`

use minos_proto::{Reply, Request};

use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::sheet;
use crate::spec::{Given, Spec, one, option};

/// The verb.
pub static TESTS: Spec = Spec {
    words: &[one("step", "the step: NAME or NAME:PASS")],
    flags: &[option("--attempt", "n", "this attempt instead of the newest")],
    run: Some(run),
    ..Spec::new("tests", "Tells what came of the test suite of a step.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let step = given.parse("argument 'step'", &given.word(0))?;
    let request = Request::Tests { step, attempt: given.parsed("--attempt")? };
    let reply = context.ask(&request, &|reply, view| match reply {
        Reply::Sheet(sheet) => Some(sheet::text(sheet, view)),
        _ => None,
    })?;
    let Reply::Sheet(sheet) = reply else { return Err(unexpected()) };
    Ok(if sheet.alarm { Exit::JobFailed } else { Exit::Ok })
}
