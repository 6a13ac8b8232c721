//! `pkgctl status`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Tells how the daemon stands.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "status")]
pub struct Status {}

impl Status {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        context.ask(&Request::Status, &|reply, view| match reply {
            Reply::Status(status) => Some(render::status::status(status, view)),
            _ => None,
        })?;
        Ok(Exit::Ok)
    }
}
