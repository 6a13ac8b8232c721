//! A small build to test with: steps, keys and trees made from a name.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod disk;
pub mod memory;
pub mod packages;
pub mod place;
pub mod script;

use std::fs;

use minos_model::{Digest, Entry, Kind, Manifest, Metrics, Phase, StepId};
use minos_store::{CommitOutput, PhaseDone, Placed, Store, StoreError};

pub fn step(name: &str) -> StepId {
    name.parse().unwrap()
}

pub fn key(name: &str) -> Digest {
    Digest::of(format!("key of {name}").as_bytes())
}

pub fn cost(wall_ms: u64) -> Metrics {
    Metrics { wall_ms, user_us: wall_ms * 900, system_us: 5, max_rss_kib: 10, ..Metrics::default() }
}

/// The manifest of a tree with one file.
pub fn manifest(content: &str) -> Manifest {
    let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content.as_bytes()) };
    Manifest::new(vec![Entry {
        path: b"file".to_vec(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        kind,
        xattrs: Vec::new(),
    }])
}

/// Puts a captured tree into the store as exec does; the tests' file system needs no `syncfs`.
pub fn place(store: &Store, attempt: u64, content: &str) -> (Digest, Placed) {
    let stage = store.layout().stage(attempt);
    fs::create_dir_all(stage.join("tree")).unwrap();
    fs::write(stage.join("tree/file"), content).unwrap();
    store.place_output(&stage, &manifest(content)).unwrap()
}

pub fn commit(attempt: u64, output: Digest) -> CommitOutput {
    CommitOutput {
        attempt,
        parts: b"x86-64".to_vec(),
        output,
        version: "1.0".parse().unwrap(),
        size: 5,
        files: 1,
        weak: false,
        phases: vec![(Phase::Build, cost(20)), (Phase::Install, cost(1))],
        log_bytes: 3,
    }
}

/// Builds one step of a job from attempt to commit, in as many commits as pkgd makes.
pub fn build(store: &Store, job: u64, name: &str, now_ms: u64) -> Result<Digest, StoreError> {
    let attempt = store.write(|w| {
        let attempt = w.begin_attempt(job, &step(name), &key(name), now_ms)?;
        w.event(job, format!("begin {name}").into_bytes(), now_ms)?;
        Ok(attempt)
    })?;
    let layer = store.layout().scratch_of(&step(name), &key(name)).join("build");
    fs::create_dir_all(&layer).unwrap();
    let done = PhaseDone {
        attempt,
        phase: Phase::Build,
        metrics: cost(20),
        layer: Some("build".to_owned()),
    };
    store.write(|w| w.phase_done(done))?;
    let (output, _) = place(store, attempt, name);
    store.write(|w| {
        w.commit_output(commit(attempt, output), now_ms + 30)?;
        w.event(job, format!("built {name}").into_bytes(), now_ms + 30)
    })?;
    Ok(output)
}
