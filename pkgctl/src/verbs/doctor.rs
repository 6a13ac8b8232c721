//! `pkgctl doctor`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec};

/// The verb.
pub static DOCTOR: Spec = Spec {
    run: Some(run),
    ..Spec::new("doctor", "Checks whether the machine can build, and says what to do where not.")
};

fn run(_: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let reply = context.ask(&Request::Doctor, &|reply, view| match reply {
        Reply::Doctor(checks) => Some(render::checks::checks(checks, view)),
        _ => None,
    })?;
    let bad = matches!(&reply, Reply::Doctor(checks) if render::checks::any_bad(checks));
    Ok(if bad { Exit::Machine } else { Exit::Ok })
}
