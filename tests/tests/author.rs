//! The loop of who writes a recipe: change it, build it, see what is wrong, change it again. Nothing of it needs a
//! new start of pkgd, and nothing is done again that holds.
#![cfg(feature = "system")]

use std::path::{Path, PathBuf};

use minos_model::{Digest, FailureClass, JobState, Phase, StepState};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, Reply, Request};
use minos_qemu::control::ControlError;
use minos_tests::daemon::Outcome;
use minos_tests::{Daemon, Recipes, Root};

/// What a step's output has below `/usr/share/STEP/file`.
fn content(root: &Root, outcome: &Outcome, step: &str) -> String {
    let found = outcome.steps.iter().find(|s| s.step.to_string() == step);
    let digest = found.and_then(|s| s.output).expect("an output");
    let file = root.path().join(format!("outputs/{digest}/tree/usr/share/{step}/file"));
    std::fs::read_to_string(file).expect("a file")
}

fn install(step: &str, text: &str) -> String {
    format!("mkdir -p /usr/share/{step}\necho {text} > /usr/share/{step}/file\n")
}

fn refused(daemon: &mut Daemon, request: &Request) -> ErrorReport {
    match daemon.call(request) {
        Err(ControlError::Refused(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// Each edit needed a new start of pkgd, which threw away the phase that ran; and what `recipe lint` had called good was
/// not what was built.
#[test]
fn a_recipe_that_was_changed_is_built_by_the_pkgd_that_runs() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[("install", &install("one", "first"))]);
    recipes.step("two", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("one");
    assert_eq!(content(&root, &outcome, "one"), "first\n");
    // As long as before: neither the length nor, within a tick of the clock, the time tells them apart.
    recipes.write("demo/one/install.sh", &install("one", "later"));
    let plan = Request::Plan { target: "one".into(), options: BuildOptions::default() };
    let Ok(Reply::Plan(plan)) = daemon.call(&plan) else { panic!("no plan") };
    assert_eq!(plan.steps[0].reason, "install script changed");
    let outcome = daemon.build("one");
    assert_eq!(content(&root, &outcome, "one"), "later\n");
    recipes.write("demo/new/recipe.toml", &toml("new", ""));
    recipes.write("demo/new/install.sh", &install("new", "new"));
    assert_eq!(daemon.build("new").state, JobState::Done, "a step that came later");
}

/// A recipe of stage demo with one script.
fn toml(name: &str, more: &str) -> String {
    format!(
        "schema = 1\nname = \"{name}\"\nversion = \"1.0\"\nstage = \"demo\"\norder = 99\n\
         description = \"A step of a test\"\nlicense = \"MIT\"\n{more}\n[phases]\n\
         install = \"install.sh\"\n"
    )
}

#[test]
fn a_change_that_does_not_load_is_refused_by_file_and_line_and_changes_nothing_else() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    recipes.step("two", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    recipes.write("demo/one/recipe.toml", &toml("one", "colour = \"red\"\n"));
    for request in [
        Request::Build { target: "one".into(), options: BuildOptions::default() },
        Request::Plan { target: "one".into(), options: BuildOptions::default() },
    ] {
        let report = refused(&mut daemon, &request);
        assert_eq!(report.kind, ErrorKind::Recipe);
        assert!(report.what.starts_with("demo/one/recipe.toml:8: "), "{report}");
    }
    let lint = |daemon: &mut Daemon, step: &str| {
        daemon.call(&Request::RecipeLint { step: Some(step.parse().expect("a step")) })
    };
    // It said that there is no such recipe.
    let found = lint(&mut daemon, "one");
    let Ok(Reply::Lints(lints)) = found else { panic!("{found:?}") };
    assert!(lints.iter().any(|lint| lint.error && lint.line == 8), "{lints:?}");
    assert!(lints.iter().all(|lint| lint.file.starts_with("demo/one/")), "{lints:?}");
    assert!(matches!(lint(&mut daemon, "two"), Ok(Reply::Lints(_))));
    assert!(matches!(lint(&mut daemon, "three"), Err(ControlError::Refused(_))));
    assert_eq!(daemon.build("two").state, JobState::Done, "another recipe");
    let aside = recipes.path().with_extension("aside");
    std::fs::rename(recipes.path(), &aside).expect("moved away");
    let report = refused(&mut daemon, &Request::RecipeList);
    assert_eq!(report.kind, ErrorKind::Recipe, "{report}");
    assert!(report.what.contains(&*recipes.path().to_string_lossy()), "{report}");
    std::fs::rename(&aside, recipes.path()).expect("moved back");
    recipes.write("demo/one/recipe.toml", &toml("one", ""));
    assert_eq!(daemon.build("one").state, JobState::Done);
}

#[test]
fn a_job_that_runs_or_waits_keeps_the_recipes_it_was_planned_with() {
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("build", "sleep 2\n")]);
    recipes.step("after", &["slow"], &[("install", &install("after", "then"))]);
    recipes.step("waits", &[], &[("install", &install("waits", "then"))]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let running = daemon.begin("after", BuildOptions::default());
    let queued = daemon.begin("waits", BuildOptions::default());
    recipes.write("demo/after/install.sh", &install("after", "now"));
    recipes.write("demo/waits/install.sh", &install("waits", "now"));
    // Somebody looks, so that pkgd knows of the change.
    assert!(daemon.call(&Request::RecipeList).is_ok());
    for (job, step) in [(running, "after"), (queued, "waits")] {
        let outcome = daemon.wait(job);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        assert_eq!(content(&root, &outcome, step), "then\n");
        let outcome = daemon.build(step);
        assert_eq!(content(&root, &outcome, step), "now\n");
    }
}

/// The phases that the newest attempt of a step went through itself.
fn phases(daemon: &mut Daemon, step: &str) -> Vec<Phase> {
    match daemon.call(&Request::Attempts { step: step.parse().expect("a step") }) {
        Ok(Reply::Attempts(list)) => list[0].phases.iter().map(|(phase, _)| *phase).collect(),
        other => panic!("{other:?}"),
    }
}

fn fails_in(daemon: &mut Daemon, step: &str, phase: Phase) -> PathBuf {
    let outcome = daemon.build(step);
    let failure = outcome.failure(step);
    let class = if phase == Phase::Assert { FailureClass::Assert } else { FailureClass::Script };
    assert_eq!((failure.class, failure.phase), (class, Some(phase)), "{failure}");
    let (_, place) = failure.hint.rsplit_once(": ").expect("a place");
    place.into()
}

/// Who mended the last line of an installation, or an assertion, waited for the whole compilation again.
#[test]
fn a_mended_script_goes_on_behind_the_phases_before_it() {
    let mut recipes = Recipes::new();
    let build = "sed s/^/compiled-/ conf > program\n";
    recipes.step(
        "tool",
        &[],
        &[
            ("configure", "echo one > conf\n"),
            ("build", build),
            ("install", "cp program /usr/tool\nfalse\n"),
            ("assert", "grep -q right /usr/share/tool/file\n"),
        ],
    );
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    fails_in(&mut daemon, "tool", Phase::Install);
    assert_eq!(phases(&mut daemon, "tool"), [Phase::Configure, Phase::Build]);

    let install = "mkdir -p /usr/share/tool\ncp program /usr/share/tool/file\n";
    recipes.write("demo/tool/install.sh", install);
    fails_in(&mut daemon, "tool", Phase::Assert);
    assert_eq!(phases(&mut daemon, "tool"), [Phase::Install]);

    // An earlier script: what was made by the old one goes, and so does all behind it.
    recipes.write("demo/tool/build.sh", "sed s/^/linked-/ conf > program\n");
    fails_in(&mut daemon, "tool", Phase::Assert);
    assert_eq!(phases(&mut daemon, "tool"), [Phase::Build, Phase::Install]);

    recipes.write("demo/tool/assert.sh", "grep -q linked-one /usr/share/tool/file\n");
    drop(daemon);
    let mut daemon = root.start();
    let outcome = daemon.build("tool");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    assert_eq!(phases(&mut daemon, "tool"), []);
    assert_eq!(content(&root, &outcome, "tool"), "linked-one\n");
    drop(daemon);

    // The same as by one who never failed.
    let quiet = Root::new(recipes.path());
    assert_eq!(quiet.manifests("tool"), root.manifests("tool"));
}

/// A source locked as `data`, and the folder it lies in.
fn put_source(recipes: &mut Recipes, folder: &Path, text: &str) {
    std::fs::write(folder.join("data"), text).expect("a source");
    recipes.lock_source("data", &Digest::of(text.as_bytes()).to_string(), text.len());
}

/// Only the lock may be written anew here, so that all that changes is a source.
#[test]
fn another_source_or_input_or_field_begins_at_the_first_phase() {
    let sources = tempfile::tempdir().expect("a folder");
    let mut recipes = Recipes::new();
    put_source(&mut recipes, sources.path(), "first\n");
    recipes.step("below", &[], &[("install", &install("below", "first"))]);
    let source = "[[source]]\nfile = \"data\"\nrole = \"extra\"\n";
    let scripts = [("build", "cp $SRC_DIR/data made\n"), ("install", "cp made /usr/made\nfalse\n")];
    recipes.step_with("user", &["below"], &scripts, source);
    let folder = sources.path().to_string_lossy().into_owned();
    let root = Root::new(recipes.path()).with(&["--sources", &folder]);
    let mut daemon = root.start();
    let all = [Phase::Build];
    fails_in(&mut daemon, "user", Phase::Install);
    fails_in(&mut daemon, "user", Phase::Install);
    assert_eq!(phases(&mut daemon, "user"), [], "nothing has changed");

    let lock = std::fs::read_to_string(recipes.path().join("sources.lock")).expect("the lock");
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    std::fs::write(sources.path().join("data"), "other\n").expect("a source");
    recipes.write("sources.lock", &lock.replace(&digest("first\n"), &digest("other\n")));
    fails_in(&mut daemon, "user", Phase::Install);
    assert_eq!(phases(&mut daemon, "user"), all, "another source");

    recipes.write("demo/below/install.sh", &install("below", "other"));
    fails_in(&mut daemon, "user", Phase::Install);
    assert_eq!(phases(&mut daemon, "user"), all, "another input");

    let text = std::fs::read_to_string(recipes.file("user", "recipe.toml")).expect("a recipe");
    recipes.write("demo/user/recipe.toml", &format!("{text}\n[env]\nCFLAGS = \"-O1\"\n"));
    fails_in(&mut daemon, "user", Phase::Install);
    assert_eq!(phases(&mut daemon, "user"), all, "another environment");

    // What only install is told.
    let env = format!("{text}\n[env]\nCFLAGS = \"-O1\"\n\n[install]\nsetuid = [\"/usr/made\"]\n");
    recipes.write("demo/user/recipe.toml", &env);
    fails_in(&mut daemon, "user", Phase::Install);
    assert_eq!(phases(&mut daemon, "user"), [], "build is as it was");
}

/// A build that read a later script would hold for that script alone.
#[test]
fn no_phase_sees_the_script_of_a_later_one() {
    let mut recipes = Recipes::new();
    let look = "ls /recipe\ntest ! -e /recipe/install.sh\ntest ! -e /recipe/assert.sh\n";
    let late = "test -e /recipe/build.sh\ntest -e /recipe/install.sh\n";
    recipes.step("curious", &[], &[("build", look), ("assert", late)]);
    let outcome = Root::new(recipes.path()).start().build("curious");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

/// What a failed phase had made was there, and nobody was told where; the next start of pkgd took it away.
#[test]
fn what_a_failed_phase_left_is_named_and_kept_until_the_next_attempt() {
    let mut recipes = Recipes::new();
    let broken = "echo checking > config.log\nfalse\n";
    recipes.step("bad", &[], &[("configure", broken), ("build", "true\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let place = fails_in(&mut daemon, "bad", Phase::Configure);
    let log = place.join("src/config.log");
    assert!(place.starts_with(root.path()) && log.is_file(), "{}", place.display());
    daemon.kill();
    let mut daemon = root.start();
    assert!(log.is_file(), "a restart takes nothing of it");

    recipes.write("demo/bad/configure.sh", "echo checking > other.log\nfalse\n");
    let next = fails_in(&mut daemon, "bad", Phase::Configure);
    assert_ne!(next, place);
    assert!(next.join("src/other.log").is_file() && !log.exists(), "the next attempt does");
    recipes.write("demo/bad/configure.sh", "true\n");
    let outcome = daemon.build("bad");
    assert!(outcome.steps.iter().all(|s| s.state == StepState::Built), "{outcome:?}");
    assert!(root.list("scratch").is_empty(), "{:?}", root.list("scratch"));
}
