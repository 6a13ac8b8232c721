//! `pkgctl recipe`

use argh::{ArgsInfo, FromArgs};
use minos_model::StepId;
use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;

/// Looks at recipes.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "recipe")]
pub struct Recipe {
    #[argh(subcommand)]
    verb: RecipeVerb,
}

#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum RecipeVerb {
    List(List),
    Show(Show),
    Lint(Lint),
}

/// Lists all recipes.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
struct List {}

/// Shows a recipe and its files.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show")]
struct Show {
    /// the step: NAME or NAME:PASS
    #[argh(positional)]
    step: StepId,
}

/// Looks for mistakes in recipes.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "lint")]
struct Lint {
    /// only this step: NAME or NAME:PASS
    #[argh(positional)]
    step: Option<StepId>,
}

impl Recipe {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        match self.verb {
            RecipeVerb::List(List {}) => list(context),
            RecipeVerb::Show(Show { step }) => show(context, step),
            RecipeVerb::Lint(Lint { step }) => lint(context, step),
        }
    }
}

fn list(context: &mut Context<'_>) -> Result<Exit, Error> {
    context.ask(&Request::RecipeList, &|reply, view| match reply {
        Reply::Recipes(recipes) => Some(render::recipe::list(recipes, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}

fn show(context: &mut Context<'_>, step: StepId) -> Result<Exit, Error> {
    context.ask(&Request::RecipeShow { step }, &|reply, view| match reply {
        Reply::Recipe { recipe, files } => Some(render::recipe::show(recipe, files, view)),
        _ => None,
    })?;
    Ok(Exit::Ok)
}

fn lint(context: &mut Context<'_>, step: Option<StepId>) -> Result<Exit, Error> {
    let reply = context.ask(&Request::RecipeLint { step }, &|reply, view| match reply {
        Reply::Lints(lints) => Some(render::recipe::lints(lints, view)),
        _ => None,
    })?;
    let wrong = matches!(&reply, Reply::Lints(lints) if lints.iter().any(|l| l.error));
    Ok(if wrong { Exit::Recipe } else { Exit::Ok })
}
