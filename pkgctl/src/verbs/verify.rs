//! `pkgctl verify`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Looks whether the files of every output are there, in kind and size. Contents are not read.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "verify")]
pub struct Verify {
    /// forget outputs that are missing or damaged, so that they are built again
    #[argh(switch)]
    repair: bool,
}

impl Verify {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let command = context.command();
        let reply = context.ask(&Request::Verify { repair: self.repair }, &|reply, view| {
            let Reply::Verified(report) = reply else { return None };
            Some(render::checks::verified(report, &command, view))
        })?;
        let sound = matches!(&reply, Reply::Verified(report)
            if report.contradictions.is_empty() && (report.lost.is_empty() || report.repaired));
        Ok(if sound { Exit::Ok } else { Exit::State })
    }
}
