//! Kernel configuration fragments: read, merged over `tinyconfig`, and checked afterwards.
//!
//! `olddefconfig` silently drops a symbol whose dependencies are not met. So what was wanted is
//! compared with what came out, symbol by symbol.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// One wanted symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Want {
    /// `y`, `n`, a number, or a quoted string.
    value: String,
    fragment: PathBuf,
    line: usize,
}

/// All symbols of a list of fragments; each stands in exactly one of them.
#[derive(Debug, Default)]
pub struct Wanted {
    symbols: BTreeMap<String, Want>,
}

/// A symbol that came out other than wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Without the `CONFIG_` prefix.
    pub symbol: String,
    /// The value the fragment asks for.
    pub wanted: String,
    /// The value in the finished configuration; `n` when it is not there.
    pub got: String,
    /// The fragment that asks for it.
    pub fragment: PathBuf,
    /// The line there, from 1.
    pub line: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lost { symbol, wanted, got, fragment, line } = self;
        write!(f, "{symbol}: wanted {wanted}, got {got} ({}:{line})", fragment.display())
    }
}

impl Wanted {
    /// Reads `<dir>/<name>.config` for each name.
    pub fn read(dir: &Path, names: &[&str]) -> Result<Self> {
        let mut wanted = Wanted::default();
        for name in names {
            let path = dir.join(format!("{name}.config"));
            let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            wanted.add(&path, &text)?;
        }
        Ok(wanted)
    }

    /// Adds the symbols of one fragment.
    pub fn add(&mut self, fragment: &Path, text: &str) -> Result<()> {
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let Some((symbol, value)) = parse_line(line)
                .map_err(|why| Error::parse(fragment, format!("line {number}: {why}")))?
            else {
                continue;
            };
            let want = Want { value, fragment: fragment.to_path_buf(), line: number };
            if let Some(first) = self.symbols.insert(symbol.clone(), want) {
                let first = format!("{}:{}", first.fragment.display(), first.line);
                let why = format!("line {number}: {symbol} is set already in {first}");
                return Err(Error::parse(fragment, why));
            }
        }
        Ok(())
    }

    /// How many symbols are wanted.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// True when nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The symbols as one configuration, sorted by name: the same for any order or comments.
    pub fn text(&self) -> String {
        self.symbols.iter().map(|(symbol, want)| config_line(symbol, &want.value)).collect()
    }

    /// `base` without the lines of wanted symbols, and then those.
    ///
    /// Lines are replaced, not only appended: a choice would otherwise have two members set.
    pub fn over(&self, base: &str) -> String {
        let kept = base.lines().filter(|line| match parse_line(line) {
            Ok(Some((symbol, _))) => !self.symbols.contains_key(&symbol),
            _ => true,
        });
        let mut text: String = kept.map(|line| format!("{line}\n")).collect();
        text += &self.text();
        text
    }

    /// Every symbol whose value in the finished configuration is not the wanted one.
    pub fn lost(&self, finished: &str) -> Vec<Lost> {
        let got: BTreeMap<String, String> =
            finished.lines().filter_map(|line| parse_line(line).ok().flatten()).collect();
        let differs = |(symbol, want): (&String, &Want)| {
            let got = got.get(symbol).map_or("n", String::as_str);
            (got != want.value).then(|| Lost {
                symbol: symbol.clone(),
                wanted: want.value.clone(),
                got: got.to_owned(),
                fragment: want.fragment.clone(),
                line: want.line,
            })
        };
        self.symbols.iter().filter_map(differs).collect()
    }
}

fn config_line(symbol: &str, value: &str) -> String {
    match value {
        "n" => format!("# CONFIG_{symbol} is not set\n"),
        value => format!("CONFIG_{symbol}={value}\n"),
    }
}

/// The symbol and value of a line; nothing for an empty line or a comment.
fn parse_line(line: &str) -> std::result::Result<Option<(String, String)>, &'static str> {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        let unset = rest.strip_suffix(" is not set");
        return Ok(unset.map(|symbol| (symbol.to_owned(), "n".to_owned())));
    }
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (symbol, value) = line
        .strip_prefix("CONFIG_")
        .and_then(|rest| rest.split_once('='))
        .ok_or("neither CONFIG_NAME=value nor a comment")?;
    if value == "m" {
        return Err("modules are not supported; y or n");
    }
    if symbol.is_empty() || value.is_empty() {
        return Err("a symbol needs a name and a value");
    }
    Ok(Some((symbol.to_owned(), value.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.add(Path::new("x.config"), text).unwrap();
        wanted
    }

    #[test]
    fn a_symbol_that_did_not_survive_is_named_with_its_fragment() {
        let wanted = wanted("# head\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_S=\"x\"\n");
        assert!(wanted.lost("CONFIG_A=y\nCONFIG_B=y\nCONFIG_S=\"x\"\n").is_empty());
        let lost = wanted.lost("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\nCONFIG_S=\"z\"\n");
        let text: Vec<String> = lost.iter().map(Lost::to_string).collect();
        assert_eq!(
            text,
            [
                "B: wanted y, got n (x.config:3)",
                "C: wanted n, got y (x.config:4)",
                "S: wanted \"x\", got \"z\" (x.config:5)"
            ]
        );
    }

    #[test]
    fn twice_set_and_malformed_lines_are_refused() {
        let refused = |text: &str| {
            Wanted::default().add(Path::new("x.config"), text).unwrap_err().to_string()
        };
        assert!(
            refused("CONFIG_A=y\n# CONFIG_A is not set\n").contains("set already in x.config:1")
        );
        assert!(refused("CONFIG_A=m\n").contains("modules"));
        assert!(refused("A=y\n").contains("line 1"));
        assert!(refused("CONFIG_A=\n").contains("value"));
    }

    #[test]
    fn merging_replaces_and_appends() {
        let merged =
            wanted("CONFIG_XZ=n\nCONFIG_ZSTD=y\n").over("# head\nCONFIG_XZ=y\nCONFIG_K=y\n");
        assert_eq!(merged, "# head\nCONFIG_K=y\n# CONFIG_XZ is not set\nCONFIG_ZSTD=y\n");
    }

    #[test]
    fn the_text_is_independent_of_order_and_comments() {
        assert_eq!(
            wanted("CONFIG_A=y\nCONFIG_B=n\n").text(),
            wanted("# CONFIG_B is not set\n\n# x\nCONFIG_A=y\n").text()
        );
    }
}
