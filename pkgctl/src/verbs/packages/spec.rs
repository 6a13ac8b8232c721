//! A verb as a row of a table: what it takes, and what becomes of it.
//!
//! There are some forty verbs of the package manager. As argh structs each would cost 7 KB of code; as rows
//! read by one parser it costs its words. The rows use argh's own types, so that completion, hints and the
//! list in `help` know them like the others.

use argh::{CommandInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use argh::{PositionalInfo, SubCommandInfo};

use super::act::Act;
use crate::error::Error;

/// From what was given to what is to be done.
pub type Deed = fn(&Given) -> Result<Act, Error>;

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
    /// What is to be done; `None` where a verb below it must follow.
    pub act: Option<Deed>,
}

impl Spec {
    /// A verb without words and options, to be filled: `Spec { words: .., ..Spec::new(..) }`.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, more: "", words: &[], flags: &[], verbs: &[], act: None }
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

/// A verb with what was given to it.
#[derive(Debug, Default)]
pub struct Given {
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

    /// The last value given to the option.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.options.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
    }

    /// The option's value as a number.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is none, or over `most`.
    pub fn number(&self, long: &str, most: u64) -> Result<Option<u64>, Error> {
        self.value(long).map(|text| number(long, text, most)).transpose()
    }

    /// The word at this place; the parser has seen to those that must be there.
    pub fn word(&self, at: usize) -> String {
        self.words.get(at).cloned().unwrap_or_default()
    }
}

/// A number on the command line.
///
/// # Errors
/// [`Error::Usage`] when it is none, or over `most`.
pub fn number(name: &str, text: &str, most: u64) -> Result<u64, Error> {
    text.parse().ok().filter(|n| *n <= most).ok_or_else(|| {
        Error::usage(format!("{name}: '{text}' is not a number from 0 to {most}"), "give a number")
    })
}
