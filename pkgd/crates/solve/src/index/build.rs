//! From entries to the bytes of an index. The same entries in any order give the same bytes.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use minos_model::Version;

use super::entry::{Entry, Need, Provide, Term};
use super::text::{Collector, number};
use super::words::push;
use super::{HEADER, MAGIC, SECTIONS};

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

/// The sections while they grow.
#[derive(Default)]
struct Sections([Vec<u8>; SECTIONS]);

impl Sections {
    fn of(repositories: &[Repository], entries: &[Entry], interned: &Interned) -> Self {
        let mut sections = Self::default();
        sections.repositories(repositories, interned);
        sections.symbols(&interned.symbols);
        for entry in entries {
            sections.package(entry, interned);
        }
        sections.sentinel();
        sections.needs(interned);
        sections.terms(interned, entries);
        sections
    }

    fn at(&mut self, section: super::Section) -> &mut Vec<u8> {
        &mut self.0[section as usize]
    }

    /// Words already in `section`.
    fn words(&self, section: super::Section) -> u32 {
        (self.0[section as usize].len() / 4) as u32
    }

    fn repositories(&mut self, repositories: &[Repository], interned: &Interned) {
        let out = self.at(super::Section::Repositories);
        for repository in repositories {
            push(out, interned.symbol(&repository.name));
            push(out, repository.priority.cast_unsigned());
        }
    }

    fn symbols(&mut self, symbols: &[String]) {
        for symbol in symbols {
            let start = self.at(super::Section::SymbolText).len() as u32;
            push(self.at(super::Section::SymbolStarts), start);
            self.at(super::Section::SymbolText).extend_from_slice(symbol.as_bytes());
        }
        let end = self.at(super::Section::SymbolText).len() as u32;
        push(self.at(super::Section::SymbolStarts), end);
    }

    fn package(&mut self, entry: &Entry, interned: &Interned) {
        use super::Section as S;
        self.record(
            [&entry.name, &entry.version.to_string(), &entry.arch].map(|t| interned.symbol(t)),
            entry.repository,
            [entry.size, entry.installed_size],
            entry.conflicts.len() as u32,
        );
        self.at(S::Digests).extend_from_slice(&entry.digest);
        self.at(S::Descriptions).extend_from_slice(entry.description.as_bytes());
        for need in &entry.needs {
            push(self.at(S::NeedLists), interned.need(need));
        }
        for provide in &entry.provides {
            self.provide(provide, interned);
        }
        for term in entry.conflicts.iter().chain(&entry.replaces) {
            push(self.at(S::TermLists), interned.term(term));
        }
        for group in &entry.groups {
            let start = self.words(S::NeedLists);
            let out = self.at(S::Groups);
            push(out, interned.symbol(&group.name));
            push(out, interned.symbol(&group.reason));
            push(out, start);
            push(out, start + group.needs.len() as u32);
            for need in &group.needs {
                push(self.at(S::NeedLists), interned.need(need));
            }
        }
    }

    /// One record; its lists start where the sections end now.
    fn record(&mut self, texts: [u32; 3], repository: u32, sizes: [u64; 2], conflicts: u32) {
        use super::Section as S;
        let terms = self.words(S::TermLists);
        let starts = [
            self.0[S::Descriptions as usize].len() as u32,
            self.words(S::NeedLists),
            self.words(S::Provides) / super::PROVIDE_WORDS as u32,
            terms,
            terms + conflicts,
            self.words(S::Groups) / super::GROUP_WORDS as u32,
        ];
        let out = self.at(S::Packages);
        for word in texts.into_iter().chain([repository]).chain(starts) {
            push(out, word);
        }
        for size in sizes {
            out.extend_from_slice(&size.to_le_bytes());
        }
    }

    /// A last record, of which only the starts count: they end the lists of the package before.
    fn sentinel(&mut self) {
        self.record([0; 3], 0, [0; 2], 0);
    }

    fn provide(&mut self, provide: &Provide, interned: &Interned) {
        let version = provide.version.as_ref().map_or(0, |v| interned.symbol(&v.to_string()) + 1);
        let out = self.at(super::Section::Provides);
        push(out, interned.symbol(&provide.target));
        push(out, version);
        push(out, u32::from(provide.exclusive));
    }

    fn needs(&mut self, interned: &Interned) {
        use super::Section as S;
        for need in &interned.needs {
            let start = self.words(S::NeedWords);
            push(self.at(S::NeedStarts), start);
            let out = self.at(S::NeedWords);
            push(out, need.when.as_ref().map_or(0, |term| interned.term(term) + 1));
            for term in &need.any {
                push(out, interned.term(term));
            }
        }
        let end = self.words(S::NeedWords);
        push(self.at(S::NeedStarts), end);
    }

    fn terms(&mut self, interned: &Interned, entries: &[Entry]) {
        use super::Section as S;
        let answers = answers(entries);
        for term in &interned.terms {
            let constraint = interned.symbol(&term.constraint.to_string());
            push(self.at(S::Terms), interned.symbol(&term.target));
            push(self.at(S::Terms), constraint);
            let start = self.words(S::Matches);
            push(self.at(S::MatchStarts), start);
            let mut last = None;
            for (package, version) in answers.get(term.target.as_str()).into_iter().flatten() {
                if last != Some(*package) && accepts(term, *version) {
                    push(self.at(S::Matches), *package);
                    last = Some(*package);
                }
            }
        }
        let end = self.words(S::Matches);
        push(self.at(S::MatchStarts), end);
    }

    fn assemble(mut self) -> Result<Vec<u8>, BuildError> {
        for section in &mut self.0 {
            section.resize(section.len().next_multiple_of(4), 0);
        }
        let length = HEADER + 4 * SECTIONS + self.0.iter().map(Vec::len).sum::<usize>();
        if length > i32::MAX as usize {
            return Err(BuildError::TooLarge);
        }
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&MAGIC);
        push(&mut out, length as u32);
        push(&mut out, 0);
        push(&mut out, SECTIONS as u32);
        for section in &self.0 {
            push(&mut out, section.len() as u32);
        }
        for section in &self.0 {
            out.extend_from_slice(section);
        }
        let sum = crc32fast::hash(&out[16..]).to_le_bytes();
        out[12..16].copy_from_slice(&sum);
        Ok(out)
    }
}

/// Which packages answer to a target, and in which versions, by the package's number.
fn answers(entries: &[Entry]) -> BTreeMap<&str, Vec<(u32, Option<&Version>)>> {
    let mut map: BTreeMap<&str, Vec<(u32, Option<&Version>)>> = BTreeMap::new();
    for (number, entry) in (0..).zip(entries) {
        map.entry(&entry.name).or_default().push((number, Some(&entry.version)));
        for provide in &entry.provides {
            let version = provide.version.as_ref();
            map.entry(&provide.target).or_default().push((number, version));
        }
    }
    map
}

fn accepts(term: &Term, version: Option<&Version>) -> bool {
    term.constraint.is_any() || version.is_some_and(|version| term.constraint.matches(version))
}
