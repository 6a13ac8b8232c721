//! Recipes: how to build one package in one pass, as data and shell.
//!
//! A recipe is a folder `<stage>/<name>[-<pass>]/` with `recipe.toml` and the scripts it names;
//! beside the stages lies `sources.lock`, which pins every source by SHA-256. This crate parses,
//! checks ([`lint`]) and compiles them into the one file the appliance carries ([`compiled`]).
//!
//! It is pure: no clock, no environment, no path of its own. Only [`load`] reads files, below a
//! folder its caller names.

pub mod compiled;
pub mod cross;
mod draft;
mod error;
pub mod files;
mod found;
mod licence;
pub mod lint;
pub mod load;
pub mod lock;
pub mod package;
pub mod recipe;
mod resolve;
pub mod set;
mod shell;
mod target;

pub use compiled::CompiledError;
pub use cross::ForTarget;
pub use error::ParseError;
pub use lint::{Level, Lint, Rule};
pub use load::LoadError;
pub use lock::{LockedSource, SourcesLock};
pub use package::Package;
pub use recipe::{Install, Limits, Needs, Recipe, Role, Script, Source};
pub use set::RecipeSet;
pub use target::TargetError;

/// The version of `recipe.toml` and `sources.lock` this crate reads. Others are refused.
pub const SCHEMA: u32 = 1;
