//! What is said when something cannot be done: what failed, on what, why, and what to do next.

use std::io;

use minos_model::Digest;
use minos_store::{Problem, SystemError};

fn name(text: &str) -> minos_model::Name {
    text.parse().unwrap()
}

fn io(kind: io::ErrorKind) -> SystemError {
    SystemError::Io { doing: "write", path: "objects/ab/cd".into(), source: kind.into() }
}

fn problems() -> Vec<Problem> {
    let path = || "usr/bin/awk".to_owned();
    let why = "both have this file";
    vec![
        Problem::NotInstalled { package: name("gawk") },
        Problem::Held { package: name("gawk"), note: "works".to_owned() },
        Problem::Twice { package: name("gawk") },
        Problem::NoAccount { package: name("postfix"), account: "mail".to_owned() },
        Problem::Path { path: path(), owner: Some(name("gawk")), package: name("mawk"), why },
        Problem::Path { path: path(), owner: None, package: name("mawk"), why },
        Problem::Soname {
            soname: "libz.so.1".to_owned(),
            package: name("zlib"),
            needed_by: name("git"),
        },
        Problem::Misplaced { package: name("dbus"), path: "run/dbus".to_owned(), why: "so" },
        Problem::Space { needed: 5 << 20, free: 1 << 20, reserve: 1 << 20 },
        Problem::Inodes { needed: 500, free: 3 },
    ]
}

fn all() -> Vec<SystemError> {
    let why = || "it said so".to_owned();
    let mut all: Vec<SystemError> =
        problems().into_iter().map(|problem| SystemError::Refused(vec![problem])).collect();
    all.push(SystemError::Refused(problems()));
    all.extend([
        SystemError::Stale { planned: 3, current: 4 },
        SystemError::NoPlan { why: why() },
        SystemError::Content { digest: Digest::of(b"x"), why: why() },
        SystemError::Gone { package: Digest::of(b"x"), why: why() },
        SystemError::Trigger { why: why() },
        SystemError::Unfinished { generation: 4, why: why() },
        SystemError::NoGeneration { number: 0 },
        SystemError::NoGeneration { number: 9 },
        SystemError::NoPackage { what: "package gawk".to_owned() },
        SystemError::Damaged { what: "row 7".to_owned() },
        io(io::ErrorKind::StorageFull),
        io(io::ErrorKind::QuotaExceeded),
        io(io::ErrorKind::ReadOnlyFilesystem),
        io(io::ErrorKind::PermissionDenied),
        io(io::ErrorKind::CrossesDevices),
        io(io::ErrorKind::Other),
    ]);
    all
}

/// The texts are a promise: who changes one changes this list.
#[test]
fn pitfall_32_every_error_says_what_why_and_what_next() {
    let told: Vec<String> = all().iter().map(|e| format!("{e}\n  -> {}", e.hint())).collect();
    let told = told.join("\n");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages.txt");
    if std::env::var_os("MINOS_BLESS").is_some() {
        std::fs::write(page, format!("{told}\n")).unwrap();
    }
    let expected = std::fs::read_to_string(page).unwrap();
    for (told, expected) in told.lines().zip(expected.lines()) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.lines().count(), expected.lines().count());
}

#[test]
fn no_error_speaks_of_the_program() {
    for error in all() {
        let text = format!("{error} {}", error.hint());
        for word in ["panick", "unwrap", "assert", "Some(", "None", "Error {", "kind:"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(error.hint().len() > 10, "{text}: what to do next?");
        // One line each, so that it stands on a console of 80 columns after few wraps.
        assert!(!text.contains('\n'), "{text}");
    }
}
