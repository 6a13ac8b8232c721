//! Words of a command line, before argh sees them.

use crate::client::Endpoint;
use crate::error::Error;
use crate::verbs;

/// Global switches.
const SWITCHES: [&str; 2] = ["--json", "--no-color"];
/// Global options with a value.
const OPTIONS: [&str; 3] = ["--socket", "--root", "--timeout"];

/// Brings the words into the order argh wants: global options may stand anywhere on our command
/// line, `--name=value` is taken for `--name value`, `-h` for `--help`, and `--vm` may go without
/// its value. Words after `--` stay as they are.
pub fn arrange(words: &[String]) -> Vec<String> {
    let (words, rest) = match words.iter().position(|w| w == "--") {
        Some(at) => words.split_at(at),
        None => (words, &[][..]),
    };
    let mut words = words.iter().flat_map(|w| split_value(w)).peekable();
    let (mut global, mut verb) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            w if w.starts_with("--vm=") => global.extend(["--vm".into(), w[5..].to_owned()]),
            "-h" => verb.push("--help".to_owned()),
            "--vm" => {
                let path = words.next_if(|next| is_socket_path(next));
                global.extend([word, path.unwrap_or_else(|| Endpoint::DEFAULT_VM.to_owned())]);
            }
            w if SWITCHES.contains(&w) => global.push(word),
            w if OPTIONS.contains(&w) => {
                global.push(word);
                global.extend(words.next());
            }
            _ => verb.push(word),
        }
    }
    global.extend(expand(verb));
    global.extend_from_slice(rest);
    global
}

/// Another name of a verb becomes the verb, also behind `help`.
fn expand(mut verb: Vec<String>) -> Vec<String> {
    let at = usize::from(verb.first().is_some_and(|w| w == "help"));
    let Some(words) = verb.get(at).and_then(|name| verbs::alias(name)) else { return verb };
    // Help knows verbs only, not what an alias says besides.
    let words = if at == 1 { &words[..1] } else { words };
    verb.splice(at..=at, words.iter().map(|w| (*w).to_owned()));
    verb
}

fn split_value(word: &str) -> Vec<String> {
    match word.split_once('=') {
        // With its sign, the path of --vm is one, whatever it looks like.
        Some((name, value)) if name.starts_with("--") && name != "--vm" => {
            vec![name.into(), value.into()]
        }
        _ => vec![word.into()],
    }
}

/// Targets start with a letter or a digit and never end so: no verb or target is taken for a path.
fn is_socket_path(word: &str) -> bool {
    word.starts_with(['/', '.']) || word.ends_with(".sock")
}

/// Splits a line of the shell: blanks separate, quotes and backslash keep them.
///
/// # Errors
/// [`Error::Usage`] for an open quote.
pub fn split(line: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(q) = quote {
        return Err(Error::usage(format!("the quote {q} is not closed"), ""));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{arrange, split};

    fn arranged(line: &str) -> String {
        arrange(&split(line).unwrap()).join(" ")
    }

    #[test]
    fn global_options_may_stand_anywhere() {
        assert_eq!(arranged("status --json"), "--json status");
        assert_eq!(
            arranged("build m4 --jobs=2 --root=/x --check"),
            "--root /x build m4 --jobs 2 --check"
        );
        assert_eq!(arranged("log -h"), "log --help");
        assert_eq!(arranged("plan --socket"), "--socket plan");
        assert_eq!(arranged("plan -- --json"), "plan -- --json");
    }

    #[test]
    fn vm_takes_a_path_only() {
        assert_eq!(arranged("--vm status"), "--vm out/vm/control.sock status");
        assert_eq!(
            arranged("build --vm lfs/toolchain"),
            "--vm out/vm/control.sock build lfs/toolchain"
        );
        assert_eq!(arranged("--vm /run/x status"), "--vm /run/x status");
        assert_eq!(arranged("--vm a/b.sock status"), "--vm a/b.sock status");
        assert_eq!(arranged("--vm=x status"), "--vm x status");
    }

    #[test]
    fn lines_split_as_in_a_shell() {
        assert_eq!(
            split(r#" a  'b c' "d \" e" f\ g '' "#).unwrap(),
            ["a", "b c", "d \" e", "f g", ""]
        );
        assert!(split("log 'm4").is_err());
        assert!(split("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>()) {
            if let Ok(words) = split(&line) {
                arrange(&words);
            }
        }
    }
}
