//! What a worker is asked and how it answers.
//!
//! A request is a frame of [`minos_sandbox::wire`] on the worker's standard input, with the package file as
//! descriptor. The answer on its standard output is a sequence of records: one byte what it is, then
//!
//! | record | bytes behind |
//! | --- | --- |
//! | [`DATA`] | the next [`RECORD`] bytes of what was asked, or all that is left |
//! | [`DONE`] | none: everything was sent |
//! | [`FAILED`] | a length (u16, little-endian), at most [`MAX_WORDS`], and why, in UTF-8 |
//!
//! So the reader knows the length of every record before it comes.

use minos_package::Layout;
use serde::{Deserialize, Serialize};

pub const DATA: u8 = 1;
pub const DONE: u8 = 2;
pub const FAILED: u8 = 3;
/// Bytes of data in one record.
pub const RECORD: usize = 256 << 10;
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
