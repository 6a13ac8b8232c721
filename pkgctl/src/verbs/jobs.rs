//! `pkgctl jobs`

use argh::{ArgsInfo, FromArgs};
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Lists the jobs, newest first, or shows one with its steps.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "jobs")]
pub struct Jobs {
    /// the job's number
    #[argh(positional)]
    job: Option<u64>,
    /// list at most so many (default 100)
    #[argh(option, arg_name = "n", default = "0")]
    limit: u32,
}

impl Jobs {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let command = context.command();
        let request = match self.job {
            Some(_) => Request::Job { job: self.job },
            None => Request::Jobs { limit: self.limit },
        };
        context.ask(&request, &|reply, view| match reply {
            Reply::Jobs(jobs) if self.job.is_none() => Some(render::job::jobs(jobs, view)),
            Reply::Job { job, steps } if self.job.is_some() => {
                Some(render::job::job(job, steps, &command, view))
            }
            _ => None,
        })?;
        Ok(Exit::Ok)
    }
}
