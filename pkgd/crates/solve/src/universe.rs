//! Everything the solver can choose from: the index of the repositories and what is installed.

use std::collections::BTreeMap;
use std::sync::Arc;

use minos_model::{Constraint, Version};

use crate::index::{NeedId, Package, ProvideView, Table, Term, TermId};

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

    /// The packages that meet `term`, in no order of preference, none twice.
    pub(crate) fn matching(&self, target: Symbol, constraint: &Constraint) -> Vec<PackageId> {
        let mut found = Vec::new();
        if target.0 < self.base.symbols() {
            for (package, version) in self.base.answering(target.0) {
                push_if(&mut found, PackageId(package.0), version, constraint);
            }
        }
        self.matching_overlay(target, constraint, &mut found);
        found
    }

    fn matching_overlay(
        &self,
        target: Symbol,
        constraint: &Constraint,
        found: &mut Vec<PackageId>,
    ) {
        for (package, version) in self.answering.get(&target.0).into_iter().flatten() {
            let version = version.map(|symbol| self.overlay.symbol(symbol));
            push_if(found, *package, version, constraint);
        }
    }

    /// The packages that meet a term of one of the tables. Those of the base are in the index already.
    pub(crate) fn matches(&self, term: TermRef) -> Vec<PackageId> {
        let (target, text) = self.term_symbols(term);
        if term.overlay {
            return constraint(text).map_or(Vec::new(), |wanted| self.matching(target, &wanted));
        }
        let mut found: Vec<_> = self.base.matches(term.term).map(|p| PackageId(p.0)).collect();
        if self.answering.contains_key(&target.0)
            && let Some(wanted) = constraint(text)
        {
            self.matching_overlay(target, &wanted, &mut found);
        }
        found
    }

    /// The target of a term, and its constraint as text.
    pub(crate) fn term_symbols(&self, term: TermRef) -> (Symbol, &str) {
        let table = self.table(term.overlay);
        let (target, constraint) = table.term(term.term);
        (self.global(term.overlay, target), table.symbol(constraint))
    }

    /// A term as it is told to people: `zlib >=1.2`.
    pub(crate) fn term_text(&self, term: TermRef) -> String {
        let (target, constraint) = self.term_symbols(term);
        term_text(self.text(target), constraint)
    }

    /// A term by value.
    pub(crate) fn term(&self, term: TermRef) -> Term {
        let (target, text) = self.term_symbols(term);
        Term {
            target: self.text(target).to_owned(),
            constraint: constraint(text).unwrap_or_default(),
        }
    }

    pub(crate) fn needs(&self, package: PackageId) -> impl Iterator<Item = NeedRef> + '_ {
        let overlay = self.is_overlay(package);
        let (table, local) = self.locate(package);
        table.needs(local).map(move |need| NeedRef { overlay, need })
    }

    /// The needs of one of its groups; `None` if it has no such group.
    pub(crate) fn group_needs(&self, package: PackageId, group: &str) -> Option<Vec<NeedRef>> {
        let overlay = self.is_overlay(package);
        let (table, local) = self.locate(package);
        let mut groups = table.groups(local);
        let (_, _, needs) = groups.find(|(name, _, _)| *name == group)?;
        Some(needs.map(|need| NeedRef { overlay, need }).collect())
    }

    pub(crate) fn alternatives(&self, need: NeedRef) -> impl Iterator<Item = TermRef> + '_ {
        let overlay = need.overlay;
        self.table(overlay).alternatives(need.need).map(move |term| TermRef { overlay, term })
    }

    pub(crate) fn condition(&self, need: NeedRef) -> Option<TermRef> {
        let overlay = need.overlay;
        self.table(overlay).condition(need.need).map(|term| TermRef { overlay, term })
    }

    pub(crate) fn conflicts(&self, package: PackageId) -> impl Iterator<Item = TermRef> + '_ {
        let overlay = self.is_overlay(package);
        let (table, local) = self.locate(package);
        table.conflicts(local).map(move |term| TermRef { overlay, term })
    }

    pub(crate) fn replaces(&self, package: PackageId) -> impl Iterator<Item = TermRef> + '_ {
        let overlay = self.is_overlay(package);
        let (table, local) = self.locate(package);
        table.replaces(local).map(move |term| TermRef { overlay, term })
    }

    /// What the package provides beside its name.
    pub fn provides(&self, package: PackageId) -> impl Iterator<Item = ProvideView<'_>> + '_ {
        let (table, local) = self.locate(package);
        table.provides(local)
    }

    /// The roles it plays.
    pub(crate) fn roles(&self, package: PackageId) -> impl Iterator<Item = Symbol> + '_ {
        let overlay = self.is_overlay(package);
        let exclusive = self.provides(package).filter(|provide| provide.exclusive);
        exclusive.map(move |provide| self.global(overlay, provide.symbol))
    }

    /// All conditions of all needs: the terms that switch a need on.
    pub(crate) fn all_conditions(&self) -> Vec<TermRef> {
        let of = |overlay| {
            let conditions = self.table(overlay).all_conditions().iter();
            conditions.map(move |term| TermRef { overlay, term: *term })
        };
        of(false).chain(of(true)).collect()
    }

    /// Packages of the repositories that replace something.
    pub(crate) fn replacing(&self) -> impl Iterator<Item = PackageId> + '_ {
        self.base.replacing().iter().map(|package| PackageId(package.0))
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

fn push_if(found: &mut Vec<PackageId>, id: PackageId, version: Option<&str>, wanted: &Constraint) {
    let accepted = wanted.is_any()
        || version.and_then(|v| v.parse().ok()).is_some_and(|v: Version| wanted.matches(&v));
    if accepted && !found.contains(&id) {
        found.push(id);
    }
}

/// The constraint of a text that an index holds. The builder wrote it from one; a text that is none is met by
/// nothing, and [`crate::check`] says so.
pub(crate) fn constraint(text: &str) -> Option<Constraint> {
    text.parse().ok()
}

/// `zlib >=1.2`; without constraint `zlib`.
pub(crate) fn term_text(target: &str, constraint: &str) -> String {
    if constraint.is_empty() { target.to_owned() } else { format!("{target} {constraint}") }
}
