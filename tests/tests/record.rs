//! What is written down: events of jobs, who asked for what, outputs that got lost.
#![cfg(feature = "system")]

use std::fs;
use std::path::PathBuf;

use minos_model::{FailureClass, JobState, Phase, StepState};
use minos_proto::{
    BuildOptions, ErrorKind, EventBody, PackageRequest, Recorded, Reply, Request, VerifyReport,
};
use minos_qemu::control::ControlError;
use minos_tests::packages::ask;
use minos_tests::{Daemon, Recipes, Root};

fn events(daemon: &mut Daemon, job: Option<u64>) -> Vec<Recorded> {
    match daemon.call(&Request::Events { job, limit: 0 }) {
        Ok(Reply::Events(events)) => events,
        other => panic!("no events: {other:?}"),
    }
}

fn audit(daemon: &mut Daemon) -> Vec<String> {
    match daemon.call(&Request::Audit { limit: 0 }) {
        Ok(Reply::Audit(lines)) => lines.into_iter().map(|line| line.what).collect(),
        other => panic!("no audit trail: {other:?}"),
    }
}

fn verify(daemon: &mut Daemon, repair: bool) -> VerifyReport {
    match daemon.call(&Request::Verify { quick: false, repair }) {
        Ok(Reply::Verified(report)) => report,
        other => panic!("not verified: {other:?}"),
    }
}

fn recipes() -> Recipes {
    let mut recipes = Recipes::new();
    recipes.step("good", &[], &[]);
    recipes.step("bad", &[], &[("build", "false\n")]);
    recipes.step("after", &["bad"], &[]);
    recipes.step("slow", &[], &[("build", "sleep 300\n")]);
    recipes
}

/// pkgd had the table and never wrote to it.
#[test]
fn events_are_read_back_after_a_kill() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let good = daemon.build("demo/good").job;
    let bad = daemon.build("demo/after").job;
    daemon.kill();

    let mut daemon = root.start();
    // A job that never was has no events either, and was told of as one that did nothing yet.
    let none = daemon.call(&Request::Events { job: Some(999), limit: 0 });
    let is_not =
        |e: &ControlError| matches!(e, ControlError::Refused(r) if r.kind == ErrorKind::NotFound);
    assert!(none.as_ref().is_err_and(is_not), "{none:?}");
    let told = events(&mut daemon, Some(good));
    let bodies: Vec<&EventBody> = told.iter().map(|e| &e.event.body).collect();
    assert_eq!(*bodies[0], EventBody::JobQueued { target: "demo/good".into() });
    assert!(matches!(bodies[1], EventBody::StepStarted { .. }), "{told:?}");
    let install =
        |body: &&EventBody| matches!(body, EventBody::PhaseDone { phase: Phase::Install, .. });
    assert!(bodies.iter().any(install), "{told:?}");
    assert!(matches!(bodies[bodies.len() - 2], EventBody::StepBuilt { .. }), "{told:?}");
    assert_eq!(*bodies[bodies.len() - 1], EventBody::JobFinished { state: JobState::Done });
    assert!(told.windows(2).all(|two| two[0].number < two[1].number), "{told:?}");

    let told = events(&mut daemon, Some(bad));
    let has = |wanted: fn(&EventBody) -> bool| told.iter().any(|e| wanted(&e.event.body));
    assert!(has(|body| matches!(body, EventBody::StepFailed { .. })), "{told:?}");
    assert!(has(|body| matches!(body, EventBody::StepSkipped { .. })), "{told:?}");
    // All cached: the job is over in the commit that makes it, and is told all the same.
    let again = daemon.build("demo/good").job;
    let told = events(&mut daemon, Some(again));
    assert!(matches!(told[1].event.body, EventBody::StepCached { .. }), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}

/// A retry was written down as a build, and nobody knew which program had asked.
#[test]
fn the_audit_trail_names_what_was_asked_and_by_which_program() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let job = daemon.build("demo/bad").job;
    let again = match daemon.call(&Request::Retry { job }) {
        Ok(Reply::Started { job }) => job,
        other => panic!("not retried: {other:?}"),
    };
    daemon.wait(again);
    let retried = format!("retry job {job}: build demo/bad (test)");
    assert_eq!(audit(&mut daemon), ["build demo/bad (test)".to_owned(), retried]);
}

/// The tree and the manifest of the only output of a root.
fn only_output(root: &Root) -> PathBuf {
    let names = root.list("outputs");
    assert_eq!(names.len(), 1, "{names:?}");
    root.path().join("outputs").join(&names[0])
}

fn built_again(daemon: &mut Daemon, says: &str) {
    let outcome = daemon.build("demo/good");
    assert_eq!(outcome.state, JobState::Done);
    assert!(outcome.steps[0].attempt.is_some(), "it was built, not cached: {outcome:?}");
    let told = events(daemon, Some(0));
    let lost =
        |body: &EventBody| matches!(body, EventBody::OutputLost { why, .. } if why.contains(says));
    assert!(told.iter().any(|e| lost(&e.event.body)), "{told:?}");
    assert!(verify(daemon, false).lost.is_empty());
}

/// Such a row was only reported: the step counted as cached, and what stood on it could not be built.
#[test]
fn an_output_lost_while_pkgd_was_away_is_built_again() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    assert_eq!(root.start().build("demo/good").state, JobState::Done);
    fs::remove_file(only_output(&root).join("manifest")).expect("the manifest");
    built_again(&mut root.start(), "gone");
}

#[test]
fn an_output_lost_while_pkgd_runs_is_built_again() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
    fs::remove_dir_all(only_output(&root).join("tree")).expect("the tree");
    built_again(&mut daemon, "gone");
}

#[test]
fn verify_finds_a_damaged_output_and_has_it_built_again() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
    let sound = verify(&mut daemon, false);
    assert_eq!((sound.outputs, sound.lost.len(), sound.contradictions.len()), (1, 0, 0));
    assert!(sound.paths > 0, "{sound:?}");
    fs::write(only_output(&root).join("tree/usr/share/good/file"), "shorter").expect("a file");
    let report = verify(&mut daemon, false);
    assert!(report.lost[0].why.contains("usr/share/good/file"), "{report:?}");
    assert_eq!(daemon.build("demo/good").steps[0].attempt, None, "nothing was changed yet");

    let slow = daemon.begin("demo/slow", BuildOptions::default());
    match daemon.call(&Request::Verify { quick: false, repair: true }) {
        Err(ControlError::Refused(report)) => assert!(report.what.contains("runs"), "{report}"),
        other => panic!("repaired below a running job: {other:?}"),
    }
    assert!(daemon.call(&Request::Cancel { job: slow }).is_ok());
    daemon.wait(slow);
    assert!(verify(&mut daemon, true).repaired);
    built_again(&mut daemon, "usr/share/good/file");
}

/// Changes a byte of an output's only file, which keeps its length: what a bad disk or a slip of root does.
fn damage(root: &Root) -> PathBuf {
    let file = only_output(root).join("tree/usr/share/good/file");
    assert_eq!(fs::read(&file).expect("a file"), b"good\n");
    fs::write(&file, b"g00d\n").expect("damaged");
    file
}

/// What the events of a job say was mended.
fn mended(daemon: &mut Daemon, job: u64) -> Vec<String> {
    let why = |recorded: Recorded| match recorded.event.body {
        EventBody::OutputMended { why, .. } => Some(why),
        _ => None,
    };
    events(daemon, Some(job)).into_iter().filter_map(why).collect()
}

/// Kind and size were right, so verify said "all there", and a rebuild threw the good tree away for the one that
/// the store had: nothing but a hand in the state mended it.
#[test]
fn a_byte_changed_in_an_output_is_found_and_every_way_to_build_it_again_mends_it() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/good").state, JobState::Done);

    damage(&root);
    match daemon.call(&Request::Verify { quick: true, repair: false }) {
        Ok(Reply::Verified(report)) => assert!(report.quick && report.lost.is_empty()),
        other => panic!("not verified: {other:?}"),
    }
    let report = verify(&mut daemon, false);
    assert!(report.lost[0].why.ends_with("usr/share/good/file is not what it was"), "{report:?}");

    let rebuild = vec!["good".parse().expect("a step")];
    let again = BuildOptions { rebuild, ..BuildOptions::default() };
    let twice = BuildOptions { compare: true, ..BuildOptions::default() };
    for options in [again.clone(), twice] {
        let job = daemon.begin("demo/good", options);
        let outcome = daemon.wait(job);
        assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
        let told = mended(&mut daemon, job);
        assert!(told.len() == 1 && told[0].contains("usr/share/good/file"), "{told:?}");
        assert!(daemon.log("good").contains("was damaged, now mended"), "the log says so too");
        assert!(verify(&mut daemon, false).lost.is_empty());
        damage(&root);
    }

    let pack = || PackageRequest::Pack { targets: vec!["demo/good".into()] };
    let refused = ask(&mut daemon, pack()).expect_err("a damaged package");
    assert_eq!(refused.kind, ErrorKind::State, "no recipe is to blame: {refused}");
    assert!(refused.what.contains("damaged") && refused.what.contains("good/file"), "{refused}");
    assert!(refused.hint.contains("pkgctl verify --outputs --repair"), "{refused}");
    assert!(verify(&mut daemon, true).repaired);
    built_again(&mut daemon, "usr/share/good/file");
    ask(&mut daemon, pack()).expect("packed");
    // Nothing is wrong: nothing is said to be mended.
    let job = daemon.begin("demo/good", again);
    assert_eq!(daemon.wait(job).state, JobState::Done);
    assert_eq!(mended(&mut daemon, job), [] as [&str; 0]);
}

/// What came out otherwise can take no one's place: a damaged output was held for a difference of the second build.
#[test]
fn a_damaged_output_is_no_measure_of_a_second_build() {
    let mut recipes = Recipes::new();
    let other = "mkdir -p /usr/share/good\nuname -n > /usr/share/good/name\necho good > /usr/share/good/file\n";
    recipes.step("good", &[], &[("install", other)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
    damage(&root);
    let compare = BuildOptions { compare: true, ..BuildOptions::default() };
    let job = daemon.begin("demo/good", compare);
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Failed, "{outcome:?}");
    let failure = outcome.failure("good");
    assert_eq!(failure.class, FailureClass::State, "{failure}");
    assert!(failure.what.contains("damaged") && failure.what.contains("good/file"), "{failure}");
    assert!(failure.hint.contains("verify --outputs --repair"), "{failure}");
    assert_eq!(daemon.build("demo/good").steps[0].state, StepState::Cached);
}
