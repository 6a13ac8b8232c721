//! What pkgd does with the store in a build, seen from outside.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{build, commit, cost, key, place, step};
use minos_model::{Digest, Failure, FailureClass, JobState, Phase, StepState, Tested};
use minos_store::{
    AttemptEnd, AuditEntry, CommitComparison, CommitSuite, Finish, Options, Peer, PhaseDone,
    Placed, Store, StoreError,
};
use tempfile::TempDir;

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), 1, Options::default()).unwrap()
}

fn job(store: &Store, steps: &[&str]) -> u64 {
    let steps: Vec<_> = steps.iter().map(|name| step(name)).collect();
    store.write(|w| w.create_job("target", vec![1, 2], &steps, 100)).unwrap()
}

fn failed() -> AttemptEnd {
    AttemptEnd::Failed(Failure {
        class: FailureClass::Script,
        phase: Some(Phase::Build),
        what: "exit status 1".to_owned(),
        hint: "read the log".to_owned(),
    })
}

#[test]
fn a_build_is_found_again_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4", "gcc:pass1"]);
    let output = build(&store, id, "m4", 1000).unwrap();
    drop(store);

    let store = open(&dir);
    let read = store.read().unwrap();
    let row = read.cached(&key("m4")).unwrap().unwrap();
    assert_eq!((row.digest, row.size, row.created_ms), (output, 5, 1030));
    let steps = read.steps(id).unwrap();
    assert_eq!(steps[0].state, StepState::Built);
    assert_eq!(steps[0].metrics.wall_ms, 21);
    assert_eq!(steps[1].state, StepState::Waiting);
    assert_eq!(read.job(id).unwrap().unwrap().built, 1);
    assert_eq!(read.history(&step("m4")).unwrap().unwrap().expected_ms(), 21);
    assert_eq!(read.last_key_parts(&step("m4")).unwrap().unwrap().1.parts, b"x86-64");
    assert_eq!(read.checkpoint(&key("m4")).unwrap(), None);
    assert_eq!(read.attempts_of(&step("m4"), 9).unwrap()[0].end, Some(AttemptEnd::Built));
    let bodies: Vec<_> = read.events_since(0, 9).unwrap().into_iter().map(|e| e.body).collect();
    assert_eq!(bodies, [b"begin m4", b"built m4"]);
    assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
    assert_eq!(store.verify_output(&output).unwrap(), common::manifest("m4"));
}

/// The second build of `attempt`, which came out as `second`.
fn compared(attempt: u64, state: StepState, first: Digest, second: &str) -> CommitComparison {
    CommitComparison {
        attempt,
        state,
        metrics: cost(21),
        first,
        second: key(second),
        files: 1,
        report: vec![7],
        log_bytes: 9,
    }
}

/// Cache, output and history stay: what a second build gave is told and never used.
#[test]
fn a_second_build_takes_no_ones_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let output = build(&store, id, "m4", 1000).unwrap();
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 2000)).unwrap();
    assert_eq!(store.read().unwrap().job(id).unwrap().unwrap().built, 0, "it runs again");
    let commit = |state| compared(attempt, state, output, "other");
    let wrong = store.write(|w| w.commit_comparison(commit(StepState::Waiting), 2001));
    assert!(matches!(wrong, Err(StoreError::Invalid { .. })), "{wrong:?}");
    store.write(|w| w.commit_comparison(commit(StepState::Built), 2002)).unwrap();
    let again = store.write(|w| w.commit_comparison(commit(StepState::Built), 2003));
    assert!(matches!(again, Err(StoreError::Invalid { .. })), "{again:?}");
    drop(store);

    let store = open(&dir);
    let read = store.read().unwrap();
    assert_eq!(read.cached(&key("m4")).unwrap().unwrap().digest, output);
    assert_eq!(read.history(&step("m4")).unwrap().unwrap().samples.len(), 1);
    let row = read.step(id, &step("m4")).unwrap().unwrap();
    assert_eq!((row.state, row.metrics.wall_ms, row.output), (StepState::Built, 21, Some(output)));
    assert_eq!(read.job(id).unwrap().unwrap().built, 1);
    let found = read.comparison(id, &step("m4")).unwrap().unwrap();
    assert_eq!((found.first, found.second, found.at_ms), (output, key("other"), 2002));
    assert_eq!(read.comparisons(id).unwrap(), [found]);
    assert_eq!(read.comparisons(id + 1).unwrap(), []);
    assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
}

#[test]
fn failed_step_counts_and_its_job_stays_final() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 5)).unwrap();
    let finish = Finish { end: failed(), log_bytes: 7, last: Some((Phase::Build, cost(9))) };
    store.write(|w| w.finish_attempt(attempt, finish.clone(), 6)).unwrap();
    let again = store.write(|w| w.finish_attempt(attempt, finish, 6));
    assert!(matches!(again, Err(StoreError::Invalid { .. })));
    store.write(|w| w.set_job_state(id, JobState::Failed, 8)).unwrap();
    let back = store.write(|w| w.set_job_state(id, JobState::Running, 9));
    assert!(matches!(back, Err(StoreError::Invalid { .. })));

    let read = store.read().unwrap();
    let row = read.job(id).unwrap().unwrap();
    assert_eq!((row.failed, row.finished_ms, row.state), (1, Some(8), JobState::Failed));
    assert_eq!(read.attempt(attempt).unwrap().unwrap().log_bytes, 7);
    assert_eq!(read.unfinished_jobs().unwrap(), []);
    assert!(store.latched().is_none(), "a refused call must not stop the daemon");
}

#[test]
fn a_refused_write_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let result = store.write(|w| {
        w.set_step(id, &step("m4"), StepState::Skipped)?;
        w.set_step(id, &step("absent"), StepState::Skipped)
    });
    assert!(matches!(result, Err(StoreError::NotFound { .. })));
    assert_eq!(store.read().unwrap().steps(id).unwrap()[0].state, StepState::Waiting);
    let twice = store.write(|w| w.create_job("t", vec![], &[step("a"), step("a")], 1));
    assert!(matches!(twice, Err(StoreError::Invalid { .. })));
    assert_eq!(store.read().unwrap().jobs(9).unwrap().len(), 1);
}

#[test]
fn interrupted_build_goes_on_from_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 5)).unwrap();
    let scratch = store.layout().scratch_of(&step("m4"), &key("m4"));
    for name in ["1-unpack", "2-configure"] {
        fs::create_dir_all(scratch.join(name)).unwrap();
    }
    let done = PhaseDone {
        attempt,
        phase: Phase::Unpack,
        metrics: cost(3),
        layer: Some("1-unpack".to_owned()),
    };
    store.write(|w| w.phase_done(done)).unwrap();
    drop(store);

    let store = open(&dir);
    let open = store.write(|w| w.interrupt_attempts(|_| 11, 50)).unwrap();
    assert_eq!(open.iter().map(|row| row.id).collect::<Vec<_>>(), [attempt]);
    store.write(|w| w.bump_resumed(id)).unwrap();
    let report = store.sweep().unwrap();
    assert_eq!(report.discarded, [scratch.join("2-configure")]);
    let read = store.read().unwrap();
    assert_eq!(read.checkpoint(&key("m4")).unwrap().unwrap().layers[0].phase, Phase::Unpack);
    assert_eq!(read.attempt(attempt).unwrap().unwrap().end, Some(AttemptEnd::Interrupted));
    assert_eq!(read.steps(id).unwrap()[0].state, StepState::Waiting);
    assert_eq!(read.job(id).unwrap().unwrap().resumed, 1);
    assert_eq!(store.empty_trash(|path| fs::remove_dir_all(path)).unwrap(), 1);
    assert_eq!(store.sweep().unwrap(), Default::default());
}

/// A step that never got through left a build tree for each version of its recipe, and nothing ever freed one.
#[test]
fn checkpoints_under_other_keys_are_abandoned_and_that_of_the_same_key_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4", "zlib"]);
    for (name, version) in [("m4", "m4 1"), ("m4", "m4 2"), ("zlib", "zlib 1")] {
        let attempt = store.write(|w| w.begin_attempt(id, &step(name), &key(version), 5)).unwrap();
        let layer = store.layout().scratch_of(&step(name), &key(version)).join("unpack");
        fs::create_dir_all(layer).unwrap();
        let layer = Some("unpack".to_owned());
        let done = PhaseDone { attempt, phase: Phase::Unpack, metrics: cost(3), layer };
        store.write(|w| w.phase_done(done)).unwrap();
        let finish = Finish { end: failed(), log_bytes: 7, last: None };
        store.write(|w| w.finish_attempt(attempt, finish, 6)).unwrap();
    }
    let abandoned = store.write(|w| w.abandon_checkpoints(&step("m4"), &key("m4 2"))).unwrap();
    assert_eq!(abandoned, [key("m4 1")]);
    let read = store.read().unwrap();
    assert_eq!(read.checkpoint(&key("m4 1")).unwrap(), None);
    assert!(read.checkpoint(&key("m4 2")).unwrap().is_some(), "it can be gone on from");
    assert!(read.checkpoint(&key("zlib 1")).unwrap().is_some(), "another step's");
    // Killed before the caller discards it, the next start does.
    let report = store.sweep().unwrap();
    assert_eq!(report.discarded, [store.layout().scratch_of(&step("m4"), &key("m4 1"))]);
    let none = store.write(|w| w.abandon_checkpoints(&step("m4"), &key("m4 2"))).unwrap();
    assert_eq!(none, []);
}

/// What a step had made when it failed was gone with the next start of pkgd, before anybody had looked at it.
#[test]
fn what_the_newest_failed_attempt_left_outlives_a_start_until_its_room_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4", "zlib"]);
    let place = |name: &str, version: &str, phase: &str| {
        let place = store.layout().scratch_of(&step(name), &key(version)).join(phase);
        fs::create_dir_all(&place).unwrap();
        place
    };
    let end = |name: &str, version: &str, end: AttemptEnd| {
        let attempt = store.write(|w| w.begin_attempt(id, &step(name), &key(version), 5)).unwrap();
        let finish = Finish { end, log_bytes: 7, last: None };
        store.write(|w| w.finish_attempt(attempt, finish, 6)).unwrap();
        place(name, version, "build")
    };
    let older = end("m4", "m4 1", failed());
    let newest = end("m4", "m4 2", failed());
    let cut = end("zlib", "zlib 1", AttemptEnd::Interrupted);
    store.sweep().unwrap();
    assert_eq!([&older, &newest, &cut].map(|dir| dir.exists()), [false, true, false]);
    store.discard_failed(|dir| dir.starts_with("m4-")).unwrap();
    assert!(newest.exists(), "it is in use");
    store.discard_failed(|_| false).unwrap();
    assert!(!newest.exists());
}

/// A checkpoint under the key of before, given to the key of now: only what both have in common.
#[test]
fn layers_given_to_another_key_are_that_keys_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("old"), 5)).unwrap();
    let (old, new) = (key("old"), key("new"));
    let from = store.layout().scratch_of(&step("m4"), &old);
    for phase in [Phase::Unpack, Phase::Build, Phase::Install] {
        fs::create_dir_all(from.join(phase.as_str())).unwrap();
        let layer = Some(phase.as_str().to_owned());
        let done = PhaseDone { attempt, phase, metrics: cost(1), layer };
        store.write(|w| w.phase_done(done)).unwrap();
    }
    fs::write(store.layout().basis(&step("m4"), &old), "").unwrap();
    let finish = Finish { end: failed(), log_bytes: 7, last: None };
    store.write(|w| w.finish_attempt(attempt, finish, 6)).unwrap();
    let to = store.layout().scratch_of(&step("m4"), &new);
    fs::rename(&from, &to).unwrap();
    let phases = [Phase::Unpack, Phase::Build];
    store.write(|w| w.move_checkpoint(&old, &new, &phases)).unwrap();
    let read = store.read().unwrap();
    let kept: Vec<Phase> =
        read.checkpoint(&new).unwrap().unwrap().layers.iter().map(|layer| layer.phase).collect();
    assert_eq!(kept, phases);
    assert_eq!(read.checkpoint(&old).unwrap(), None);
    drop(read);
    store.sweep().unwrap();
    assert!(!to.join("install").exists(), "no row names it");
    assert!(store.layout().basis(&step("m4"), &new).exists());
}

/// The capture of a rebuilt step as it stands before it is put in its place.
fn captured(store: &Store, attempt: u64, content: &str) -> PathBuf {
    let stage = store.layout().stage(attempt);
    fs::create_dir_all(stage.join("tree")).unwrap();
    fs::write(stage.join("tree/file"), content).unwrap();
    stage
}

/// The store had the name already and kept what stood under it, damaged or not: no rebuild mended an output.
#[test]
fn a_damaged_output_gives_way_to_the_same_one_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let output = build(&store, id, "m4", 1000).unwrap();
    store.sweep().unwrap();
    store.empty_trash(|path| fs::remove_dir_all(path)).unwrap();
    let row = store.read().unwrap().cached(&key("m4")).unwrap();
    let file = store.layout().output_tree(&output).join("file");
    fs::write(&file, "M4").unwrap();

    let stage = captured(&store, 7, "m4");
    let mut synced = false;
    let sync = |path: &Path| {
        synced = true;
        assert_eq!(fs::read(path.join("tree/file")).unwrap(), b"m4", "what is to be durable");
        assert!(path.join("manifest").is_file());
        assert_eq!(fs::read(&file).unwrap(), b"M4", "not before it is");
        Ok(())
    };
    let replaced = store.replace_output(&stage, &common::manifest("m4"), sync).unwrap();
    assert!(synced);
    assert_eq!(replaced, output);
    assert_eq!(fs::read(&file).unwrap(), b"m4");
    assert_eq!(store.verify_output(&output).unwrap(), common::manifest("m4"));
    assert_eq!(store.read().unwrap().cached(&key("m4")).unwrap(), row, "its rows stay");
    assert!(!stage.exists());
    assert_eq!(store.empty_trash(|path| fs::remove_dir_all(path)).unwrap(), 1, "the damaged one");
    assert_eq!(store.sweep().unwrap(), Default::default());
}

#[test]
fn killed_while_a_damaged_output_gives_way_it_is_whole_or_known_to_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let output = build(&store, id, "m4", 1000).unwrap();
    store.sweep().unwrap();
    // A disk that does not take the capture leaves the old one where it is.
    let stage = captured(&store, 7, "m4");
    let full = |_: &Path| Err(std::io::ErrorKind::StorageFull.into());
    let failed = store.replace_output(&stage, &common::manifest("m4"), full).unwrap_err();
    assert!(failed.is_disk_full(), "{failed}");
    assert!(store.has_bytes(&output));
    let report = store.sweep().unwrap();
    assert_eq!((report.discarded, report.rows_without_bytes), (vec![stage], vec![]));
    // Between the renames: the old one is in the trash, the new one not yet in its place.
    let stage = captured(&store, 8, "m4");
    store.layout().discard(&store.layout().output(&output)).unwrap();
    let report = store.sweep().unwrap();
    assert_eq!((report.discarded, report.rows_without_bytes), (vec![stage], vec![output]));
    store.write(|w| w.forget_output(&output)).unwrap();
    assert_eq!(build(&store, job(&store, &["m4"]), "m4", 2000).unwrap(), output);
}

#[test]
fn output_without_bytes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 5)).unwrap();
    let result = store.write(|w| w.commit_output(commit(attempt, key("nothing")), 6));
    assert!(matches!(result, Err(StoreError::NoBytes { .. })), "{result:?}");
    assert!(store.read().unwrap().cached(&key("m4")).unwrap().is_none());
}

#[test]
fn same_bytes_under_another_key_are_one_output() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["a", "b"]);
    for (name, placed, weak) in [("a", Placed::New, true), ("b", Placed::Known, false)] {
        let attempt = store.write(|w| w.begin_attempt(id, &step(name), &key(name), 5)).unwrap();
        let (output, how) = place(&store, attempt, "same content");
        assert_eq!(how, placed);
        let mut commit = commit(attempt, output);
        commit.weak = weak;
        assert_eq!(store.write(|w| w.commit_output(commit, 6)).unwrap().replaced, None);
    }
    let read = store.read().unwrap();
    assert_eq!(read.output_count().unwrap(), 1);
    assert!(read.cached(&key("a")).unwrap().unwrap().weak);
    assert!(!read.cached(&key("b")).unwrap().unwrap().weak);
    assert!(!read.outputs().unwrap()[0].weak);

    let next = job(&store, &["a"]);
    store.write(|w| w.set_cached(next, &step("a"), &key("a"))).unwrap();
    let row = store.read().unwrap().steps(next).unwrap().remove(0);
    assert_eq!((row.state, row.weak), (StepState::Cached, true));
}

/// What is made at once is what is made piece by piece; what a step lacks or has twice refuses it all.
#[test]
fn a_job_with_nothing_to_do_is_made_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let first = job(&store, &["a", "b"]);
    let output = build(&store, first, "a", 1).unwrap();
    let taken = [(step("a"), key("a"))];

    let (at_once, rows) =
        store.write(|w| w.create_cached_job("target", vec![1, 2], &taken, 100)).unwrap();
    assert_eq!(rows.iter().map(|row| row.digest).collect::<Vec<_>>(), [output]);
    let by_pieces = job(&store, &["a"]);
    store.write(|w| w.set_cached(by_pieces, &step("a"), &key("a")).map(drop)).unwrap();
    store.write(|w| w.set_job_state(by_pieces, JobState::Done, 100)).unwrap();
    let read = store.read().unwrap();
    let parts = |id| {
        let steps = read.steps(id).unwrap();
        let mut job = read.job(id).unwrap().unwrap();
        job.id = 0;
        (job, steps.into_iter().map(|mut row| (row.job = 0, row).1).collect::<Vec<_>>())
    };
    assert_eq!(parts(at_once), parts(by_pieces));
    assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
    drop(read);

    for refused in [vec![(step("b"), key("b"))], vec![taken[0].clone(), taken[0].clone()]] {
        store.write(|w| w.create_cached_job("t", Vec::new(), &refused, 100)).unwrap_err();
    }
    assert_eq!(store.read().unwrap().jobs(9).unwrap().len(), 3);
}

#[test]
fn events_of_one_commit_are_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Store::open(dir.path(), 1, Options { events_kept: 3, ..Options::default() }).unwrap();
    store.write(|w| w.event(1, vec![0], 5)).unwrap();
    let last = store.write(|w| w.events(1, (1..=4u8).map(|n| vec![n]), 5)).unwrap();
    assert_eq!(last, 5);
    drop(store);
    // Through the journal, in which a row that was put and removed again is only removed.
    let store =
        Store::open(dir.path(), 1, Options { events_kept: 3, ..Options::default() }).unwrap();
    let rows = store.read().unwrap().events_since(0, 99).unwrap();
    assert_eq!(rows.iter().map(|e| e.body[0]).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn irreproducible_step_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["a"]);
    let mut outputs = Vec::new();
    for content in ["first", "second"] {
        let attempt = store.write(|w| w.begin_attempt(id, &step("a"), &key("a"), 5)).unwrap();
        let (output, _) = place(&store, attempt, content);
        outputs
            .push(store.write(|w| w.commit_output(commit(attempt, output), 6)).unwrap().replaced);
    }
    assert_eq!(outputs, [None, Some(common::manifest("first").digest())]);
}

#[test]
fn events_are_a_ring_and_audit_is_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { events_kept: 3, ..Options::default() };
    let store = Store::open(dir.path(), 1, options).unwrap();
    for n in 0..10u8 {
        store.write(|w| w.event(1, vec![n], 5)).unwrap();
    }
    let read = store.read().unwrap();
    let seqs: Vec<_> = read.events_since(0, 99).unwrap().iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [8, 9, 10]);
    assert_eq!(read.events_since(9, 99).unwrap()[0].body, [9]);

    let peer = Some(Peer { uid: 0, pid: 77 });
    for what in ["build x", "cancel 1"] {
        let entry = AuditEntry { peer, what: what.to_owned() };
        store.write(|w| w.audit(entry, 9)).unwrap();
    }
    let read = store.read().unwrap();
    assert_eq!(read.verify_audit().unwrap(), 2);
    let lines = read.audit(9).unwrap();
    assert_eq!(lines[0].previous, lines[1].digest());
    assert_eq!(
        (lines[0].uid, lines[0].pid, lines[0].what.as_str()),
        (Some(0), Some(77), "cancel 1")
    );
}

#[test]
fn second_daemon_is_refused_and_a_stale_lock_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let error = Store::open(dir.path(), 1, Options::default()).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, StoreError::Locked { pid: Some(p), .. } if p == pid), "{error}");
    assert!(error.hint().contains(&pid.to_string()));
    drop(store);
    assert!(dir.path().join("lock").exists());
    open(&dir);
}

#[test]
fn attempt_numbers_go_on_behind_old_logs_when_the_database_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.layout().log(1234, &step("gcc:pass1"));
    minos_store::LogWriter::create(&log, 10).unwrap().finish().unwrap();
    drop(store);
    fs::rename(dir.path().join("state.redb"), dir.path().join("aside")).unwrap();
    let error = Store::open(dir.path(), 1, Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.hint().contains("state.log"), "{}", error.hint());
    fs::rename(dir.path().join("state.log"), dir.path().join("aside.log")).unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 5)).unwrap();
    assert_eq!(attempt, 1235);
}

#[test]
fn sweep_takes_what_no_row_names_and_reports_rows_without_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4", "gcc:pass1"]);
    let m4 = build(&store, id, "m4", 5).unwrap();
    let gcc = build(&store, id, "gcc:pass1", 6).unwrap();
    let layout = store.layout().clone();
    let strays =
        [layout.outputs().join("0".repeat(64)), layout.stage(7), layout.scratch().join("x")];
    for stray in &strays {
        fs::create_dir_all(stray.join("tree/deeper")).unwrap();
    }
    fs::remove_dir_all(layout.output_tree(&gcc)).unwrap();
    drop(store);

    let store = open(&dir);
    let report = store.sweep().unwrap();
    for stray in &strays {
        assert!(report.discarded.contains(stray) && !stray.exists(), "{}", stray.display());
    }
    assert_eq!(report.rows_without_bytes, [gcc]);
    assert!(matches!(store.verify_output(&gcc), Err(StoreError::NoBytes { .. })));
    fs::write(layout.output_manifest(&m4), "minos-manifest 1\n").unwrap();
    assert!(matches!(store.verify_output(&m4), Err(StoreError::Damaged { .. })));
    let failing = store.empty_trash(|_| Err(std::io::ErrorKind::PermissionDenied.into()));
    assert!(failing.is_err());
    assert!(store.empty_trash(|path| fs::remove_dir_all(path)).unwrap() >= 3);
}

/// Rows without bytes were only reported: the step counted as cached, and what needed it failed.
#[test]
fn forgotten_output_is_no_longer_cached_and_can_be_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4", "gcc:pass1"]);
    let m4 = build(&store, id, "m4", 5).unwrap();
    let gcc = build(&store, id, "gcc:pass1", 6).unwrap();
    store.write(|w| w.set_job_state(id, JobState::Done, 7)).unwrap();
    assert!(store.has_bytes(&gcc));
    fs::remove_file(store.layout().output_manifest(&gcc)).unwrap();
    assert!(!store.has_bytes(&gcc));

    let row = store.write(|w| w.forget_output(&gcc)).unwrap().unwrap();
    assert_eq!(row.step, step("gcc:pass1"));
    assert_eq!(store.write(|w| w.forget_output(&gcc)).unwrap(), None);
    let read = store.read().unwrap();
    assert_eq!(read.cached(&key("gcc:pass1")).unwrap(), None);
    assert_eq!(read.output(&gcc).unwrap(), None);
    assert_eq!(read.cached(&key("m4")).unwrap().unwrap().digest, m4);
    assert_eq!(read.steps(id).unwrap()[1].output, Some(gcc), "what was built stays told");
    assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
    drop(read);

    let again = job(&store, &["gcc:pass1"]);
    assert_eq!(build(&store, again, "gcc:pass1", 9).unwrap(), gcc);
    assert!(store.has_bytes(&gcc));
}

#[test]
fn checkpoint_whose_layer_is_gone_is_shortened() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = job(&store, &["m4"]);
    let attempt = store.write(|w| w.begin_attempt(id, &step("m4"), &key("m4"), 5)).unwrap();
    let scratch = store.layout().scratch_of(&step("m4"), &key("m4"));
    for (phase, layer) in [(Phase::Unpack, "unpack/upper"), (Phase::Build, "build/upper")] {
        fs::create_dir_all(scratch.join(layer)).unwrap();
        let layer = Some(layer.to_owned());
        let done = PhaseDone { attempt, phase, metrics: cost(1), layer };
        store.write(|w| w.phase_done(done)).unwrap();
    }
    fs::remove_dir_all(scratch.join("build")).unwrap();
    let layers =
        |store: &Store| store.read().unwrap().checkpoint(&key("m4")).unwrap().unwrap().layers;
    assert_eq!(layers(&store).len(), 1);
    let report = store.sweep().unwrap();
    assert_eq!((report.discarded.len(), report.lost_checkpoints), (0, vec![key("m4")]));
    assert_eq!(store.read().unwrap().checkpoints().unwrap()[0].1.layers, layers(&store));
    fs::remove_dir_all(&scratch).unwrap();
    store.sweep().unwrap();
    assert_eq!(store.read().unwrap().checkpoints().unwrap(), []);
}

fn suite(attempt: u64, passed: u64) -> CommitSuite {
    let tested = Tested { passed, ..Tested::default() };
    CommitSuite { attempt, suite: key("suite"), failed: false, tested, report: vec![1] }
}

#[test]
fn what_came_of_a_suite_is_kept_with_its_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { samples_kept: 2, ..Options::default() };
    let store = Store::open(dir.path(), 1, options).unwrap();
    let id = job(&store, &["m4", "m4:x"]);
    let begin = |name| store.write(|w| w.begin_attempt(id, &step(name), &key(name), 5)).unwrap();
    let end = |attempt| {
        let finish = Finish { end: failed(), log_bytes: 0, last: None };
        store.write(|w| w.finish_attempt(attempt, finish, 9)).unwrap();
    };
    for passed in 1..=3 {
        let attempt = begin("m4");
        store.write(|w| w.commit_suite(suite(attempt, passed), 7)).unwrap();
        end(attempt);
        let over = store.write(|w| w.commit_suite(suite(attempt, 9), 7));
        assert!(matches!(over, Err(StoreError::Invalid { .. })), "{over:?}");
    }
    let other = begin("m4:x");
    store.write(|w| w.commit_suite(suite(other, 4), 7)).unwrap();
    let read = store.read().unwrap();
    let passed = |name, limit| -> Vec<u64> {
        let rows = read.suites_of(&step(name), limit).unwrap();
        rows.iter().map(|row| row.tested.passed).collect()
    };
    assert_eq!(
        (passed("m4", 9), passed("m4", 1)),
        (vec![3, 2], vec![3]),
        "the newest two, newest first"
    );
    assert_eq!(passed("m4:x", 9), [4], "no other step's");
    assert_eq!(read.suites_of(&step("m4"), 1).unwrap()[0].key, key("m4"));
    assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
}
