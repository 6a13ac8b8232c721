//! `pkgctl recipe`

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::spec::{Given, Spec, maybe, one};

/// The verb, with those below it.
pub static RECIPE: Spec =
    Spec { verbs: &[&LIST, &SHOW, &LINT], ..Spec::new("recipe", "Looks at recipes.") };

static LIST: Spec = Spec { run: Some(list), ..Spec::new("list", "Lists all recipes.") };

static SHOW: Spec = Spec {
    words: &[one("step", "the step: NAME or NAME:PASS")],
    run: Some(show),
    ..Spec::new("show", "Shows a recipe and its files.")
};

static LINT: Spec = Spec {
    words: &[maybe("step", "only this step: NAME or NAME:PASS")],
    run: Some(lint),
    ..Spec::new("lint", "Looks for mistakes in recipes.")
};

fn list(_: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    context.ask(&Request::RecipeList, &|reply, view| match reply {
        Reply::Recipes(recipes) => Some(render::recipe::list(recipes, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}

fn show(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    context.ask(&Request::RecipeShow { step: given.needed(0)? }, &|reply, view| match reply {
        Reply::Recipe { recipe, files } => Some(render::recipe::show(recipe, files, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}

fn lint(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let reply =
        context.ask(
            &Request::RecipeLint { step: given.maybe(0)? },
            &|reply, view| match reply {
                Reply::Lints(lints) => Some(render::recipe::lints(lints, view)),
                _ => None,
            },
        )?;
    let wrong = matches!(&reply, Reply::Lints(lints) if lints.iter().any(|l| l.error));
    Ok(if wrong { Exit::Recipe } else { Exit::Ok })
}
