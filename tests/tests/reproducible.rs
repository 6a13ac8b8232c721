//! `pkgctl build --check`: what does not come out the same is found, and told for what it is.
#![cfg(feature = "system")]

use std::process::{Command, Output};
use std::thread::available_parallelism;

use minos_model::{FailureClass, JobState, StepState};
use minos_proto::{BuildOptions, Field, Reply, Request, Sheet};
use minos_tests::daemon::Daemon;
use minos_tests::{Recipes, Root, artefacts};

fn twice() -> BuildOptions {
    BuildOptions { compare: true, ..BuildOptions::default() }
}

fn sheet(daemon: &mut Daemon, job: u64) -> Sheet {
    match daemon.call(&Request::Compared { job: Some(job) }) {
        Ok(Reply::Sheet(sheet)) => sheet,
        other => panic!("{other:?}"),
    }
}

/// The rows of a table as text, without the columns behind `columns`.
fn rows(sheet: &Sheet, name: &str, columns: usize) -> Vec<Vec<String>> {
    let grid = sheet.grids.iter().find(|grid| grid.name == name).expect("the table");
    let text = |field: &Field| match field {
        Field::Text(text) => text.clone(),
        Field::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    grid.rows.iter().map(|row| row.iter().take(columns).map(text).collect()).collect()
}

/// Kind and words on the file of this name.
fn found(sheet: &Sheet, file: &str) -> Vec<(String, String)> {
    let end = format!("/{file}");
    let rows = rows(sheet, "differences", 4).into_iter().filter(|row| row[2].ends_with(&end));
    rows.map(|row| (row[1].clone(), row[3].clone())).collect()
}

/// One file of each kind, each with something in it that no output should have.
const CARELESS: &str = "
mkdir -p /usr/share/x
cd /usr/share/x
date +%N > time
echo $$ > pid
uname -n > host
echo $RANDOM$RANDOM > random
nproc > cpus
echo \"$MAKEFLAGS\" > jobs
ls -U /build/src/many > listing
find /build/src/many > found
cat /proc/self/mountinfo > mounts
echo same > file
gzip -c file > stays.gz
cp file zipped
gzip zipped
echo x > a.o
env -u SOURCE_DATE_EPOCH ar rcU lib.a a.o
echo 'x = 1' > m.py
python3 -c 'import py_compile as p
p.compile(\"m.py\", \"m.pyc\", invalidation_mode=p.PycInvalidationMode.TIMESTAMP)'
printf 'const char word[] = \"%s\"; int main(void) { return word[0]; }' \"$(uname -n)\" > t.c
cc t.c -o program
rm a.o t.c
echo x > mode
test \"$(uname -n)\" = minos || chmod 600 mode
ln -s \"$(uname -n)\" link
touch \"only-$(uname -n)\"
";

#[test]
fn what_a_step_takes_from_its_surroundings_is_told() {
    let mut recipes = Recipes::new();
    let many = "mkdir many\nfor i in $(seq 30); do echo $i > many/$i; done\n";
    recipes.step("careless", &[], &[("build", many), ("install", CARELESS)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let job = daemon.begin("demo/careless", twice());
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("careless"));
    let sheet = sheet(&mut daemon, job);
    assert!(sheet.alarm);
    let kind = |file: &str| match &found(&sheet, file)[..] {
        [(kind, what)] => format!("{kind}: {what}"),
        other => panic!("{file}: {other:?} in {sheet:#?}"),
    };
    for file in ["time", "pid", "random", "jobs", "listing", "found", "mounts"] {
        assert!(kind(file).starts_with("text: line "), "{}", kind(file));
    }
    assert_eq!(kind("host"), r#"text: line 1: "minos", then "another-host-name""#);
    if available_parallelism().is_ok_and(|n| n.get() > 1) {
        assert!(kind("cpus").starts_with("text: line 1: "), "{}", kind("cpus"));
    }
    assert!(kind("zipped.gz").starts_with("gzip: time in the head "), "{}", kind("zipped.gz"));
    assert!(kind("lib.a").starts_with("archive: time of a.o: "), "{}", kind("lib.a"));
    assert!(kind("m.pyc").starts_with("python: time of the source "), "{}", kind("m.pyc"));
    assert!(kind("program").starts_with("elf: section"), "{}", kind("program"));
    assert!(kind("program").contains(".rodata"), "{}", kind("program"));
    assert_eq!(kind("mode"), "mode: 644, then 600");
    assert_eq!(kind("link"), "link: to minos, then to another-host-name");
    assert_eq!(kind("only-minos"), "only-first: a file");
    assert_eq!(kind("only-another-host-name"), "only-second: a file");
    assert_eq!(found(&sheet, "file"), [], "what does not differ is not told");

    // The first build stays, and the second leaves nothing behind.
    let first = outcome.steps[0].output.expect("an output").to_string();
    assert_eq!(outcome.steps[0].state, StepState::Built);
    assert_eq!(root.list("outputs"), [first.as_str()]);
    assert_eq!(root.list("scratch"), [] as [&str; 0]);
    let again = daemon.build("demo/careless");
    assert_eq!(again.steps[0].state, StepState::Cached);
    assert_eq!(again.steps[0].output.map(|d| d.to_string()), Some(first));
}

/// What is cached is built once, what is not twice; what others only need is not compared.
#[test]
fn zlib_is_equal_and_what_it_needs_is_left_alone() {
    let sources = artefacts::sources();
    let dir = tempfile::tempdir().expect("a folder");
    let root = Root::at(&dir.path().join("state"), &artefacts::recipes())
        .with(&["--sources", sources.to_str().expect("text")]);
    let mut daemon = root.start();
    let job = daemon.begin("demo/zlib", twice());
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("zlib"));
    let sheet = sheet(&mut daemon, job);
    assert_eq!(rows(&sheet, "steps", 3), [["zlib", "equal", "0"]], "{sheet:#?}");
    assert!(!sheet.alarm);
}

#[test]
fn only_what_was_asked_for_is_compared() {
    let mut recipes = Recipes::new();
    recipes.step("low", &[], &[]);
    let look = "test -e /usr/share/low/file\nmkdir -p /usr/share\nuname -n > /usr/share/high\n";
    recipes.step("high", &["low"], &[("install", look)]);
    // With lanes, a second build takes its job tokens like any other.
    let root = Root::new(recipes.path()).with(&["--lanes", "2", "--jobs", "2"]);
    let mut daemon = root.start();
    let first = daemon.build("demo/high");
    let job = daemon.begin("demo/high", twice());
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("high"));
    let states: Vec<_> = outcome.steps.iter().map(|step| &step.state).collect();
    assert_eq!(states, [&StepState::Cached; 2]);
    assert_eq!(outcome.steps[1].output, first.steps[1].output);
    let sheet = sheet(&mut daemon, job);
    assert_eq!(rows(&sheet, "steps", 3), [["high", "differs", "1"]], "{sheet:#?}");
    let attempts = |daemon: &mut Daemon, step: &str| match daemon
        .call(&Request::Attempts { step: step.parse().expect("a step") })
    {
        Ok(Reply::Attempts(list)) => list.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((attempts(&mut daemon, "low"), attempts(&mut daemon, "high")), (1, 2));
    let other = daemon.call(&Request::Compared { job: Some(first.job) });
    assert!(other.is_err(), "a job that compares nothing has no table: {other:?}");
}

fn pkgctl(root: &Root, arguments: &[&str]) -> Output {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    command.arg("--root").arg(root.path()).args(arguments).output().expect("pkgctl runs")
}

#[test]
fn pkgctl_shows_a_table_and_has_a_status_of_its_own() {
    let mut recipes = Recipes::new();
    recipes.step("good", &[], &[]);
    let install = "mkdir -p /usr/share\nuname -n > /usr/share/name\n";
    recipes.step("bad", &[], &[("install", install)]);
    let root = Root::new(recipes.path());
    let _daemon = root.start();
    let good = pkgctl(&root, &["build", "demo/good", "--check"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = pkgctl(&root, &["build", "demo/bad", "--check"]);
    assert_eq!(bad.status.code(), Some(14), "{bad:?}");
    let text = String::from_utf8_lossy(&bad.stdout);
    assert!(text.contains("DIFFERS in 1 path when built again"), "{text}");
    assert!(text.lines().any(|l| l.starts_with("bad ") && l.ends_with("text 1")), "{text}");
    assert!(text.contains("/usr/share/name"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // The last job again, from the state.
    let later = pkgctl(&root, &["watch", "--json"]);
    assert_eq!(later.status.code(), Some(14), "{later:?}");
    let last = String::from_utf8_lossy(&later.stdout).lines().last().map(str::to_owned);
    let last: serde_json::Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
    assert_eq!(last["type"], "comparison");
    assert_eq!(last["data"]["differ"], 1);
    assert_eq!(last["data"]["steps"][0]["result"], "differs");
    assert_eq!(last["data"]["differences"][0]["kind"], "text");
}

#[test]
fn a_second_build_that_fails_costs_the_job_and_not_the_output() {
    let mut recipes = Recipes::new();
    recipes.step("picky", &[], &[("build", "test \"$(uname -n)\" = minos\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let job = daemon.begin("demo/picky", twice());
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Failed);
    assert_eq!(outcome.failure("picky").class, FailureClass::Script);
    let sheet = sheet(&mut daemon, job);
    assert_eq!(rows(&sheet, "steps", 2), [["picky", "failed"]], "{sheet:#?}");
    assert_eq!(daemon.build("demo/picky").steps[0].state, StepState::Cached);
}

/// It leaves no checkpoint and no row but its attempt: the next pkgd begins it anew.
#[test]
fn a_killed_second_build_is_begun_anew() {
    let mut recipes = Recipes::new();
    let slow = "test \"$(uname -n)\" = minos || sleep 2\n";
    recipes.step("slow", &[], &[("build", slow)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    daemon.build("demo/slow");
    let job = daemon.begin("demo/slow", twice());
    daemon.wait_for_attempt("slow", 2);
    daemon.kill();
    let mut daemon = root.start();
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("slow"));
    let sheet = sheet(&mut daemon, job);
    assert_eq!(rows(&sheet, "steps", 3), [["slow", "equal", "0"]], "{sheet:#?}");
    assert_eq!(root.list("scratch"), [] as [&str; 0]);
    assert!(matches!(daemon.call(&Request::Verify { quick: false, repair: false }),
        Ok(Reply::Verified(report)) if report.contradictions.is_empty() && report.lost.is_empty()));
}
