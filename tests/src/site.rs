//! A publisher with a folder of packages and a machine that takes them: one pkgd, and the real pkgctl.

use std::fs;

use serde_json::Value;

use crate::room::Room;
use crate::{Daemon, Recipes, Root};

/// A room, a state that trusts its key, and the words that lead pkgctl to that state.
#[derive(Debug)]
pub struct Site {
    /// Where a person works.
    pub room: Room,
    /// The state.
    pub root: Root,
    /// Its pkgd.
    pub daemon: Daemon,
    _recipes: Recipes,
    /// The words that lead pkgctl to it.
    pub at: String,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// With the repository `site`, the folder of that name.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new() -> Self {
        let room = Room::new();
        room.key("ann");
        fs::create_dir(room.path("site")).expect("a folder");
        let recipes = Recipes::new();
        let root = Root::new(recipes.path());
        let daemon = root.start();
        let at = format!("--root {}", root.path().display());
        let site = Self { room, root, daemon, _recipes: recipes, at };
        site.json("key trust ann.pub");
        site.json("repo add site ./site");
        site
    }

    /// Packs into the repository, and has pkgd look again.
    #[track_caller]
    pub fn offer(&self, name: &str, version: &str, more: &str) -> Value {
        self.room.pack("site", name, version, more);
        self.json("repo sync")
    }

    /// The answer to these words in JSON.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        self.room.json(&format!("{} {words}", self.at))
    }

    /// What a change says, on one line.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn change(&self, words: &str) -> String {
        let output = self.room.pkgctl(&format!("{} {words} --yes", self.at));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {output:?}");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// That these words are refused with this exit status; what is said.
    #[track_caller]
    pub fn refused(&self, words: &str, code: i32) -> String {
        self.room.refused(&format!("{} {words}", self.at), code)
    }
}

/// The values of a column.
pub fn column(value: &Value, grid: &str, name: &str) -> Vec<String> {
    let rows = value[grid].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| words(&row[name])).collect()
}

/// A field as text; of a list its items.
pub fn words(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
