//! Errors of the crates below as a client sees them.

use std::fmt::Display;
use std::path::Path;

use minos_proto::{ErrorKind, ErrorReport};
use minos_solve::SolveError;
use minos_store::SystemError;

/// An error of packages and generations.
pub fn system_error(error: &SystemError) -> ErrorReport {
    let kind = match error {
        SystemError::NoGeneration { .. } | SystemError::NoPackage { .. } => ErrorKind::NotFound,
        SystemError::Refused(_) | SystemError::Boot { .. } => ErrorKind::Unsolvable,
        SystemError::Stale { .. } => ErrorKind::Conflict,
        SystemError::NoPlan { .. } => ErrorKind::Invalid,
        _ => ErrorKind::State,
    };
    ErrorReport::new(kind, error.to_string(), error.hint())
}

/// Why there is no answer to a request.
pub fn solve_error(error: &SolveError) -> ErrorReport {
    let (kind, hint) = match error {
        SolveError::NotInstalled { .. } => (ErrorKind::NotFound, "'pkgctl list' shows what is"),
        SolveError::Refused(_) => (ErrorKind::Unsolvable, ""),
        SolveError::GaveUp { .. } => (ErrorKind::Limit, "ask for fewer packages at once"),
        SolveError::Wrong(_) => (ErrorKind::Internal, "please report it"),
    };
    ErrorReport::new(kind, error.to_string(), hint)
}

/// Something about a file of pkgd's own that could not be done.
pub fn on_file(doing: &str, path: &Path, error: &dyn Display) -> ErrorReport {
    let what = format!("cannot {doing} '{}': {error}", path.display());
    ErrorReport::new(ErrorKind::State, what, "look at the disk of the state root")
}

/// Something that is asked for does not exist.
pub fn not_found(what: String, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::NotFound, what, hint)
}

/// Something that is asked for cannot be meant so.
pub fn invalid(what: String, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::Invalid, what, hint)
}
