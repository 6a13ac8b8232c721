//! `pkgctl poweroff`, and what it shares with `reboot`.

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Powers the machine off. Running jobs go on at the next start.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "poweroff")]
pub struct Poweroff {}

impl Poweroff {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        shut_down(context, false, "the machine powers off\n")
    }
}

pub(super) fn shut_down(
    context: &mut Context<'_>,
    reboot: bool,
    said: &str,
) -> Result<Exit, Error> {
    context.ask(&Request::Shutdown { reboot }, &|reply, _| match reply {
        Reply::Done => Some(said.to_owned()),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
