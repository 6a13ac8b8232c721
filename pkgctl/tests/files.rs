//! Verbs that another program does the work for: which one is started, and what becomes of its answer. The real one
//! is tried in `tests/tests/packages_files.rs`.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use minos_proto::{ErrorKind, ErrorReport, Reply, Sheet, Tag, frame};
use support::Ran;
use tempfile::TempDir;

/// Held while a program is written and while one is started: a process that begins in between takes the open file along,
/// and what is open for writing cannot be run (ETXTBSY).
static WRITING_OR_STARTING: Mutex<()> = Mutex::new(());

/// A folder with pkgctl, and perhaps with a pkgd beside it.
fn folder(pkgd: Option<&str>) -> TempDir {
    let _alone = WRITING_OR_STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(env!("CARGO_BIN_EXE_pkgctl"), folder.path().join("pkgctl")).unwrap();
    if let Some(script) = pkgd {
        let path = folder.path().join("pkgd");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn pkgctl(folder: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(folder.join("pkgctl"));
    command.args(words).env("PATH", "/nonexistent").current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let alone = WRITING_OR_STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let started = command.spawn().unwrap();
    drop(alone);
    let output = started.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A pkgd that notes its words and answers with this.
fn answering(answer: Result<Reply, ErrorReport>) -> TempDir {
    let folder = folder(Some("echo \"$@\" > words; exec /bin/cat answer"));
    let frame = frame::encode(Tag::Reply, &(0u32, answer)).unwrap();
    fs::write(folder.path().join("answer"), frame).unwrap();
    folder
}

#[test]
fn the_pkgd_beside_pkgctl_gets_the_words_and_its_answer_is_shown() {
    let folder = answering(Ok(Reply::Sheet(Sheet::new("key").fact("id", "8f"))));
    let table: [(&[&str], &str); 8] = [
        (&["inspect", "x.mpk", "--files"], "tool inspect --files -- x.mpk"),
        (&["sign", "x", "--key", "k", "--signify"], "tool sign --key k --signify -- x"),
        (&["verify-file", "--keys", "d", "--", "-x"], "tool verify --keys d -- -x"),
        (&["key", "generate", "ann"], "tool key-generate -- ann"),
        (&["key", "export", "ann.key"], "tool key-export -- ann.key"),
        (&["key", "list", "--dir", "d"], "tool key-list -- d"),
        (&["pack", "./x", "--key", "k"], "tool pack --key k -- ./x"),
        (&["db", "restore", "b", "--root", "/r"], "tool restore --root /r -- b"),
    ];
    for (words, want) in table {
        assert_eq!(pkgctl(folder.path(), words).ends(0).out, "id: 8f\n", "{words:?}");
        assert_eq!(fs::read_to_string(folder.path().join("words")).unwrap().trim_end(), want);
    }
}

#[test]
fn its_errors_are_pkgctls() {
    let report = ErrorReport::new(ErrorKind::NotFound, "there is no such file", "look at the path");
    let folder = answering(Err(report));
    let ran = pkgctl(folder.path(), &["inspect", "x"]).ends(3);
    assert_eq!(ran.err, "pkgctl: there is no such file\nhint: look at the path\n");
}

#[test]
fn without_a_pkgd_or_with_another_program_of_that_name() {
    let ran = pkgctl(folder(None).path(), &["inspect", "x"]).ends(4);
    assert!(ran.complaint().contains("cannot start pkgd:"), "{ran:?}");
    assert!(ran.complaint().contains("put pkgd beside pkgctl"), "{ran:?}");
    pkgctl(folder(Some("echo nonsense")).path(), &["inspect", "x"]).ends(8);
    pkgctl(folder(Some("exit 1")).path(), &["inspect", "x"]).ends(4);
}

#[test]
fn what_is_missing_is_said_before_anything_is_started() {
    let nowhere = folder(None);
    let table: [(&[&str], &str); 4] = [
        (&["sign", "x"], "--key names the secret key file"),
        (&["pack", "./x", "./y"], "one folder at a time"),
        (&["pack", "m4", "--key", "k"], "--key is for folders"),
        (&["db", "restore", "b"], "--root DIR names the state root"),
    ];
    for (words, want) in table {
        let ran = pkgctl(nowhere.path(), words).ends(2);
        assert!(ran.complaint().contains(want), "{ran:?}");
    }
}
