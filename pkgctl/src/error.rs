//! Everything that ends a command early, told so that a person knows what to do next.

use std::fmt;
use std::io;

use minos_proto::{ErrorReport, FrameError};

use crate::exit::Exit;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// pkgd cannot be reached, does not answer, or went away.
    Unreachable {
        /// Where it was looked for and what happened.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The peer is not a pkgd that this program understands.
    Protocol {
        /// What was received.
        what: String,
        /// What to do.
        hint: String,
    },
    /// pkgd says no.
    Daemon(ErrorReport),
    /// Ctrl-C.
    Interrupted,
    /// Our own output cannot be written.
    Output(io::Error),
}

impl Error {
    /// A wrong command line.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// A peer that does not keep to the protocol.
    pub fn protocol(what: impl Into<String>) -> Self {
        let hint = "are pkgctl and pkgd from the same build? compare 'pkgctl version'";
        Self::Protocol { what: what.into(), hint: hint.into() }
    }

    /// An error of the connection to `place`.
    pub fn from_frame(place: &str, error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Closed => Self::Unreachable {
                what: format!("the connection to {place} broke: {error}"),
                hint: "pkgd may have been restarted; jobs go on where they stood: \
                       see 'pkgctl jobs'"
                    .into(),
            },
            damaged => Self::protocol(format!("{place}: {damaged}")),
        }
    }

    /// The exit status this error stands for.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Protocol { .. } => Exit::Protocol,
            Self::Daemon(report) => report.kind.into(),
            Self::Output(e) if e.kind() != io::ErrorKind::BrokenPipe => Exit::Internal,
            Self::Interrupted | Self::Output(_) => Exit::Interrupted,
        }
    }

    /// The name used in JSON: those of [`minos_proto::ErrorKind`] and five of our own.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Unreachable { .. } => "unreachable",
            Self::Protocol { .. } => "protocol",
            Self::Daemon(report) => report.kind.as_str(),
            Self::Interrupted => "interrupted",
            Self::Output(_) => "output",
        }
    }

    /// What to do next; empty where there is nothing to say.
    pub fn hint(&self) -> &str {
        match self {
            Self::Usage { hint, .. }
            | Self::Unreachable { hint, .. }
            | Self::Protocol { hint, .. } => hint,
            Self::Daemon(report) => &report.hint,
            Self::Interrupted | Self::Output(_) => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { what, .. }
            | Self::Unreachable { what, .. }
            | Self::Protocol { what, .. } => f.write_str(what),
            Self::Daemon(report) => f.write_str(&report.what),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Output(e) => write!(f, "cannot write the output: {e}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    /// Only output is written through `io::Result`; connections have their own errors.
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}
