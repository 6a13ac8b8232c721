//! `pkgctl build`

use argh::{ArgsInfo, FromArgs};
use minos_model::StepId;
use minos_proto::{BuildOptions, Reply, Request};

use super::watch;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;

/// Builds a target: starts a job and watches it. Ctrl-C ends the watching, not the job.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "build")]
pub struct Build {
    /// a group (lfs/toolchain), STAGE/NAME, or a step (gcc:pass1)
    #[argh(positional)]
    target: String,
    /// go on with what does not depend on a failed step
    #[argh(switch)]
    keep_going: bool,
    /// processes of make within a step (default: number of CPUs)
    #[argh(option, arg_name = "n", default = "0")]
    jobs: u16,
    /// run the packages' own test suites
    #[argh(switch)]
    check: bool,
    /// build this step although it is cached; may be repeated
    #[argh(option, arg_name = "step")]
    rebuild: Vec<StepId>,
    /// start only, do not watch
    #[argh(switch)]
    detach: bool,
}

impl Build {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let options = BuildOptions {
            keep_going: self.keep_going,
            jobs: self.jobs,
            check: self.check,
            rebuild: self.rebuild,
        };
        start(context, &Request::Build { target: self.target, options }, self.detach)
    }
}

/// Starts a job by `request` and watches it unless told not to.
pub(super) fn start(
    context: &mut Context<'_>,
    request: &Request,
    detach: bool,
) -> Result<Exit, Error> {
    let mut client = context.connect()?;
    let reply = client.call(request)?;
    let Reply::Started { job } = reply else { return Err(unexpected()) };
    let command = context.command();
    context.show(&reply, &|_, _| {
        let text = format!("job {job} started");
        let next = format!("; '{command} watch {job}' follows it");
        Some(if detach { text + &next + "\n" } else { text + "\n" })
    })?;
    if detach { Ok(Exit::Ok) } else { watch::follow(context, client, Some(job)) }
}
