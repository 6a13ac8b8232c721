//! Builds started by the command line, with nobody there.
#![cfg(feature = "system")]

use minos_tests::{Recipes, Root, daemon};

/// Exit status and output of an unattended run on `root`.
fn unattended(root: &Root, target: &str) -> (Option<i32>, String) {
    let mut process = root
        .command()
        .args(["--build", target, "--then", "exit"])
        .spawn()
        .expect("pkgd starts");
    let status = process.wait().expect("pkgd ends");
    (status.code(), daemon::all_output(&mut process))
}

/// The second run found everything cached, so that its job was over before anybody waited for its end:
/// no verdict came, and an appliance booted for it stayed up for ever.
#[test]
fn a_build_with_nothing_left_to_do_ends_too() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/one");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("1 built, 0 cached"), "{text}");
    let (status, text) = unattended(&root, "demo/one");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("0 built, 1 cached"), "{text}");
}

#[test]
fn a_failure_shows_in_the_exit_status_and_in_words() {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], &[("build", "echo the reason; false\n")]);
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/bad");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("script in build") && text.contains("the reason"), "{text}");
    assert!(text.contains("hint:"), "{text}");
}

#[test]
fn an_unknown_target_ends_at_once() {
    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/nothing");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("demo/nothing"), "{text}");
}
