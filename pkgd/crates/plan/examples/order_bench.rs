//! Build order of 10,000 recipes: `cargo run --release -p minos-plan --example order_bench`.
//!
//! Prints the least and the median wall time of `Plan::new` over several runs, for a graph of the shape of a
//! distribution: each recipe needs up to eight of those before it, the basic ones often.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use minos_plan::Plan;
use minos_recipe::RecipeSet;

const RECIPES: usize = 10_000;
const RUNS: usize = 21;

fn recipes() -> RecipeSet {
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        // Knuth's MMIX generator; the high bits are the good ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit.max(1)
    };
    let name = |at: usize| format!("r{at:05}");
    let mut list = Vec::with_capacity(RECIPES);
    for at in 0..RECIPES {
        // The lower of two draws: what is basic is needed often.
        let mut deps: Vec<String> =
            (0..below(9)).filter(|_| at > 0).map(|_| name(below(at).min(below(at)))).collect();
        deps.sort();
        deps.dedup();
        let deps: Vec<&str> = deps.iter().map(String::as_str).collect();
        list.push(common::recipe(&name(at), 0, 100, &deps));
    }
    common::set(list)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let set = recipes();
    let wanted: Vec<_> = set.iter().map(|recipe| recipe.id.clone()).collect();
    let mut times = Vec::with_capacity(RUNS);
    let mut edges = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        let plan = Plan::new(&set, &wanted)?;
        times.push(start.elapsed());
        edges = plan.edges().count();
    }
    times.sort();
    println!(
        "{RECIPES} recipes, {edges} edges: least {:?}, median {:?}",
        times[0],
        times[RUNS / 2]
    );
    Ok(())
}
