//! From entries to the bytes of an index. The same entries in any order give the same bytes.

mod sections;

use core::fmt;
use std::collections::{BTreeSet, HashMap};

use minos_model::Version;

use sections::Sections;

use super::entry::{Entry, Need, Term};
use super::text::{Collector, number};

/// A repository whose packages are in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// A package is taken from the repository with the highest priority that has its name.
    pub priority: i32,
}

/// The entries make no index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildError {
    /// The entry names a repository that is not in the list.
    NoRepository {
        /// Whose entry.
        package: String,
        /// The number it gives.
        repository: u32,
    },
    /// A need without alternatives.
    EmptyNeed {
        /// Whose need.
        package: String,
    },
    /// The index would have more than 2^31 bytes in one section.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRepository { package, repository } => write!(
                f,
                "package '{package}' is said to be of repository {repository}, which the index does not have"
            ),
            Self::EmptyNeed { package } => {
                write!(f, "package '{package}' has a dependency without any alternative")
            }
            Self::TooLarge => {
                f.write_str("the index would be larger than 2 GiB; split the repository")
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// The bytes of an index of `entries`.
///
/// # Errors
/// See [`BuildError`].
pub fn build(repositories: &[Repository], mut entries: Vec<Entry>) -> Result<Vec<u8>, BuildError> {
    for entry in &entries {
        check(entry, repositories.len())?;
    }
    entries.sort_by(|a, b| order(a).cmp(&order(b)));
    entries.dedup_by(|a, b| order(a) == order(b));
    let interned = Interned::of(repositories, &entries);
    let sections = Sections::of(repositories, &entries, &interned);
    sections.assemble()
}

fn check(entry: &Entry, repositories: usize) -> Result<(), BuildError> {
    let package = || entry.name.clone();
    if entry.repository as usize >= repositories {
        return Err(BuildError::NoRepository { package: package(), repository: entry.repository });
    }
    let mut needs = entry.needs.iter().chain(entry.groups.iter().flat_map(|g| &g.needs));
    if needs.any(|need| need.any.is_empty()) {
        return Err(BuildError::EmptyNeed { package: package() });
    }
    Ok(())
}

/// What entries are sorted by; two that are equal in it are one package.
fn order(entry: &Entry) -> (&str, &Version, u32, &[u8; 32]) {
    (&entry.name, &entry.version, entry.repository, &entry.digest)
}

/// Everything that is written once and then named by a number.
struct Interned {
    symbols: Vec<String>,
    terms: Vec<Term>,
    term_numbers: HashMap<Term, u32>,
    needs: Vec<Need>,
    need_numbers: HashMap<Need, u32>,
}

impl Interned {
    fn of(repositories: &[Repository], entries: &[Entry]) -> Self {
        let needs: BTreeSet<&Need> = entries.iter().flat_map(all_needs).collect();
        let mut terms: BTreeSet<&Term> =
            needs.iter().flat_map(|need| need.any.iter().chain(&need.when)).collect();
        terms.extend(entries.iter().flat_map(|e| e.conflicts.iter().chain(&e.replaces)));
        let mut symbols = Collector::default();
        symbols.add("");
        for repository in repositories {
            symbols.add(&repository.name);
        }
        for term in &terms {
            symbols.add(&term.target);
            symbols.add(&term.constraint.to_string());
        }
        for entry in entries {
            collect_symbols(entry, &mut symbols);
        }
        let terms: Vec<Term> = terms.into_iter().cloned().collect();
        let needs: Vec<Need> = needs.into_iter().cloned().collect();
        Self {
            symbols: symbols.finish(),
            term_numbers: terms.iter().cloned().zip(0..).collect(),
            terms,
            need_numbers: needs.iter().cloned().zip(0..).collect(),
            needs,
        }
    }

    fn symbol(&self, text: &str) -> u32 {
        number(&self.symbols, text)
    }

    fn term(&self, term: &Term) -> u32 {
        self.term_numbers.get(term).copied().unwrap_or_default()
    }

    fn need(&self, need: &Need) -> u32 {
        self.need_numbers.get(need).copied().unwrap_or_default()
    }
}

fn all_needs(entry: &Entry) -> impl Iterator<Item = &Need> {
    entry.needs.iter().chain(entry.groups.iter().flat_map(|group| &group.needs))
}

fn collect_symbols(entry: &Entry, symbols: &mut Collector) {
    symbols.add(&entry.name);
    symbols.add(&entry.version.to_string());
    symbols.add(&entry.arch);
    for provide in &entry.provides {
        symbols.add(&provide.target);
        if let Some(version) = &provide.version {
            symbols.add(&version.to_string());
        }
    }
    for group in &entry.groups {
        symbols.add(&group.name);
        symbols.add(&group.reason);
    }
}
