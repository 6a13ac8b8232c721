//! All recipes together: look-up, groups, targets.

use std::collections::{BTreeMap, BTreeSet};

use minos_model::{Name, StepId};

use crate::cross::ForTarget;
use crate::lint::{Lint, Rule, graph, package, script};
use crate::lock::SourcesLock;
use crate::recipe::Recipe;
use crate::resolve::{Resolver, Scripts};
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
        let mut lints = Vec::new();
        let lock = read_lock(files, &mut lints);
        let mut set = Self::default();
        let mut wanted = Vec::new();
        for folder in folders(files) {
            if let Some((recipe, groups)) = read_recipe(files, &folder, lock.as_ref(), &mut lints) {
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

/// The folders two levels down, `stage/step`, sorted.
fn folders(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let folder = |path: &String| Some(path.rsplit_once('/')?.0.to_owned());
    files.keys().filter_map(folder).collect()
}

/// The recipe of a folder, and the groups it depends on, with their lines.
fn read_recipe(
    files: &BTreeMap<String, Vec<u8>>,
    folder: &str,
    lock: Option<&SourcesLock>,
    lints: &mut Vec<Lint>,
) -> Option<(Recipe, Vec<(Name, u32)>)> {
    let file = format!("{folder}/recipe.toml");
    let Some(bytes) = files.get(&file) else {
        let message = format!("folder {folder} has no recipe.toml");
        lints.push(Lint::new(Rule::Folder, folder, None, message, "add it, or remove the folder"));
        return None;
    };
    let text = utf8(&file, bytes, lints)?;
    lints.extend(script::check_toml(&file, text));
    let draft = Draft::parse(&file, text).map_err(|error| lints.push(parse_lint(error))).ok()?;
    let scripts = beside(files, folder, lints);
    let mut resolver = Resolver {
        file: &file,
        text,
        scripts: &scripts,
        lock,
        lints: Vec::new(),
        groups: Vec::new(),
    };
    let recipe = resolver.recipe(draft, folder);
    lints.append(&mut resolver.lints);
    let groups = resolver.groups;
    let recipe = recipe?;
    lints.extend(check_folder(&recipe));
    lints.extend(check_scripts(&recipe, &scripts));
    let wrong = package::check(&recipe);
    let good = wrong.is_empty();
    lints.extend(wrong);
    good.then_some((recipe, groups))
}

/// The files beside a `recipe.toml`, by name.
fn beside(files: &BTreeMap<String, Vec<u8>>, folder: &str, lints: &mut Vec<Lint>) -> Scripts {
    let start = format!("{folder}/");
    files
        .range(start.clone()..)
        .take_while(|(path, _)| path.starts_with(&start))
        .filter(|(path, _)| {
            path[start.len()..] != *"recipe.toml" && !path[start.len()..].contains('/')
        })
        .filter_map(|(path, bytes)| {
            Some((path[start.len()..].to_owned(), utf8(path, bytes, lints)?.to_owned()))
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

fn check_scripts(recipe: &Recipe, scripts: &Scripts) -> Vec<Lint> {
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
    for file in scripts.keys().filter(|file| !used.contains(file.as_str())) {
        let message = "nothing in recipe.toml names this file".to_owned();
        let hint = "name it in [phases], [check] or [target], or remove it";
        lints.push(Lint::new(Rule::UnusedFile, &path(file), None, message, hint));
    }
    lints
}
