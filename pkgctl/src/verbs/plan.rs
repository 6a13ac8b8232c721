//! `pkgctl plan`

use argh::{ArgsInfo, FromArgs};
use minos_model::StepId;
use minos_proto::{BuildOptions, Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Shows what a build would do, and why.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "plan")]
pub struct Plan {
    /// a group (lfs/toolchain), STAGE/NAME, or a step (gcc:pass1)
    #[argh(positional)]
    target: String,
    /// run the packages' own test suites
    #[argh(switch)]
    check: bool,
    /// build this step although it is cached; may be repeated
    #[argh(option, arg_name = "step")]
    rebuild: Vec<StepId>,
}

impl Plan {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let options =
            BuildOptions { check: self.check, rebuild: self.rebuild, ..BuildOptions::default() };
        let request = Request::Plan { target: self.target, options };
        context.ask(&request, &|reply, view| match reply {
            Reply::Plan(plan) => Some(render::plan::plan(plan, view)),
            _ => None,
        })?;
        Ok(Exit::Ok)
    }
}
