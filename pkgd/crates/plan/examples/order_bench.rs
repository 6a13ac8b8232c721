//! Build order of 10,000 recipes: `cargo run --release -p minos-plan --example order_bench [-- --json] [--edges FILE]`.
//!
//! `--edges` also writes the graph as pairs for tsort(1), so that `tests/bench --packages` can compare.
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

/// One line for each dependency, what is needed first; a recipe without any stands beside itself.
fn write_edges(set: &RecipeSet, path: &str) -> std::io::Result<()> {
    let mut text = String::new();
    for recipe in set.iter() {
        text.push_str(&format!("{0} {0}\n", recipe.id));
        recipe.build.iter().for_each(|need| text.push_str(&format!("{need} {}\n", recipe.id)));
    }
    std::fs::write(path, text)
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
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = words.iter().position(|word| word == "--edges") {
        write_edges(&set, words.get(at + 1).ok_or("--edges takes a file")?)?;
    }
    if words.iter().any(|word| word == "--json") {
        let median = times[RUNS / 2].as_secs_f64() * 1e3;
        println!("{{\"work\":\"order\",\"wall_ms\":{median:.4}}}");
        return Ok(());
    }
    println!(
        "{RECIPES} recipes, {edges} edges: least {:?}, median {:?}",
        times[0],
        times[RUNS / 2]
    );
    Ok(())
}
