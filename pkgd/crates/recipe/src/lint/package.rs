//! What can be wrong with a `[package]` table: found here, and not only when the output is packed.

use minos_model::Digest;
use minos_model::package::{
    Arch, Origin, PackageError, PackageFields, PackageManifest, PackagePath,
};

use super::{Lint, Rule};
use crate::error::line_of;
use crate::recipe::Recipe;

/// What the rules of a package say about the table, and what only the recipe knows: where its files can be and
/// who can own them.
pub(crate) fn check(recipe: &Recipe) -> Vec<Lint> {
    let mut lints = Vec::new();
    if let Err(message) = as_package(recipe) {
        let hint = "no package could be made of the step; correct it in recipe.toml";
        lints.push(at(recipe, "", message, hint));
    }
    let top = installed_below(recipe);
    for path in recipe.package.config.iter().filter(|path| !is_below(path, top)) {
        let message = format!("config file '/{path}' is outside of what the step installs");
        let hint = format!(
            "a config file is one of the package's own files, here below '/{top}'; what else is to exist are \
             [[package.directory]] and [[package.link]]"
        );
        lints.push(at(recipe, &format!("\"/{path}\""), message, &hint));
    }
    let actions = &recipe.package.actions;
    for (number, name) in &recipe.package.owners {
        let known = actions.users.iter().any(|user| user.name == *name)
            || actions.groups.iter().any(|group| group.name == *name);
        if !known {
            let message = format!("owner {number} = '{name}' is no user or group of the package");
            let hint = "declare it as [[package.user]] or [[package.group]]";
            lints.push(at(recipe, &format!("\"{name}\""), message, hint));
        }
    }
    lints
}

/// The package without its files, by the very rules by which it is read later.
fn as_package(recipe: &Recipe) -> Result<(), String> {
    let own = recipe.package.clone();
    let name = recipe.package_name().map_err(|error| error.to_string())?;
    let none = Digest::of(b"");
    let origin = Origin { recipe: recipe.id.clone(), task_key: none, output: none };
    let fields = PackageFields {
        name,
        version: recipe.version.clone(),
        arch: Arch::NOARCH.parse().map_err(|_| "no architecture".to_owned())?,
        description: recipe.description.clone(),
        licence: recipe.license.clone(),
        origin,
        dependencies: own.dependencies,
        groups: own.groups,
        provides: own.provides,
        conflicts: own.conflicts,
        replaces: own.replaces,
        // It is a file of the package, and there are none yet.
        config: Vec::new(),
        actions: own.actions,
        files: Vec::new(),
    };
    PackageManifest::new(fields).map(drop).map_err(|error: PackageError| error.to_string())
}

/// Where the package's files can be in the installed system: `[install] prefix` without the `/lfs` of a stage
/// that builds the new system below it.
fn installed_below(recipe: &Recipe) -> &str {
    let prefix = recipe.install.prefix.as_str();
    prefix.strip_prefix(recipe.stage.prefix()).unwrap_or(prefix).trim_matches('/')
}

fn is_below(path: &PackagePath, top: &str) -> bool {
    let rest = path.as_bytes().strip_prefix(top.as_bytes());
    rest.is_some_and(|rest| top.is_empty() || rest.starts_with(b"/"))
}

/// A finding at the first place behind `[package` where `word` stands, else at the table itself.
fn at(recipe: &Recipe, word: &str, message: String, hint: &str) -> Lint {
    let line = recipe.text.find("[package").map(|table| {
        let found = recipe.text.get(table..).and_then(|rest| rest.find(word));
        line_of(&recipe.text, table + found.unwrap_or(0))
    });
    Lint::new(Rule::BadValue, &format!("{}/recipe.toml", recipe.folder), line, message, hint)
}
