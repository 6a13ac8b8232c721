//! `pkgctl reboot`

use argh::{ArgsInfo, FromArgs};

use super::poweroff::shut_down;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Reboots the machine. Running jobs go on at the next start.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "reboot")]
pub struct Reboot {}

impl Reboot {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        shut_down(context, true, "the machine reboots\n")
    }
}
