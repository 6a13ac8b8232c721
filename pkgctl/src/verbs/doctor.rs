//! `pkgctl doctor`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Checks whether the machine can build, and says what to do where it cannot.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "doctor")]
pub struct Doctor {}

impl Doctor {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let reply = context.ask(&Request::Doctor, &|reply, view| match reply {
            Reply::Doctor(checks) => Some(render::checks::checks(checks, view)),
            _ => None,
        })?;
        let bad = matches!(&reply, Reply::Doctor(checks) if render::checks::any_bad(checks));
        Ok(if bad { Exit::Machine } else { Exit::Ok })
    }
}
