//! The whole LFS chapter 5 cross toolchain, in host mode. Takes an hour or more of CPU time.
#![cfg(feature = "full")]

use minos_model::{JobState, StepState};
use minos_proto::{BuildOptions, Reply, Request, StepReport};
use minos_tests::{Root, artefacts};

/// The steps of chapter 5, in the book's order, after the folders they install into.
const STEPS: [&str; 6] =
    ["skeleton", "binutils:pass1", "gcc:pass1", "linux-headers", "glibc", "libstdcxx"];

/// Builds `target` on `root`, however long it takes.
fn built(root: &Root, target: &str) -> Vec<StepReport> {
    let mut daemon = root.start();
    let job = daemon.begin(target, BuildOptions::default());
    let (job, steps) = loop {
        match daemon.call(&Request::Job { job: Some(job) }) {
            Ok(Reply::Job { job, steps }) if job.state.is_final() => break (job, steps),
            Ok(_) => std::thread::sleep(std::time::Duration::from_secs(5)),
            Err(e) => panic!("{e}"),
        }
    };
    assert_eq!(job.state, JobState::Done, "{steps:?}");
    let good = |s: &StepState| matches!(s, StepState::Built | StepState::Cached);
    assert!(steps.iter().all(|s| good(&s.state)), "{steps:?}");
    steps
}

/// The book's checks are assertions of the recipes of glibc and libstdc++; a step whose assertions fail
/// is not built. They compile a C and a C++ program and run both by the new loader.
///
/// The first real step is then built once more, in another place and with another number of jobs: the
/// same files come out.
#[test]
fn the_cross_toolchain_builds_and_its_checks_hold() {
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let root = Root::at(&artefacts::top().join("out/host"), &artefacts::recipes()).with(&sources);
    let steps = built(&root, "lfs/toolchain");
    let names: Vec<String> = steps.iter().map(|s| s.step.to_string()).collect();
    assert_eq!(names, STEPS);

    let elsewhere = Root::new(&artefacts::recipes()).with(&sources).with(&["--jobs", "3"]);
    let outputs =
        |steps: &[StepReport]| -> Vec<_> { steps[..2].iter().map(|s| s.output).collect() };
    assert_eq!(outputs(&built(&elsewhere, STEPS[1])), outputs(&steps));
}
