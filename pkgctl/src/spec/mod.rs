//! A verb as a row of a table: what it takes, and what becomes of it.
//!
//! There are some fifty verbs. As argh structs each would cost 4 to 7 KB of code; as rows read by one parser it
//! costs its words. argh reads the global options and lists the verbs; the rows use its types for that.

use argh::{CommandInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use argh::{PositionalInfo, SubCommandInfo};

use std::fmt::Display;
use std::str::FromStr;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::text::clip;

pub mod parse;
mod usage;

/// A complaint quotes what was typed, which may be anything; so many columns of it are enough.
pub const LONGEST_COMPLAINT: usize = 200;

/// Does what a verb is for.
pub type Run = fn(&Given, &mut Context<'_>) -> Result<Exit, Error>;

/// A verb.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What else to know; may be empty.
    pub more: &'static str,
    /// The words behind it. Only the last one may be left out or come several times.
    pub words: &'static [PositionalInfo<'static>],
    /// Its switches and options.
    pub flags: &'static [FlagInfo<'static>],
    /// The verbs below it.
    pub verbs: &'static [&'static Self],
    /// Does it; `None` where a verb below it must follow.
    pub run: Option<Run>,
}

impl Spec {
    /// A verb without words and options, to be filled: `Spec { words: .., ..Spec::new(..) }`.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, more: "", words: &[], flags: &[], verbs: &[], run: None }
    }

    /// What argh lists.
    pub const fn listed(&self) -> CommandInfo {
        CommandInfo { name: self.name, short: &'\0', description: self.about }
    }

    /// All of it, as argh tells of its own verbs.
    pub fn info(&self) -> CommandInfoWithArgs {
        let below = |spec: &&Self| SubCommandInfo { name: spec.name, command: spec.info() };
        CommandInfoWithArgs {
            name: self.name,
            description: self.about,
            flags: self.flags,
            positionals: self.words,
            commands: self.verbs.iter().map(below).collect(),
            ..CommandInfoWithArgs::default()
        }
    }

    /// The verb of this name below this one.
    pub fn below(&self, name: &str) -> Option<&'static Self> {
        self.verbs.iter().find(|spec| spec.name == name).copied()
    }

    /// The switch or option of this name, long or short.
    pub fn flag(&self, name: &str) -> Option<&'static FlagInfo<'static>> {
        let short = |f: &FlagInfo<'_>| {
            let mut chars = name.chars();
            f.short.is_some()
                && (chars.next(), chars.next()) == (Some('-'), f.short)
                && chars.next().is_none()
        };
        self.flags.iter().find(|f| f.long == name || short(f))
    }
}

const fn flag(
    long: &'static str,
    short: Option<char>,
    kind: FlagInfoKind<'static>,
    description: &'static str,
) -> FlagInfo<'static> {
    FlagInfo { kind, optionality: Optionality::Optional, long, short, description, hidden: false }
}

/// A switch.
pub const fn switch(long: &'static str, description: &'static str) -> FlagInfo<'static> {
    flag(long, None, FlagInfoKind::Switch, description)
}

/// A switch with a short form.
pub const fn short_switch(
    long: &'static str,
    short: char,
    description: &'static str,
) -> FlagInfo<'static> {
    flag(long, Some(short), FlagInfoKind::Switch, description)
}

/// An option with a value.
pub const fn option(
    long: &'static str,
    arg_name: &'static str,
    description: &'static str,
) -> FlagInfo<'static> {
    flag(long, None, FlagInfoKind::Option { arg_name }, description)
}

const fn word(
    name: &'static str,
    optionality: Optionality,
    description: &'static str,
) -> PositionalInfo<'static> {
    PositionalInfo { name, description, optionality, hidden: false }
}

/// A word that must be there.
pub const fn one(name: &'static str, description: &'static str) -> PositionalInfo<'static> {
    word(name, Optionality::Required, description)
}

/// A word that may be left out.
pub const fn maybe(name: &'static str, description: &'static str) -> PositionalInfo<'static> {
    word(name, Optionality::Optional, description)
}

/// Any number of words, also none. To need one of them put [`one`] in front.
pub const fn several(name: &'static str, description: &'static str) -> PositionalInfo<'static> {
    word(name, Optionality::Repeating, description)
}

/// What was given to a verb.
#[derive(Debug, Default)]
pub struct Given {
    /// The verb, with those above it: `repo add`.
    pub verb: String,
    /// The words in their order.
    pub words: Vec<String>,
    /// Options and switches by their long names, in their order.
    pub options: Vec<(&'static str, String)>,
}

impl Given {
    /// Whether the switch was given.
    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// All values given to the option.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        self.options.iter().filter(move |(name, _)| *name == long).map(|(_, value)| value.as_str())
    }

    /// The last value given to the option.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.values(long).last()
    }

    /// As [`Given::value`], as a number or whatever else it is to be.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is none.
    pub fn parsed<T: FromStr<Err: Display>>(&self, long: &str) -> Result<Option<T>, Error> {
        self.value(long).map(|text| self.parse(&["option '", long, "'"].concat(), text)).transpose()
    }

    /// The word at this place; the parser has seen to those that must be there.
    pub fn word(&self, at: usize) -> String {
        self.words.get(at).cloned().unwrap_or_default()
    }

    /// The word at this place as a number or whatever else it is to be, if it is there.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is none.
    pub fn maybe<T: FromStr<Err: Display>>(&self, at: usize) -> Result<Option<T>, Error> {
        self.words.get(at).map(|text| self.parse(&self.verb, text)).transpose()
    }

    /// As [`Given::maybe`], for a word that must be there.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is none.
    pub fn needed<T: FromStr<Err: Display>>(&self, at: usize) -> Result<T, Error> {
        self.parse(&self.verb, &self.word(at))
    }

    /// A value of the command line; the complaint names `what` takes it.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is none.
    pub fn parse<T: FromStr<Err: Display>>(&self, what: &str, text: &str) -> Result<T, Error> {
        text.parse().map_err(|e: T::Err| self.not_taken(what, text, &e))
    }

    /// Not in [`Given::parse`], of which there is one for each type.
    fn not_taken(&self, what: &str, text: &str, why: &dyn Display) -> Error {
        self.wrong(format!("{what} does not take '{text}': {why}"))
    }

    /// A wrong command line, with the way to the help of this verb.
    pub fn wrong(&self, what: String) -> Error {
        let what = clip(&what, LONGEST_COMPLAINT);
        Error::usage(what, format!("'pkgctl help {}' tells more", self.verb))
    }
}
