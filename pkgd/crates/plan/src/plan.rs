//! The steps a target needs, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use minos_model::suggest::nearest;
use minos_model::{Phase, Stage, StepId, TestLevel, Version};
use minos_recipe::{Recipe, RecipeSet};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::PlanError;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The step.
    pub id: StepId,
    /// The version it builds.
    pub version: Version,
    /// Its stage.
    pub stage: Stage,
    /// Place in the book, for ties.
    pub order: u32,
    /// Size in hundredths of a standard build unit.
    pub sbu_centi: u32,
    /// Positions of the steps it depends on, in the order in which their outputs are layered: the
    /// lowest first. The order depends on these steps and theirs alone, never on the target.
    pub inputs: Vec<usize>,
    /// Positions of the steps that only its test suite needs, in the order in which their outputs are layered above
    /// those of [`Self::inputs`]; none where the suite is not run. They have no part in the task key.
    pub check_inputs: Vec<usize>,
    /// Positions of the steps that depend on it, ascending.
    pub dependants: Vec<usize>,
    /// It was asked for, and is not here only because others need it.
    pub wanted: bool,
}

/// The steps a target needs. A step's position is its index in [`Self::steps`]; every step comes
/// after its inputs, and where there is a choice, book order and then the name decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Step>,
    positions: HashMap<StepId, usize>,
}

/// What a step needs another for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Build,
    Check,
}

/// Points from a dependency to its dependants.
type Graph<'a> = DiGraph<&'a Recipe, Need>;

/// Of each node its place by book order and then name. Names are compared for this once and not again.
struct Ranks(Vec<usize>);

impl Ranks {
    fn of(graph: &Graph<'_>) -> Self {
        let mut nodes: Vec<NodeIndex> = graph.node_indices().collect();
        nodes.sort_unstable_by_key(|node| (graph[*node].order, &graph[*node].id));
        let mut ranks = vec![0; nodes.len()];
        nodes.iter().enumerate().for_each(|(rank, node)| ranks[node.index()] = rank);
        Self(ranks)
    }
}

impl Plan {
    /// The plan for `target`, as [`RecipeSet::resolve`] understands it.
    ///
    /// # Errors
    /// An unknown target, a missing dependency, circles.
    pub fn for_target(set: &RecipeSet, target: &str) -> Result<Self, PlanError> {
        Self::new(set, &set.resolve(target)?)
    }

    /// As [`Self::for_target`], with what the test suites need that are run at this level.
    ///
    /// # Errors
    /// As those of [`Self::for_target`].
    pub fn tested(set: &RecipeSet, target: &str, tests: TestLevel) -> Result<Self, PlanError> {
        Self::planned(set, &set.resolve(target)?, tests)
    }

    /// The plan for `wanted` and all they need.
    ///
    /// # Errors
    /// A missing dependency, circles.
    pub fn new(set: &RecipeSet, wanted: &[StepId]) -> Result<Self, PlanError> {
        Self::planned(set, wanted, TestLevel::None)
    }

    fn planned(set: &RecipeSet, wanted: &[StepId], tests: TestLevel) -> Result<Self, PlanError> {
        let graph = closure(set, wanted, tests)?;
        let ranks = Ranks::of(&graph);
        let order = book_order(&graph, &ranks);
        if order.len() < graph.node_count() {
            return Err(PlanError::Cycles(cycles(set, &graph)));
        }
        let mut position = vec![0; graph.node_count()];
        for (at, node) in order.iter().enumerate() {
            position[node.index()] = at;
        }
        let wanted: HashSet<&StepId> = wanted.iter().collect();
        let mut steps: Vec<Step> =
            order.iter().map(|node| step(&graph, *node, &position, &wanted)).collect();
        let ranks: Vec<usize> = order.iter().map(|node| ranks.0[node.index()]).collect();
        layer_inputs(&mut steps, &ranks);
        let positions = steps.iter().enumerate().map(|(at, s)| (s.id.clone(), at)).collect();
        Ok(Self { steps, positions })
    }

    /// The steps, each after its inputs.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Where in [`Self::steps`] a step stands.
    pub fn position(&self, id: &StepId) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// All edges as (dependency, dependant), by position.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        let from = self.steps.iter().enumerate();
        from.flat_map(|(at, step)| step.dependants.iter().map(move |to| (at, *to)))
    }

    /// The stages of the plan in building order, with the number of steps of each.
    pub fn stages(&self) -> Vec<(Stage, usize)> {
        let mut stages: Vec<(Stage, usize)> = Vec::new();
        for step in &self.steps {
            match stages.iter_mut().find(|(stage, _)| *stage == step.stage) {
                Some((_, count)) => *count += 1,
                None => stages.push((step.stage, 1)),
            }
        }
        stages
    }
}

/// The graph of all steps that can be reached from `wanted`.
fn closure<'a>(
    set: &'a RecipeSet,
    wanted: &'a [StepId],
    tests: TestLevel,
) -> Result<Graph<'a>, PlanError> {
    let mut graph = Graph::new();
    let mut nodes: HashMap<&StepId, NodeIndex> = HashMap::new();
    let mut open = Vec::new();
    for id in wanted {
        if !nodes.contains_key(id) {
            let recipe = set.get(id).ok_or_else(|| missing(set, id, None))?;
            nodes.insert(id, push(&mut graph, recipe, &mut open));
        }
    }
    while let Some(node) = open.pop() {
        let Some(recipe) = graph.node_weight(node).copied() else { continue };
        let built_of = recipe.build.len();
        let suite = runs_suite(recipe, tests);
        let needs = recipe.needs().enumerate().filter(|(at, _)| suite || *at < built_of);
        for (at, id) in needs {
            let from = match nodes.get(id) {
                Some(known) => *known,
                None => {
                    let dep = set.get(id).ok_or_else(|| missing(set, id, Some(&recipe.id)))?;
                    let new = push(&mut graph, dep, &mut open);
                    nodes.insert(id, new);
                    new
                }
            };
            graph.add_edge(from, node, if at < built_of { Need::Build } else { Need::Check });
        }
    }
    Ok(graph)
}

/// Whether a build at the level `tests` runs the test suite of `recipe`.
pub fn runs_suite(recipe: &Recipe, tests: TestLevel) -> bool {
    recipe.scripts.contains_key(&Phase::Check) && tests.runs(recipe.check.critical)
}

fn push<'a>(graph: &mut Graph<'a>, recipe: &'a Recipe, open: &mut Vec<NodeIndex>) -> NodeIndex {
    let node = graph.add_node(recipe);
    open.push(node);
    node
}

fn missing(set: &RecipeSet, step: &StepId, needed_by: Option<&StepId>) -> PlanError {
    let names: Vec<String> = set.iter().map(|recipe| recipe.id.to_string()).collect();
    let near = nearest(&step.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
    PlanError::Missing { step: step.clone(), needed_by: needed_by.cloned().map(Box::new), near }
}

/// Kahn's algorithm with a heap in place of his queue, so that of all ready steps the first by book
/// order and name goes next. petgraph's `toposort` would respect the edges too, but its order among
/// equals depends on how the graph was put together. Shorter than the graph when there are circles.
fn book_order(graph: &Graph<'_>, ranks: &Ranks) -> Vec<NodeIndex> {
    let mut waits: Vec<usize> =
        graph.node_indices().map(|node| graph.neighbors_directed(node, Incoming).count()).collect();
    let entry = |node: NodeIndex| Reverse((ranks.0[node.index()], node));
    let mut ready: BinaryHeap<_> =
        graph.node_indices().filter(|node| waits[node.index()] == 0).map(entry).collect();
    let mut order = Vec::with_capacity(graph.node_count());
    while let Some(Reverse((_, node))) = ready.pop() {
        order.push(node);
        for next in graph.neighbors_directed(node, Outgoing) {
            waits[next.index()] -= 1;
            if waits[next.index()] == 0 {
                ready.push(entry(next));
            }
        }
    }
    order
}

/// The circles among the steps of the graph. It holds all that its steps depend on, so a circle of
/// the set lies in it wholly or not at all.
fn cycles(set: &RecipeSet, graph: &Graph<'_>) -> Vec<Vec<StepId>> {
    let inside = |id: &StepId| graph.node_weights().any(|recipe| recipe.id == *id);
    set.cycles().into_iter().filter(|cycle| cycle.first().is_some_and(inside)).collect()
}

fn step(graph: &Graph<'_>, node: NodeIndex, position: &[usize], wanted: &HashSet<&StepId>) -> Step {
    let sorted = |nodes: &mut dyn Iterator<Item = NodeIndex>| {
        let mut at: Vec<usize> = nodes.map(|n| position[n.index()]).collect();
        at.sort_unstable();
        at.dedup();
        at
    };
    let needed = |need: Need| {
        let edges = graph.edges_directed(node, Incoming);
        sorted(&mut edges.filter(|edge| *edge.weight() == need).map(|edge| edge.source()))
    };
    let recipe = graph[node];
    Step {
        id: recipe.id.clone(),
        version: recipe.version.clone(),
        stage: recipe.stage,
        order: recipe.order,
        sbu_centi: recipe.needs.sbu_centi,
        inputs: needed(Need::Build),
        check_inputs: needed(Need::Check),
        dependants: sorted(&mut graph.neighbors_directed(node, Outgoing)),
        wanted: wanted.contains(&recipe.id),
    }
}

/// Sorts the inputs of every step by depth (the longest chain below them), then book order, then
/// name. What depends on another lies above it, and the target has no say in it, unlike in the
/// position: the same step has the same root, and so the same key, in every plan. `ranks` has the place of
/// each step by book order and name.
///
/// Before all that, what was made without the seed lies above what was made on it, stage by stage: the final
/// system takes the place of the temporary tools, however little of them a part of it was built with.
fn layer_inputs(steps: &mut [Step], ranks: &[usize]) {
    let later = |stage: Stage| (!stage.seeded()).then_some(stage);
    let stages: Vec<_> = steps.iter().map(|step| later(step.stage)).collect();
    let mut depths = vec![0_usize; steps.len()];
    for at in 0..steps.len() {
        depths[at] = steps[at].inputs.iter().map(|input| depths[*input] + 1).max().unwrap_or(0);
        let place = |input: &usize| (stages[*input], depths[*input], ranks[*input]);
        steps[at].inputs.sort_unstable_by_key(place);
        steps[at].check_inputs.sort_unstable_by_key(place);
    }
}
