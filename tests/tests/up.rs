//! The one command of the README: what it refuses, and, for `tests/run --full`, a clean clone that builds everything
//! anew.
//!
//! What is committed is under test, not what lies in the working tree. Fetched sources, the seed and the kernel
//! come from the cache of whoever runs it, where they are.
#![cfg(feature = "system")]

use std::process::Command;

use minos_tests::artefacts::top;

/// What is wrong is said before anything is built, installed or deleted.
#[test]
fn bad_arguments_are_refused_in_words() {
    let photos = tempfile::tempdir().expect("a folder");
    let photo = photos.path().join("photo");
    std::fs::write(&photo, "dear").expect("a file");
    let photos = photos.path().to_str().expect("text");
    let refused: [(&[&str], &str); 17] = [
        (&["--frehs"], "unknown option '--frehs'"),
        (&["--target"], "--target needs a value"),
        (&["--target", "--yes"], "'--yes' is no target"),
        (&["--target", "demo/zlib init=/bin/sh"], "is no target"),
        (&["--jobs", "many"], "give a number from 1"),
        (&["--jobs", "0"], "give a number from 1"),
        (&["--host", "--lanes", "0"], "give a number from 1"),
        (&["--host", "--lanes", "100"], "give a number from 1"),
        (&["--lanes", "2"], "add --host"),
        (&["--tests", "some"], "give none, critical or all"),
        (&["--accel", "hvf"], "give auto, kvm or tcg"),
        (&["--state", "x"], "add --host"),
        (&["--host", "--stay"], "leave out --host"),
        (&["--host", "--accel", "tcg"], "leave out --host"),
        (&["--target", "lfs/all", "--stay"], "leave out --stay"),
        (&["--host", "--fresh", "--state", photos], "no state of pkgd"),
        (&["--host", "--fresh", "--state", "/"], "no state of pkgd"),
    ];
    for (arguments, why) in refused {
        let output = Command::new(top().join("qemu/up")).args(arguments).output();
        let output = output.expect("qemu/up starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("up: ") && said.contains(why), "{arguments:?}: {said}");
    }
    assert!(photo.exists());
}

#[test]
fn two_at_once_are_one_too_many() {
    let script = std::fs::File::open(top().join("qemu/up")).expect("the script");
    // Another one may be at work just now: then it is that one that ours meets.
    let _ours = script.try_lock();
    let output = Command::new(top().join("qemu/up")).arg("--yes").output().expect("qemu/up starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("another qemu/up is at work in this tree"), "{said}");
}

/// Runs `qemu/up`: fails unless it ends well and its summary has this text.
#[cfg(feature = "full")]
fn up(clone: &std::path::Path, arguments: &[&str], summary: &str) {
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

#[cfg(feature = "full")]
#[test]
fn a_clean_clone_boots_a_machine_that_builds_and_builds_on_the_host() {
    minos_tests::artefacts::must_be_root();
    let dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let clone = dir.path().join("minos");
    let cloned = Command::new("git").args(["clone", "--quiet"]).args([&top(), &clone]).status();
    assert!(cloned.is_ok_and(|s| s.success()), "git clones {}", top().display());
    // The verdict of a machine counts; the table of a host build names the job.
    up(&clone, &["--yes"], " 0 failed");
    up(&clone, &["--host", "--target", "demo/zlib", "--yes"], "demo/zlib: done");
}
