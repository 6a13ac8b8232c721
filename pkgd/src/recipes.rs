//! The recipes as they lie there now: read anew when somebody has changed them, and never under the feet of a job.
//!
//! Whoever plans takes one [`Recipes`] and plans, keys and runs by that alone; a job keeps its own until it is over.

use std::fmt::Display;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use minos_plan::Fingerprints;
use minos_proto::{ErrorKind, ErrorReport};
use minos_recipe::{Lint, RecipeSet};

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
    /// How the files looked just before they were read; `None` where that says too little.
    stamp: Option<Stamp>,
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
        let seen = Stamp::settled(&self.path);
        if seen.is_none() || seen != last.stamp {
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

impl Last {
    fn read(path: &Path) -> Result<Self, String> {
        // Before the files are read: what changes meanwhile shows in the next look.
        let stamp = Stamp::settled(path);
        let (set, lints) = load(path)?;
        let prints = Fingerprints::of(&set);
        Ok(Self { stamp, recipes: Arc::new(Recipes { set, lints, prints }) })
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

/// How many seconds old the newest change must be before a stamp is believed. The kernel counts these times in ticks
/// of some milliseconds, on some file systems in whole seconds: a file may change twice within one.
const SETTLED_S: i64 = 2;

/// How a tree of files looks without opening one: names, inodes, sizes and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// The sum over all entries, so that the order in which a folder lists them does not matter.
    sum: u64,
    /// The newest change, in seconds since the Unix epoch.
    newest: i64,
}

impl Stamp {
    /// The stamp of what stands at `path`. `None` if it changed so lately that it may change again unseen, or
    /// cannot be looked at: whoever reads it is told why.
    fn settled(path: &Path) -> Option<Self> {
        let mut stamp = Self { sum: 0, newest: i64::MIN };
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            stamp.folder(path, 0, MAX_DEPTH).ok()?;
        } else {
            stamp.add(0, &metadata);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let age = i64::try_from(now).ok()?.checked_sub(stamp.newest)?;
        (age > SETTLED_S).then_some(stamp)
    }

    /// Adds what is in `dir`; `place` stands for its path below the top. Folders count by what they list: their own sizes and
    /// times change with every hidden file.
    fn folder(&mut self, dir: &Path, place: u64, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            // Hidden files are no part of recipes, and editors write them all the time.
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            let mut hash = DefaultHasher::new();
            (place, name.as_bytes()).hash(&mut hash);
            let here = hash.finish();
            if !entry.file_type()?.is_dir() {
                self.add(here, &entry.metadata()?);
            } else if depth > 0 {
                self.folder(&entry.path(), here, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Adds the file at `place`.
    fn add(&mut self, place: u64, metadata: &Metadata) {
        let mut hash = DefaultHasher::new();
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let file = (metadata.dev(), metadata.ino(), metadata.mode(), metadata.size());
        (place, file, modified, changed).hash(&mut hash);
        self.newest = self.newest.max(metadata.ctime());
        self.sum = self.sum.wrapping_add(hash.finish());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::{Library, MAX_DEPTH, Stamp};

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

    #[test]
    fn what_is_old_is_told_apart_by_names_sizes_and_times() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path());
        let (mut stamp, file) = (Stamp { sum: 0, newest: 0 }, dir.path().join("demo/a/install.sh"));
        let look = |stamp: &mut Stamp| {
            (stamp.sum, stamp.newest) = (0, 0);
            stamp.folder(dir.path(), 0, MAX_DEPTH).unwrap();
            stamp.sum
        };
        let first = look(&mut stamp);
        fs::write(dir.path().join("demo/a/.install.sh.swp"), "x").unwrap();
        assert_eq!(look(&mut stamp), first, "an editor's hidden file");
        let past = SystemTime::now() - Duration::from_secs(100);
        File::options().write(true).open(&file).unwrap().set_modified(past).unwrap();
        let second = look(&mut stamp);
        assert_ne!(second, first, "another time");
        fs::write(dir.path().join("demo/a/more.sh"), "").unwrap();
        assert_ne!(look(&mut stamp), second, "a file more");
    }
}
