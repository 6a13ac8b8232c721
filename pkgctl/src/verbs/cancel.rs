//! `pkgctl cancel`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Stops a job. Steps already built stay built.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "cancel")]
pub struct Cancel {
    /// the job's number
    #[argh(positional)]
    job: u64,
}

impl Cancel {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let job = self.job;
        context.ask(&Request::Cancel { job }, &|reply, _| match reply {
            Reply::Done => Some(format!("job {job} is cancelled; what it built stays\n")),
            _ => None,
        })?;
        Ok(Exit::Ok)
    }
}
