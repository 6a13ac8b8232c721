//! A recipe's list of tests that are known to fail.
//!
//! One a line: the name as the suite tells it, or its start and `*`, then ` # ` and why. Empty lines and lines that
//! begin with `#` say nothing.

use core::fmt;
use std::collections::BTreeMap;

use crate::collect::MAX_NAME;

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for ExpectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ExpectedError {}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it is written, `*` included.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Tests that are known to fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    entries: Vec<Entry>,
    /// Places in `entries` of those that are whole names.
    exact: BTreeMap<String, usize>,
    /// Places of the others.
    prefixes: Vec<usize>,
}

impl Expected {
    /// Reads a list.
    ///
    /// # Errors
    /// The first line that is no entry: without a reason, too long, there before, or a `*` that would take in all.
    pub fn parse(text: &str) -> Result<Self, ExpectedError> {
        let mut list = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                list.add(line).map_err(|what| ExpectedError { line: number, what })?;
            }
        }
        Ok(list)
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (name, reason) = line.rsplit_once(" # ").ok_or("write 'NAME # why it fails'")?;
        let (name, reason) = (name.trim(), reason.trim());
        if name.is_empty() || reason.is_empty() {
            return Err("write 'NAME # why it fails'");
        }
        if name.chars().count() > MAX_NAME {
            return Err("the name is longer than 200 characters");
        }
        if name == "*" {
            return Err("'*' alone would expect every test to fail");
        }
        if self.entries.iter().any(|entry| entry.name == name) {
            return Err("the name is in the list already");
        }
        let at = self.entries.len();
        if name.ends_with('*') {
            self.prefixes.push(at);
        } else {
            self.exact.insert(name.to_owned(), at);
        }
        self.entries.push(Entry { name: name.to_owned(), reason: reason.to_owned() });
        Ok(())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in the order of the list.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of the entry that means the test `name`; one with the whole name comes first.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let starts = |at: &usize| {
            self.entries.get(*at).is_some_and(|entry| {
                entry.name.strip_suffix('*').is_some_and(|start| name.starts_with(start))
            })
        };
        self.exact.get(name).copied().or_else(|| self.prefixes.iter().copied().find(starts))
    }
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn whole_names_and_beginnings() {
        let text = "# why\n\n io/tst-lchmod  # no lchmod on overlayfs\nnss/tst-* # no network\nx # y # z\n";
        let list = Expected::parse(text).unwrap();
        let reason = |name: &str| Some(list.entries()[list.find(name)?].reason.as_str());
        assert_eq!(reason("io/tst-lchmod"), Some("no lchmod on overlayfs"));
        assert_eq!(reason("nss/tst-a"), Some("no network"));
        assert_eq!(reason("x # y"), Some("z"));
        assert_eq!((reason("io/tst-lchmod2"), reason("nss/")), (None, None));
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn every_entry_has_a_reason_and_a_bound() {
        let wrong = |text: &str| Expected::parse(text).unwrap_err().line;
        assert_eq!(wrong("a # b\nio/tst\n"), 2);
        assert_eq!(wrong("io/tst #\n"), 1);
        assert_eq!(wrong("* # all\n"), 1);
        assert_eq!(wrong("a # b\na # c\n"), 2);
        assert_eq!(wrong(&format!("{} # b\n", "a".repeat(201))), 1);
        assert!(Expected::parse("").unwrap().is_empty());
    }
}
