//! Files from other machines, over HTTP, fetched by a process without rights (`docs/decisions/0023-repositories-over-http.md`).
//!
//! [`Fetcher`] hands out the bytes of a part of a file. What speaks to the network, looks up names and reads what a
//! server answers is a worker: this very binary under the name `minos-fetch`, sealed
//! ([`minos_sandbox::seal_but_for_network`]): no file, no capability, no right but to connect. What it answers is believed
//! in nothing: there is a bound for its bytes and its time, and what they are is for the caller to verify.
//!
//! Plain HTTP: every file that is fetched so is signed, or named by its digest in one that is. Who listens learns what
//! was fetched.
//!
//! A program that uses it calls [`run_if_worker`] before anything else in `main`.

mod error;
mod fetcher;
mod protocol;
mod worker;

pub use error::Error;
pub use fetcher::{Fetcher, Patience};
pub use worker::{ARGV0, run_if_worker};

/// How every address that can be fetched from begins.
pub const SCHEME: &str = "http://";
