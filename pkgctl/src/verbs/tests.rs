//! `pkgctl tests`

use minos_proto::Request;

use super::report::show;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one, option};

/// The verb.
pub static TESTS: Spec = Spec {
    words: &[one("step", "the step: NAME or NAME:PASS")],
    flags: &[option("--attempt", "n", "this attempt instead of the newest")],
    run: Some(run),
    ..Spec::new("tests", "Tells what came of the test suite of a step.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (step, attempt) = (given.needed(0)?, given.parsed("--attempt")?);
    show(context, &Request::Tests { step, attempt })
}
