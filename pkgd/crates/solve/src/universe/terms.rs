//! What packages need, provide and refuse, and which packages meet a term.

use minos_model::{Constraint, Version};

use super::{NeedRef, PackageId, Symbol, TermRef, Universe};
use crate::index::{ProvideView, Term};

impl Universe {
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
