//! Transactions: a plan is checked whole, then objects, root, sync, rows, switch, sync.
//!
//! Order of a change, and what a kill or power cut leaves at each point:
//! 1. the intent row is committed: from here on objects and roots may be half made;
//! 2. objects are written, the next root is put together and gets its place `roots/N`, triggers run;
//! 3. one `syncfs`;
//! 4. the rows of generation N are committed: **from here on it is N, before it was N-1**;
//! 5. `current` is renamed to name `roots/N`, `syncfs`, and the intent row goes in one commit with the
//!    line of the history.
//!
//! Cut off before 4, the next start takes away what no row names; after 4, it does what is left of 5.
//! Either way is [`System::settle`].

mod apply;
mod error;
mod hooks;
mod kept;
mod made;
mod plan;
mod prepare;
mod queries;
mod rows;
mod settle;
mod switch;
mod system;
mod take_in;
mod upgrade;

pub use apply::Applied;
pub(crate) use apply::parallel;
pub use error::{Problem, SystemError};
pub use hooks::{ContentSource, Made, MadeNode, NoTriggers, Sink, Staged, Triggers};
pub use plan::{Incoming, Plan, PlanInstall, PlannedChange, Request};
pub use queries::PathDifference;
pub(crate) use rows::put_package;
pub use settle::Settled;
pub(crate) use system::By;
pub use system::{DEFAULT_KEEP, System, SystemOptions};
