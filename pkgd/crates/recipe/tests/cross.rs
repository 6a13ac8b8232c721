//! The same recipe for another machine: what differs, what does not, and what is refused.

use std::collections::BTreeMap;
use std::path::Path;

use minos_model::{Phase, StepId, Triplet};
use minos_recipe::{Recipe, RecipeSet, TargetError};

const ARM: &str = "aarch64-lfs-linux-gnu";
const RISCV: &str = "riscv64-lfs-linux-gnu";

const TOOL: &str = r#"schema = 1
name = "tool"
pass = "pass1"
version = "1"
stage = "cross"
order = 501
description = "A tool"
license = "MIT"

[deps]
build = ["base", "helper"]

[phases]
build = "build.sh"
install = "install.sh"

[env]
COLOUR = "red"
SHAPE = "round"

[check]
assert = "assert.sh"

[group]
names = ["tools"]

[package]
name = "tools"

[target.aarch64-lfs-linux-gnu]
append = { build = "more.sh" }
assert = "assert-arm.sh"
env = { COLOUR = "blue" }
"#;

fn plain(name: &str, stage: &str) -> String {
    let from = TOOL.find("[deps]").unwrap()..TOOL.find("[phases]").unwrap();
    let to = TOOL.find("[group]").unwrap();
    let text =
        [&TOOL[..from.start], &TOOL[from.end..to]].concat().replace("pass = \"pass1\"\n", "");
    let text = text.replace("\"tool\"", &format!("\"{name}\""));
    text.replace("\"cross\"", &format!("\"{stage}\"")) + "[group]\nnames = [\"tools\"]\n"
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert("sources.lock".into(), "schema = 1\n".into());
    let recipes = [
        ("cross/tool-pass1", TOOL.to_owned()),
        ("cross/base", plain("base", "cross")),
        ("demo/helper", plain("helper", "demo")),
        ("temporary/late", plain("late", "temporary")),
    ];
    for (folder, toml) in recipes {
        files.insert(format!("{folder}/recipe.toml"), toml.into());
        for (name, text) in
            [("build", "make\n"), ("install", "make install\n"), ("assert", "true\n")]
        {
            files.insert(format!("{folder}/{name}.sh"), text.into());
        }
    }
    files.insert("cross/tool-pass1/more.sh".into(), "make more\n".into());
    files.insert("cross/tool-pass1/assert-arm.sh".into(), "test arm\n".into());
    files
}

fn set() -> RecipeSet {
    let (set, lints) = RecipeSet::from_files(&files());
    assert_eq!(lints, []);
    set
}

fn get<'a>(set: &'a RecipeSet, step: &str) -> &'a Recipe {
    set.get(&step.parse().unwrap()).unwrap_or_else(|| panic!("{step}"))
}

fn names(steps: &[StepId]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn the_table_of_a_machine_changes_the_step_for_it_alone() {
    let set = set();
    let [native, arm, riscv] = ["".to_owned(), format!("@{ARM}"), format!("@{RISCV}")]
        .map(|on| get(&set, &format!("tool:pass1{on}")));
    let text = |recipe: &Recipe, phase| recipe.scripts[&phase].text.clone();
    assert_eq!(text(arm, Phase::Build), "make\nmake more\n");
    assert_eq!(text(arm, Phase::Assert), "test arm\n");
    assert_eq!(arm.scripts[&Phase::Install], native.scripts[&Phase::Install]);
    assert_eq!(riscv.scripts, native.scripts);
    assert_eq!(text(native, Phase::Build), "make\n");
    let env = |recipe: &Recipe| recipe.env.values().cloned().collect::<Vec<_>>();
    assert_eq!(env(native), ["red", "round"]);
    assert_eq!(env(arm), ["blue", ARM, "round"], "COLOUR, LFS_TGT, SHAPE");
    assert_eq!(env(riscv), ["red", RISCV, "round"]);
    assert_eq!(names(&native.build), ["base", "helper"]);
    assert_eq!(names(&arm.build), [format!("base@{ARM}"), "helper".to_owned()], "helper runs here");
    assert_eq!(arm.package, Default::default(), "its output is no part of this system");
    assert_eq!(set.len(), 4, "nobody wrote those for other machines");
}

#[test]
fn the_recipe_itself_says_the_same_with_and_without_tables() {
    let mut without = files();
    let toml = TOOL.split("[target").next().unwrap();
    without.insert("cross/tool-pass1/recipe.toml".into(), toml.into());
    let without = RecipeSet::from_files(&without).0;
    let (with, step) = (set(), "tool:pass1");
    assert_eq!(get(&with, step).canonical(), get(&without, step).canonical());
    assert_eq!(get(&with, step).phases(), get(&without, step).phases());
    let arm = format!("{step}@{ARM}");
    assert_ne!(get(&with, &arm).canonical(), get(&without, &arm).canonical(), "COLOUR");
}

#[test]
fn a_target_may_say_for_which_machine() {
    let set = set();
    for target in ["tool:pass1", "cross/tool:pass1", "lfs/tool:pass1"] {
        let steps = set.resolve(&format!("{target}@{ARM}")).unwrap();
        assert_eq!(names(&steps), [format!("tool:pass1@{ARM}")]);
        let native = set.resolve(&format!("{target}@{}", Triplet::NATIVE)).unwrap();
        assert_eq!(native, set.resolve(target).unwrap());
    }
    assert!(names(&set.resolve("lfs/tools").unwrap()).iter().all(|name| !name.contains('@')));
}

#[test]
fn what_cannot_be_for_another_machine_is_refused_by_name() {
    let set = set();
    for (target, step, stage) in [
        (format!("lfs/tools@{ARM}"), "late", "temporary"),
        (format!("late@{RISCV}"), "late", "temporary"),
        (format!("demo/helper@{ARM}"), "helper", "demo"),
    ] {
        let error = set.resolve(&target).unwrap_err();
        assert!(matches!(error, TargetError::NotCrossed { .. }), "{error:?}");
        let want = format!("{step} is of stage {stage} and cannot be built for ");
        assert!(error.to_string().starts_with(&want), "{error}");
    }
    for machine in ["", "arm", "x86_64-linux-gnu", "aarch64-lfs-linux-gnu@riscv64-lfs-linux-gnu"] {
        let error = set.resolve(&format!("tool:pass1@{machine}")).unwrap_err().to_string();
        assert!([ARM, RISCV, Triplet::NATIVE].iter().all(|known| error.contains(known)), "{error}");
    }
    let error = set.resolve(&format!("tol@{ARM}")).unwrap_err();
    assert!(matches!(error, TargetError::Unknown { .. }), "{error:?}");
}

/// The findings when `old` of the tool's recipe reads `new`.
fn after(old: &str, new: &str) -> String {
    let mut files = files();
    assert!(TOOL.contains(old), "{old}");
    files.insert("cross/tool-pass1/recipe.toml".into(), TOOL.replace(old, new).into());
    let lints = RecipeSet::from_files(&files).1;
    lints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_table_has_its_finding() {
    let table = "[target.aarch64-lfs-linux-gnu]";
    for (old, new, want) in [
        (table, "[target.sparc]", "the targets are x86_64-lfs-linux-gnu"),
        (table, "[target.x86_64-lfs-linux-gnu]", "the targets are"),
        (
            "stage = \"cross\"",
            "stage = \"temporary\"",
            "are not built for aarch64-lfs-linux-gnu [bad-value]",
        ),
        ("more.sh", "mere.sh", "did you mean 'more.sh'?"),
        (
            "append = {",
            "phases = { build = \"build.sh\" }\nappend = {",
            "[bad-value]; 'phases' stands for",
        ),
        ("append = {", "add = {", "add"),
        ("COLOUR = \"blue\"", "LFS_TGT = \"blue\"", "[fixed-env]"),
        (
            "append = { build = \"more.sh\" }\n",
            "",
            "more.sh: warning: nothing in recipe.toml names",
        ),
    ] {
        let found = after(old, new);
        assert!(found.contains(want), "{new}: {found}");
    }
}

/// Also of a script that only other machines have, and once where several have the same.
#[test]
fn scripts_of_other_machines_are_read_by_the_linter() {
    let mut files = files();
    files.insert("cross/tool-pass1/more.sh".into(), "curl x\n".into());
    let both = format!("{TOOL}[target.{RISCV}]\nappend = {{ build = \"more.sh\" }}\n");
    files.insert("cross/tool-pass1/recipe.toml".into(), both.into());
    let lints = RecipeSet::from_files(&files).1;
    assert_eq!(lints.len(), 1, "{lints:?}");
    assert!(lints[0].to_string().starts_with("cross/tool-pass1/more.sh:1: error: "), "{lints:?}");
}

#[test]
fn an_index_gives_the_same_steps_for_other_machines() {
    let set = set();
    assert_eq!(RecipeSet::from_compiled(&set.compile()), Ok(set));
}

/// No script of the toolchain that runs for another machine speaks of this one.
#[test]
fn the_shipped_toolchain_can_be_for_each_machine() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let set = RecipeSet::load(&dir).unwrap().0;
    for machine in Triplet::ALL {
        let steps = set.resolve(&format!("lfs/toolchain@{machine}")).unwrap();
        assert_eq!(steps.len(), 5);
        for step in &steps {
            let recipe = set.get(step).unwrap();
            for (phase, text) in recipe.phases() {
                let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
                let native = |line: &&str| line.contains("x86") || line.contains("X86");
                assert_eq!(code.filter(native).collect::<Vec<_>>(), [""; 0], "{step}: {phase}");
            }
            assert!(recipe.build.iter().all(|dep| dep.target() == Some(machine)), "{step}");
        }
    }
}
