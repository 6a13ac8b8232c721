//! What other package managers fell for, as far as it is the solver's: `docs/PITFALLS.md` has the numbers.

mod support;

use minos_solve::{Limits, SolveError, Universe, solve};
use support::Scene;

fn scene(text: &str) -> (Scene, Universe) {
    let mut scene = Scene::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        assert!(scene.line(line), "{line}");
    }
    let universe = scene.universe();
    (scene, universe)
}

/// The steps of the answer, or the words of the refusal.
fn outcome(text: &str) -> String {
    let (scene, universe) = scene(text);
    match solve(&universe, &scene.system, &scene.request, &Limits::default()) {
        Ok(answer) => answer.describe(&universe),
        Err(SolveError::Refused(refusal)) => format!("refused: {refusal}"),
        Err(error) => panic!("{error}"),
    }
}

const TWO: &str = "repo main 10
pkg openssl 3: provides ssl=3
pkg curl 1: needs openssl
pkg wget 1: needs ssl
repo foreign 5
";

/// A repository of lower priority tries every way to get its own package in.
#[test]
fn pitfall_5_a_foreign_repository_cannot_slip_in_its_own_packages() {
    let tries = [
        ("a higher version", "pkg openssl 99"),
        ("another package that provides the name", "pkg evil 99: provides openssl=99"),
        ("a package named like a capability", "pkg ssl 99"),
        ("a replacement", "pkg evil 99: replaces openssl; provides openssl=99, ssl=99"),
        ("a replacement of one version", "pkg evil 99: replaces openssl<4; provides openssl=99"),
        (
            "a conflict with what is there",
            "pkg evil 99: conflicts openssl; provides openssl=99, ssl=99",
        ),
    ];
    for (what, line) in tries {
        for target in ["openssl", "curl", "wget"] {
            let steps = outcome(&format!("{TWO}{line}\ninstall {target}\n"));
            assert!(steps.contains("install openssl 3"), "{what}: {steps}");
            assert!(!steps.contains("99"), "{what}: {steps}");
        }
        let installed = "have openssl 3\nwant curl 1\nwant wget 1\n";
        for ask in ["upgrade", "update openssl", "update curl", "install wget"] {
            let steps = outcome(&format!("{TWO}{line}\n{installed}{ask}\n"));
            assert_eq!(steps, "", "{what}, {ask}");
        }
    }
    // With the user's word it comes.
    let evil = "pkg evil 99: replaces openssl; provides openssl=99, ssl=99";
    let steps = outcome(&format!("{TWO}{evil}\nwant openssl 3\ninstall evil\n"));
    assert!(steps.contains("replace openssl 3 by evil 99"), "{steps}");
    let steps = outcome(&format!("{TWO}pkg openssl 99\npin openssl@foreign\ninstall curl\n"));
    assert!(steps.contains("install openssl 99"), "{steps}");
}

/// Versions posed as updates: nothing goes back by itself.
#[test]
fn pitfall_2_an_older_version_is_no_update() {
    let older = "pkg a 1\npkg b 2: needs a<2\nwant a 2\ngone a 2\n";
    for ask in ["upgrade", "update a", "install a"] {
        assert_eq!(outcome(&format!("{older}{ask}\n")), "", "{ask}");
    }
    assert!(outcome(&format!("{older}install b\n")).starts_with("refused: "));
    assert!(outcome(&format!("{older}downgrade a<2\n")).contains("downgrade a 2 -> 1"));
}

/// pacman gave names of a repository to a shell. Ours go to none; nor is there a name that a shell would read.
#[test]
fn pitfall_8_names_of_packages_cannot_carry_commands() {
    for name in
        ["$(reboot)", "a;b", "a b", "-rf", "../a", "a\nb", "a'b", "a|b", "`id`", "a\0", "\u{202e}a"]
    {
        assert!(name.parse::<minos_model::Name>().is_err(), "{name:?}");
        assert!(name.parse::<minos_solve::Want>().is_err(), "{name:?}");
        assert!(name.parse::<minos_model::Version>().is_err(), "{name:?}");
    }
}
