//! The whole LFS chapter 5 cross toolchain, in host mode. Takes an hour or more of CPU time.
#![cfg(feature = "full")]

use minos_model::{JobState, StepState};
use minos_proto::{BuildOptions, Reply, Request};
use minos_tests::{Root, artefacts};

/// The steps of chapter 5, in the book's order, after the folders they install into.
const STEPS: [&str; 6] =
    ["skeleton", "binutils:pass1", "gcc:pass1", "linux-headers", "glibc", "libstdcxx"];

/// The book's checks are assertions of the recipes of glibc and libstdc++; a step whose assertions fail
/// is not built. They compile a C and a C++ program and run both by the new loader.
#[test]
fn the_cross_toolchain_builds_and_its_checks_hold() {
    let state = artefacts::top().join("out/host");
    let sources = artefacts::sources();
    let root = Root::at(&state, &artefacts::recipes())
        .with(&["--sources", sources.to_str().expect("text")]);
    let mut daemon = root.start();
    let job = daemon.begin("lfs/toolchain", BuildOptions::default());
    let report = loop {
        match daemon.call(&Request::Job { job: Some(job) }) {
            Ok(Reply::Job { job, steps }) if job.state.is_final() => break (job, steps),
            Ok(_) => std::thread::sleep(std::time::Duration::from_secs(5)),
            Err(e) => panic!("{e}"),
        }
    };
    assert_eq!(report.0.state, JobState::Done, "{report:?}");
    let names: Vec<String> = report.1.iter().map(|s| s.step.to_string()).collect();
    assert_eq!(names, STEPS);
    let good = |s: &StepState| matches!(s, StepState::Built | StepState::Cached);
    assert!(report.1.iter().all(|s| good(&s.state)), "{report:?}");
}
