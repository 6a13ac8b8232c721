//! The first line of a script: which interpreter it needs (execve(2), "Interpreter scripts").

use minos_model::package::PackagePath;
use minos_model::{CapabilityKind, Constraint};

use super::{BIN, Scanner};
use crate::shebang::{Shebang, shebang};

pub(super) fn file(scanner: &mut Scanner, path: &PackagePath, bytes: &[u8]) {
    let Some(Shebang { program, command }) = shebang(bytes) else {
        return scanner.note(path, "its first line names no interpreter");
    };
    let replaced = |word: &String| word.contains(char::REPLACEMENT_CHARACTER);
    if replaced(&program) || command.as_ref().is_some_and(replaced) {
        return scanner.note(path, "its first line is not text");
    }
    let Some(program) = program.strip_prefix('/') else {
        return scanner.note(path, "its interpreter is not an absolute path");
    };
    let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
    if !BIN.contains(&folder.as_bytes()) {
        scanner.require(path, CapabilityKind::File, &format!("/{program}"), Constraint::ANY);
        return;
    }
    scanner.require(path, CapabilityKind::Cmd, name, Constraint::ANY);
    if let Some(command) = command {
        scanner.require(path, CapabilityKind::Cmd, &command, Constraint::ANY);
    }
}
