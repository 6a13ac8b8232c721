//! Errors of the crates below as a client sees them.

use std::fmt::Display;
use std::io;
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

/// Something that could not be done about a path that somebody named: it is the name that is to be looked at, and
/// the disk of the state root has no part in it.
pub fn on_named(doing: &str, path: &Path, error: &io::Error) -> ErrorReport {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "make its folder first, or name another"),
        io::ErrorKind::AlreadyExists => {
            (ErrorKind::Conflict, "nothing is overwritten: move it away, or name another")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Machine, "free space on that file system, or name a file on another")
        }
        _ => (ErrorKind::Invalid, "name a file in a folder that pkgd can write to"),
    };
    ErrorReport::new(kind, format!("cannot {doing} '{}': {error}", path.display()), hint)
}

/// A package of the index that cannot be used any more: its file is gone, or is not what the last look at the folders
/// took it for. What was asked for was right.
pub fn unusable(label: &str, file: Option<&Path>, why: &dyn Display) -> ErrorReport {
    let kind = match file.is_some_and(Path::exists) {
        true => ErrorKind::State,
        false => ErrorKind::NotFound,
    };
    let hint = "'pkgctl repo sync' looks at the folders again";
    ErrorReport::new(kind, format!("package {label}: {why}"), hint)
}

/// Something that is asked for does not exist.
pub fn not_found(what: String, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::NotFound, what, hint)
}

/// Something that is asked for cannot be meant so.
pub fn invalid(what: String, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::Invalid, what, hint)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use minos_proto::ErrorKind;

    use super::{on_named, unusable};

    /// A package that was there at the last sync and is not any more was a fault of the command line.
    #[test]
    fn a_package_that_cannot_be_used_any_more_is_no_wrong_request() {
        let there = tempfile::NamedTempFile::new().unwrap();
        let of = |file| unusable("zlib 1", file, &"the key is revoked");
        assert_eq!(of(Some(there.path())).kind, ErrorKind::State);
        assert_eq!(of(Some(Path::new("/nowhere/zlib.mpk"))).kind, ErrorKind::NotFound);
        assert!(of(None).hint.contains("repo sync"));
    }

    /// `db backup` into a file that is there told people to look at the disk of the state root.
    #[test]
    fn a_path_that_somebody_named_is_no_fault_of_the_disk() {
        let cases = [
            (io::ErrorKind::AlreadyExists, ErrorKind::Conflict, "nothing is overwritten"),
            (io::ErrorKind::NotFound, ErrorKind::NotFound, "make its folder"),
            (io::ErrorKind::StorageFull, ErrorKind::Machine, "free space"),
            (io::ErrorKind::NotADirectory, ErrorKind::Invalid, "name a file"),
        ];
        for (error, kind, hint) in cases {
            let told = on_named("create", Path::new("/media/backup"), &error.into());
            assert_eq!(told.kind, kind);
            assert!(told.what.contains("'/media/backup'") && told.hint.starts_with(hint), "{told}");
        }
    }
}
