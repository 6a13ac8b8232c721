//! What was found.

use std::collections::BTreeMap;
use std::fmt;

/// Findings, and excused ones, that are listed; all are counted.
pub const MOST_LISTED: usize = 1000;

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A path, or a mark, of the seed's tools.
    SeedPath,
    /// A path that is there only while something is built.
    WorkPath,
    /// A program's loader is in none of the outputs.
    NoLoader,
    /// A library is in none of the outputs, or not where it is looked for.
    NoLibrary,
    /// A folder in which libraries are looked for is in none of the outputs.
    NoFolder,
    /// What runs a script is in none of the outputs.
    NoInterpreter,
    /// It is there, but only in a tool that the finished system does not have.
    OnlyTool,
    /// A file that says it is ELF and cannot be read as such, or is too large.
    Unreadable,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::SeedPath,
        Self::WorkPath,
        Self::NoLoader,
        Self::NoLibrary,
        Self::NoFolder,
        Self::NoInterpreter,
        Self::OnlyTool,
        Self::Unreadable,
    ];

    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeedPath => "seed-path",
            Self::WorkPath => "work-path",
            Self::NoLoader => "no-loader",
            Self::NoLibrary => "no-library",
            Self::NoFolder => "no-folder",
            Self::NoInterpreter => "no-interpreter",
            Self::OnlyTool => "only-tool",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that keeps the outputs from being self-contained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which of the subjects has it, by position.
    pub subject: usize,
    /// The file, absolute as the step's root shows it.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// What exactly, for a person.
    pub what: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Paths of all outputs.
    pub paths: u64,
    /// Regular files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// ELF programs and libraries among them.
    pub elf: u64,
    /// Executable scripts among them.
    pub scripts: u64,
    /// Compressed files among them, whose contents are not unpacked.
    pub compressed: u64,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How much was looked at.
    pub counts: Counts,
    /// The first [`MOST_LISTED`] findings, in the order of subjects and paths.
    pub findings: Vec<Finding>,
    /// How many there are of each kind.
    pub found: BTreeMap<Kind, u64>,
    /// Findings that are known and excused, each with the reason; at most [`MOST_LISTED`].
    pub excused: Vec<(Finding, &'static str)>,
    /// How many are excused for each reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Nothing was found that is not excused.
    pub fn is_contained(&self) -> bool {
        self.found.is_empty()
    }

    /// Findings that are not listed.
    pub fn unlisted(&self) -> u64 {
        self.found.values().sum::<u64>() - self.findings.len() as u64
    }

    pub(crate) fn add(&mut self, finding: Finding, reason: Option<&'static str>) {
        if let Some(reason) = reason {
            *self.reasons.entry(reason).or_default() += 1;
            if self.excused.len() < MOST_LISTED {
                self.excused.push((finding, reason));
            }
            return;
        }
        *self.found.entry(finding.kind).or_default() += 1;
        if self.findings.len() < MOST_LISTED {
            self.findings.push(finding);
        }
    }

    /// In the order of subjects, then paths, then kinds.
    pub(crate) fn sort(&mut self) {
        let key = |f: &Finding| (f.subject, f.path.clone(), f.kind);
        self.findings.sort_by_cached_key(key);
        self.excused.sort_by_cached_key(|(finding, _)| key(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Kind, MOST_LISTED, Report};

    #[test]
    fn all_are_counted_and_the_first_are_listed() {
        let mut report = Report::default();
        let finding = |n: usize| Finding {
            subject: 0,
            path: format!("/{n}"),
            kind: Kind::SeedPath,
            what: String::new(),
        };
        assert!(report.is_contained() && report.unlisted() == 0);
        for n in 0..MOST_LISTED + 5 {
            report.add(finding(n), Some("known"));
        }
        assert!(report.is_contained());
        assert_eq!((report.excused.len(), report.reasons["known"]), (MOST_LISTED, 1005));
        for n in 0..MOST_LISTED + 7 {
            report.add(finding(n), None);
        }
        assert!(!report.is_contained());
        assert_eq!((report.findings.len(), report.unlisted()), (MOST_LISTED, 7));
    }

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|k| k.as_str()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
