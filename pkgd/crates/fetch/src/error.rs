//! Why something was not fetched.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why something was not fetched. The caller puts the address in front.
#[derive(Debug)]
pub enum Error {
    /// The server has no such file.
    Absent,
    /// The worker says why; its words, nothing but printable ASCII.
    Told(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// Less came than anybody waits for: so many bytes in so long.
    Slow(u64, Duration),
    /// The worker ended, or said what no worker says.
    Worker(&'static str),
    /// A worker cannot be had, or not be talked to.
    Machine(io::Error),
    /// What came could not be put where it belongs.
    Sink(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such file"),
            Self::Told(words) => f.write_str(words),
            Self::Silent(time) => write!(f, "nothing came for {} s", time.as_secs_f32()),
            Self::Slow(bytes, time) => {
                write!(f, "only {bytes} bytes came in {} s", time.as_secs_f32())
            }
            Self::Worker(what) => write!(f, "the process that fetches {what}"),
            Self::Machine(error) => write!(f, "no process can be had that fetches: {error}"),
            Self::Sink(error) => write!(f, "what came cannot be kept: {error}"),
        }
    }
}

impl std::error::Error for Error {}
