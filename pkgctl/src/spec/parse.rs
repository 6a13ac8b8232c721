//! From words to a verb of the table. Complaints are worded as argh's, since `cli` looks for hints by them.

use argh::{EarlyExit, FlagInfoKind, Optionality};

use super::{Given, Spec, usage};

/// The words that ask for help.
const HELP: [&str; 2] = ["--help", "help"];

/// Parses what stands behind a verb. `path` are the words up to it.
///
/// # Errors
/// A complaint, or the text of the help that was asked for.
pub fn parse(
    spec: &'static Spec,
    path: &[&str],
    args: &[&str],
) -> Result<(&'static Spec, Given), EarlyExit> {
    let (help, args) = match args.split_first() {
        Some((first, rest)) if HELP.contains(first) => (true, rest),
        _ => (false, args),
    };
    if let Some((below, rest)) =
        args.split_first().and_then(|(w, rest)| Some((spec.below(w)?, rest)))
    {
        let rest = if help { [&HELP[..1], rest].concat() } else { rest.to_vec() };
        return parse(below, &[path, &[below.name]].concat(), &rest);
    }
    match (help, args.first()) {
        (true, Some(_)) => Err(complaint("Trailing arguments are not allowed after `help`.")),
        (true, None) => Err(told(spec, path)),
        (false, _) => words(spec, path, args),
    }
}

fn words(
    spec: &'static Spec,
    path: &[&str],
    args: &[&str],
) -> Result<(&'static Spec, Given), EarlyExit> {
    let verb = path.get(1..).unwrap_or_default().join(" ");
    let mut given = Given { verb, ..Given::default() };
    let mut args = args.iter();
    let mut ended = false;
    while let Some(arg) = args.next() {
        match *arg {
            "--" if !ended => ended = true,
            "--help" if !ended => return Err(told(spec, path)),
            option if !ended && option.len() > 1 && option.starts_with('-') => {
                let flag = spec.flag(option).ok_or_else(|| unknown(option))?;
                let value = match flag.kind {
                    FlagInfoKind::Switch => "",
                    FlagInfoKind::Option { .. } => args.next().copied().ok_or_else(|| {
                        complaint(&format!("No value provided for option '{option}'."))
                    })?,
                };
                given.options.push((flag.long, value.to_owned()));
            }
            word if fits(spec, given.words.len()) => given.words.push(word.to_owned()),
            word => return Err(unknown(word)),
        }
    }
    missing(spec, &given)?;
    Ok((spec, given))
}

/// Whether one more word may follow so many.
fn fits(spec: &Spec, words: usize) -> bool {
    let endless = spec.words.last().is_some_and(|w| w.optionality == Optionality::Repeating);
    words < spec.words.len() || endless
}

fn missing(spec: &Spec, given: &Given) -> Result<(), EarlyExit> {
    let needed = spec.words.iter().filter(|w| w.optionality == Optionality::Required);
    let names: Vec<&str> = needed.skip(given.words.len()).map(|w| w.name).collect();
    if !names.is_empty() {
        let names = names.join(" ");
        return Err(complaint(&format!("Required positional arguments not provided: {names}")));
    }
    if spec.run.is_some() {
        return Ok(());
    }
    let names: Vec<&str> = spec.verbs.iter().map(|v| v.name).collect();
    Err(complaint(&format!("One of these must follow '{}': {}", spec.name, names.join(", "))))
}

fn unknown(word: &str) -> EarlyExit {
    complaint(&format!("Unrecognized argument: {word}"))
}

fn complaint(text: &str) -> EarlyExit {
    EarlyExit { output: text.to_owned(), status: Err(()) }
}

fn told(spec: &Spec, path: &[&str]) -> EarlyExit {
    EarlyExit { output: usage::usage(spec, path), status: Ok(()) }
}
