//! From two sets of packages to ordered steps.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::answer::{Action, Reason, Step};
use crate::reach::used;
use crate::rules::Rules;
use crate::universe::{PackageId, Symbol};

/// The steps from what is installed to `chosen`. `why` has the reason of each chosen package.
pub(crate) fn steps(
    rules: &Rules<'_>,
    chosen: &BTreeSet<PackageId>,
    why: &BTreeMap<PackageId, Reason>,
) -> Vec<Step> {
    let before: BTreeSet<PackageId> = rules.goal.installed.values().copied().collect();
    let mut replaced = Replaced::default();
    for new in chosen.difference(&before) {
        replaced.note(rules, *new, &before, chosen);
    }
    let mut steps = Vec::new();
    let mut together = 0;
    // What goes: an order in which each package goes before what it needs.
    let mut leaving = components(rules, &before);
    leaving.reverse();
    for component in leaving {
        let gone = component.into_iter().filter(|p| replaced.is_removed(rules, *p, chosen));
        push(&mut steps, &mut together, gone.map(|p| (Action::Remove(p), Reason::Unneeded)));
    }
    for component in components(rules, chosen) {
        let new = component.into_iter().filter(|p| !before.contains(p));
        let new = new.map(|p| {
            (replaced.action(rules, p), why.get(&p).copied().unwrap_or(Reason::Unneeded))
        });
        push(&mut steps, &mut together, new);
    }
    steps
}

/// Adds the steps of one component under one number.
fn push(
    steps: &mut Vec<Step>,
    together: &mut u32,
    actions: impl Iterator<Item = (Action, Reason)>,
) {
    let before = steps.len();
    steps.extend(actions.map(|(action, reason)| Step { action, reason, together: *together }));
    *together += u32::from(steps.len() > before);
}

/// The packages in an order in which each comes after what it needs; what needs each other in a circle comes
/// together, sorted.
fn components(rules: &Rules<'_>, packages: &BTreeSet<PackageId>) -> Vec<Vec<PackageId>> {
    let mut graph = DiGraph::<PackageId, ()>::new();
    let nodes: BTreeMap<PackageId, NodeIndex> =
        packages.iter().map(|p| (*p, graph.add_node(*p))).collect();
    for (package, node) in &nodes {
        for next in used(rules, *package, packages) {
            if let Some(to) = nodes.get(&next) {
                graph.update_edge(*node, *to, ());
            }
        }
    }
    let mut found = Vec::with_capacity(nodes.len());
    for component in tarjan_scc(&graph) {
        let ids = component.into_iter().filter_map(|node| graph.node_weight(node).copied());
        let mut ids: Vec<PackageId> = ids.collect();
        ids.sort_unstable();
        found.push(ids);
    }
    found
}

/// Which new package takes the place of which installed ones.
#[derive(Default)]
struct Replaced {
    /// New package -> installed ones of other names.
    by_new: BTreeMap<PackageId, Vec<PackageId>>,
    old: BTreeSet<PackageId>,
}

impl Replaced {
    fn note(
        &mut self,
        rules: &Rules<'_>,
        new: PackageId,
        before: &BTreeSet<PackageId>,
        chosen: &BTreeSet<PackageId>,
    ) {
        let universe = rules.goal.universe;
        for term in universe.replaces(new) {
            let (target, text) = universe.term_symbols(term);
            let Some(old) = rules.goal.installed.get(&target).copied() else { continue };
            let wanted = crate::universe::constraint(text);
            let fits = crate::goal::meets(universe, old, &wanted);
            let leaves = before.contains(&old) && !self.stays(rules, target, chosen);
            if fits && leaves && self.old.insert(old) {
                self.by_new.entry(new).or_default().push(old);
            }
        }
    }

    /// Whether some version of the name is chosen.
    fn stays(&self, rules: &Rules<'_>, name: Symbol, chosen: &BTreeSet<PackageId>) -> bool {
        let universe = rules.goal.universe;
        universe.named_symbol(name).iter().any(|p| chosen.contains(p))
    }

    fn is_removed(&self, rules: &Rules<'_>, old: PackageId, chosen: &BTreeSet<PackageId>) -> bool {
        let name = rules.goal.universe.name_symbol(old);
        !self.old.contains(&old) && !self.stays(rules, name, chosen)
    }

    fn action(&self, rules: &Rules<'_>, new: PackageId) -> Action {
        if let Some(old) = self.by_new.get(&new) {
            return Action::Replace { old: old.clone(), new };
        }
        let name = rules.goal.universe.name_symbol(new);
        match rules.goal.installed.get(&name).copied() {
            None => Action::Install(new),
            Some(from) if rules.goal.is_older(new, from) => Action::Downgrade { from, to: new },
            Some(from) => Action::Upgrade { from, to: new },
        }
    }
}
