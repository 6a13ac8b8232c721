//! `pkgctl retry`

use argh::{ArgsInfo, FromArgs};
use minos_proto::Request;

use super::build;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Starts a new job for the target of a failed or cancelled one, and watches it.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "retry")]
pub struct Retry {
    /// the number of the job to try again
    #[argh(positional)]
    job: u64,
    /// start only, do not watch
    #[argh(switch)]
    detach: bool,
}

impl Retry {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        build::start(context, &Request::Retry { job: self.job }, self.detach)
    }
}
