//! One file per verb: its options, and what it asks of pkgd.

// The last two are what the derive macro of a dynamic variant expects to find.
use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs, SubCommandInfo};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

mod build;
mod cancel;
mod doctor;
mod events;
mod jobs;
mod log;
pub mod packages;
mod plan;
mod poweroff;
mod reboot;
mod recipe;
mod retry;
mod status;
mod version;
mod watch;

/// What can be asked for.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum Verb {
    /// `status`
    Status(status::Status),
    /// `plan`
    Plan(plan::Plan),
    /// `build`
    Build(build::Build),
    /// `jobs`
    Jobs(jobs::Jobs),
    /// `watch`
    Watch(watch::Watch),
    /// `log`
    Log(log::Log),
    /// `cancel`
    Cancel(cancel::Cancel),
    /// `retry`
    Retry(retry::Retry),
    /// `recipe`
    Recipe(recipe::Recipe),
    /// `doctor`
    Doctor(doctor::Doctor),
    /// `events`
    Events(events::Events),
    /// `poweroff`
    Poweroff(poweroff::Poweroff),
    /// `reboot`
    Reboot(reboot::Reboot),
    /// `version`
    Version(version::Version),
    /// A verb of the package manager
    #[argh(dynamic)]
    Package(packages::Package),
}

impl Verb {
    /// Does it.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        match self {
            Self::Status(verb) => verb.run(context),
            Self::Plan(verb) => verb.run(context),
            Self::Build(verb) => verb.run(context),
            Self::Jobs(verb) => verb.run(context),
            Self::Watch(verb) => verb.run(context),
            Self::Log(verb) => verb.run(context),
            Self::Cancel(verb) => verb.run(context),
            Self::Retry(verb) => verb.run(context),
            Self::Recipe(verb) => verb.run(context),
            Self::Doctor(verb) => verb.run(context),
            Self::Events(verb) => verb.run(context),
            Self::Package(verb) => verb.run(context),
            Self::Poweroff(verb) => verb.run(context),
            Self::Reboot(verb) => verb.run(context),
            Self::Version(verb) => verb.run(context),
        }
    }
}
