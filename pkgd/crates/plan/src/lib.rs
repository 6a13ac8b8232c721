//! From recipes and a target to a plan: what is built, in which order, why, and how long it takes.
//!
//! Pure: what the cache holds, how long steps took and which seed is used are passed in.
//!
//! * [`Plan`]: the steps a target needs, in an order that respects dependencies.
//! * [`Fingerprints`], [`KeyParts`], [`Basis`]: the task key and, part by part, why it changed.
//! * [`Weights`], [`Estimates`]: expected time, critical path, ETA.
//! * [`Queue`]: which step is next while steps finish and fail.

mod error;
mod estimate;
pub mod key;
mod outlook;
mod plan;
mod queue;

pub use error::PlanError;
pub use estimate::{Estimates, Weights};
pub use key::{Basis, Change, Fingerprints, KeyParts, World};
pub use outlook::{Outlook, outlook};
pub use plan::{Plan, Step, runs_suite};
pub use queue::Queue;
