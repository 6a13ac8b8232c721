//! The handshake, roles and errors of a connection.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The first frame of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The client's [`crate::VERSION`].
    pub version: u16,
    /// Program and version. pkgd writes it into the audit trail beside what the client asks it to change;
    /// at most 64 characters are kept.
    pub client: String,
}

/// What a connection may do, from the peer credentials of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May look: every request that [`crate::Request::changes`] says `false` to.
    Reader,
    /// May also change things.
    Admin,
}

/// pkgd's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// pkgd's [`crate::VERSION`].
    pub version: u16,
    /// Program and version of the daemon.
    pub server: String,
    /// What this connection may do.
    pub role: Role,
}

/// The kind of an error: what a program can act on. Decides the exit status of pkgctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request names something that does not exist.
    NotFound,
    /// The request is malformed or contradicts itself.
    Invalid,
    /// The connection's role does not allow it.
    Forbidden,
    /// Not possible in the present state (for example: cancelling a job that is done).
    Conflict,
    /// A recipe or lock file is wrong.
    Recipe,
    /// The machine lacks something: kernel feature, seed, disk space.
    Machine,
    /// A limit was reached: clients, frame size, jobs.
    Limit,
    /// The two programs speak different protocol versions.
    Version,
    /// The state could not be read or written; pkgd stopped changing it.
    State,
    /// A fault of pkgd itself.
    Internal,
    /// No set of packages is what was asked for; what failed is told as a proof, in several lines.
    Unsolvable,
}

impl ErrorKind {
    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::Recipe => "recipe",
            Self::Machine => "machine",
            Self::Limit => "limit",
            Self::Version => "version",
            Self::State => "state",
            Self::Internal => "internal",
            Self::Unsolvable => "unsolvable",
        }
    }
}

/// An error as shown to a person: what failed and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The kind.
    pub kind: ErrorKind,
    /// What failed, on what, and why.
    pub what: String,
    /// What to do next; may be empty.
    pub hint: String,
}

impl ErrorReport {
    /// An error with a hint.
    pub fn new(kind: ErrorKind, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

impl std::error::Error for ErrorReport {}
