//! All recipes together: look-up, groups, targets.

use std::collections::{BTreeMap, BTreeSet};

use minos_model::{Name, StepId};

use crate::cross::ForTarget;
use crate::found::Odds;
use crate::lint::{Lint, Rule, graph, package, script};
use crate::lock::SourcesLock;
use crate::recipe::Recipe;
use crate::resolve::{Beside, Resolver, Scripts};
use crate::target::space;
use crate::{ParseError, cross, draft::Draft};

/// The name of the lock in the recipes' folder.
pub const LOCK_FILE: &str = "sources.lock";

/// All usable recipes and the lock of their sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeSet {
    pub(crate) recipes: BTreeMap<StepId, Recipe>,
    /// Made of `recipes`, for every machine but the native one.
    pub(crate) crossed: BTreeMap<StepId, Recipe>,
    pub(crate) lock: SourcesLock,
}

impl RecipeSet {
    /// A set of these recipes, without any check: for tests and generated graphs. Of two recipes
    /// for one step the last stays.
    pub fn from_recipes(recipes: impl IntoIterator<Item = Recipe>, lock: SourcesLock) -> Self {
        let recipes: BTreeMap<StepId, Recipe> =
            recipes.into_iter().map(|r| (r.id.clone(), r)).collect();
        Self { crossed: cross::derive(&recipes), recipes, lock }
    }

    /// The recipe of a step, also of one for another machine.
    pub fn get(&self, id: &StepId) -> Option<&Recipe> {
        let recipes = if id.target().is_some() { &self.crossed } else { &self.recipes };
        recipes.get(id)
    }

    /// All recipes as they are written, sorted by step.
    pub fn iter(&self) -> impl Iterator<Item = &Recipe> {
        self.recipes.values()
    }

    /// All recipes, and then what becomes of them for other machines.
    pub fn with_crossed(&self) -> impl Iterator<Item = &Recipe> {
        self.iter().chain(self.crossed.values())
    }

    /// How many recipes there are, as they are written.
    pub fn len(&self) -> usize {
        self.recipes.len()
    }

    /// There is no recipe.
    pub fn is_empty(&self) -> bool {
        self.recipes.is_empty()
    }

    /// The lock of the sources.
    pub fn lock(&self) -> &SourcesLock {
        &self.lock
    }

    /// Every circle of dependencies, each starting with its smallest name (`[a, b]`: a depends on
    /// b, b on a). Empty exactly when there is none.
    pub fn cycles(&self) -> Vec<Vec<StepId>> {
        graph::cycles(&self.recipes)
    }

    /// Makes a set of the files of a recipes' folder, by path below it, and says what is wrong with
    /// them. Recipes with an error of their own are left out; those whose dependencies are missing
    /// or run in a circle are in the set, and the plan refuses them by name.
    ///
    /// Findings are sorted by file, line and rule.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> (Self, Vec<Lint>) {
        Self::from_found(files, &Odds::new())
    }

    /// [`Self::from_files`], of a folder in which there also is what cannot be read.
    pub(crate) fn from_found(files: &BTreeMap<String, Vec<u8>>, odd: &Odds) -> (Self, Vec<Lint>) {
        let mut lints = Vec::new();
        let lock = read_lock(files, &mut lints);
        let mut set = Self::default();
        let mut wanted = Vec::new();
        for folder in folders(files, odd) {
            let place = Place { files, odd, folder: &folder, lock: lock.as_ref() };
            if let Some((recipe, groups)) = read_recipe(&place, &mut lints) {
                wanted.push((recipe.id.clone(), groups));
                set.add(recipe, &mut lints);
            }
        }
        set.expand(&wanted, &mut lints);
        lints.extend(graph::check(&set.recipes));
        set.lock = lock.unwrap_or_default();
        set.crossed = cross::derive(&set.recipes);
        set.unused_sources(&mut lints);
        lints.sort();
        (set, lints)
    }

    fn add(&mut self, recipe: Recipe, lints: &mut Vec<Lint>) {
        if let Some(first) = self.recipes.get(&recipe.id) {
            let message = format!("step {} is already defined in {}", recipe.id, first.folder);
            let file = format!("{}/recipe.toml", recipe.folder);
            let hint = "give it another pass, or remove one of the two";
            lints.push(Lint::new(Rule::DuplicateStep, &file, None, message, hint));
        } else {
            self.recipes.insert(recipe.id.clone(), recipe);
        }
    }

    /// Puts the members of the groups that steps depend on in the place of the groups.
    fn expand(&mut self, wanted: &[(StepId, Vec<(Name, u32)>)], lints: &mut Vec<Lint>) {
        let groups = self.groups();
        for (id, names) in wanted {
            let Some(recipe) = self.recipes.get_mut(id) else { continue };
            for (name, line) in names {
                let mut say = |rule, message, hint: &str| {
                    let file = format!("{}/recipe.toml", recipe.folder);
                    lints.push(Lint::new(rule, &file, Some(*line), message, hint));
                };
                let key = format!("{}/{name}", space(recipe.stage));
                let Some(members) = groups.get(&key) else {
                    let message = format!("{id} depends on '@{name}', and no step is in {key}");
                    let hint = "'@' names a group: the '[group] names' of its members";
                    say(Rule::UnknownDependency, message, hint);
                    continue;
                };
                if members.contains(id) {
                    let message = format!("{id} is in the group '@{name}' that it depends on");
                    say(Rule::SelfDependency, message, "name the steps it needs one by one");
                    continue;
                }
                if let Some(twice) = members.iter().find(|step| recipe.build.contains(step)) {
                    let message = format!("dependency '{twice}' is in '@{name}' too");
                    say(Rule::DuplicateDependency, message, "remove one of the two");
                }
                recipe.build.extend(members.iter().cloned());
                recipe.build.sort();
                recipe.build.dedup();
            }
        }
    }

    fn unused_sources(&self, lints: &mut Vec<Lint>) {
        let used: BTreeSet<&str> =
            self.iter().flat_map(|r| &r.sources).map(|s| s.file.as_str()).collect();
        for source in self.lock.iter().filter(|s| !used.contains(s.file.as_str())) {
            let message = format!("no recipe uses '{}'", source.file);
            let hint = "remove the entry, or use it";
            lints.push(Lint::new(Rule::UnusedSource, LOCK_FILE, None, message, hint));
        }
    }
}

/// `None` when the lock is missing or broken; the finding says so once.
fn read_lock(files: &BTreeMap<String, Vec<u8>>, lints: &mut Vec<Lint>) -> Option<SourcesLock> {
    let Some(bytes) = files.get(LOCK_FILE) else {
        let message = format!("{LOCK_FILE} is missing");
        let hint = "create it beside the stages, with 'schema = 1' in it";
        lints.push(Lint::new(Rule::Parse, LOCK_FILE, None, message, hint));
        return None;
    };
    let text = utf8(LOCK_FILE, bytes, lints)?;
    SourcesLock::parse(LOCK_FILE, text).map_err(|error| lints.push(parse_lint(error))).ok()
}

fn parse_lint(error: ParseError) -> Lint {
    Lint::new(Rule::Parse, &error.file, error.line, error.cause, &error.hint)
}

fn utf8<'a>(file: &str, bytes: &'a [u8], lints: &mut Vec<Lint>) -> Option<&'a str> {
    let text = core::str::from_utf8(bytes);
    if text.is_err() {
        let message = "the file is not UTF-8 text".to_owned();
        lints.push(Lint::new(Rule::TextForm, file, None, message, "convert it to UTF-8"));
    }
    text.ok()
}

/// The folders two levels down, `stage/step`, sorted: all that hold a file, and those whose recipe is none.
fn folders(files: &BTreeMap<String, Vec<u8>>, odd: &Odds) -> BTreeSet<String> {
    let folder = |path: &String| {
        let (at, _) = path.match_indices('/').nth(1)?;
        Some(path[..at].to_owned())
    };
    let recipe = |path: &&String| path.ends_with("/recipe.toml") && path.matches('/').count() == 2;
    files.keys().chain(odd.keys().filter(recipe)).filter_map(folder).collect()
}

/// Where a recipe stands, and among what.
struct Place<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    odd: &'a Odds,
    folder: &'a str,
    lock: Option<&'a SourcesLock>,
}

impl<'a> Place<'a> {
    /// The text of its `recipe.toml`.
    fn text(&self, file: &str, lints: &mut Vec<Lint>) -> Option<&'a str> {
        if let Some(bytes) = self.files.get(file) {
            return utf8(file, bytes, lints);
        }
        lints.push(match self.odd.get(file) {
            Some(odd) => {
                let hint = "recipes are text files of some kilobytes; put the file itself there";
                Lint::new(Rule::Parse, file, None, format!("it {odd}"), hint)
            }
            None => {
                let message = format!("folder {} has no recipe.toml", self.folder);
                let hint = "add it, or remove the folder";
                Lint::new(Rule::Folder, self.folder, None, message, hint)
            }
        });
        None
    }

    /// The files beside `recipe.toml` and in folders there, by path below its folder.
    fn beside(&self) -> Beside<'a> {
        let start = format!("{}/", self.folder);
        let files = self.files.range(start.clone()..);
        let below = files.map_while(|(path, bytes)| Some((path.strip_prefix(&start)?, &**bytes)));
        below.filter(|(name, _)| *name != "recipe.toml").collect()
    }
}

/// The recipe of a folder, and the groups it depends on, with their lines.
fn read_recipe(place: &Place<'_>, lints: &mut Vec<Lint>) -> Option<(Recipe, Vec<(Name, u32)>)> {
    let folder = place.folder;
    let file = format!("{folder}/recipe.toml");
    let text = place.text(&file, lints)?;
    lints.extend(script::check_toml(&file, text));
    let draft = Draft::parse(&file, text).map_err(|error| lints.push(parse_lint(error))).ok()?;
    let beside = place.beside();
    let scripts = texts(&beside);
    let mut resolver = Resolver {
        file: &file,
        text,
        folder,
        scripts: &scripts,
        beside: &beside,
        odd: place.odd,
        lock: place.lock,
        lints: Vec::new(),
        groups: Vec::new(),
    };
    let recipe = resolver.recipe(draft);
    lints.append(&mut resolver.lints);
    let groups = resolver.groups;
    let recipe = recipe?;
    lints.extend(check_folder(&recipe));
    lints.extend(check_scripts(&recipe, &beside));
    let wrong = package::check(&recipe);
    let good = wrong.is_empty();
    lints.extend(wrong);
    good.then_some((recipe, groups))
}

/// What can be a script: the files that are text and stand beside `recipe.toml`.
fn texts(beside: &Beside<'_>) -> Scripts {
    let own = beside.iter().filter(|(name, _)| !name.contains('/'));
    own.filter_map(|(name, bytes)| {
        Some(((*name).to_owned(), core::str::from_utf8(bytes).ok()?.to_owned()))
    })
    .collect()
}

fn check_folder(recipe: &Recipe) -> Option<Lint> {
    let want = format!("{}/{}", recipe.stage, recipe.id.file_stem());
    (recipe.folder != want).then(|| {
        let message = format!("step {} of stage {} lies in this folder", recipe.id, recipe.stage);
        let hint = format!("move it to {want}");
        Lint::new(Rule::Folder, &format!("{}/recipe.toml", recipe.folder), None, message, &hint)
    })
}

fn check_scripts(recipe: &Recipe, beside: &Beside<'_>) -> Vec<Lint> {
    let path = |file: &str| format!("{}/{file}", recipe.folder);
    let mut lints = Vec::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let own = recipe.scripts.iter();
    for (phase, script) in own.chain(recipe.targets.values().flat_map(ForTarget::scripts)) {
        // Several machines may share a script.
        if used.insert(&script.file) {
            lints.extend(script::check(&path(&script.file), *phase, &script.text));
        }
    }
    used.extend(recipe.check.expected.iter().map(|list| list.file.as_str()));
    used.extend(recipe.files.keys().map(String::as_str));
    for file in beside.keys().filter(|file| !used.contains(*file)) {
        let message = "nothing in recipe.toml names this file".to_owned();
        let hint = "name it in 'files', for the scripts to read, or in [phases], [check] or [target], or remove it";
        lints.push(Lint::new(Rule::UnusedFile, &path(file), None, message, hint));
    }
    lints
}
