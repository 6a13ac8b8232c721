//! Runs one step: its phases in sandboxes, its log, its deadlines, and the capture of what it made.
//!
//! The caller says what to run ([`Task`]) and listens ([`Observer`]); this crate knows no database and
//! no clock but elapsed time. What holds for every step:
//! 1. A phase starts from the layers of the phases before it and from nothing else. Killed, it leaves
//!    only its own layer, which the next attempt throws away, unless it is a test suite that can go on in it.
//! 2. A phase is done when its shell reached the end of its script with status 0, every process it
//!    started is gone, and the observer has committed the checkpoint.
//! 3. What a step leaves is read by directory descriptors only, after its last process is gone.
//! 4. A failure has exactly one class, chosen by [`classify()`] from facts, never from log text alone.

pub mod capture;
pub mod classify;
pub mod clobber;
pub mod driver;
pub mod flatten;
pub mod jobserver;
pub mod layers;
pub mod pump;
pub mod run;
pub mod split;
mod suite;
pub mod task;
pub mod tokens;
mod under_way;
pub mod variation;

pub use capture::{Captured, capture};
pub use classify::{Facts, Stop, classify};
pub use clobber::{Clobber, clobbers};
pub use jobserver::Pool;
pub use run::{Observer, Progress, run};
pub use task::{Allowed, Cancel, Limits, Suite, Task};
pub use under_way::UnderWay;
pub use variation::{Variation, vary};

/// Raised with every change here or in the sandbox that can change what a step produces: it is part
/// of the task key, so that outputs made under other rules are not taken for equal.
pub const VERSION: u32 = 5;
