//! The verbs of the package manager: a table ([`spec::Spec`]), read by one parser, behind argh's dynamic
//! subcommands.

use argh::{CommandInfo, CommandInfoWithArgs, DynamicSubCommand, EarlyExit};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

mod act;
mod ask;
mod care;
mod change;
mod look;
mod parse;
mod progress;
mod sources;
mod spec;
mod systems;
mod usage;

use spec::{Deed, Given, Spec};

/// All of them, in the order in which `help` lists them.
static VERBS: [&Spec; 32] = [
    &change::INSTALL,
    &change::REMOVE,
    &change::UPDATE,
    &change::UPGRADE,
    &change::AUTOREMOVE,
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
    &systems::DIFF,
    &systems::PIN,
    &systems::UNPIN,
    &systems::SYSROOT,
    &sources::REPO,
    &sources::KEY,
    &sources::PACK,
];
const COUNT: usize = VERBS.len();

static INFOS: [CommandInfo; COUNT] = {
    let mut all = [const { Spec::new("", "").listed() }; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = VERBS[at].listed();
        at += 1;
    }
    all
};

static COMMANDS: [&CommandInfo; COUNT] = {
    let mut all = [&INFOS[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = &INFOS[at];
        at += 1;
    }
    all
};

/// Other names: what users of other package managers, and of earlier documents, type.
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

/// What the grammar is to know of a verb of the table.
pub fn info(name: &str) -> Option<CommandInfoWithArgs> {
    find(name).map(Spec::info)
}

fn find(name: &str) -> Option<&'static Spec> {
    VERBS.iter().find(|spec| spec.name == name).copied()
}

/// A verb of the table with what was given to it.
#[derive(Debug)]
pub struct Package {
    act: Deed,
    given: Given,
}

impl Package {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        (self.act)(&self.given)?.run(context)
    }
}

impl DynamicSubCommand for Package {
    fn commands() -> &'static [&'static CommandInfo] {
        &COMMANDS
    }

    fn try_redact_arg_values(_: &[&str], _: &[&str]) -> Option<Result<Vec<String>, EarlyExit>> {
        None
    }

    fn try_from_args(path: &[&str], args: &[&str]) -> Option<Result<Self, EarlyExit>> {
        let spec = find(path.last()?)?;
        let parsed = parse::parse(spec, path, args);
        // The parser lets nothing through that needs one more verb.
        parsed.map(|(spec, given)| spec.act.map(|act| Self { act, given })).transpose()
    }
}
