//! The recipes as they lie there now: read anew when somebody has changed them, and never under the feet of a job.
//!
//! Whoever plans takes one [`Recipes`] and plans, keys and runs by that alone; a job keeps its own until it is over.

mod stamp;
mod watch;

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use minos_plan::Fingerprints;
use minos_proto::{ErrorKind, ErrorReport};
use minos_recipe::{Lint, RecipeSet};

use stamp::Stamp;
use watch::Watch;

/// All recipes as they were read at one moment, with what follows from them.
pub struct Recipes {
    /// The recipes.
    pub set: RecipeSet,
    /// What the linter said of them.
    pub lints: Vec<Lint>,
    /// Their digests, for task keys.
    pub prints: Fingerprints,
}

/// The place the recipes are read from, and what was read there last.
pub struct Library {
    path: PathBuf,
    last: Mutex<Last>,
}

struct Last {
    /// From before they were read: what changes meanwhile shows in the next look.
    guard: Guard,
    recipes: Arc<Recipes>,
}

impl Library {
    /// Reads the recipes at `path`, a folder or a compiled index.
    ///
    /// # Errors
    /// They cannot be read at all; what is wrong with a single one is among the lints.
    pub fn open(path: &Path) -> Result<Self, String> {
        let last = Mutex::new(Last::read(path)?);
        Ok(Self { path: path.to_owned(), last })
    }

    /// The recipes as they are now: read again if a file has come, gone or changed since the last time.
    ///
    /// # Errors
    /// They changed and cannot be read; what was read before stays what [`Self::loaded`] gives.
    pub fn current(&self) -> Result<Arc<Recipes>, ErrorReport> {
        // Two who ask at once wait for one reading.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.guard.unchanged(&self.path) {
            // The kernel tells once, and they may not be readable now.
            last.guard = Guard::Stamp(None);
            *last = Last::read(&self.path).map_err(|what| {
                ErrorReport::new(ErrorKind::Recipe, what, "pkgd was started with this path")
            })?;
        }
        Ok(Arc::clone(&last.recipes))
    }

    /// The recipes as they were read last, without a look at the files.
    pub fn loaded(&self) -> Arc<Recipes> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner).recipes)
    }
}

/// What tells that files have not changed.
enum Guard {
    /// The kernel.
    Watch(Watch),
    /// How they looked; `None` where that says too little.
    Stamp(Option<Stamp>),
}

impl Guard {
    fn over(path: &Path) -> Self {
        Watch::over(path).map_or_else(|| Self::Stamp(Stamp::settled(path)), Self::Watch)
    }

    fn unchanged(&self, path: &Path) -> bool {
        match self {
            Self::Watch(watch) => watch.is_quiet(path),
            Self::Stamp(before) => before.is_some() && *before == Stamp::settled(path),
        }
    }
}

impl Last {
    fn read(path: &Path) -> Result<Self, String> {
        let guard = Guard::over(path);
        let (set, lints) = load(path)?;
        let prints = Fingerprints::of(&set);
        Ok(Self { guard, recipes: Arc::new(Recipes { set, lints, prints }) })
    }
}

fn load(path: &Path) -> Result<(RecipeSet, Vec<Lint>), String> {
    let on = |e: &dyn Display| format!("recipes {}: {e}", path.display());
    if path.is_dir() {
        return RecipeSet::load(path).map_err(|e| on(&e));
    }
    let bytes = fs::read(path).map_err(|e| on(&e))?;
    // A compiled index was linted when it was made, and holds nothing with errors.
    RecipeSet::from_compiled(&bytes).map(|set| (set, Vec::new())).map_err(|e| on(&e))
}

/// Deeper than any recipe has files; what lies deeper is not looked at.
const MAX_DEPTH: usize = 8;

/// Hidden files are no part of recipes, and editors write them all the time.
fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::{Library, Stamp};

    /// A recipes' folder with one step, `demo/a`.
    fn folder(dir: &Path) {
        fs::create_dir_all(dir.join("demo/a")).unwrap();
        fs::write(dir.join("sources.lock"), "schema = 1\n").unwrap();
        let recipe = "schema = 1\nname = \"a\"\nversion = \"1\"\nstage = \"demo\"\norder = 1\n\
            description = \"A\"\nlicense = \"MIT\"\n[phases]\ninstall = \"install.sh\"\n";
        fs::write(dir.join("demo/a/recipe.toml"), recipe).unwrap();
        fs::write(dir.join("demo/a/install.sh"), "mkdir -p /usr\n").unwrap();
    }

    fn script(library: &Library) -> String {
        let recipes = library.current().unwrap();
        let recipe = recipes.set.get(&"a".parse().unwrap()).unwrap();
        recipe.phases().into_iter().last().unwrap().1
    }

    /// A file that was written twice within one tick of the clock, with the same length, looked the same.
    #[test]
    fn what_changed_just_now_is_read_again_each_time() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path());
        assert_eq!(Stamp::settled(dir.path()), None);
        let library = Library::open(dir.path()).unwrap();
        for text in ["mkdir -p /opt\n", "mkdir -p /srv\n", "mkdir -p /var\n"] {
            fs::write(dir.path().join("demo/a/install.sh"), text).unwrap();
            assert_eq!(script(&library), text);
        }
    }

    /// The kernel tells of a change once: a library that could not be read then passed for unchanged with the next request.
    #[test]
    fn what_could_not_be_read_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (top, aside) = (dir.path().join("recipes"), dir.path().join("aside"));
        folder(&top);
        let library = Library::open(&top).unwrap();
        fs::rename(&top, &aside).unwrap();
        assert!(library.current().is_err());
        assert!(library.current().is_err());
        fs::write(aside.join("demo/a/install.sh"), "mkdir -p /opt\n").unwrap();
        fs::rename(&aside, &top).unwrap();
        assert_eq!(script(&library), "mkdir -p /opt\n");
    }

    #[test]
    fn who_took_recipes_keeps_them_whatever_becomes_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path());
        let library = Library::open(dir.path()).unwrap();
        let before = library.current().unwrap();
        fs::remove_dir_all(dir.path().join("demo/a")).unwrap();
        assert!(before.set.get(&"a".parse().unwrap()).is_some());
        assert!(library.current().unwrap().set.get(&"a".parse().unwrap()).is_none());
        fs::remove_dir_all(dir.path()).unwrap();
        let loaded = library.loaded();
        assert!(library.current().is_err());
        assert!(Arc::ptr_eq(&loaded, &library.loaded()), "nothing else changes");
    }
}
