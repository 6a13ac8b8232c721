//! Whether what was built needs anything of the seed: what `pkgctl verify --self-contained` finds.
#![cfg(feature = "system")]

use std::process::{Command, Output};

use minos_model::JobState;
use minos_tests::recipes::TOOLS;
use minos_tests::{Recipes, Root, artefacts};

fn pkgctl(root: &Root, target: &str) -> Output {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    command.args(["--json", "verify", "--self-contained", target, "--root"]).arg(root.path());
    command.output().expect("pkgctl runs")
}

/// The sheet of an answer, which comes after all progress.
fn sheet(done: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&done.stdout);
    let last = text.lines().last().expect("a sheet");
    let sheet: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(sheet["type"], "self-contained");
    sheet["data"].clone()
}

/// Kind, path and words of all findings of a step.
fn findings(sheet: &serde_json::Value, step: &str) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let rows = sheet["findings"].as_array().expect("findings").iter();
    rows.filter(|row| row["step"] == step)
        .map(|row| (text(&row["kind"]), text(&row["path"]), text(&row["what"])))
        .collect()
}

/// Its tools are copies of the seed's, so that there is something to be found in them as well.
#[test]
fn what_leaks_is_found_and_what_does_not_is_not() {
    let mut recipes = Recipes::new();
    recipes.staged("temporary", "tools", "", TOOLS);
    let clean = "mkdir -p /usr/share/clean\n\
        echo 'see /usr/share/clean, cpython-313-x86_64-linux-gnu.so' > /usr/share/clean/text\n";
    recipes.staged("chroot", "clean", "\"tools\"", clean);
    let leak = "mkdir -p /usr/share/leak\n\
        echo 'libs=/usr/lib/x86_64-linux-gnu' > /usr/share/leak/seed\n\
        echo 'from /build/src and /lfs/tools' > /usr/share/leak/box\n";
    recipes.staged("chroot", "leak", "\"tools\", \"clean\"", leak);
    recipes.step("seeded", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();

    let nothing = pkgctl(&root, "chroot/leak");
    assert_eq!(nothing.status.code(), Some(15));
    assert_eq!(sheet(&nothing)["not_built"].as_array().map(Vec::len), Some(3));

    assert_eq!(daemon.build("chroot/leak").state, JobState::Done);
    let done = pkgctl(&root, "chroot/leak");
    assert_eq!(done.status.code(), Some(15), "{}", String::from_utf8_lossy(&done.stderr));
    let sheet = sheet(&done);
    assert_eq!((&sheet["steps"], &sheet["contained"]), (&3.into(), &false.into()));
    assert_eq!(findings(&sheet, "clean"), []);
    let found = |kind: &str, path: &str, what: &str| (kind.into(), path.into(), what.into());
    assert_eq!(
        findings(&sheet, "leak"),
        [
            found("work-path", "/usr/share/leak/box", "from /build/src and /lfs/tools"),
            found("work-path", "/usr/share/leak/box", "from /build/src and /lfs/tools"),
            found("seed-path", "/usr/share/leak/seed", "libs=/usr/lib/x86_64-linux-gnu"),
        ]
    );
    let tools = findings(&sheet, "tools");
    let of = |kind: &str| tools.iter().filter(|(found, ..)| found == kind).count();
    assert!(of("seed-path") > 0, "the C library of the seed names its folders: {tools:?}");
    assert!(of("no-library") > 0, "and lies where no loader of ours looks: {tools:?}");

    let refused = pkgctl(&root, "demo/seeded");
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}
