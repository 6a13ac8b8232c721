//! Test suites of packages: run at their level, read, held against what is expected and against the last time.
#![cfg(feature = "system")]

use std::thread;
use std::time::Duration;

use minos_model::{FailureClass, JobState, Phase, StepState, TestLevel, Tested};
use minos_proto::sheet::Field;
use minos_proto::{BuildOptions, EventBody, Reply, Request, Sheet};
use minos_tests::daemon::{Daemon, Outcome};
use minos_tests::{Recipes, Root};

fn build(daemon: &mut Daemon, target: &str, tests: TestLevel) -> Outcome {
    let job = daemon.begin(target, BuildOptions { tests, ..BuildOptions::default() });
    daemon.wait(job)
}

fn tested(outcome: &Outcome, step: &str) -> Option<Tested> {
    let found = outcome.steps.iter().find(|report| report.step.to_string() == step);
    found.expect("a step of the job").tests
}

fn sheet(daemon: &mut Daemon, step: &str) -> Sheet {
    let request = Request::Tests { step: step.parse().expect("a step"), attempt: None };
    match daemon.call(&request) {
        Ok(Reply::Sheet(sheet)) => sheet,
        other => panic!("no sheet: {other:?}"),
    }
}

/// The first two columns of a table.
fn rows(sheet: &Sheet, grid: &str) -> Vec<(String, String)> {
    let grid = sheet.grids.iter().find(|g| g.name == grid).expect("the table");
    let text = |field: &Field| match field {
        Field::Text(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    };
    grid.rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

const LISTED: &str = "[check]\nexpected = \"expected.txt\"\n";

/// The whole way: results, list, the step that goes on in spite of the status, the next time.
#[test]
fn what_fails_as_expected_fails_nothing_and_what_does_not_is_named() {
    let mut recipes = Recipes::new();
    let fails = "echo PASS: a; echo FAIL: b; echo SKIP: c\nfalse\n";
    recipes.step_with("one", &[], &[("check", fails)], LISTED);
    recipes.write("demo/one/expected.txt", "b # known\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = build(&mut daemon, "demo/one", TestLevel::All);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    let want = Tested { passed: 1, expected: 1, skipped: 1, ..Tested::default() };
    assert_eq!(tested(&outcome, "one"), Some(want));
    assert!(daemon.log("one").contains("pkgd: tests: 1 passed, 1 failed as expected, 1 skipped\n"));

    // Another suite, so the cached step is built again for it; b passes now, and d is new.
    daemon.stop();
    recipes.write("demo/one/check.sh", "echo PASS: a; echo PASS: b; echo FAIL: d\n");
    let mut daemon = root.start();
    let outcome = build(&mut daemon, "demo/one", TestLevel::All);
    let failure = outcome.failure("one");
    assert_eq!((failure.class, failure.phase), (FailureClass::Test, Some(Phase::Check)));
    assert_eq!(failure.what, "1 failure that nobody expects: d", "though its status was 0");
    let want = Tested { passed: 2, failed: 1, new: 1, fixed: 1, ..Tested::default() };
    assert_eq!(tested(&outcome, "one"), Some(want));
    let sheet = sheet(&mut daemon, "one");
    assert!(sheet.alarm);
    assert_eq!(rows(&sheet, "failures"), [("FAIL".to_owned(), "d".to_owned())]);
    let now =
        [("fixed", "b"), ("listed, passes now", "b")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(rows(&sheet, "changes"), now);
    let told = match daemon.call(&Request::Events { job: Some(outcome.job), limit: 0 }) {
        Ok(Reply::Events(events)) => events,
        other => panic!("no events: {other:?}"),
    };
    let body =
        |body: &EventBody| matches!(body, EventBody::StepTested { tested, .. } if tested.new == 1);
    assert!(told.iter().any(|e| body(&e.event.body)), "{told:?}");
    // The output of the first build is as good as it was.
    assert_eq!(build(&mut daemon, "demo/one", TestLevel::None).steps[0].state, StepState::Cached);
}

/// A suite that was added had its step built again, and everything above it.
#[test]
fn a_suite_changes_no_task_key_and_is_run_once() {
    let mut recipes = Recipes::new();
    recipes.step("low", &[], &[]).step("top", &["low"], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/top").state, JobState::Done);
    daemon.stop();
    recipes.write("demo/low/check.sh", "echo PASS: a\n");
    let toml = std::fs::read_to_string(recipes.file("low", "recipe.toml")).expect("a recipe");
    recipes.write(
        "demo/low/recipe.toml",
        &toml.replace("[phases]\n", "[phases]\ncheck = \"check.sh\"\n"),
    );
    let mut daemon = root.start();
    let states = |outcome: &Outcome| -> Vec<StepState> {
        outcome.steps.iter().map(|step| step.state.clone()).collect()
    };
    let cached = [StepState::Cached, StepState::Cached];
    assert_eq!(states(&daemon.build("demo/top")), cached);
    // Nobody asked for low, and it is there.
    assert_eq!(states(&build(&mut daemon, "demo/top", TestLevel::All)), cached);
    assert_eq!(states(&build(&mut daemon, "demo/low", TestLevel::All)), [StepState::Built]);
    assert_eq!(states(&build(&mut daemon, "demo/low", TestLevel::All)), [StepState::Cached]);
    assert_eq!(states(&daemon.build("demo/top")), cached, "its output is the same");
}

#[test]
fn a_level_runs_what_it_says() {
    let mut recipes = Recipes::new();
    let check = ("check", "echo PASS: a\n");
    recipes.step_with("vital", &[], &[check], "[check]\nlevel = \"critical\"\n");
    recipes.step("usual", &["vital"], &[check]);
    let run = |level: TestLevel| {
        let root = Root::new(recipes.path());
        let outcome = build(&mut root.start(), "demo/usual", level);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        (tested(&outcome, "vital").is_some(), tested(&outcome, "usual").is_some())
    };
    assert_eq!(run(TestLevel::None), (false, false));
    assert_eq!(run(TestLevel::Critical), (true, false));
    assert_eq!(run(TestLevel::All), (true, true));
}

/// Results come from the file where there is one, and a suite that crashed has failed whatever it says.
#[test]
fn results_of_a_file_and_a_crash() {
    let mut recipes = Recipes::new();
    let file = "echo FAIL: some test of tests prints this\necho 'ok 1 - a' > \"$TEST_RESULTS\"\n";
    let crash = "echo FAIL: a\nkill -9 $$\n";
    let link = "ln -s /etc/passwd \"$TEST_RESULTS\"\n";
    recipes.step("file", &[], &[("check", file)]).step("link", &[], &[("check", link)]);
    recipes.step_with("crash", &[], &[("check", crash)], LISTED);
    recipes.write("demo/crash/expected.txt", "a # known\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = build(&mut daemon, "demo/file", TestLevel::All);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    assert_eq!(tested(&outcome, "file").expect("results").passed, 1);
    let outcome = build(&mut daemon, "demo/crash", TestLevel::All);
    assert_eq!(outcome.failure("crash").class, FailureClass::Signal);
    assert_eq!(
        tested(&outcome, "crash").expect("results").expected,
        1,
        "they are kept all the same"
    );
    let outcome = build(&mut daemon, "demo/link", TestLevel::All);
    assert!(outcome.failure("link").what.contains("$TEST_RESULTS"), "{outcome:?}");
}

/// What a suite needs is seen by it and by no other phase, and is not built where no suite is run.
#[test]
fn dependencies_of_a_suite_are_seen_by_it_alone() {
    let mut recipes = Recipes::new();
    let check = "cat /usr/share/runner/file\necho PASS: a\n";
    let unseen = "test ! -e /usr/share/runner\n";
    let install = format!("{unseen}mkdir -p /usr/share\necho x > /usr/share/one\n");
    let phases = [("build", unseen), ("check", check), ("install", &install), ("assert", unseen)];
    recipes.step("one", &[], &phases).step("runner", &[], &[]);
    let toml = std::fs::read_to_string(recipes.file("one", "recipe.toml")).expect("a recipe");
    recipes
        .write("demo/one/recipe.toml", &toml.replace("[deps]\n", "[deps]\ncheck = [\"runner\"]\n"));
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let plain = daemon.build("demo/one");
    assert_eq!((plain.state, plain.steps.len()), (JobState::Done, 1), "{plain:?}");
    let outcome = build(&mut daemon, "demo/one", TestLevel::All);
    assert_eq!(
        (outcome.state, outcome.steps.len()),
        (JobState::Done, 2),
        "{outcome:?}\n{}",
        daemon.log("one")
    );
    let one = outcome.steps.iter().find(|s| s.step.to_string() == "one").expect("one");
    assert_eq!(one.output, plain.steps[0].output);
}

/// A suite of three parts that notes which are done. The second waits, the first time.
const PARTS: &str = "for part in one two three; do\n\
    test ! -e $part.done || continue\n\
    echo RAN $part\n\
    if test $part = two && test ! -e waits && grep -q first built; then touch waits; sleep 600; fi\n\
    echo PASS: $part >> \"$TEST_RESULTS\"\n\
    sync\n\
    touch $part.done\n\
    done\n";

/// What the suite of `demo/long` left in its tree, in no order.
fn left(root: &Root) -> Vec<String> {
    let scratch = root.list("scratch");
    let own = scratch.iter().find(|name| name.starts_with("long-"));
    own.map_or_else(Vec::new, |own| root.list(&format!("scratch/{own}/check/upper/src")))
}

/// Recipes with the suite, and a state in which a pkgd begins to run it and is told what to do as soon as it waits.
fn interrupted(more: &str, interrupt: impl FnOnce(Daemon, u64)) -> (Recipes, Root) {
    let mut recipes = Recipes::new();
    recipes.step_with("long", &[], &[("build", "echo first > built\n"), ("check", PARTS)], more);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let options = BuildOptions { tests: TestLevel::All, ..BuildOptions::default() };
    let job = daemon.begin("demo/long", options);
    let waits = || left(&root).iter().any(|name| name == "waits");
    assert!((0..1500).any(|_| waits() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
    interrupt(daemon, job);
    (recipes, root)
}

fn cancel(mut daemon: Daemon, job: u64) {
    daemon.call(&Request::Cancel { job }).expect("cancelled");
    daemon.wait(job);
}

/// Which parts ran in the newest attempt, after the suite has come to its end with three tests passed.
fn ran(root: &Root, job: Option<u64>) -> Vec<String> {
    let mut daemon = root.start();
    let outcome = match job {
        Some(job) => daemon.wait(job),
        None => build(&mut daemon, "demo/long", TestLevel::All),
    };
    let log = daemon.log("long");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{log}");
    assert_eq!(tested(&outcome, "long").expect("results").passed, 3, "{log}");
    let told = log.contains("pkgd: goes on where it was interrupted");
    assert_eq!(told, !log.contains("RAN one"), "it is told: {log}");
    assert_eq!(root.list("scratch"), Vec::<String>::new());
    log.lines().filter_map(|line| line.strip_prefix("RAN ")).map(str::to_owned).collect()
}

const RESUME: &str = "[check]\nresume = true\n";

/// The suites of gcc take hours: a kill, a cancelled job or a stop threw all of it away.
#[test]
fn an_interrupted_suite_goes_on_where_its_script_can() {
    let mut job = None;
    let (_recipes, root) = interrupted(RESUME, |daemon, number| {
        daemon.kill();
        job = Some(number);
    });
    assert_eq!(ran(&root, job), ["two", "three"], "after a kill");

    let (_recipes, root) = interrupted(RESUME, cancel);
    drop(root.start());
    assert!(left(&root).iter().any(|name| name == "one.done"), "a start keeps it");
    assert_eq!(ran(&root, None), ["two", "three"], "after its job was cancelled");

    let (_recipes, root) = interrupted("", cancel);
    drop(root.start());
    assert_eq!(left(&root), Vec::<String>::new(), "no script that says nothing can");
}

/// What an interrupted suite left is that of its script, in its build tree; what a failed one left is nobody's.
#[test]
fn another_suite_or_another_tree_begins_anew() {
    let whole = ["one", "two", "three"];
    let (recipes, root) = interrupted(RESUME, cancel);
    recipes.write("demo/long/check.sh", &PARTS.replace("sleep 600", "true"));
    assert_eq!(ran(&root, None), whole, "another script");

    let (recipes, root) = interrupted(RESUME, cancel);
    recipes.write("demo/long/build.sh", "echo otherwise > built\n");
    assert_eq!(ran(&root, None), whole, "another build");

    let mut recipes = Recipes::new();
    let fails = "test ! -e ran\ntouch ran\necho FAIL: a\n";
    recipes.step_with("long", &[], &[("build", "true\n"), ("check", fails)], RESUME);
    let root = Root::new(recipes.path());
    for _ in 0..2 {
        let outcome = build(&mut root.start(), "demo/long", TestLevel::All);
        assert_eq!(outcome.failure("long").what, "1 failure that nobody expects: a");
    }
}
