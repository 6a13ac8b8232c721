//! From what is asked to a set of packages: the index, the solver, its checker and its explanations.
//!
//! `docs/SOLVER.md` says what each word means and which figures hold. The way of a request through the crate:
//!
//! 1. [`index`]: all packages of the repositories, in one flat file, used as it is read;
//! 2. [`Universe`]: that file plus what is installed;
//! 3. [`Request`] and [`System`]: what is asked, and of which system;
//! 4. [`solve`]: the answer, found by a first pass without search, or by resolvo, made minimal, and always
//!    checked by [`check`], which shares no code with either;
//! 5. [`Refusal`]: why there is no answer, as a short proof with a way out that was tried.
//!
//! Nothing here knows a file, a clock or the environment. Effort is counted in steps, so the same input gives the
//! same answer everywhere, also where the answer is that the search was given up.

mod answer;
mod budget;
pub mod check;
mod convert;
mod explain;
mod goal;
mod greedy;
pub mod import;
pub mod index;
mod query;
mod reach;
mod request;
mod rules;
mod sat;
mod solve;
pub mod synth;
mod transaction;
mod universe;

pub use answer::{Action, Answer, Effort, Reason, Step};
pub use budget::Limits;
pub use convert::entry;
pub use explain::{Fact, Proof, Refusal, WayOut};
pub use query::{Found, WhyNot};
pub use request::{Ask, Pin, Request, RequestError, System, Want};
pub use solve::{SolveError, solve};
pub use universe::{PackageId, Universe};
