//! The sections of an index while it is made.

use std::collections::BTreeMap;

use minos_model::Version;

use super::super::entry::{Entry, Provide, Term};
use super::super::words::push;
use super::super::{GROUP_WORDS, HEADER, MAGIC, PROVIDE_WORDS, SECTIONS, Section};
use super::{BuildError, Interned, Repository};

/// The sections while they grow.
#[derive(Default)]
pub struct Sections([Vec<u8>; SECTIONS]);

impl Sections {
    /// The sections of these entries, which are sorted.
    pub fn of(repositories: &[Repository], entries: &[Entry], interned: &Interned) -> Self {
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

    fn at(&mut self, section: Section) -> &mut Vec<u8> {
        &mut self.0[section as usize]
    }

    /// Words already in `section`.
    fn words(&self, section: Section) -> u32 {
        (self.0[section as usize].len() / 4) as u32
    }

    fn repositories(&mut self, repositories: &[Repository], interned: &Interned) {
        let out = self.at(Section::Repositories);
        for repository in repositories {
            push(out, interned.symbol(&repository.name));
            push(out, repository.priority.cast_unsigned());
        }
    }

    fn symbols(&mut self, symbols: &[String]) {
        for symbol in symbols {
            let start = self.at(Section::SymbolText).len() as u32;
            push(self.at(Section::SymbolStarts), start);
            self.at(Section::SymbolText).extend_from_slice(symbol.as_bytes());
        }
        let end = self.at(Section::SymbolText).len() as u32;
        push(self.at(Section::SymbolStarts), end);
    }

    fn package(&mut self, entry: &Entry, interned: &Interned) {
        use Section as S;
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
        use Section as S;
        let terms = self.words(S::TermLists);
        let starts = [
            self.0[S::Descriptions as usize].len() as u32,
            self.words(S::NeedLists),
            self.words(S::Provides) / PROVIDE_WORDS as u32,
            terms,
            terms + conflicts,
            self.words(S::Groups) / GROUP_WORDS as u32,
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
        let out = self.at(Section::Provides);
        push(out, interned.symbol(&provide.target));
        push(out, version);
        push(out, u32::from(provide.exclusive));
    }

    fn needs(&mut self, interned: &Interned) {
        use Section as S;
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
        use Section as S;
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

    /// The file.
    pub fn assemble(mut self) -> Result<Vec<u8>, BuildError> {
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
