//! What a worker is asked and how it answers.
//!
//! A request is a frame of [`minos_sandbox::wire`] on the worker's standard input, which is a socket. The answer on the
//! same socket is a sequence of records: one byte what it is, a length (u32, little-endian), at most [`MOST`], and so many
//! bytes.
//!
//! | record | bytes |
//! | --- | --- |
//! | [`DATA`] | the next ones of what was asked for |
//! | [`DONE`] | none: there is no more of it |
//! | [`ABSENT`] | none: the server has no such file |
//! | [`FAILED`] | why, in words |

use serde::{Deserialize, Serialize};

pub const DATA: u8 = 1;
pub const DONE: u8 = 2;
pub const ABSENT: u8 = 3;
pub const FAILED: u8 = 4;
/// The most bytes in a record.
pub const MOST: usize = 64 << 10;
/// The longest explanation in bytes.
pub const MAX_WORDS: usize = 1024;

/// A part of a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its address.
    pub url: String,
    /// Where the part begins, in bytes.
    pub from: u64,
    /// How many bytes it has at most. What is behind the end of the file is left out.
    pub most: u64,
}
