//! What a build is promised when nothing goes wrong: real packages come out, the same ones each time, and
//! nothing is built that need not be.
#![cfg(feature = "system")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use minos_model::{JobState, StepState, TestLevel};
use minos_proto::{BuildOptions, Field, LintReport, Reply, Request, StepReport};
use minos_tests::daemon::{Daemon, Outcome};
use minos_tests::recipes::TOOLS;
use minos_tests::{Recipes, Root, artefacts};

/// A root for the recipes of the tree, with the fetched sources.
fn shipped(dir: &Path) -> Root {
    let sources = artefacts::sources();
    Root::at(dir, &artefacts::recipes()).with(&["--sources", sources.to_str().expect("text")])
}

#[test]
fn m4_builds_and_its_assertions_hold() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = shipped(&dir.path().join("state"));
    let outcome = root.start().build("demo/m4");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    assert!(outcome.steps.iter().all(|s| s.state == StepState::Built), "{outcome:?}");
    let digest = outcome.steps[0].output.expect("an output");
    let tree = root.path().join(format!("outputs/{digest}/tree"));
    assert!(tree.join("usr/bin/m4").is_file());
}

/// Other paths on the host, another number of jobs, other users: none of it may show.
#[test]
fn zlib_built_twice_is_the_same_wherever_it_is_built() {
    let dir = tempfile::tempdir().expect("a folder");
    let places = ["a", "another/place/that is quite a bit longer than the first/b"];
    let outputs = places.iter().zip(["1", "3"]).map(|(place, jobs)| {
        shipped(&dir.path().join(place)).with(&["--jobs", jobs]).outputs("demo/zlib")
    });
    let outputs: Vec<BTreeMap<_, _>> = outputs.collect();
    assert_eq!(outputs[0].len(), 1);
    assert_eq!(outputs[0], outputs[1]);
}

const PATCH: &str = "--- a/greeting\n+++ b/greeting\n@@ -1 +1 @@\n-hallo\n+hello\n";

/// A patch that lay beside the scripts was seen by none of them, and there was no way to name it.
#[test]
fn a_recipe_brings_a_patch_and_a_configuration_file() {
    let mut recipes = Recipes::new();
    let prepare = "echo hallo > greeting\npatch -Np1 -i \"$RECIPE_DIR/fix.patch\"\n";
    let install = "mkdir -p /usr/share/who\ncp -a greeting \"$RECIPE_DIR/conf\" /usr/share/who/\n\
        ! echo more >> \"$RECIPE_DIR/fix.patch\"\n";
    let files = "files = [\"fix.patch\", \"conf/who.conf\"]";
    recipes.step_with("who", &[], &[("prepare", prepare), ("install", install)], files);
    recipes.write("demo/who/fix.patch", PATCH);
    recipes.write("demo/who/conf/who.conf", "name = world\n");
    let root = Root::new(recipes.path());
    let build = || {
        let outcome = root.start().build("demo/who");
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        let digest = outcome.steps[0].output.expect("an output");
        let tree = root.path().join(format!("outputs/{digest}/tree/usr/share/who"));
        let read = |name: &str| fs::read_to_string(tree.join(name)).expect("a file");
        (outcome.steps[0].state.clone(), read("greeting"), read("conf/who.conf"))
    };
    let first = (StepState::Built, "hello\n".to_owned(), "name = world\n".to_owned());
    assert_eq!(build(), first);
    assert_eq!(build().0, StepState::Cached, "nothing has changed");
    recipes.write("demo/who/fix.patch", &PATCH.replace("+hello", "+good day"));
    assert_eq!(build(), (StepState::Built, "good day\n".to_owned(), first.2.clone()));
    recipes.write("demo/who/conf/who.conf", "name = all\n");
    assert_eq!(build().2, "name = all\n");
}

/// A report that only knew the newest job would be empty once everything is built.
#[test]
fn the_report_of_a_cached_target_has_the_figures_of_its_build() {
    let mut recipes = Recipes::new();
    let fill = "head -c 8388608 /dev/urandom > big\n";
    recipes.step("work", &[], &[("build", fill), ("install", "mkdir -p /usr\ncp big /usr/big\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("work").state, JobState::Done);
    let again = daemon.build("work");
    assert!(again.steps.iter().all(|s| s.state == StepState::Cached), "{again:?}");
    let costs = Request::Costs { target: "work".into(), page: false };
    let Ok(Reply::Sheet(sheet)) = daemon.call(&costs) else { panic!("no sheet") };
    let row = &sheet.grids[0].rows[0];
    assert_eq!(row[0], "work".into());
    let Field::Duration(wall) = row[1] else { panic!("{row:?}") };
    assert!(wall > 0, "{row:?}");
    // What is built and the package both lie on the disk before the step is done.
    let Field::Bytes(disk) = row[5] else { panic!("{row:?}") };
    assert!((16 << 20..20 << 20).contains(&disk), "{row:?}");
    assert_eq!(row[3], Field::None, "without binutils there is no unit");
}

/// On a machine that had built nothing, a build of all of LFS went by an assumed length of the book's unit to its end.
#[test]
fn the_time_left_follows_what_the_steps_took() {
    let mut recipes = Recipes::new();
    let needs = |sbu| format!("[needs]\nsbu = {sbu}\ndisk_mb = 1\nram_mb = 1\n");
    recipes.step_with("first", &[], &[("build", "sleep 0.5\n")], &needs("1.0"));
    recipes.step_with("second", &["first"], &[("build", "sleep 4\n")], &needs("100.0"));
    let root = Root::new(recipes.path());
    let daemon = root.start();
    let events = pkgctl(&root, &["build", "demo/second", "--json"]);
    drop(daemon);
    let left = |line| serde_json::from_str::<serde_json::Value>(line).expect("json");
    let left = |line| left(line).pointer("/data/left_ms").and_then(serde_json::Value::as_u64);
    let last = events.lines().filter_map(left).next_back().expect("a time");
    // A hundred times as long as the first one; by the book's figures alone it would be four hours.
    assert!((1..3_600_000).contains(&last), "{last}");
}

/// When each job of a step began and ended, in nanoseconds, as the jobs wrote it down.
fn spans(root: &Root, outcome: &Outcome, step: &str) -> Vec<(i128, i128)> {
    let found = outcome.steps.iter().find(|s| s.step.to_string() == step);
    let digest = found.and_then(|s| s.output).expect("an output");
    let log = root.path().join(format!("outputs/{digest}/tree/usr/share/{step}"));
    let span = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).expect("a log");
        let mut times = text.lines().map(|line| line.parse().expect("a time"));
        (times.next().expect("a start"), times.next().expect("an end"))
    };
    fs::read_dir(log).expect("logs").map(|entry| span(entry.expect("a log"))).collect()
}

fn most_at_once(spans: &[(i128, i128)]) -> usize {
    let running = |at: i128| spans.iter().filter(|(from, to)| *from <= at && at < *to).count();
    spans.iter().map(|(from, _)| running(*from)).max().unwrap_or(0)
}

/// Each step got a `-jN` of its own: with two lanes twice as many jobs ran as was said.
#[test]
fn steps_that_run_at_once_share_their_jobs() {
    let make = "mkdir log\nprintf 'all: $(addprefix j,$(shell seq 12))\\n\
        j%%:\\n\\t@date +%%s%%N > log/$@; sleep 0.2; date +%%s%%N >> log/$@\\n' > Makefile\n\
        make\n";
    let mut recipes = Recipes::new();
    for step in ["one", "two"] {
        let install = format!("mkdir -p /usr/share/{step}\ncp log/* /usr/share/{step}/\n");
        recipes.step(step, &[], &[("build", make), ("install", &install)]);
    }
    recipes.step("both", &["one", "two"], &[]);
    let root = Root::new(recipes.path()).with(&["--lanes", "2", "--jobs", "3"]);
    let outcome = root.start().build("demo/both");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    let [one, two] = ["one", "two"].map(|step| spans(&root, &outcome, step));
    assert_eq!((one.len(), two.len()), (12, 12));
    let all = [&one[..], &two[..]].concat();
    assert!(most_at_once(&all) <= 3, "{all:?}");
    assert!(
        most_at_once(&one).max(most_at_once(&two)) > 1,
        "a step gets more than its own: {all:?}"
    );
}

/// A step that takes all tokens and floods its pipe harms nobody but, for as long as it runs, their speed.
#[test]
fn a_step_that_steals_job_tokens_is_outlived() {
    let steal = "timeout 1 cat /run/jobserver > taken || true\n\
        timeout 1 sh -c 'exec yes > /run/jobserver' || true\n";
    let mut recipes = Recipes::new();
    recipes.step("thief", &[], &[("build", steal)]);
    let count = "timeout 1 cat /run/jobserver > left || true\ntest \"$(cat left)\" = ++\n";
    recipes.step("honest", &["thief"], &[("build", count)]);
    let root = Root::new(recipes.path()).with(&["--lanes", "2", "--jobs", "3"]);
    let mut daemon = root.start();
    let outcome = daemon.build("demo/honest");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

/// `low` is read by `mid`, and `mid` by `top`.
fn chain(low: &str, mid: &str) -> Recipes {
    let mut recipes = Recipes::new();
    recipes.step("low", &[], &[("install", low)]);
    recipes.step("mid", &["low"], &[("install", mid)]);
    recipes.step("top", &["mid"], &[("build", "cat /usr/share/mid > seen\n")]);
    recipes
}

fn states(outcome: &Outcome) -> Vec<&StepState> {
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    outcome.steps.iter().map(|s| &s.state).collect()
}

fn outputs(outcome: &Outcome) -> Vec<String> {
    let name = |s: &StepReport| s.output.map_or_else(String::new, |digest| digest.to_string());
    outcome.steps.iter().map(name).collect()
}

#[test]
fn an_input_that_comes_out_the_same_rebuilds_nothing() {
    let low = "mkdir -p /usr/share\necho one > /usr/share/low\n";
    let mid = "mkdir -p /usr/share\nwc -l < /usr/share/low > /usr/share/mid\n";
    let recipes = chain(low, mid);
    let root = Root::new(recipes.path());
    let first = root.start().build("demo/top");
    assert_eq!(states(&first), [&StepState::Built; 3]);

    // A comment: low is built anew, comes out as before, and that is the end of it.
    recipes.write("demo/low/install.sh", &format!("# otherwise\n{low}"));
    let second = root.start().build("demo/top");
    assert_eq!(states(&second), [&StepState::Built, &StepState::Cached, &StepState::Cached]);
    assert_eq!(outputs(&second), outputs(&first));

    // Other content with as many lines: mid is built anew and comes out as before.
    recipes.write("demo/low/install.sh", &low.replace("one", "two"));
    let third = root.start().build("demo/top");
    assert_eq!(states(&third), [&StepState::Built, &StepState::Built, &StepState::Cached]);
    assert_ne!(outputs(&third)[0], outputs(&first)[0]);
    assert_eq!(outputs(&third)[1..], outputs(&first)[1..]);

    // Of a changed leaf only itself is built.
    recipes.write("demo/top/build.sh", "cat /usr/share/mid > seen # again\n");
    let leaf = root.start().build("demo/top");
    assert_eq!(states(&leaf), [&StepState::Cached, &StepState::Cached, &StepState::Built]);

    // Another number of lines reaches the top.
    recipes.write("demo/low/install.sh", &low.replace("one", "'one\ntwo'"));
    assert_eq!(states(&root.start().build("demo/top")), [&StepState::Built; 3]);
}

/// The folder of scripts was added to and never emptied: after an attempt with `--tests`, one without saw
/// `check.sh`. The time of the attempt showed too.
#[test]
fn a_step_sees_nothing_of_its_earlier_attempts() {
    let mut recipes = Recipes::new();
    let look = "ls /recipe\ntest ! -e /recipe/check.sh\n\
        test \"$(stat -c %Y /recipe /recipe/install.sh | sort -u)\" = \"$SOURCE_DATE_EPOCH\"\n\
        mkdir -p /usr/share\necho x > /usr/share/one\n";
    recipes.step("one", &[], &[("check", "false\n"), ("install", look)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let options = BuildOptions { tests: TestLevel::All, ..BuildOptions::default() };
    let job = daemon.begin("demo/one", options);
    assert_eq!(daemon.wait(job).state, JobState::Failed, "the check fails");
    let outcome = daemon.build("demo/one");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("one"));
}

/// The key says nothing about whether the test suite was run, so the output must not either. Its leavings lay in
/// the build tree that install started from.
#[test]
fn a_test_suite_leaves_no_trace() {
    let mut recipes = Recipes::new();
    let install = "mkdir -p /usr/share\nls > /usr/share/one\n";
    recipes.step(
        "one",
        &[],
        &[("build", "echo x > built\n"), ("check", "mv built tested\n"), ("install", install)],
    );
    let build = |tests: TestLevel| {
        let root = Root::new(recipes.path());
        let mut daemon = root.start();
        let options = BuildOptions { tests, ..BuildOptions::default() };
        let job = daemon.begin("demo/one", options);
        let outcome = daemon.wait(job);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        outputs(&outcome)
    };
    assert_eq!(build(TestLevel::All), build(TestLevel::None));
}

fn pkgctl(root: &Root, arguments: &[&str]) -> String {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    let done = command.arg("--root").arg(root.path()).args(arguments).output();
    let done = done.expect("pkgctl runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Also when a pkgd that insists on the full sandbox takes the output from the cache.
#[test]
fn an_output_of_a_weak_sandbox_says_so() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("state");
    let weak = Root::at(&state, recipes.path()).with(&["--sandbox", "weak"]);
    let daemon = weak.start();
    assert!(pkgctl(&weak, &["build", "demo/one"]).contains("weak"));
    assert!(pkgctl(&weak, &["jobs", "1"]).contains("built without the full sandbox"));
    drop(daemon);

    let full = Root::at(&state, recipes.path());
    let daemon = full.start();
    assert!(pkgctl(&full, &["build", "demo/one"]).contains("weak"));
    // Built anew in the full sandbox it is as good as any.
    let rebuilt = pkgctl(&full, &["build", "demo/one", "--rebuild", "one"]);
    assert!(!rebuilt.contains("weak"), "{rebuilt}");
    drop(daemon);
}

#[test]
fn a_declared_attribute_is_in_the_manifest() {
    let install = "mkdir -p /usr/bin\necho x > /usr/bin/tool\n\
        python3 -c 'import os; os.setxattr(\"/usr/bin/tool\", \"user.note\", b\"a b\")'\n";
    let mut recipes = Recipes::new();
    let declared = "[install]\nprefix = \"/\"\nxattrs = [\"/usr/bin/tool\"]\n";
    recipes.step_with("tool", &[], &[("install", install)], declared);
    let root = Root::new(recipes.path());
    let outcome = root.start().build("demo/tool");
    let [output] = &outputs(&outcome)[..] else { panic!("{outcome:?}") };
    let manifest = root.path().join(format!("outputs/{output}/manifest"));
    let manifest = fs::read_to_string(manifest).expect("the manifest");
    assert!(manifest.contains("\nx user.note =a%20b usr/bin/tool\n"), "{manifest}");
}

/// A part of the seed in a root of the final system would find its way into packages.
#[test]
fn from_the_chroot_on_a_root_is_made_of_outputs_alone() {
    let recipes = Recipes::new();
    recipes.staged("temporary", "tools", "", TOOLS);
    recipes.staged("system", "twin", "\"@temporary\"", "echo final > /usr/share/twin\n");
    let look = "mkdir /usr/share/seen\ncd /usr/share/seen\n\
        ls / > root\nls /usr/bin > programs\nenv > environment\necho \"$(< /usr/share/twin)\" > twin\n";
    recipes.staged("system", "look", "\"@temporary\", \"twin\"", look);
    let root = Root::new(recipes.path());
    let outcome = root.start().build("system/look");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
    let look = outcome.steps.iter().find(|s| s.step.to_string() == "look");
    let tree = look.and_then(|s| s.output).expect("an output");
    let seen = root.path().join(format!("outputs/{tree}/tree/usr/share/seen"));
    let words = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(seen.join(name)).expect("what it saw");
        text.split_whitespace().map(str::to_owned).collect()
    };
    let all = ["bin", "build", "dev", "lib", "lib64", "proc", "recipe", "run", "sys", "tmp", "usr"];
    assert_eq!(words("root"), all);
    assert_eq!(words("programs"), ["bash", "env", "ls", "mkdir"]);
    assert_eq!(words("twin"), ["final"], "the system lies above the temporary tools");
    let environment = words("environment");
    assert!(environment.contains(&"PATH=/usr/bin:/usr/sbin".to_owned()), "{environment:?}");
    assert!(!environment.iter().any(|v| v.contains("lfs") || v.contains("LFS")), "{environment:?}");
}

/// The linter's word on dependencies comes from what the sandbox saw: one that was opened is none to complain of,
/// one that was not is, and so is one that another hides. It holds until the recipe changes.
#[test]
fn dependencies_that_no_step_opens_are_told_by_the_linter() {
    let file = |name: &str| format!("mkdir -p /usr/share\necho x > /usr/share/{name}\n");
    let mut recipes = Recipes::new();
    for (step, path) in
        [("used", "used"), ("unused", "unused"), ("below", "both"), ("over", "both")]
    {
        recipes.step(step, &[], &[("install", &file(path))]);
    }
    let read = "cat /usr/share/used /usr/share/both\ntest -e /usr/share/unused\n";
    recipes.step("user", &["used", "unused", "below", "over"], &[("build", read)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let complaints = |daemon: &mut Daemon| {
        let reply = daemon.call(&Request::RecipeLint { step: None }).expect("an answer");
        let Reply::Lints(lints) = reply else { panic!("{reply:?}") };
        let of = |lint: LintReport| lint.what.contains("-dependency").then_some(lint.what);
        lints.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(daemon.build("demo/user").state, JobState::Done);
    assert!(complaints(&mut daemon).is_empty(), "nothing was observed");
    let rebuild = vec!["user".parse().expect("a step")];
    let options = BuildOptions { observe: true, rebuild, ..BuildOptions::default() };
    let job = daemon.begin("demo/user", options);
    assert_eq!(daemon.wait(job).state, JobState::Done);
    let said = complaints(&mut daemon);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|s| s.contains("'unused'") && s.contains("opened none")), "{said:?}");
    assert!(said.iter().any(|s| s.contains("'below'") && s.contains("hide")), "{said:?}");
    drop(daemon);
    let without = read.replace("test -e /usr/share/unused\n", "");
    recipes.step("user", &["used", "below", "over"], &[("build", read)]);
    let said = complaints(&mut root.start());
    assert!(said.len() == 1 && said[0].contains("'below'"), "{said:?}");
    recipes.step("user", &["used", "below", "over"], &[("build", &without)]);
    assert!(complaints(&mut root.start()).is_empty(), "it was another recipe");
}

/// Recipes were read when pkgd started. Who had changed one since was told that there is nothing to complain about.
#[test]
fn a_recipe_that_was_changed_is_linted_as_it_is_now() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[("build", "true\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let mut lint = || match daemon.call(&Request::RecipeLint { step: None }) {
        Ok(Reply::Lints(found)) => found,
        other => panic!("{other:?}"),
    };
    assert!(lint().is_empty());
    let script = recipes.path().join("demo/one/build.sh");
    std::fs::write(&script, "make || true\nsudo make\n").expect("the script");
    let found = lint();
    assert!(found.iter().any(|l| l.file == "demo/one/build.sh" && l.line == 2), "{found:?}");
    std::fs::write(&script, "true\n").expect("the script");
    assert!(lint().is_empty());
}
