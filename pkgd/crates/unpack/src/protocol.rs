//! What a worker is asked and how it answers.
//!
//! A request is a frame of [`minos_sandbox::wire`] on the worker's standard input, with the package file as
//! descriptor. The answer on its standard output is a sequence of records: one byte what it is, then
//!
//! | record | bytes behind |
//! | --- | --- |
//! | [`DATA`] | a length (u32, little-endian), and so many of the next bytes of what was asked: [`LEAST`] to [`MOST`], or all that is left |
//! | [`DONE`] | none: everything was sent |
//! | [`FAILED`] | a length (u16, little-endian), at most [`MAX_WORDS`], and why, in UTF-8 |
//!
//! So no length is the worker's to choose beyond these bounds.

use minos_package::Layout;
use serde::{Deserialize, Serialize};

pub const DATA: u8 = 1;
pub const DONE: u8 = 2;
pub const FAILED: u8 = 3;
/// The fewest bytes of data in a record that is not the last: nobody can make a stream of single bytes.
pub const LEAST: usize = 64 << 10;
/// The most bytes of data in a record: a frame.
pub const MOST: usize = minos_package::index::MAX_FRAME as usize;
/// The longest explanation in bytes.
pub const MAX_WORDS: usize = 1024;

/// Pieces of the raw stream of one package.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Where to find it.
    pub layout: Layout,
    /// Offset and length of each piece in bytes: in order, none empty, none touching the next.
    pub pieces: Vec<(u64, u64)>,
}
