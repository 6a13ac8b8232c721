//! The one command of the README, in a clean clone: `tests/run --full`, since the clone builds everything anew.
//!
//! What is committed is under test, not what lies in the working tree. Fetched sources, the seed and the kernel
//! come from the cache of whoever runs it, where they are.
#![cfg(feature = "full")]

use std::path::Path;
use std::process::Command;

use minos_tests::artefacts::{must_be_root, top};

/// Runs `qemu/up`: fails unless it ends well and its summary has this text.
fn up(clone: &Path, arguments: &[&str], summary: &str) {
    let output = Command::new(clone.join("qemu/up"))
        .args(arguments)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("qemu/up starts");
    let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    let said = said.join("\n--- stderr ---\n");
    assert!(output.status.success(), "up {arguments:?}: {}\n{said}", output.status);
    assert!(said.contains(summary), "up {arguments:?} shows its summary:\n{said}");
}

#[test]
fn a_clean_clone_boots_a_machine_that_builds_and_builds_on_the_host() {
    must_be_root();
    let dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let clone = dir.path().join("minos");
    let cloned = Command::new("git").args(["clone", "--quiet"]).args([&top(), &clone]).status();
    assert!(cloned.is_ok_and(|s| s.success()), "git clones {}", top().display());
    // The verdict of a machine counts; the table of a host build names the job.
    up(&clone, &["--yes"], " 0 failed");
    up(&clone, &["--host", "--target", "demo/zlib", "--yes"], "demo/zlib: done");
}
