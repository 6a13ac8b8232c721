//! `pkgctl events`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Shows what happened: the newest events the state keeps, or who asked for what.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "events")]
pub struct Events {
    /// at most so many (default 100)
    #[argh(positional, default = "0")]
    limit: u32,
    /// only those of this job
    #[argh(option, arg_name = "job")]
    job: Option<u64>,
    /// the audit trail instead: who asked pkgd for a change
    #[argh(switch)]
    audit: bool,
}

impl Events {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let (limit, job) = (self.limit, self.job);
        let request = match (self.audit, job) {
            (true, Some(_)) => {
                let what = "--audit knows no jobs";
                return Err(Error::usage(what, "leave out --job"));
            }
            (true, None) => Request::Audit { limit },
            (false, job) => Request::Events { job, limit },
        };
        context.ask(&request, &|reply, view| match reply {
            Reply::Events(events) if !self.audit => Some(render::events::events(events, view)),
            Reply::Audit(lines) if self.audit => Some(render::events::audit(lines, view)),
            _ => None,
        })?;
        Ok(Exit::Ok)
    }
}
