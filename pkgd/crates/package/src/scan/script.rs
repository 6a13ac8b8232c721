//! The first line of a script: which interpreter it needs (execve(2), "Interpreter scripts").

use minos_model::package::PackagePath;
use minos_model::{CapabilityKind, Constraint};

use super::{BIN, Scanner};

pub(super) fn file(scanner: &mut Scanner, path: &PackagePath, bytes: &[u8]) {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let Ok(line) = str::from_utf8(line) else {
        return scanner.note(path, "its first line is not text");
    };
    let mut words = line.trim_start_matches("#!").split_ascii_whitespace();
    let Some(program) = words.next().and_then(|word| word.strip_prefix('/')) else {
        return scanner.note(path, "its interpreter is not an absolute path");
    };
    let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
    if !BIN.contains(&folder.as_bytes()) {
        scanner.require(path, CapabilityKind::File, &format!("/{program}"), Constraint::ANY);
        return;
    }
    scanner.require(path, CapabilityKind::Cmd, name, Constraint::ANY);
    // `env` looks the program up: options and assignments stand before it.
    let argument = words.find(|word| !word.starts_with('-') && !word.contains('='));
    if let ("env", Some(command)) = (name, argument) {
        scanner.require(path, CapabilityKind::Cmd, command, Constraint::ANY);
    }
}
