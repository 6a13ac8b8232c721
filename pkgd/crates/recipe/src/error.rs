//! What is wrong with the text of a `recipe.toml` or a `sources.lock`.

use core::fmt;

use serde::de::DeserializeOwned;

use crate::SCHEMA;
use minos_model::suggest::nearest;

/// A TOML file that is not what it should be: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1; `None` where the whole file is meant.
    pub line: Option<u32>,
    /// What is wrong.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.cause, self.hint)
    }
}

impl std::error::Error for ParseError {}

/// Reads `text` as a `T` after checking that its `schema` is ours: a file of another schema is
/// refused as such, not for the first key that this one does not know.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ParseError> {
    check_schema(file, text)?;
    toml::from_str(text).map_err(|error| explain(file, text, &error))
}

fn check_schema(file: &str, text: &str) -> Result<(), ParseError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| explain(file, text, &error))?;
    let (cause, line) = match table.get("schema") {
        Some(toml::Value::Integer(n)) if *n == i64::from(SCHEMA) => return Ok(()),
        Some(toml::Value::Integer(n)) => {
            (format!("schema is {n}, this program reads {SCHEMA}"), find(text))
        }
        Some(_) => ("schema is not a number".to_owned(), find(text)),
        None => ("key 'schema' is missing".to_owned(), None),
    };
    let hint = format!("write 'schema = {SCHEMA}' as the first line");
    Err(ParseError { file: file.to_owned(), line, cause, hint })
}

/// The line that sets `schema`.
fn find(text: &str) -> Option<u32> {
    let offset = text.lines().position(|line| line.trim_start().starts_with("schema"))?;
    u32::try_from(offset + 1).ok()
}

/// The line of byte `offset` in `text`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count();
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

/// Turns serde's words into ours: cause, line, nearest known key.
fn explain(file: &str, text: &str, error: &toml::de::Error) -> ParseError {
    let message = error.message().trim().replace('\n', ", ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let first = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let (cause, hint) = if message.starts_with("unknown field") {
        (format!("unknown key '{first}'"), did_you_mean(first, &known))
    } else if message.starts_with("unknown variant") {
        (format!("unknown value '{first}'"), did_you_mean(first, &known))
    } else if message.starts_with("missing field") {
        (format!("key '{first}' is missing"), "add it; docs/RECIPES.md lists all keys".to_owned())
    } else {
        (message.clone(), "correct this line; docs/RECIPES.md lists all keys".to_owned())
    };
    let line = error.span().map(|span| line_of(text, span.start));
    ParseError { file: file.to_owned(), line, cause, hint }
}

/// Keys there were once, or that one would expect, each with the reason why it is not there.
const ABSENT: [(&str, &str); 1] = [(
    "devices",
    "remove it: no step can make a device node, and the kernel fills /dev when the system runs",
)];

fn did_you_mean(word: &str, known: &[&str]) -> String {
    if let Some((_, why)) = ABSENT.iter().find(|(key, _)| *key == word) {
        return (*why).to_owned();
    }
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{ParseError, parse};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters")]
    struct Sample {
        schema: u32,
        version: String,
        #[serde(default)]
        release: u32,
    }

    fn error(text: &str) -> ParseError {
        parse::<Sample>("a.toml", text).unwrap_err()
    }

    #[test]
    fn unknown_key_names_line_and_nearest_key() {
        let text = error("schema = 1\nversion = \"1\"\nrelaese = 2\n").to_string();
        assert_eq!(text, "a.toml:3: unknown key 'relaese'; did you mean 'release'?");
        let text = error("schema = 1\nversion = \"1\"\nmaintainer = 2\n").to_string();
        assert!(text.ends_with("known here: schema, version, release"), "{text}");
    }

    #[test]
    fn missing_key_and_wrong_type() {
        assert!(error("schema = 1\n").to_string().contains("key 'version' is missing"));
        let wrong = error("schema = 1\nversion = 2\n");
        assert_eq!(wrong.line, Some(2));
        assert!(wrong.cause.contains("expected a string"), "{wrong}");
    }

    #[test]
    fn another_schema_is_refused_as_such() {
        let text = error("version = 1\nschema = 2\nnew_key = 3\n").to_string();
        assert!(text.starts_with("a.toml:2: schema is 2, this program reads 1;"), "{text}");
        assert!(error("version = \"1\"\n").to_string().contains("key 'schema' is missing"));
    }

    #[test]
    fn broken_toml_has_a_line() {
        assert_eq!(error("schema = 1\nversion = \"1\n").line, Some(2));
    }
}
