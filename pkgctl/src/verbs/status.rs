//! `pkgctl status`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec};

/// The verb.
pub static STATUS: Spec =
    Spec { run: Some(run), ..Spec::new("status", "Tells how the daemon stands.") };

fn run(_: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    context.ask(&Request::Status, &|reply, view| match reply {
        Reply::Status(status) => Some(render::status::status(status, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
