//! What the system tests share: the real binaries, small recipes, a running pkgd.
//!
//! Everything the tests need is named by an environment variable and has a default below `out/`, where
//! `tests/run` puts it. What is missing is a failure that names the command that makes it.

pub mod appliance;
pub mod artefacts;
pub mod bare;
pub mod bench;
pub mod boot;
pub mod comparison;
pub mod daemon;
pub mod disk;
pub mod generation;
pub mod loops;
pub mod meter;
pub mod overhead;
pub mod packages;
pub mod peers;
pub mod recipes;
pub mod rollback;
pub mod room;
pub mod site;
pub mod story;
pub mod trials;
pub mod web;

pub use daemon::{Daemon, Outcome, Root};
pub use recipes::Recipes;
