//! From two sets of packages to ordered steps.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::answer::{Action, Reason, Step};
use crate::reach::{Members, used};
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
    let nodes: HashMap<PackageId, NodeIndex> =
        packages.iter().map(|p| (*p, graph.add_node(*p))).collect();
    let members = Members::of(packages);
    let mut needed = Vec::new();
    for package in packages {
        needed.clear();
        if leaving {
            ever_used(rules, *package, &mut needed);
        } else {
            used(rules, *package, &members, &mut needed);
        }
        needed.sort_unstable();
        needed.dedup();
        let Some(node) = nodes.get(package) else { continue };
        for needed in needed.iter().filter_map(|p| nodes.get(p)) {
            let (first, then) = if leaving { (node, needed) } else { (needed, node) };
            graph.add_edge(*first, *then, ());
        }
    }
    // Kosaraju's and not Tarjan's, which petgraph does by recursion as deep as the longest chain.
    by_number(&graph, kosaraju_scc(&graph))
}

/// What meets any need of the package, also what this request does not allow: what goes was used until now.
fn ever_used(rules: &Rules<'_>, package: PackageId, found: &mut Vec<PackageId>) {
    let universe = rules.goal.universe;
    let terms = universe.needs(package).flat_map(|need| universe.alternatives(need));
    found.extend(terms.flat_map(|term| universe.matches(term)));
}

/// Kahn's algorithm over the circles, always taking the lowest that is ready. Nodes were added in the order of the
/// packages, so a lower node is a lower package.
fn by_number(
    graph: &DiGraph<PackageId, ()>,
    mut circles: Vec<Vec<NodeIndex>>,
) -> Vec<Vec<PackageId>> {
    circles.iter_mut().for_each(|circle| circle.sort_unstable());
    circles.sort_unstable();
    let mut place = vec![0; graph.node_count()];
    for (number, circle) in circles.iter().enumerate() {
        circle.iter().for_each(|node| place[node.index()] = number);
    }
    let mut edges: Vec<(usize, usize)> = graph
        .raw_edges()
        .iter()
        .map(|edge| (place[edge.source().index()], place[edge.target().index()]))
        .filter(|(first, then)| first != then)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut waits = vec![0_usize; circles.len()];
    edges.iter().for_each(|(_, then)| waits[*then] += 1);
    let mut open: BinaryHeap<Reverse<usize>> =
        (0..circles.len()).filter(|i| waits[*i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(circles.len());
    while let Some(Reverse(next)) = open.pop() {
        let start = edges.partition_point(|(first, _)| *first < next);
        for (_, then) in edges[start..].iter().take_while(|(first, _)| *first == next) {
            waits[*then] -= 1;
            if waits[*then] == 0 {
                open.push(Reverse(*then));
            }
        }
        let weights = circles[next].iter().filter_map(|node| graph.node_weight(*node).copied());
        order.push(weights.collect());
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
            let fits = wanted.is_some_and(|wanted| crate::goal::meets(universe, old, &wanted));
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
