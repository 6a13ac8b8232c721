//! The verbs of the package manager.

mod ask;
pub mod care;
pub mod change;
mod flow;
pub mod look;
mod progress;
pub mod sources;
pub mod systems;
