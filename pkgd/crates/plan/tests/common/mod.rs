//! Made-up recipes.

use minos_model::{Digest, StepId};
use minos_plan::World;
use minos_recipe::{Install, Limits, Needs, Recipe, RecipeSet, SourcesLock};

pub fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

pub fn recipe(name: &str, order: u32, sbu_centi: u32, deps: &[&str]) -> Recipe {
    let mut build: Vec<StepId> = deps.iter().map(|dep| id(dep)).collect();
    build.sort();
    Recipe {
        id: id(name),
        version: "1.0".parse().unwrap(),
        stage: minos_model::Stage::Demo,
        order,
        description: String::new(),
        license: "MIT".to_owned(),
        sources: Vec::new(),
        build,
        scripts: Default::default(),
        files: Default::default(),
        env: Default::default(),
        needs: Needs { sbu_centi, ..Needs::default() },
        limits: Limits::default(),
        install: Install { prefix: "/usr".to_owned(), setuid: Vec::new(), xattrs: Vec::new() },
        check: Default::default(),
        targets: Default::default(),
        package: Default::default(),
        groups: Vec::new(),
        folder: format!("demo/{name}"),
        text: String::new(),
    }
}

pub fn set(recipes: Vec<Recipe>) -> RecipeSet {
    RecipeSet::from_recipes(recipes, SourcesLock::default())
}

#[allow(dead_code, reason = "not every test file needs it")]
pub fn world() -> World {
    World { seed: Digest::of(b"seed"), sandbox_version: 1, cpu: "x86-64".to_owned(), epoch: 1 }
}
