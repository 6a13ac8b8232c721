//! `out/recipes.idx`: all recipes, checked and compiled into the one file the appliance carries.

use std::fs;
use std::path::Path;

use minos_recipe::{Lint, RecipeSet};

use crate::{Artefact, Error, How, Layout, Progress, Result, cache};

/// Checks that the recipes below `dir` have this target, long before somebody builds it. A recipe that cannot be read
/// may be what it names: then what is wrong with the recipes is the error.
pub fn has_target(dir: &Path, target: &str) -> Result<()> {
    let (set, lints) = RecipeSet::load(dir).map_err(|why| Error::request(why.to_string()))?;
    let Err(unknown) = set.resolve(target) else { return Ok(()) };
    let lints: Vec<String> =
        lints.iter().filter(|lint| lint.is_error()).map(Lint::to_string).collect();
    match lints.is_empty() {
        true => Err(Error::request(unknown.to_string())),
        false => Err(Error::Recipes { dir: dir.to_path_buf(), lints }),
    }
}

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

    /// A slip in the target of `qemu/up` was noticed when seed and sources were made.
    #[test]
    fn a_target_that_no_recipe_has_is_told_with_the_nearest() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../pkgd/recipes"));
        for target in ["demo/zlib", "lfs/all", "gcc:pass1", "lfs/toolchain@aarch64-lfs-linux-gnu"] {
            has_target(dir, target).unwrap();
        }
        let text = has_target(dir, "demo/zlbi").unwrap_err().to_string();
        assert!(text.contains("demo/zlbi") && text.contains("zlib"), "{text}");
    }

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
