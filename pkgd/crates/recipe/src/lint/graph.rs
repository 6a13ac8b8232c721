//! What can be wrong between recipes: dependencies nobody provides, circles.

use std::collections::BTreeMap;

use minos_model::StepId;

use super::{Lint, Rule};
use crate::error::line_of;
use crate::recipe::Recipe;
use minos_model::suggest::nearest;

/// The steps of a graph and what each depends on.
pub(crate) type Recipes = BTreeMap<StepId, Recipe>;

pub(crate) fn check(recipes: &Recipes) -> Vec<Lint> {
    let names: Vec<String> = recipes.keys().map(StepId::to_string).collect();
    let mut lints = Vec::new();
    for recipe in recipes.values() {
        for dep in recipe.needs().filter(|dep| !recipes.contains_key(*dep)) {
            let message = format!("{} depends on '{dep}', and no recipe provides it", recipe.id);
            let hint = match nearest(&dep.to_string(), names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "write its recipe, or remove the dependency".to_owned(),
            };
            lints.push(at_dependency(Rule::UnknownDependency, recipe, dep, message, &hint));
        }
    }
    for cycle in cycles(recipes) {
        if let Some((recipe, dep)) = cycle.first().and_then(|id| recipes.get(id)).zip(cycle.get(1))
        {
            let message = format!("steps depend on each other: {}", describe(&cycle));
            let hint = "break the circle, for example by a separate pass";
            lints.push(at_dependency(Rule::Cycle, recipe, dep, message, hint));
        }
    }
    lints
}

/// `a -> b -> a`, the first step at both ends.
pub(crate) fn describe(cycle: &[StepId]) -> String {
    cycle.iter().chain(cycle.first()).map(StepId::to_string).collect::<Vec<_>>().join(" -> ")
}

fn at_dependency(rule: Rule, recipe: &Recipe, dep: &StepId, message: String, hint: &str) -> Lint {
    let line = recipe.text.find(&format!("\"{dep}\"")).map(|at| line_of(&recipe.text, at));
    Lint::new(rule, &format!("{}/recipe.toml", recipe.folder), line, message, hint)
}

/// Every circle that a depth-first walk in the order of names closes, each starting with its
/// smallest name; `a` depends on `b` in `[a, b]`. Empty exactly when there is none.
pub(crate) fn cycles(recipes: &Recipes) -> Vec<Vec<StepId>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        OnPath,
        Done,
    }
    let mut marks: BTreeMap<&StepId, Mark> = BTreeMap::new();
    let mut found = Vec::new();
    for start in recipes.keys() {
        if marks.contains_key(start) {
            continue;
        }
        // a stack of its own: a chain of 10,000 steps would overflow the thread's
        let mut path: Vec<(&StepId, usize)> = vec![(start, 0)];
        marks.insert(start, Mark::OnPath);
        while let Some((step, next)) = path.last_mut() {
            let step = *step;
            let Some((dep, _)) = recipes
                .get(step)
                .and_then(|recipe| recipe.needs().nth(*next))
                .and_then(|dep| recipes.get_key_value(dep))
                .or_else(|| skip_unknown(recipes, step, next))
            else {
                marks.insert(step, Mark::Done);
                path.pop();
                continue;
            };
            *next += 1;
            match marks.get(dep) {
                Some(Mark::Done) => {}
                Some(Mark::OnPath) => found.push(rotated(&path, dep)),
                None => {
                    marks.insert(dep, Mark::OnPath);
                    path.push((dep, 0));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Moves `next` on to the first dependency from there that exists.
fn skip_unknown<'a>(
    recipes: &'a Recipes,
    step: &StepId,
    next: &mut usize,
) -> Option<(&'a StepId, &'a Recipe)> {
    let recipe = recipes.get(step)?;
    while let Some(dep) = recipe.needs().nth(*next) {
        if let Some(known) = recipes.get_key_value(dep) {
            return Some(known);
        }
        *next += 1;
    }
    None
}

/// The part of the path from `first` on, turned so that its smallest name leads.
fn rotated(path: &[(&StepId, usize)], first: &StepId) -> Vec<StepId> {
    let from = path.iter().position(|(step, _)| *step == first).unwrap_or(0);
    let mut cycle: Vec<StepId> = path.iter().skip(from).map(|(step, _)| (*step).clone()).collect();
    let smallest = (0..cycle.len()).min_by_key(|i| &cycle[*i]).unwrap_or(0);
    cycle.rotate_left(smallest);
    cycle
}
