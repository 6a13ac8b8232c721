//! The help of a verb of the table, in the shape argh gives to the others.

use argh::{FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

use super::Spec;
use crate::render::text::labelled;

/// Columns in front of a description, and of a line; as argh has them.
const INDENT: usize = 18;
const WIDTH: usize = 80;

/// The text of `help VERB`. `path` are the words up to the verb.
pub fn usage(spec: &Spec, path: &[&str]) -> String {
    let mut line = path.join(" ");
    for flag in spec.flags {
        line.push_str(&format!(" [{}]", option(flag)));
    }
    for word in spec.words {
        line.push_str(&format!(" {}", positional(word)));
    }
    if !spec.verbs.is_empty() {
        line.push_str(if spec.run.is_some() {
            " [<command>] [<args>]"
        } else {
            " <command> [<args>]"
        });
    }
    let mut out = folded("Usage: ", &line) + "\n" + &folded("", spec.about);
    if !spec.more.is_empty() {
        out.push('\n');
        out.push_str(&folded("", spec.more));
    }
    out.push_str(if spec.words.is_empty() { "" } else { "\nPositional Arguments:\n" });
    spec.words.iter().for_each(|word| row(&mut out, word.name, word.description));
    out.push_str("\nOptions:\n");
    spec.flags.iter().for_each(|flag| row(&mut out, &names(flag), flag.description));
    row(&mut out, "--help, help", "display usage information");
    out.push_str(if spec.verbs.is_empty() { "" } else { "\nCommands:\n" });
    spec.verbs.iter().for_each(|verb| row(&mut out, verb.name, verb.about));
    out
}

fn folded(lead: &str, text: &str) -> String {
    // Further lines are indented by two columns, as argh's.
    let text = labelled("  ", &format!("{lead}{text}"), WIDTH);
    text.trim_start().to_owned()
}

fn row(out: &mut String, name: &str, description: &str) {
    let mut label = format!("  {name:<INDENT$}");
    if name.len() >= INDENT {
        out.push_str(&format!("  {name}\n"));
        label = " ".repeat(INDENT + 2);
    }
    out.push_str(&labelled(&label, description, WIDTH));
}

fn names(flag: &FlagInfo<'_>) -> String {
    flag.short.map_or_else(|| flag.long.to_owned(), |c| format!("-{c}, {}", flag.long))
}

fn option(flag: &FlagInfo<'_>) -> String {
    let name = flag.short.map_or_else(|| flag.long.to_owned(), |c| format!("-{c}"));
    match flag.kind {
        FlagInfoKind::Switch => name,
        FlagInfoKind::Option { arg_name } => format!("{name} <{arg_name}>"),
    }
}

fn positional(word: &PositionalInfo<'_>) -> String {
    match word.optionality {
        Optionality::Required => format!("<{}>", word.name),
        Optionality::Optional => format!("[<{}>]", word.name),
        _ => format!("[<{}...>]", word.name),
    }
}
