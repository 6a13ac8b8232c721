//! Contents of packages, unpacked by a process without rights (`docs/decisions/0019-unpacking.md`).
//!
//! [`Unpacker`] is a [`minos_store::ContentSource`] over package files. The calling process checks signatures and
//! manifest ([`minos_package::Checked`]: safe Rust over signed bytes). The index, zstd and the content are for a worker:
//! this very binary under the name `minos-unpack`, sealed ([`minos_sandbox::seal`]), which gets the open file by
//! descriptor and answers with bytes of the raw stream. What it answers is believed in nothing: lengths are known
//! before, and the store hashes every content.
//!
//! A program that uses it calls [`run_if_worker`] before anything else in `main`.

mod error;
mod process;
mod protocol;
mod unpacker;
mod worker;

pub use error::Error;
pub use process::PATIENCE;
pub use unpacker::{Unpacker, open};
pub use worker::{ARGV0, run_if_worker};
