//! Whether outputs of builds need nothing but each other: no file names a path of the tools that built the first of
//! them, and what a program is started with (interpreter, libraries, the folders they are looked for in) is in one
//! of the outputs.
//!
//! It only reads. The outputs come from builds, so nothing in them is believed: any bytes give an answer, work is in
//! proportion to their number, and memory is bounded by the largest ELF file that is looked into ([`MOST_ELF`]), the number of
//! paths, and [`MOST_LISTED`].
//!
//! What cannot be known this way: what a program opens while it runs, what it puts together from pieces, and what
//! stands in compressed files. The last are counted ([`Counts::compressed`]).

mod audit;
mod exceptions;
mod file;
mod needles;
mod report;
mod resolve;
mod world;

pub use audit::{AuditError, Subject, audit};
pub use file::MOST_ELF;
pub use needles::Places;
pub use report::{Counts, Finding, Kind, MOST_LISTED, Report};
