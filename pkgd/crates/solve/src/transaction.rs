//! From two sets of packages to ordered steps.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::algo::kosaraju_scc;
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
    for component in ordered(rules, &before, true) {
        let gone = component.into_iter().filter(|p| replaced.is_removed(rules, *p, chosen));
        push(&mut steps, &mut together, gone.map(|p| (Action::Remove(p), Reason::Unneeded)));
    }
    for component in ordered(rules, chosen, false) {
        let new = component.into_iter().filter(|p| !before.contains(p));
        let new = new
            .map(|p| (replaced.action(rules, p), why.get(&p).copied().unwrap_or(Reason::Unneeded)));
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

/// The packages in an order in which each comes after what it needs, or before it where they leave. What needs each
/// other in a circle comes together. Where nothing else decides, the order is that of the numbers, which is by name.
fn ordered(
    rules: &Rules<'_>,
    packages: &BTreeSet<PackageId>,
    leaving: bool,
) -> Vec<Vec<PackageId>> {
    let mut graph = DiGraph::<PackageId, ()>::new();
    let nodes: BTreeMap<PackageId, NodeIndex> =
        packages.iter().map(|p| (*p, graph.add_node(*p))).collect();
    for (package, node) in &nodes {
        let needed: Vec<PackageId> = if leaving {
            ever_used(rules, *package)
        } else {
            used(rules, *package, packages).collect()
        };
        for next in needed {
            if let Some(needed) = nodes.get(&next) {
                let (first, then) = if leaving { (node, needed) } else { (needed, node) };
                graph.update_edge(*first, *then, ());
            }
        }
    }
    // Kosaraju's and not Tarjan's, which petgraph does by recursion as deep as the longest chain.
    let mut circles: Vec<Vec<PackageId>> = kosaraju_scc(&graph)
        .into_iter()
        .map(|circle| circle.iter().filter_map(|n| graph.node_weight(*n).copied()).collect())
        .collect();
    circles.iter_mut().for_each(|circle: &mut Vec<PackageId>| circle.sort_unstable());
    by_number(&graph, circles)
}

/// What meets any need of the package, also what this request does not allow: what goes was used until now.
fn ever_used(rules: &Rules<'_>, package: PackageId) -> Vec<PackageId> {
    let universe = rules.goal.universe;
    let terms = universe.needs(package).flat_map(|need| universe.alternatives(need));
    terms.flat_map(|term| universe.matches(term)).collect()
}

/// Kahn's algorithm over the circles, always taking the lowest that is ready.
fn by_number(graph: &DiGraph<PackageId, ()>, circles: Vec<Vec<PackageId>>) -> Vec<Vec<PackageId>> {
    let place: BTreeMap<PackageId, usize> =
        circles.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |p| (*p, i))).collect();
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); circles.len()];
    let mut waits = vec![0_usize; circles.len()];
    for edge in graph.raw_edges() {
        let at = |node| graph.node_weight(node).and_then(|p| place.get(p)).copied();
        let (Some(first), Some(then)) = (at(edge.source()), at(edge.target())) else { continue };
        if first != then && after.get_mut(first).is_some_and(|after| after.insert(then)) {
            waits.get_mut(then).into_iter().for_each(|count| *count += 1);
        }
    }
    let lowest = |i: usize| circles.get(i).and_then(|c| c.first()).copied();
    let ready = |waits: &[usize], i: usize| waits.get(i) == Some(&0);
    let mut open: BinaryHeap<_> =
        (0..circles.len()).filter(|i| ready(&waits, *i)).map(|i| Reverse((lowest(i), i))).collect();
    let mut order = Vec::with_capacity(circles.len());
    while let Some(Reverse((_, next))) = open.pop() {
        for then in after.get(next).into_iter().flatten() {
            waits.get_mut(*then).into_iter().for_each(|count| *count -= 1);
            if ready(&waits, *then) {
                open.push(Reverse((lowest(*then), *then)));
            }
        }
        order.extend(circles.get(next).cloned());
    }
    order
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
