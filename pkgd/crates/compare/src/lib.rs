//! In which way two captured trees of the same step differ: which files, and what kind of difference.
//!
//! It only reads. What differs is found by the manifests; only files whose digests differ are opened. Their
//! bytes come from a build, so nothing in them is believed: every reader here takes any bytes, does work in
//! proportion to their number, and falls back to "bytes differ" where a format is not what it seems.
//!
//! A difference has a kind ([`Kind`]) that tells the usual causes apart (a time in an archive's head is another
//! thing than other code) and one line of words for a person.

mod archive;
mod content;
mod elf;
mod error;
mod gzip;
mod python;
mod report;
mod text;
mod tree;

pub use content::{Found, look};
pub use error::CompareError;
pub use report::{Difference, Kind, MOST_DIFFERENCES, Report};
pub use tree::{MOST_BYTES, Side, compare};
