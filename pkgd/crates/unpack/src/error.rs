//! Why a package could not be unpacked. The caller knows the package and puts its name in front.

use std::fmt;
use std::io;
use std::time::Duration;

/// What went wrong between this process and a worker.
#[derive(Debug)]
pub enum Error {
    /// The worker could not be started or talked to.
    Worker {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The worker found the package faulty, or was refused something by the kernel. Its words, made printable.
    Told(String),
    /// The worker ended in the middle of its work. How, in words.
    Died(String),
    /// The worker sent nothing for so long.
    Silent(Duration),
    /// The worker's answer is not one: it was taken over, or is no worker.
    Lied(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker { doing, source } => {
                write!(f, "cannot {doing} the unpacking worker: {source}")
            }
            Self::Told(words) => f.write_str(words),
            Self::Died(how) => write!(
                f,
                "the unpacking worker {how}; try again, and if it happens again do not use this package"
            ),
            Self::Silent(patience) => write!(
                f,
                "the unpacking worker sent nothing for {} s and was killed; look at the disk the package lies on",
                patience.as_secs_f32()
            ),
            Self::Lied(how) => write!(
                f,
                "the unpacking worker {how} and was killed: the package may have taken it over, do not use it"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Worker { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error.to_string())
    }
}
