//! The program as a user meets it: exit status, messages, JSON.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(args: &[&str], cache: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_minos-image"))
        .args(["--tree", tree().to_str().unwrap(), "--out", cache.join("out").to_str().unwrap()])
        .args(args)
        .env("XDG_CACHE_HOME", cache)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The wanted configuration of the tree, with nothing else in it: as if all of it had survived.
fn wanted() -> String {
    minos_image::kernel::FRAGMENTS
        .iter()
        .map(|name| {
            fs::read_to_string(tree().join(format!("kernel-config/{name}.config"))).unwrap()
        })
        .collect()
}

#[test]
fn a_kernel_symbol_that_got_lost_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    let path = config.to_str().unwrap();
    fs::write(&config, wanted()).unwrap();
    let good = run(&["check-config", path], dir.path());
    assert!(good.status.success(), "{}", text(&good.stderr));

    fs::write(&config, wanted().replace("CONFIG_SECURITY_LANDLOCK=y\n", "")).unwrap();
    let bad = run(&["check-config", path], dir.path());
    assert_eq!(bad.status.code(), Some(1));
    let message = text(&bad.stderr);
    assert!(message.contains("SECURITY_LANDLOCK: wanted y, got n"), "{message}");
    assert!(message.contains("kernel-config/sandbox.config:"), "{message}");
}

#[test]
fn json_carries_the_result_and_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["state-disk", "--size", "64M", "--json"];
    let made: serde_json::Value = serde_json::from_slice(&run(&args, dir.path()).stdout).unwrap();
    assert_eq!(made["ok"], true);
    assert_eq!(made["artefacts"][0]["bytes"], 64 << 20);
    let again = run(&args, dir.path());
    assert_eq!(again.status.code(), Some(1));
    let refused: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(refused["ok"], false);
    assert!(refused["error"].as_str().unwrap().contains("--force"));
}

#[test]
fn outside_a_tree_the_next_step_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_minos-image"))
        .arg("report")
        .current_dir(dir.path())
        .env("XDG_CACHE_HOME", dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--tree DIR"), "{}", text(&output.stderr));
}
