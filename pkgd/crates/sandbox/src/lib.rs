//! Namespaces, Landlock, capabilities, limits and a cgroup around one process.
//!
//! [`spawn`] makes a box from a [`Spec`] and runs a program in it; [`Child::wait`] returns when all of it
//! is dead. What a box holds back, and by which means, is in `docs/SANDBOX.md`.
//!
//! A box is made by a helper process: this very binary, started again under the name `minos-sandbox`,
//! because a process with threads must not do more than `execve` after a fork. The program therefore
//! calls [`run_if_helper`] before anything else in `main`.

mod audit;
mod cgroup;
mod child;
mod claim;
mod confine;
mod error;
mod filter;
mod helper;
mod meter;
mod probe;
mod program;
mod spec;
mod sys;
pub mod tree;
pub mod wire;
mod worker;

/// Removes what boxes of a killed pkgd left in the cgroup tree; to be called once at start. Boxes that
/// still run are not touched.
pub fn sweep() {
    cgroup::Place::find().sweep();
}

/// The Landlock ABI that a box of [`Strength::Full`] needs: the first with scopes for signals and abstract
/// sockets (Linux 6.12).
pub const REQUIRED_ABI: u32 = confine::REQUIRED as u32;

pub use audit::DenialLog;
pub use child::{Child, Denial, Exit, Killer, Status, spawn};
pub use error::{Error, Failure, Stage};
pub use helper::run_if_helper;
pub use meter::Usage;
pub use probe::{Bounds, Refusal, Report, probe};
pub use program::{Program, Started, plain_words, serve_if_named};
pub use spec::{Bind, Build, IdRange, Limits, MAX_LAYERS, Network, Sight, Spec, Strength, Upper};
pub use worker::{Reach, SEALED_ID, seal, seal_but_for_network, shut_in};
