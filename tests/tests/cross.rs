//! The same recipes for other machines: `build --target TRIPLET`.
#![cfg(feature = "system")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use minos_model::{JobState, StepState, Triplet};
use minos_proto::PackageRequest;
use minos_tests::packages::ask;
use minos_tests::{Recipes, Root, artefacts};

/// Two steps of the cross toolchain in small: `base` does not care for the machine, `who` writes it down. One more of
/// the next chapter.
fn recipes() -> Recipes {
    let recipes = Recipes::new();
    recipes.write("cross/base/install.sh", "mkdir -p \"$LFS/usr\"\n");
    recipes.write(
        "cross/who/install.sh",
        "mkdir -p \"$LFS/usr/share\"\necho \"told $LFS_TGT\"\n\
         echo \"$LFS_TGT $ARCH\" > \"$LFS/usr/share/who\"\n",
    );
    recipes.write("cross/who/more.sh", "echo riscv >> \"$LFS/usr/share/who\"\n");
    recipes.write("temporary/late/install.sh", "mkdir -p \"$LFS/usr\"\n");
    let toml = |name: &str, stage: &str, more: &str| {
        let text = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"1.0\"\nstage = \"{stage}\"\norder = 1\n\
             description = \"A step of a test\"\nlicense = \"MIT\"\n\n[phases]\ninstall = \"install.sh\"\n\n\
             [group]\nnames = [\"all\"]\n\n{more}"
        );
        recipes.write(&format!("{stage}/{name}/recipe.toml"), &text);
    };
    toml("base", "cross", "");
    toml("late", "temporary", "");
    let more = "[deps]\nbuild = [\"base\"]\n\n[env]\nARCH = \"x86\"\n\n\
                [target.aarch64-lfs-linux-gnu]\nenv = { ARCH = \"arm64\" }\n\n\
                [target.riscv64-lfs-linux-gnu]\nappend = { install = \"more.sh\" }\n";
    toml("who", "cross", more);
    recipes
}

#[test]
fn each_machine_has_an_output_and_a_log_of_its_own() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let mut bases = BTreeSet::new();
    let expected = [
        ("who", "x86_64-lfs-linux-gnu x86\n"),
        ("who@aarch64-lfs-linux-gnu", "aarch64-lfs-linux-gnu arm64\n"),
        ("who@riscv64-lfs-linux-gnu", "riscv64-lfs-linux-gnu x86\nriscv\n"),
    ];
    let mut built = Vec::new();
    for (target, text) in expected {
        let outcome = daemon.build(target);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        assert!(outcome.steps.iter().all(|s| s.state == StepState::Built), "{outcome:?}");
        let [base, who] = &outcome.steps[..] else { panic!("{outcome:?}") };
        assert_eq!(who.step.to_string(), target);
        assert_eq!(base.step.target(), who.step.target());
        bases.insert(base.output.expect("an output"));
        built.push((root.path().join(format!("outputs/{}/tree", who.output.unwrap())), text));
        let told = text.split(' ').next().map(|machine| format!("told {machine}\n"));
        assert!(daemon.log(target).contains(&told.expect("a word")), "{target}");
    }
    for (tree, text) in &built {
        assert_eq!(fs::read_to_string(tree.join("lfs/usr/share/who")).unwrap(), *text);
    }
    assert_eq!(bases.len(), 1, "the same tree is one output, whatever machine it is for");
    for (target, _) in expected {
        let again = daemon.build(target);
        assert!(again.steps.iter().all(|s| s.state == StepState::Cached), "{again:?}");
    }
}

fn pkgctl(root: &Root, arguments: &[&str]) -> Output {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    command.arg("--root").arg(root.path()).args(arguments).output().expect("pkgctl runs")
}

#[test]
fn pkgctl_builds_for_another_machine_and_says_for_which() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let machine = Triplet::Riscv64.as_str();
    let said = |arguments: &[&str]| {
        let output = pkgctl(&root, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let name = format!("who@{machine}");
    assert!(said(&["plan", "who", "--target", machine]).contains(&name));
    assert!(said(&["build", "cross/who", "--target", machine]).contains(&name));
    assert!(said(&["build", "who", "--target", machine, "--rebuild", "who"]).contains(&name));
    assert!(said(&["jobs"]).contains("cross/who@riscv64"), "what fits into 80 columns");
    assert!(said(&["jobs", "1"]).contains(&name));
    assert!(said(&["log", &name]).contains(&format!("told {machine}")));
    assert!(!said(&["recipe", "list"]).contains(machine), "a recipe is listed once");
    let refused = |arguments: &[&str], why: &str| {
        let output = pkgctl(&root, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        // As it stands on a terminal, in lines.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(why), "{arguments:?}: {text}");
    };
    refused(
        &["build", "who", "--target", "sparc"],
        "aarch64-lfs-linux-gnu and riscv64-lfs-linux-gnu",
    );
    refused(&["build", "late", "--target", machine], "late is of stage temporary");
    refused(&["plan", "lfs/all", "--target", machine], "late is of stage temporary");
    let pack = PackageRequest::Pack { targets: vec![name.clone()] };
    let error = ask(&mut daemon, pack).expect_err("no package of this system");
    assert!(error.what.contains(&format!("{name} is for {machine}")), "{error:?}");
}
