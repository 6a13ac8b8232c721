//! A read index: checked once, then used in place.

mod derived;
mod error;

use core::ops::Range;

use std::sync::OnceLock;

use super::lists::Lists;
pub use error::IndexError;

use super::words::{slice, word, words};
use super::{GROUP_WORDS, HEADER, MAGIC, PROVIDE_WORDS, SECTIONS, Section, field};

/// A package by its number in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package(pub u32);

/// A term by its number in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

/// A need by its number in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedId(pub u32);

/// One capability of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvideView<'a> {
    /// Name of the capability.
    pub target: &'a str,
    /// The symbol of that name.
    pub symbol: u32,
    /// Its version, as text.
    pub version: Option<&'a str>,
    /// Whether it is a role.
    pub exclusive: bool,
}

/// An index, checked.
#[derive(Debug, Clone)]
pub struct Table {
    bytes: Vec<u8>,
    sections: [Range<usize>; SECTIONS],
    packages: u32,
    /// For each symbol the first package whose name is not before it.
    first: Vec<u32>,
    /// Who provides which symbol, made when first asked for.
    providers: OnceLock<Lists>,
    /// Who needs which symbol, made when first asked for.
    dependants: OnceLock<Lists>,
    /// The conditions there are, and the packages that replace something, found when first asked for.
    conditions: OnceLock<Vec<TermId>>,
    replacing: OnceLock<Vec<Package>>,
}

impl Table {
    /// Checks `bytes` and keeps them.
    ///
    /// # Errors
    /// They are not an index; see [`IndexError`]. No bytes make it panic, and none that it takes make a later
    /// access fail.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, IndexError> {
        let sections = sections(&bytes)?;
        let packages = (sections[Section::Packages as usize].len() / (4 * field::WORDS)) as u32;
        let mut table = Self {
            bytes,
            sections,
            packages: packages.saturating_sub(1),
            first: Vec::new(),
            providers: OnceLock::new(),
            dependants: OnceLock::new(),
            conditions: OnceLock::new(),
            replacing: OnceLock::new(),
        };
        super::check::all(&table)?;
        table.first = table.first_packages();
        Ok(table)
    }

    /// The bytes it was made of.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn section(&self, section: Section) -> &[u8] {
        self.sections
            .get(section as usize)
            .and_then(|r| self.bytes.get(r.clone()))
            .unwrap_or_default()
    }

    /// How many packages there are; their numbers are `0..len`.
    pub fn len(&self) -> u32 {
        self.packages
    }

    /// Whether there is no package at all.
    pub fn is_empty(&self) -> bool {
        self.packages == 0
    }

    /// How many symbols there are.
    pub fn symbols(&self) -> u32 {
        (self.section(Section::SymbolStarts).len() as u32 / 4).saturating_sub(1)
    }

    /// How many terms there are.
    pub fn terms(&self) -> u32 {
        self.section(Section::Terms).len() as u32 / 8
    }

    /// How many different needs there are.
    pub fn needs_len(&self) -> u32 {
        (self.section(Section::NeedStarts).len() as u32 / 4).saturating_sub(1)
    }

    /// The text of a symbol.
    pub fn symbol(&self, symbol: u32) -> &str {
        let bytes = self.symbol_bytes(symbol);
        // Checked in `parse`: the whole section is UTF-8 and every start a boundary.
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn symbol_bytes(&self, symbol: u32) -> &[u8] {
        let starts = self.section(Section::SymbolStarts);
        let range =
            word(starts, symbol as usize) as usize..word(starts, symbol as usize + 1) as usize;
        self.section(Section::SymbolText).get(range).unwrap_or_default()
    }

    /// The symbol of a text.
    pub fn find_symbol(&self, text: &str) -> Option<u32> {
        let mut range = 0..self.symbols();
        while range.start < range.end {
            let middle = range.start.midpoint(range.end);
            match self.symbol_bytes(middle).cmp(text.as_bytes()) {
                core::cmp::Ordering::Equal => return Some(middle),
                core::cmp::Ordering::Less => range.start = middle + 1,
                core::cmp::Ordering::Greater => range.end = middle,
            }
        }
        None
    }

    /// The packages of the name `symbol`, in the order of their versions.
    pub fn named(&self, symbol: u32) -> Range<u32> {
        let at = |i: u32| self.first.get(i as usize).copied().unwrap_or(self.packages);
        at(symbol)..at(symbol.saturating_add(1))
    }

    fn first_packages(&self) -> Vec<u32> {
        let mut first = Vec::with_capacity(self.symbols() as usize + 1);
        for package in 0..self.packages {
            let name = self.field(Package(package), field::NAME) as usize;
            while first.len() <= name {
                first.push(package);
            }
        }
        first.resize(self.symbols() as usize + 1, self.packages);
        first
    }

    pub(super) fn field(&self, package: Package, field: usize) -> u32 {
        word(self.section(Section::Packages), package.0 as usize * field::WORDS + field)
    }

    /// Where a list of the package starts, and where it ends: the start in the next record.
    fn list(&self, package: Package, field: usize) -> (u32, u32) {
        (self.field(package, field), self.field(Package(package.0 + 1), field))
    }

    /// The symbol of the package's name.
    pub fn name(&self, package: Package) -> u32 {
        self.field(package, field::NAME)
    }

    /// The symbol of its version.
    pub fn version(&self, package: Package) -> u32 {
        self.field(package, field::VERSION)
    }

    /// Its architecture.
    pub fn arch(&self, package: Package) -> &str {
        self.symbol(self.field(package, field::ARCH))
    }

    /// The number of its repository.
    pub fn repository(&self, package: Package) -> u32 {
        self.field(package, field::REPOSITORY)
    }

    /// How many repositories there are.
    pub fn repositories(&self) -> u32 {
        self.section(Section::Repositories).len() as u32 / 8
    }

    /// Name and priority of a repository.
    pub fn repository_view(&self, repository: u32) -> (&str, i32) {
        let section = self.section(Section::Repositories);
        let at = repository as usize * 2;
        (self.symbol(word(section, at)), word(section, at + 1).cast_signed())
    }

    /// SHA-256 of the package file.
    pub fn digest(&self, package: Package) -> [u8; 32] {
        let start = package.0 as usize * 32;
        let bytes = self.section(Section::Digests).get(start..start + 32);
        bytes.and_then(|b| b.try_into().ok()).unwrap_or_default()
    }

    /// Bytes to fetch, bytes on disk.
    pub fn sizes(&self, package: Package) -> (u64, u64) {
        let pair = |at| {
            let (low, high) = (self.field(package, at), self.field(package, at + 1));
            u64::from(low) | u64::from(high) << 32
        };
        (pair(field::SIZE), pair(field::INSTALLED_SIZE))
    }

    /// Its description, as bytes that are UTF-8.
    pub fn description_bytes(&self, package: Package) -> &[u8] {
        let (start, end) = self.list(package, field::DESCRIPTION);
        self.section(Section::Descriptions).get(start as usize..end as usize).unwrap_or_default()
    }

    /// Its description.
    pub fn description(&self, package: Package) -> &str {
        str::from_utf8(self.description_bytes(package)).unwrap_or_default()
    }

    /// What it needs, without its groups.
    pub fn needs(&self, package: Package) -> impl Iterator<Item = NeedId> + '_ {
        let start = self.field(package, field::NEEDS);
        let groups = self.list(package, field::GROUPS);
        // The needs of the groups stand behind those of the package.
        let end = if groups.0 < groups.1 {
            word(self.section(Section::Groups), groups.0 as usize * GROUP_WORDS + 2)
        } else {
            self.field(Package(package.0 + 1), field::NEEDS)
        };
        self.need_list(start, end)
    }

    fn need_list(&self, start: u32, end: u32) -> impl Iterator<Item = NeedId> + '_ {
        words(slice(self.section(Section::NeedLists), start, end)).map(NeedId)
    }

    /// Its groups: name, reason, needs.
    pub fn groups(
        &self,
        package: Package,
    ) -> impl Iterator<Item = (&str, &str, impl Iterator<Item = NeedId> + '_)> + '_ {
        let (start, end) = self.list(package, field::GROUPS);
        (start..end).map(|group| {
            let at = |i| word(self.section(Section::Groups), group as usize * GROUP_WORDS + i);
            (self.symbol(at(0)), self.symbol(at(1)), self.need_list(at(2), at(3)))
        })
    }

    /// The alternatives of a need.
    pub fn alternatives(&self, need: NeedId) -> impl ExactSizeIterator<Item = TermId> + Clone + '_ {
        let (start, end) = self.need_range(need);
        let bytes = slice(self.section(Section::NeedWords), (start + 1).min(end), end);
        bytes.as_chunks::<4>().0.iter().map(|chunk| TermId(u32::from_le_bytes(*chunk)))
    }

    /// The condition of a need.
    pub fn condition(&self, need: NeedId) -> Option<TermId> {
        let (start, _) = self.need_range(need);
        word(self.section(Section::NeedWords), start as usize).checked_sub(1).map(TermId)
    }

    fn need_range(&self, need: NeedId) -> (u32, u32) {
        let starts = self.section(Section::NeedStarts);
        (word(starts, need.0 as usize), word(starts, need.0 as usize + 1))
    }

    /// The symbols of a term's target and of its constraint.
    pub fn term(&self, term: TermId) -> (u32, u32) {
        let section = self.section(Section::Terms);
        (word(section, term.0 as usize * 2), word(section, term.0 as usize * 2 + 1))
    }

    /// The packages of this table that meet a term.
    pub fn matches(&self, term: TermId) -> impl ExactSizeIterator<Item = Package> + '_ {
        let starts = self.section(Section::MatchStarts);
        let (start, end) = (word(starts, term.0 as usize), word(starts, term.0 as usize + 1));
        words(slice(self.section(Section::Matches), start, end)).map(Package)
    }

    /// What the package provides beside its name.
    pub fn provides(&self, package: Package) -> impl Iterator<Item = ProvideView<'_>> + '_ {
        let (start, end) = self.list(package, field::PROVIDES);
        (start..end).map(|provide| {
            let at =
                |i| word(self.section(Section::Provides), provide as usize * PROVIDE_WORDS + i);
            ProvideView {
                target: self.symbol(at(0)),
                symbol: at(0),
                version: at(1).checked_sub(1).map(|symbol| self.symbol(symbol)),
                exclusive: at(2) != 0,
            }
        })
    }

    /// What cannot be installed beside it.
    pub fn conflicts(&self, package: Package) -> impl Iterator<Item = TermId> + '_ {
        let end = self.field(package, field::REPLACES);
        words(slice(self.section(Section::TermLists), self.field(package, field::CONFLICTS), end))
            .map(TermId)
    }

    /// Whose place it takes.
    pub fn replaces(&self, package: Package) -> impl Iterator<Item = TermId> + '_ {
        let end = self.field(Package(package.0 + 1), field::CONFLICTS);
        words(slice(self.section(Section::TermLists), self.field(package, field::REPLACES), end))
            .map(TermId)
    }
}

/// Where the sections lie, after the checks that need no section.
fn sections(bytes: &[u8]) -> Result<[Range<usize>; SECTIONS], IndexError> {
    if !bytes.starts_with(&MAGIC) || bytes.len() < HEADER + 4 * SECTIONS {
        return Err(IndexError::Magic);
    }
    let said = word(bytes, 2) as usize;
    if said != bytes.len() {
        return Err(IndexError::Length { said, found: bytes.len() });
    }
    if crc32fast::hash(bytes.get(16..).unwrap_or_default()) != word(bytes, 3) {
        return Err(IndexError::Checksum);
    }
    let wrong = |why| IndexError::Section { section: "table of sections", why };
    if word(bytes, 4) as usize != SECTIONS {
        return Err(wrong("another number of sections"));
    }
    let mut next = HEADER + 4 * SECTIONS;
    let mut found = [const { 0..0 }; SECTIONS];
    for (number, range) in found.iter_mut().enumerate() {
        let length = word(bytes, HEADER / 4 + number) as usize;
        if !length.is_multiple_of(4) {
            return Err(wrong("a length is not a multiple of 4"));
        }
        *range = next..next.saturating_add(length);
        next = range.end;
    }
    if next == bytes.len() { Ok(found) } else { Err(wrong("the lengths do not add up")) }
}
