//! Which packages of an answer are there for the sake of which others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::rules::{Clause, Rules};
use crate::universe::PackageId;

/// Whether a clause counts beside these packages.
fn is_active(clause: &Clause, chosen: &BTreeSet<PackageId>) -> bool {
    clause.when.as_ref().is_none_or(|(_, packages)| packages.iter().any(|p| chosen.contains(p)))
}

/// What `package` uses of `chosen`: everything in it that meets one of its needs.
pub(crate) fn used<'a>(
    rules: &Rules<'_>,
    package: PackageId,
    chosen: &'a BTreeSet<PackageId>,
) -> impl Iterator<Item = PackageId> + 'a {
    let facts = rules.facts(package);
    let active = facts.clauses.iter().filter(|clause| is_active(clause, chosen));
    let options: Vec<PackageId> =
        active.flat_map(|clause| clause.options.iter().copied()).collect();
    options.into_iter().filter(|option| chosen.contains(option))
}

/// The packages of `chosen` that `roots` need, over any number of steps, each with the package by which it was
/// reached first; the roots with `None`.
pub(crate) fn reached(
    rules: &Rules<'_>,
    roots: impl IntoIterator<Item = PackageId>,
    chosen: &BTreeSet<PackageId>,
) -> BTreeMap<PackageId, Option<PackageId>> {
    let mut found = BTreeMap::new();
    let mut queue = VecDeque::new();
    for root in roots {
        if chosen.contains(&root) && found.insert(root, None).is_none() {
            queue.push_back(root);
        }
    }
    while let Some(package) = queue.pop_front() {
        for next in used(rules, package, chosen) {
            found.entry(next).or_insert_with(|| {
                queue.push_back(next);
                Some(package)
            });
        }
    }
    found
}
