//! What came of a comparison.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// As many differences are kept in full; of the others only kind and number. A step that differs in
/// more files than this has one cause, and the first hundred show it.
pub const MOST_DIFFERENCES: usize = 100;
/// Characters kept of the words on one difference.
const MOST_WORDS: usize = 240;

/// The kind of a difference. The order is part of the stored form: new kinds go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The path is in the first tree only.
    OnlyFirst,
    /// The path is in the second tree only.
    OnlySecond,
    /// A file here, a directory or a link there; also a directory that hides those below in one only.
    Type,
    /// Permission bits.
    Mode,
    /// User or group.
    Owner,
    /// The target of a symbolic link, or which names are hard links of each other.
    Link,
    /// Extended attributes.
    Attribute,
    /// An ELF file: code, data or anything that is in none of the next two.
    Elf,
    /// An ELF file, in its build id alone.
    ElfBuildId,
    /// An ELF file, in debug information (and build id) alone.
    ElfDebug,
    /// An `ar` archive (static library, `.deb`): times, owners, order or content of its members.
    Archive,
    /// Compiled Python.
    Python,
    /// A gzip file.
    Gzip,
    /// Text.
    Text,
    /// Any other file.
    Binary,
}

impl Kind {
    /// A word or two for tables, stable, without spaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnlyFirst => "only-first",
            Self::OnlySecond => "only-second",
            Self::Type => "type",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Link => "link",
            Self::Attribute => "attribute",
            Self::Elf => "elf",
            Self::ElfBuildId => "elf-build-id",
            Self::ElfDebug => "elf-debug",
            Self::Archive => "archive",
            Self::Python => "python",
            Self::Gzip => "gzip",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One path that differs in one way. A path that differs in several has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The path from the root of the tree, without leading `/`; bytes that are no UTF-8 are U+FFFD.
    pub path: String,
    /// The kind.
    pub kind: Kind,
    /// What exactly, in one line.
    pub what: String,
}

/// Everything that differs between two trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Paths that differ.
    pub files: u64,
    /// How often each kind was found, in the order of the kinds.
    pub kinds: Vec<(Kind, u64)>,
    /// The first of them in the order of their paths, at most [`MOST_DIFFERENCES`].
    pub differences: Vec<Difference>,
}

impl Report {
    /// Nothing differs.
    pub fn is_equal(&self) -> bool {
        self.files == 0
    }

    /// Differences that were found and are not in [`Self::differences`].
    pub fn unlisted(&self) -> u64 {
        let all: u64 = self.kinds.iter().map(|(_, count)| count).sum();
        all.saturating_sub(self.differences.len() as u64)
    }
}

/// Gathers differences in the order of the walk.
#[derive(Default)]
pub(crate) struct Gather {
    report: Report,
    kinds: BTreeMap<Kind, u64>,
}

impl Gather {
    /// Takes all that was found of one path; nothing found is no difference.
    pub(crate) fn path(&mut self, path: &[u8], found: Vec<(Kind, String)>) {
        self.report.files += u64::from(!found.is_empty());
        for (kind, what) in found {
            *self.kinds.entry(kind).or_default() += 1;
            if self.report.differences.len() < MOST_DIFFERENCES {
                let path = String::from_utf8_lossy(path).into_owned();
                let what = clip(what);
                self.report.differences.push(Difference { path, kind, what });
            }
        }
    }

    pub(crate) fn finish(self) -> Report {
        Report { kinds: self.kinds.into_iter().collect(), ..self.report }
    }
}

fn clip(mut what: String) -> String {
    if let Some((at, _)) = what.char_indices().nth(MOST_WORDS) {
        what.truncate(at);
        what.push('…');
    }
    what
}

#[cfg(test)]
mod tests {
    use super::{Gather, Kind, MOST_DIFFERENCES};

    #[test]
    fn the_first_are_listed_and_all_are_counted() {
        let mut gather = Gather::default();
        for n in 0..MOST_DIFFERENCES + 5 {
            gather.path(format!("{n}").as_bytes(), vec![(Kind::Text, "x".repeat(9999))]);
        }
        gather.path(b"same", Vec::new());
        gather.path(b"two", vec![(Kind::Mode, String::new()), (Kind::Elf, String::new())]);
        let report = gather.finish();
        assert_eq!(report.files, MOST_DIFFERENCES as u64 + 6);
        assert_eq!(report.differences.len(), MOST_DIFFERENCES);
        assert!(report.differences.iter().all(|d| d.what.chars().count() <= 241));
        let texts = MOST_DIFFERENCES as u64 + 5;
        assert_eq!(report.kinds, [(Kind::Mode, 1), (Kind::Elf, 1), (Kind::Text, texts)]);
        assert_eq!(report.unlisted(), 7);
        assert!(!report.is_equal());
    }
}
