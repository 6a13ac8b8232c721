//! Errors of files, told with the path and the next step.

use std::fmt::Display;
use std::io;
use std::path::Path;

use minos_package::keys::KeyError;
use minos_proto::{ErrorKind, ErrorReport};

/// Something about a file that the system refuses.
pub fn on_file(doing: &str, path: &Path, error: &io::Error) -> ErrorReport {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "look at the path"),
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::Forbidden, "this user may not: try as another")
        }
        io::ErrorKind::AlreadyExists => {
            (ErrorKind::Conflict, "nothing is overwritten: move it away, or give another name")
        }
        _ => (ErrorKind::Machine, "look at the disk and its free space"),
    };
    ErrorReport::new(kind, format!("cannot {doing} '{}': {error}", path.display()), hint)
}

/// A file that is not what it should be.
pub fn bad_file(path: &Path, what: &dyn Display, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::Invalid, format!("'{}': {what}", path.display()), hint)
}

/// A key or signature file that cannot be used.
pub fn bad_key(path: &Path, error: &KeyError) -> ErrorReport {
    let hint = match error {
        KeyError::Encrypted => "give its password with --passphrase-file, or sit at a terminal",
        KeyError::WrongPassword => "try again; nothing was changed",
        KeyError::BadSignature | KeyError::OtherKey { .. } => "do not use the file",
        _ => "see docs/formats/keys.md for what can be read",
    };
    bad_file(path, error, hint)
}

/// Shuts this process in.
///
/// # Errors
/// The kernel refuses; a path is not there, or cannot be opened.
pub fn shut_in(reach: &minos_sandbox::Reach<'_>) -> Result<(), ErrorReport> {
    // Else the sandbox takes a path that is not there for a kernel that cannot guard it.
    for path in reach.read.iter().chain(reach.write) {
        std::fs::metadata(path).map_err(|e| on_file("open", path, &e))?;
    }
    minos_sandbox::shut_in(reach).map_err(|e| {
        ErrorReport::new(ErrorKind::Machine, e.to_string(), "nothing was read or written")
    })
}
