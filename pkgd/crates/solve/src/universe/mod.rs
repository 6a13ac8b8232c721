//! Everything the solver can choose from: the index of the repositories and what is installed.

mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;

use minos_model::Version;

use crate::index::{NeedId, Package, Table, TermId};

pub(crate) use terms::{constraint, term_text};

/// A package of a [`Universe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub(crate) u32);

/// A name or capability of a [`Universe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(pub u32);

/// A need, and which of the two tables has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NeedRef {
    pub overlay: bool,
    pub need: NeedId,
}

/// A term, and which of the two tables has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TermRef {
    pub overlay: bool,
    pub term: TermId,
}

/// The index of the repositories, and over it an index of the installed packages.
///
/// An installed package that the repositories still have, by name, version and digest, is the same package.
/// Making a universe costs in proportion to what is installed, not to the repositories.
#[derive(Debug, Clone)]
pub struct Universe {
    base: Arc<Table>,
    overlay: Table,
    /// Symbol of the overlay -> symbol of the universe.
    symbols: Vec<u32>,
    /// Symbols that only the overlay has, by universe symbol minus the base's number of symbols.
    extra: Vec<u32>,
    /// Packages that only the overlay has, by what they answer to.
    answering: BTreeMap<u32, Vec<(PackageId, Option<u32>)>>,
    /// Package of the overlay -> package of the universe.
    same: Vec<PackageId>,
}

impl Universe {
    /// A universe of `base`, the repositories, and `installed`, an index of what is installed now.
    pub fn new(base: Arc<Table>, installed: Table) -> Self {
        let mut symbols = Vec::with_capacity(installed.symbols() as usize);
        let mut extra = Vec::new();
        for symbol in 0..installed.symbols() {
            symbols.push(base.find_symbol(installed.symbol(symbol)).unwrap_or_else(|| {
                extra.push(symbol);
                base.symbols() + extra.len() as u32 - 1
            }));
        }
        let same = (0..installed.len()).map(|n| same_package(&base, &installed, Package(n)));
        let same = same.collect();
        let mut universe =
            Self { base, overlay: installed, symbols, extra, answering: BTreeMap::new(), same };
        universe.answer();
        universe
    }

    /// Notes what the packages that only the overlay has answer to.
    fn answer(&mut self) {
        for number in 0..self.overlay.len() {
            let id = PackageId(self.base.len() + number);
            if self.same.get(number as usize) != Some(&id) {
                continue;
            }
            let package = Package(number);
            let name = (self.overlay.name(package), Some(self.overlay.version(package)));
            let provides: Vec<_> = self
                .overlay
                .provides(package)
                .map(|p| (p.symbol, p.version.and_then(|text| self.overlay.find_symbol(text))))
                .collect();
            for (symbol, version) in core::iter::once(name).chain(provides) {
                let symbol = self.symbols.get(symbol as usize).copied().unwrap_or_default();
                self.answering.entry(symbol).or_default().push((id, version));
            }
        }
    }

    /// How many package numbers there are.
    pub(crate) fn len(&self) -> u32 {
        self.base.len() + self.overlay.len()
    }

    /// The index of the repositories.
    pub fn base(&self) -> &Table {
        &self.base
    }

    /// The packages of the repositories, in the order of names and versions.
    pub fn offered(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..self.base.len()).map(PackageId)
    }

    /// The packages that are installed, in the order of their names.
    pub fn installed(&self) -> &[PackageId] {
        &self.same
    }

    pub(crate) fn locate(&self, package: PackageId) -> (&Table, Package) {
        match package.0.checked_sub(self.base.len()) {
            None => (&self.base, Package(package.0)),
            Some(number) => (&self.overlay, Package(number)),
        }
    }

    fn is_overlay(&self, package: PackageId) -> bool {
        package.0 >= self.base.len()
    }

    fn table(&self, overlay: bool) -> &Table {
        if overlay { &self.overlay } else { &self.base }
    }

    fn global(&self, overlay: bool, symbol: u32) -> Symbol {
        let mapped =
            if overlay { self.symbols.get(symbol as usize).copied() } else { Some(symbol) };
        Symbol(mapped.unwrap_or_default())
    }

    pub(crate) fn symbol_count(&self) -> u32 {
        self.base.symbols() + self.extra.len() as u32
    }

    pub(crate) fn symbol(&self, text: &str) -> Option<Symbol> {
        let in_overlay = || {
            let symbol = self.overlay.find_symbol(text)?;
            self.symbols.get(symbol as usize).copied()
        };
        self.base.find_symbol(text).or_else(in_overlay).map(Symbol)
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        match symbol.0.checked_sub(self.base.symbols()) {
            None => self.base.symbol(symbol.0),
            Some(index) => {
                self.overlay.symbol(self.extra.get(index as usize).copied().unwrap_or_default())
            }
        }
    }

    pub(crate) fn name_symbol(&self, package: PackageId) -> Symbol {
        let (table, local) = self.locate(package);
        self.global(self.is_overlay(package), table.name(local))
    }

    /// The package's name.
    pub fn name(&self, package: PackageId) -> &str {
        let (table, local) = self.locate(package);
        table.symbol(table.name(local))
    }

    /// Its version, as text.
    pub fn version_text(&self, package: PackageId) -> &str {
        let (table, local) = self.locate(package);
        table.symbol(table.version(local))
    }

    /// Its version. `None` only if the index holds a text that is no version.
    pub fn version(&self, package: PackageId) -> Option<Version> {
        self.version_text(package).parse().ok()
    }

    /// Name and version, as they are told to people: `zlib 1.3.1`.
    pub fn label(&self, package: PackageId) -> String {
        format!("{} {}", self.name(package), self.version_text(package))
    }

    /// The repository it comes from, and its priority; `None` for what is only installed.
    pub fn repository(&self, package: PackageId) -> Option<(&str, i32)> {
        let (table, local) = self.locate(package);
        let known = !self.is_overlay(package);
        known.then(|| table.repository_view(table.repository(local)))
    }

    /// SHA-256 of the package file.
    pub fn digest(&self, package: PackageId) -> [u8; 32] {
        let (table, local) = self.locate(package);
        table.digest(local)
    }

    /// Bytes to fetch and bytes on disk.
    pub fn sizes(&self, package: PackageId) -> (u64, u64) {
        let (table, local) = self.locate(package);
        table.sizes(local)
    }

    /// The packages with this name: those of the repositories by rising version, then the one that is only
    /// installed.
    pub fn named(&self, name: &str) -> Vec<PackageId> {
        self.symbol(name).map(|symbol| self.named_symbol(symbol)).unwrap_or_default()
    }

    pub(crate) fn named_symbol(&self, symbol: Symbol) -> Vec<PackageId> {
        let mut found: Vec<_> = if symbol.0 < self.base.symbols() {
            self.base.named(symbol.0).map(PackageId).collect()
        } else {
            Vec::new()
        };
        let extra = self.answering.get(&symbol.0).into_iter().flatten().map(|(id, _)| *id);
        found.extend(extra.filter(|id| self.name_symbol(*id) == symbol));
        found
    }
}

/// The package of the base that is this one of the overlay, or the overlay's own number.
fn same_package(base: &Table, overlay: &Table, package: Package) -> PackageId {
    let own = PackageId(base.len() + package.0);
    let text = |symbol| overlay.symbol(symbol);
    let Some(name) = base.find_symbol(text(overlay.name(package))) else { return own };
    let version = text(overlay.version(package));
    let mut named = base.named(name).map(Package);
    let found = named.find(|p| {
        base.symbol(base.version(*p)) == version && base.digest(*p) == overlay.digest(package)
    });
    found.map_or(own, |p| PackageId(p.0))
}
