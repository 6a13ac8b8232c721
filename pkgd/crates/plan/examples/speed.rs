//! How long planning takes, as one JSON object a line. Run with `--release`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use minos_model::{Digest, Phase, Stage, StepId};
use minos_plan::{Estimates, Fingerprints, Outlook, Plan, Queue, Weights, World, outlook};
use minos_recipe::{Install, Limits, Needs, Recipe, RecipeSet, Script, SourcesLock};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let small = graph(120)?;
    let plan = Plan::new(&small, &ids(&small))?;
    let prints = Fingerprints::of(&small);
    let world =
        World { seed: Digest::of(b"seed"), sandbox_version: 1, cpu: "x86-64".to_owned(), epoch: 1 };
    let cache = filled(&plan, &prints, &world);
    let noop = best(|| {
        let plan = Plan::new(&small, &ids(&small)).unwrap_or_else(|_| plan.clone());
        let seen = outlook(&plan, &prints, &world, |key| cache.get(key).copied());
        seen.iter().filter(|o| matches!(o, Outlook::Cached { .. })).count()
    });
    report("plan-noop-120-us", noop, "1000");

    let large = graph(10_000)?;
    let wanted = ids(&large);
    report("plan-order-10000-us", best(|| Plan::new(&large, &wanted).is_ok().into()), "20000");
    let plan = Arc::new(Plan::new(&large, &wanted)?);
    let weights = Weights::new(&plan, &Estimates::new(BTreeMap::new(), 1000), |_, ms| ms);
    report("plan-queue-10000-us", best(|| drain(&plan, &weights)), "null");
    Ok(())
}

/// A graph as wide as a distribution's: each step needs up to four of the 40 before it.
fn graph(count: usize) -> Result<RecipeSet> {
    let mut recipes = Vec::with_capacity(count);
    let mut state = 1_u64;
    for i in 0..count {
        let mut build = Vec::new();
        for _ in 0..4.min(i) {
            // Knuth's MMIX generator: the same graph each time
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            build.push(name(i - 1 - usize::try_from(state >> 33)? % i.min(40))?);
        }
        build.sort();
        build.dedup();
        recipes.push(recipe(name(i)?, build)?);
    }
    Ok(RecipeSet::from_recipes(recipes, SourcesLock::default()))
}

fn name(i: usize) -> Result<StepId> {
    Ok(format!("package-{:05}", i * 7919 % 100_003).parse()?)
}

fn recipe(id: StepId, build: Vec<StepId>) -> Result<Recipe> {
    let script = Script { file: "install.sh".to_owned(), text: "make install\n".repeat(50) };
    Ok(Recipe {
        folder: id.to_string(),
        id,
        version: "1.0".parse()?,
        stage: Stage::System,
        order: 0,
        description: String::new(),
        license: String::new(),
        sources: Vec::new(),
        build,
        scripts: [(Phase::Install, script)].into(),
        files: BTreeMap::default(),
        env: BTreeMap::new(),
        needs: Needs { sbu_centi: 10, ..Needs::default() },
        limits: Limits::default(),
        install: Install { prefix: "/".to_owned(), setuid: Vec::new(), xattrs: Vec::new() },
        check: Default::default(),
        targets: Default::default(),
        package: Default::default(),
        groups: Vec::new(),
        text: String::new(),
    })
}

fn ids(set: &RecipeSet) -> Vec<StepId> {
    set.iter().map(|recipe| recipe.id.clone()).collect()
}

/// A cache in which every step of the plan is found.
fn filled(plan: &Plan, prints: &Fingerprints, world: &World) -> BTreeMap<Digest, Digest> {
    let mut cache = BTreeMap::new();
    let _ = outlook(plan, prints, world, |key| {
        cache.insert(*key, Digest::of(key.as_bytes()));
        cache.get(key).copied()
    });
    cache
}

fn drain(plan: &Arc<Plan>, weights: &Weights) -> usize {
    let mut queue = Queue::new(Arc::clone(plan), weights);
    let mut count = 0;
    while let Some(at) = queue.start() {
        queue.done(at);
        count += 1;
    }
    count
}

/// Microseconds of the fastest of 20 runs: the one least disturbed by others.
fn best(mut run: impl FnMut() -> usize) -> f64 {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..20).map(time).fold(f64::INFINITY, f64::min)
}

fn report(name: &str, value: f64, target: &str) {
    println!(
        "{{\"name\":\"{name}\",\"value\":{value:.1},\"unit\":\"us\",\"target\":{target},\
         \"peer\":null,\"ratio\":null}}"
    );
}
