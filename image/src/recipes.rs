//! `out/recipes.idx`: all recipes, checked and compiled into the one file the appliance carries.

use std::fs;
use std::path::Path;

use minos_recipe::{Lint, RecipeSet};

use crate::{Artefact, Error, How, Layout, Progress, Result, cache};

/// Compiles the recipes below `dir`. Warnings are reported; an error-level finding stops.
pub fn make(layout: &Layout, dir: &Path, progress: &dyn Progress) -> Result<Artefact> {
    let (set, lints) = RecipeSet::load(dir).map_err(|why| Error::request(why.to_string()))?;
    let (errors, warnings): (Vec<Lint>, Vec<Lint>) = lints.into_iter().partition(Lint::is_error);
    if !errors.is_empty() {
        let lints = errors.iter().map(Lint::to_string).collect();
        return Err(Error::Recipes { dir: dir.to_path_buf(), lints });
    }
    warnings.iter().for_each(|lint| progress.step(&lint.to_string()));
    let to = layout.out("recipes.idx");
    let parent = layout.out("");
    fs::create_dir_all(&parent).map_err(Error::io("create directory", &parent))?;
    let fresh = cache::Fresh::of(&to);
    fs::write(fresh.path(), set.compile()).map_err(Error::io("write", &to))?;
    fresh.place()?;
    Artefact::of("recipes.idx", &to, How::Made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::progress::Silent;

    #[test]
    fn a_broken_recipe_stops_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let layout =
            Layout::new(dir.path().into(), dir.path().join("out"), Cache::new(dir.path().into()));
        let recipes = dir.path().join("recipes");
        fs::create_dir_all(recipes.join("demo/x")).unwrap();
        fs::write(recipes.join("sources.lock"), "schema = 1\n").unwrap();
        fs::write(recipes.join("demo/x/recipe.toml"), "nonsense = true\n").unwrap();
        let text = make(&layout, &recipes, &Silent).unwrap_err().to_string();
        assert!(text.contains("demo/x/recipe.toml") && text.contains("error"), "{text}");
        assert!(!layout.out("recipes.idx").exists());
    }
}
