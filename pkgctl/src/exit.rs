//! Exit statuses: a promise to scripts, documented in `docs/PKGCTL.md`.

use std::process::ExitCode;

use minos_proto::ErrorKind;

/// How a run of pkgctl ended. The numbers never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Ok = 0,
    /// The job failed or was cancelled, or a question was answered with no.
    JobFailed = 1,
    /// The command line or the request is wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// pkgd cannot be reached, or went away.
    Unreachable = 4,
    /// The user may not do this.
    Forbidden = 5,
    /// A recipe or the lock file is wrong.
    Recipe = 6,
    /// The machine lacks something: `doctor` tells what.
    Machine = 7,
    /// The two programs do not understand each other.
    Protocol = 8,
    /// The state cannot be read or written.
    State = 9,
    /// A fault of pkgd or pkgctl.
    Internal = 10,
    /// Not possible in the present state.
    Conflict = 11,
    /// A limit of pkgd was reached.
    Limit = 12,
    /// No set of packages is what was asked for.
    Unsolvable = 13,
    /// A step does not come out the same when it is built a second time.
    Differs = 14,
    /// What was built needs something that is not in it.
    NotContained = 15,
    /// Ctrl-C, or the reader of our output went away. 128 + SIGINT, as shells say it.
    Interrupted = 130,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Recipe => Self::Recipe,
            ErrorKind::Machine => Self::Machine,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::Version => Self::Protocol,
            ErrorKind::State => Self::State,
            ErrorKind::Internal => Self::Internal,
            ErrorKind::Unsolvable => Self::Unsolvable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
