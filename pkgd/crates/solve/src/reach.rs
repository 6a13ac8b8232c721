//! Which packages of an answer are there for the sake of which others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::rules::{Clause, Rules};
use crate::universe::PackageId;

/// A set of packages that is asked often and never changed: one bit for each package up to the last one in it.
pub(crate) struct Members(Vec<u64>);

impl Members {
    pub fn of(packages: &BTreeSet<PackageId>) -> Self {
        let mut bits = vec![0; packages.last().map_or(0, |last| last.0 as usize / 64 + 1)];
        for package in packages {
            if let Some(word) = bits.get_mut(package.0 as usize / 64) {
                *word |= 1 << (package.0 % 64);
            }
        }
        Self(bits)
    }

    /// Takes a package out; whether it was in.
    fn remove(&mut self, package: PackageId) -> bool {
        let was = self.contains(package);
        if let Some(word) = self.0.get_mut(package.0 as usize / 64) {
            *word &= !(1 << (package.0 % 64));
        }
        was
    }

    pub fn contains(&self, package: PackageId) -> bool {
        let word = self.0.get(package.0 as usize / 64);
        word.is_some_and(|word| word >> (package.0 % 64) & 1 == 1)
    }
}

/// Whether a clause counts beside these packages.
fn is_active(clause: &Clause, chosen: &Members) -> bool {
    clause.when.as_ref().is_none_or(|(_, packages)| packages.iter().any(|p| chosen.contains(*p)))
}

/// Adds to `found` what `package` uses of `chosen`: everything in it that meets one of its needs.
pub(crate) fn used(
    rules: &Rules<'_>,
    package: PackageId,
    chosen: &Members,
    found: &mut Vec<PackageId>,
) {
    let facts = rules.facts(package);
    for clause in facts.clauses.iter().filter(|clause| is_active(clause, chosen)) {
        found.extend(clause.options.iter().filter(|option| chosen.contains(**option)));
    }
}

/// The packages of `chosen` that `roots` need, over any number of steps, each with the package by which it was
/// reached first; the roots with `None`.
pub(crate) fn reached(
    rules: &Rules<'_>,
    roots: impl IntoIterator<Item = PackageId>,
    chosen: &BTreeSet<PackageId>,
) -> BTreeMap<PackageId, Option<PackageId>> {
    let members = Members::of(chosen);
    let mut unseen = Members::of(chosen);
    let mut found = BTreeMap::new();
    let mut queue = VecDeque::new();
    for root in roots {
        if unseen.remove(root) {
            found.insert(root, None);
            queue.push_back(root);
        }
    }
    let mut next = Vec::new();
    while let Some(package) = queue.pop_front() {
        next.clear();
        used(rules, package, &members, &mut next);
        for next in &next {
            if unseen.remove(*next) {
                found.insert(*next, Some(package));
                queue.push_back(*next);
            }
        }
    }
    found
}
