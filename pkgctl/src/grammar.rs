//! Where in the grammar of verbs and options a command line stands: for completion and for hints.
//!
//! The grammar is what argh knows of [`Cli`]; nothing is written down twice.

use argh::{ArgsInfo as _, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::cli::Cli;
use crate::spec::Spec;
use crate::verbs;

/// The place reached after some words.
#[derive(Debug)]
pub struct Place {
    /// The verbs so far: none, `["build"]`, `["recipe", "show"]`.
    pub verbs: Vec<&'static str>,
    /// Options already given.
    pub given: Vec<String>,
    /// Positional arguments already given.
    pub positionals: usize,
    /// The option whose value comes next.
    pub value_of: Option<&'static str>,
    global: CommandInfoWithArgs,
    here: CommandInfoWithArgs,
}

impl Place {
    /// The place after `words`, which are as typed, global options anywhere.
    pub fn after(words: &[String]) -> Self {
        let global = Cli::get_args_info();
        let here = global.clone();
        let mut place = Self {
            verbs: Vec::new(),
            given: Vec::new(),
            positionals: 0,
            value_of: None,
            global,
            here,
        };
        words.iter().for_each(|w| place.step(w));
        place
    }

    fn step(&mut self, word: &str) {
        if self.value_of.take().is_some() {
            return;
        }
        if word.starts_with('-') {
            self.given.push(word.to_owned());
            let flag = self.flags().find(|f| f.long == word);
            // The path of --vm may be left out, so what follows is not surely its value.
            self.value_of = flag
                .filter(|f| matches!(f.kind, FlagInfoKind::Option { .. }) && f.long != "--vm")
                .map(|f| f.long);
        } else if let Some(verb) = self.here.commands.iter().find(|c| c.name == word).cloned() {
            // argh knows no more than the names of those in the table.
            let known = verbs::find(verb.name).filter(|_| self.verbs.is_empty());
            self.verbs.push(verb.name);
            self.here = known.map_or(verb.command, Spec::info);
        } else if let Some(words) = verbs::alias(word).filter(|_| self.verbs.is_empty()) {
            words.iter().for_each(|w| self.step(w));
        } else if word != "help" {
            self.positionals += 1;
        }
    }

    /// Whether a verb must come next.
    pub fn expects_verb(&self) -> bool {
        !self.here.commands.is_empty() && self.positionals == 0
    }

    /// The verbs possible here.
    pub fn next_verbs(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.here.commands.iter().map(|c| c.name)
    }

    /// The name of the positional argument that would come next.
    pub fn next_positional(&self) -> Option<&'static str> {
        let last = self.here.positionals.last().filter(|p| p.optionality == Optionality::Repeating);
        self.here.positionals.get(self.positionals).or(last).map(|p| p.name)
    }

    /// The options possible here, those of the verb first.
    pub fn options(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.flags().map(|f| f.long)
    }

    fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> + '_ {
        let global = if self.verbs.is_empty() { &[] } else { self.global.flags };
        self.here.flags.iter().chain(global).filter(|f| !f.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::words::split;

    fn after(line: &str) -> Place {
        Place::after(&split(line).unwrap())
    }

    #[test]
    fn verbs_and_their_options() {
        let top = after("");
        assert!(top.expects_verb() && top.next_verbs().any(|v| v == "status"));
        let build = after("--root /x build --jobs 2");
        assert_eq!((build.verbs.as_slice(), build.positionals), (&["build"][..], 0));
        assert_eq!(build.next_positional(), Some("target"));
        assert!(
            build.options().any(|o| o == "--rebuild") && build.options().any(|o| o == "--json")
        );
        let show = after("recipe show");
        assert_eq!(
            (show.verbs.as_slice(), show.next_positional()),
            (&["recipe", "show"][..], Some("step"))
        );
        assert_eq!(after("build m4 --rebuild").value_of, Some("--rebuild"));
        assert_eq!(after("build m4").next_positional(), None);
        assert_eq!(after("--vm build").verbs, ["build"]);
    }
}
