//! Recipes, the lock of their sources, and the index of both.

use std::collections::BTreeMap;

use minos_recipe::{RecipeSet, SourcesLock};

/// Other files of the folder that the recipe under test stands in.
fn folder(recipe: &[u8], lock: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    BTreeMap::from([
        file("sources.lock", lock),
        file("demo/x/recipe.toml", recipe),
        file("demo/x/build.sh", b"make\n"),
        file("demo/x/install.sh", b"make install\n"),
        file("demo/x/check.sh", b"make check\n"),
        file("demo/x/conf/fix.patch", b"-a\n+b\n"),
        file("demo/x/expected.txt", b"tests/a # why\n"),
    ])
}

/// Sources that a recipe under test may name.
const LOCK: &str = include_str!("../corpus/lock/places.toml");

/// A `recipe.toml`, in a folder with scripts and a lock.
pub fn recipe(bytes: &[u8]) -> bool {
    let (set, lints) = RecipeSet::from_files(&folder(bytes, LOCK.as_bytes()));
    assert!(lints.is_sorted());
    assert!(lints.iter().all(|lint| !lint.to_string().is_empty()));
    let compiled = set.compile();
    assert_eq!(RecipeSet::from_compiled(&compiled).expect("it was just written"), set);
    !set.is_empty()
}

/// A `sources.lock`.
pub fn lock(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match SourcesLock::parse("sources.lock", text) {
        Err(error) => {
            assert!(!error.cause.is_empty() && !error.hint.is_empty());
            false
        }
        Ok(lock) => {
            let plain =
                |name: &str| !name.is_empty() && name != ".." && !name.contains(['/', '\0']);
            assert!(
                lock.iter().all(|source| plain(&source.file)),
                "a file outside of the folder of sources"
            );
            true
        }
    }
}

/// The recipe index that the appliance carries.
pub fn recipe_index(bytes: &[u8]) -> bool {
    let Ok(set) = RecipeSet::from_compiled(bytes) else { return false };
    assert_eq!(set.compile(), bytes, "an index in another encoding");
    true
}
