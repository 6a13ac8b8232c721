//! Keeping a store whole and small: collecting, verifying, repairing, composing roots, backups.

mod collect;
mod repair;
mod verify;

pub use collect::{Collected, Retention};
pub use repair::Repaired;
pub use verify::{Depth, Fault, Finding, Verified};
