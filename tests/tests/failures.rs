//! Steps that go wrong in every way a step can: each is classified by name, changes nothing, and leaves
//! a pkgd that builds the next thing.
#![cfg(feature = "system")]

use std::time::{Duration, Instant};

use minos_model::{FailureClass, JobState, Phase, StepState, TestLevel};
use minos_proto::BuildOptions;
use minos_tests::{Daemon, Recipes, Root};

/// Builds `bad` alone, expects `class`, then builds `good` on the same daemon.
fn fails_with(
    recipes: &mut Recipes,
    arguments: &[&str],
    class: FailureClass,
    phase: Phase,
) -> (Daemon, Root) {
    recipes.step("good", &[], &[]);
    let root = Root::new(recipes.path()).with(arguments);
    let mut daemon = root.start();
    let outcome = daemon.build("demo/bad");
    assert_eq!(outcome.state, JobState::Failed);
    let failure = outcome.failure("bad");
    assert_eq!((failure.class, failure.phase), (class, Some(phase)), "{failure}");
    assert!(!failure.hint.is_empty(), "a failure says what to do next: {failure:?}");
    assert!(root.list("outputs").is_empty(), "a failed step leaves no output");
    assert_eq!(daemon.build("demo/good").state, JobState::Done, "pkgd is usable afterwards");
    (daemon, root)
}

fn bad(phases: &[(&str, &str)], class: FailureClass, phase: Phase) -> (Daemon, Root) {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], phases);
    fails_with(&mut recipes, &[], class, phase)
}

#[test]
fn a_script_that_fails() {
    let (mut daemon, _root) = bad(
        &[("build", "echo about to fail\nfalse\necho never\n")],
        FailureClass::Script,
        Phase::Build,
    );
    let log = daemon.log("bad");
    assert!(log.contains("about to fail") && !log.contains("never"), "{log}");
}

/// The whole story of a `test` that failed was "last: (no output)".
#[test]
fn a_failure_without_a_word_is_told_with_its_line() {
    let mut recipes = Recipes::new();
    let build = "echo one\n\ntest \"$(echo x)\" = y\n";
    recipes.step("bad", &[], &[("prepare", "true\n"), ("build", build)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("demo/bad");
    let what = &outcome.failure("bad").what;
    let want = "the script ended with status 1 at build.sh:3: test \"$(echo x)\" = y; last: one";
    assert_eq!(what, want);
    let log = "pkgd: phase prepare\npkgd: phase build\none\n\
        pkgd: build.sh:3: test \"$(echo x)\" = y: status 1\n";
    assert_eq!(daemon.log("bad"), log);
}

#[test]
fn a_failure_in_a_pipe_or_a_subshell_counts() {
    bad(&[("build", "false | cat\n")], FailureClass::Script, Phase::Build);
    bad(&[("build", "(exit 3)\ntrue\n")], FailureClass::Script, Phase::Build);
}

#[test]
fn a_script_that_exits_0_in_the_middle() {
    bad(&[("build", "exit 0\nfalse\n")], FailureClass::EarlyExit, Phase::Build);
}

#[test]
fn a_script_that_falls_silent() {
    let mut recipes = Recipes::new();
    recipes.step_with("bad", &[], &[("build", "sleep 1000\n")], "[limits]\nsilence_s = 1\n");
    fails_with(&mut recipes, &[], FailureClass::Silence, Phase::Build);
}

#[test]
fn a_script_that_runs_too_long() {
    let mut recipes = Recipes::new();
    let noisy = "while true; do echo still here; sleep 0.1; done\n";
    recipes.step_with("bad", &[], &[("build", noisy)], "[limits]\nwall_s = 1\n");
    fails_with(&mut recipes, &[], FailureClass::Timeout, Phase::Build);
}

#[test]
fn a_script_that_leaves_a_process() {
    let left = "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' > /dev/null 2>&1 &\nsleep 0.2\n";
    bad(&[("build", left)], FailureClass::LeftProcesses, Phase::Build);
}

#[test]
fn a_test_suite_that_fails_only_fails_when_it_is_run() {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], &[("check", "echo 1 of 3 tests failed\nfalse\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let options = BuildOptions { tests: TestLevel::All, ..BuildOptions::default() };
    let job = daemon.begin("demo/bad", options);
    let outcome = daemon.wait(job);
    assert_eq!(outcome.failure("bad").class, FailureClass::Test);
    assert_eq!(daemon.build("demo/bad").state, JobState::Done);
}

#[test]
fn an_assertion_about_the_output_that_does_not_hold() {
    let bad_assert = ("assert", "test -e /usr/share/bad/missing\n");
    bad(&[bad_assert], FailureClass::Assert, Phase::Assert);
}

#[test]
fn an_output_with_nothing_in_it() {
    bad(&[("install", "true\n")], FailureClass::Output, Phase::Install);
}

#[test]
fn a_setuid_file_that_was_not_declared() {
    let install = "mkdir -p /usr/bin\necho x > /usr/bin/tool\nchmod 4755 /usr/bin/tool\n";
    bad(&[("install", install)], FailureClass::Output, Phase::Install);
}

/// All that is made in it later would belong to its group.
#[test]
fn a_setgid_directory_that_was_not_declared() {
    let install = "mkdir -p /usr/share/mail\nchmod 2775 /usr/share/mail\n";
    bad(&[("install", install)], FailureClass::Output, Phase::Install);
}

#[test]
fn a_setuid_file_that_was_declared_is_kept() {
    let install = "mkdir -p /usr/bin\necho x > /usr/bin/tool\nchmod 4755 /usr/bin/tool\n";
    let mut recipes = Recipes::new();
    let declared = "[install]\nprefix = \"/\"\nsetuid = [\"/usr/bin/tool\"]\n";
    recipes.step_with("tool", &[], &[("install", install)], declared);
    let root = Root::new(recipes.path());
    assert_eq!(root.start().build("demo/tool").state, JobState::Done);
}

#[test]
fn a_script_that_is_killed() {
    bad(&[("build", "kill -9 $$\n")], FailureClass::Signal, Phase::Build);
}

#[test]
fn a_script_that_writes_where_it_may_not() {
    let (mut daemon, _root) =
        bad(&[("build", "echo x > /usr/share/stolen\n")], FailureClass::Script, Phase::Build);
    let log = daemon.log("bad");
    assert!(log.contains("Read-only file system") || log.contains("Permission denied"), "{log}");
}

#[test]
fn a_script_that_forks_without_end() {
    let mut recipes = Recipes::new();
    let bomb = "f() { f | f & }\nf\nsleep 2\nfalse\n";
    recipes.step("bad", &[], &[("build", bomb)]);
    recipes.step("good", &[], &[]);
    let root = Root::new(recipes.path()).with(&["--processes", "100"]);
    let mut daemon = root.start();
    let outcome = daemon.build("demo/bad");
    let class = outcome.failure("bad").class;
    assert_eq!(class, FailureClass::TooManyProcesses, "{}", outcome.failure("bad"));
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
}

#[test]
fn a_script_that_eats_memory() {
    let mut recipes = Recipes::new();
    let eater = "python3 -c 'x = bytearray(400 << 20); print(len(x))'\n";
    recipes.step("bad", &[], &[("build", eater)]);
    fails_with(&mut recipes, &["--memory", "100"], FailureClass::OutOfMemory, Phase::Build);
}

#[test]
fn a_log_that_floods_is_cut() {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], &[("build", "yes\n")]);
    fails_with(&mut recipes, &["--log-limit", "4"], FailureClass::LogLimit, Phase::Build);
}

#[test]
fn what_depends_on_a_failed_step_is_not_tried_and_the_rest_goes_on() {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], &[("build", "false\n")]);
    recipes.step("child", &["bad"], &[]).step("other", &[], &[]).step(
        "all",
        &["child", "other"],
        &[],
    );
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let options = BuildOptions { keep_going: true, ..BuildOptions::default() };
    let job = daemon.begin("demo/all", options);
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Failed);
    let state = |step: &str| {
        outcome.steps.iter().find(|s| s.step.to_string() == step).map(|s| s.state.clone())
    };
    assert_eq!(state("child"), Some(StepState::Skipped));
    assert_eq!(state("all"), Some(StepState::Skipped));
    assert_eq!(state("other"), Some(StepState::Built));
}

#[test]
fn a_cancelled_job_stops_at_once_and_can_be_retried() {
    let mut recipes = Recipes::new();
    // Much longer than the harness waits for anything: that it ends at all is that it was ended.
    recipes.step("slow", &[], &[("build", "sleep 100000\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let mut job = daemon.begin("demo/slow", BuildOptions::default());
    for count in 1..=2 {
        daemon.wait_for_attempt("slow", count);
        daemon.call(&minos_proto::Request::Cancel { job }).expect("cancel is accepted");
        assert_eq!(daemon.wait(job).state, JobState::Cancelled);
        assert!(daemon.call(&minos_proto::Request::Cancel { job }).is_err(), "it is over");
        let retried = daemon.call(&minos_proto::Request::Retry { job });
        let Ok(minos_proto::Reply::Started { job: next }) = retried else { panic!("{retried:?}") };
        assert!(next > job);
        job = next;
    }
    daemon.wait_for_attempt("slow", 3);
}

/// `pkgctl cancel` said that the job was cancelled while its box was still being ended; pkgd, stopped within that
/// moment, took the job up again at its next start.
#[test]
fn a_job_that_is_said_to_be_cancelled_stays_so() {
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("build", "sleep 1000\n")]);
    let root = Root::new(recipes.path());
    for count in 1..=5 {
        let mut daemon = root.start();
        let job = daemon.begin("demo/slow", BuildOptions::default());
        daemon.wait_for_attempt("slow", count);
        daemon.call(&minos_proto::Request::Cancel { job }).expect("cancel is accepted");
        daemon.kill();
        assert_eq!(root.start().wait(job).state, JobState::Cancelled);
    }
}

/// The list of one recipe's expected failures had been removed, and `lfs/all` was 113 steps instead of 114.
#[test]
fn a_group_is_not_built_without_a_recipe_that_cannot_be_read() {
    let mut recipes = Recipes::new();
    recipes.step("good", &[], &[]);
    recipes.step_with("bad", &[], &[], "[check]\nexpected = \"expected-failures.txt\"\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let build = |target: &str| minos_proto::Request::Build {
        target: target.to_owned(),
        options: BuildOptions::default(),
    };
    let error = daemon.call(&build("demo/all")).unwrap_err().to_string();
    assert!(error.contains("demo/bad/recipe.toml"), "{error}");
    assert!(error.contains("'demo/all' may be without it"), "{error}");
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
}

/// Each version of a script left the build tree of its failure, which no build would ever go on from, and nothing
/// freed it.
#[test]
fn the_build_trees_of_earlier_scripts_are_not_kept() {
    let mut recipes = Recipes::new();
    let configure = ("configure", "echo CONFIGURE RAN\nhead -c 100000 /dev/zero > big\n");
    recipes.step("bad", &[], &[configure, ("build", "false\n")]);
    recipes.step("other", &[], &[configure, ("build", "false\n")]);
    let root = Root::new(recipes.path());
    assert_eq!(root.start().build("demo/other").state, JobState::Failed);
    let other = root.list("scratch");
    assert_eq!(other.len(), 1);
    let mut trees = Vec::new();
    for version in 1..=3 {
        recipes.write("demo/bad/configure.sh", &format!("{}# {version}\n", configure.1));
        let mut daemon = root.start();
        assert_eq!(daemon.build("demo/bad").state, JobState::Failed);
        assert!(daemon.log("bad").contains("CONFIGURE RAN"), "another script, another tree");
        let kept = root.list("scratch").into_iter().filter(|name| !other.contains(name));
        let kept: Vec<String> = kept.collect();
        assert!(kept.len() == 1 && !trees.contains(&kept[0]), "{kept:?} after {trees:?}");
        trees.extend(kept);
    }
    assert!(root.list("scratch").contains(&other[0]), "another step's tree is its own");

    // The same script goes on from what it left.
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/bad").state, JobState::Failed);
    assert!(!daemon.log("bad").contains("CONFIGURE RAN"), "{}", daemon.log("bad"));
    assert!(root.list("scratch").contains(&trees[2]));
    let deadline = Instant::now() + Duration::from_secs(30);
    while !root.list("trash").is_empty() {
        assert!(Instant::now() < deadline, "the trees are deleted");
        std::thread::sleep(Duration::from_millis(20));
    }
}
