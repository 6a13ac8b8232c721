//! One file per verb, or per few that belong together: what it takes, and what it asks of pkgd.

use argh::{
    ArgsInfo, CommandInfo, CommandInfoWithArgs, DynamicSubCommand, EarlyExit, FromArgs,
    SubCommandInfo,
};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Run, Spec, parse};

mod build;
mod cancel;
mod completion;
mod doctor;
mod events;
mod files;
mod jobs;
mod log;
mod packages;
mod plan;
mod poweroff;
mod recipe;
mod report;
mod retry;
mod status;
mod tests;
mod version;
mod watch;

use packages::{care, change, look, sources, systems};

/// All verbs, in the order in which `help` lists them.
static VERBS: [&Spec; 56] = [
    &status::STATUS,
    &plan::PLAN,
    &report::REPORT,
    &build::BUILD,
    &jobs::JOBS,
    &watch::WATCH,
    &log::LOG,
    &tests::TESTS,
    &cancel::CANCEL,
    &retry::RETRY,
    &recipe::RECIPE,
    &change::INSTALL,
    &change::REMOVE,
    &change::UPDATE,
    &change::UPGRADE,
    &change::AUTOREMOVE,
    &change::MARK,
    &change::APPLY,
    &look::PLANS,
    &look::SEARCH,
    &look::INFO,
    &look::LIST,
    &look::FILES,
    &look::OWNER,
    &look::DEPENDS,
    &look::RDEPENDS,
    &look::WHY,
    &look::QUERY,
    &care::VERIFY,
    &care::HOLD,
    &care::UNHOLD,
    &care::CLEANUP,
    &care::HISTORY,
    &care::DB,
    &systems::GENERATIONS,
    &systems::SWITCH,
    &systems::ROLLBACK,
    &systems::BOOT,
    &systems::DIFF,
    &systems::PIN,
    &systems::UNPIN,
    &systems::SYSROOT,
    &systems::IMAGE,
    &sources::REPO,
    &sources::KEY,
    &sources::PACK,
    &files::SKELETON,
    &files::INSPECT,
    &files::SIGN,
    &files::VERIFY_FILE,
    &doctor::DOCTOR,
    &events::EVENTS,
    &poweroff::POWEROFF,
    &poweroff::REBOOT,
    &completion::COMPLETION,
    &version::VERSION,
];
const COUNT: usize = VERBS.len();

/// The same as argh wants them: references that live as long as the program.
static LISTED: [CommandInfo; COUNT] = {
    let mut all = [const { Spec::new("", "").listed() }; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = VERBS[at].listed();
        at += 1;
    }
    all
};
static COMMANDS: [&CommandInfo; COUNT] = {
    let mut all = [&LISTED[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = &LISTED[at];
        at += 1;
    }
    all
};

/// Other names: what users of other package managers, and readers of earlier documents, type.
const ALIASES: &[(&str, &[&str])] = &[
    ("uninstall", &["remove"]),
    ("check-updates", &["list", "--outdated"]),
    ("depsolve", &["install", "--dry-run"]),
    ("why-not", &["why"]),
    ("gc", &["cleanup"]),
    ("audit", &["events", "--audit"]),
];

/// What another name of a verb stands for.
pub fn alias(word: &str) -> Option<&'static [&'static str]> {
    ALIASES.iter().find(|(name, _)| *name == word).map(|(_, words)| *words)
}

/// The verb of this name.
pub fn find(name: &str) -> Option<&'static Spec> {
    VERBS.iter().find(|spec| spec.name == name).copied()
}

/// What can be asked for. To argh all verbs are found at run time: it knows their names, the table the rest.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum Verb {
    /// A verb of the table.
    #[argh(dynamic)]
    Known(Known),
}

impl Verb {
    /// Does it.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        let Self::Known(Known { run, given }) = self;
        run(&given, context)
    }
}

/// A verb of the table with what was given to it.
#[derive(Debug)]
pub struct Known {
    run: Run,
    given: Given,
}

impl DynamicSubCommand for Known {
    fn commands() -> &'static [&'static CommandInfo] {
        &COMMANDS
    }

    fn try_redact_arg_values(_: &[&str], _: &[&str]) -> Option<Result<Vec<String>, EarlyExit>> {
        None
    }

    fn try_from_args(path: &[&str], args: &[&str]) -> Option<Result<Self, EarlyExit>> {
        let spec = find(path.last()?)?;
        // The parser lets nothing through that cannot be run.
        let known = |(spec, given): (&Spec, Given)| spec.run.map(|run| Self { run, given });
        parse::parse(spec, path, args).map(known).transpose()
    }
}
