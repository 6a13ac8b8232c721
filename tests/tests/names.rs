//! Names that lead elsewhere, through the verbs of pkgctl that take one, with the real pkgd behind it.
#![cfg(feature = "system")]

use std::path::Path;
use std::process::{Command, Output};

use minos_tests::{Recipes, Root, artefacts};

/// Verbs before the name. What they ask of a person is answered with yes: a name that is taken for another does harm.
const VERBS: [&str; 43] = [
    "plan",
    "report",
    "build",
    "jobs",
    "watch",
    "log",
    "tests",
    "cancel",
    "retry",
    "recipe show",
    "install --yes",
    "remove --yes",
    "update --yes",
    "apply --yes",
    "plans",
    "search",
    "info",
    "files",
    "owner",
    "query owner",
    "depends",
    "rdepends",
    "why",
    "verify",
    "hold",
    "unhold",
    "switch --yes",
    "boot",
    "diff",
    "pin",
    "unpin",
    "sysroot",
    "sysroot x",
    "sysroot --remove",
    "repo add x",
    "repo remove",
    "key trust",
    "key export",
    "key revoke",
    "image build --disk /dev/null --generation",
    "pack",
    "inspect",
    "verify-file",
];

/// A verb with a name.
fn tried(root: &Root, verb: &str, name: &str) -> Output {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    command.arg("--root").arg(root.path()).args(verb.split(' ')).arg(name);
    command.output().expect("pkgctl runs")
}

/// Escape sequences, turned writing, or whatever else a terminal obeys.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n') || c == '\u{202e}'
}

/// pacman twice gave a name from outside to a shell; others showed one to the terminal as it was.
#[test]
fn pitfall_8_no_verb_is_led_by_a_name() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let root = Root::new(recipes.path());
    let _daemon = root.start();
    let witness = root.path().join("witness");
    let shell = |text: &str| text.replace('W', &witness.display().to_string());
    let names = [
        shell("$(touch W)"),
        shell("one; touch W"),
        shell("`touch W`|touch W"),
        shell("../../../../../..W"),
        "\u{1b}[2J\u{1b}]0;title\u{7}\r\u{8}".to_owned(),
        "one\nbuilt two".to_owned(),
        "\u{202e}eno %s%n \u{0301}".to_owned(),
        "a".repeat(100_000),
        String::new(),
    ];
    for verb in VERBS {
        for name in &names {
            let output = tried(&root, verb, name);
            let short: String = name.chars().take(40).collect();
            let said = [&output.stdout[..], &output.stderr[..]].concat();
            let text = String::from_utf8_lossy(&said);
            let code = output.status.code();
            assert!(
                code.is_some_and(|code| code <= 15 && code != 10),
                "{verb} {short:?}: {output:?}"
            );
            assert!(!text.contains("no verb") && !text.contains("nrecognized"), "{verb}: {text}");
            assert!(!text.contains("panicked"), "{verb} {short:?}: {text}");
            assert!(!text.chars().any(is_obeyed), "{verb} {short:?}: {text:?}");
            assert!(!Path::new(&witness).exists(), "{verb} {short:?} ran it");
        }
    }
    assert_eq!(tried(&root, "build", "demo/one").status.code(), Some(0), "pkgd is as before");
}
