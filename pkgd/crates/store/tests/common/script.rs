//! A build as a list of commits, and the whole state as text.

use std::fmt::Write as _;
use std::path::Path;

use minos_model::{Failure, FailureClass, JobState, Phase, StepState};
use minos_store::{AttemptEnd, AuditEntry, Finish, Options, PhaseDone, Store, StoreError};

use super::disk::Disk;
use super::{commit, cost, key, manifest, step};

/// One commit, as pkgd makes them. Steps are named by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    NewJob,
    Begin(u8),
    PhaseDone(u8, Phase),
    Fail(u8),
    Built(u8),
    Cached(u8),
    Skip(u8),
    Interrupt,
    Audit,
    JobDone,
}

/// Steps of every job.
pub const STEPS: u8 = 4;

pub fn name(n: u8) -> String {
    format!("step{}", n % STEPS)
}

/// Puts the outputs of all steps into the store once; commits then only name them.
pub fn place_outputs(root: &Path) {
    let layout = minos_store::Layout::new(root);
    for n in 0..STEPS {
        let output = layout.output(&manifest(&name(n)).digest());
        std::fs::create_dir_all(output.join("tree")).unwrap();
        std::fs::write(output.join("manifest"), manifest(&name(n)).to_string()).unwrap();
    }
}

pub fn open(disk: &Disk, root: &Path) -> Result<Store, StoreError> {
    let (database, journal) = disk.parts();
    let options = Options { events_kept: 20, samples_kept: 3, ..Options::default() };
    Store::open_on(database, journal, root, 1, options)
}

/// Two jobs, the second with failures, cached steps and interruptions: every kind of commit, and
/// more of them than the journal holds.
pub fn long_build() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..4 {
        ops.push(Op::Audit);
        ops.push(Op::NewJob);
        for n in 0..STEPS {
            ops.push(Op::Begin(n));
            ops.push(Op::PhaseDone(n, Phase::Unpack));
            if round == 1 {
                ops.extend([Op::Interrupt, Op::Begin(n)]);
            }
            ops.push(Op::PhaseDone(n, Phase::Build));
            ops.push(if round == 0 && n == 2 { Op::Fail(n) } else { Op::Built(n) });
        }
        ops.push(Op::JobDone);
        ops.extend([Op::NewJob, Op::Cached(0), Op::Cached(1), Op::Skip(3), Op::JobDone]);
    }
    ops
}

/// Makes the commit. `at` is its place in the list and serves as the time.
pub fn run(store: &Store, at: u64, op: Op) -> Result<(), StoreError> {
    let read = store.read()?;
    let job = read.jobs(1)?.first().map_or(0, |job| job.id);
    let attempt = |n| {
        let row = read.step(job, &step(&name(n)))?;
        Ok::<_, StoreError>(row.and_then(|row| row.attempt).unwrap_or(0))
    };
    store.write(|w| {
        w.event(job, format!("{op:?}").into_bytes(), at)?;
        match op {
            Op::NewJob => {
                let steps: Vec<_> = (0..STEPS).map(|n| step(&name(n))).collect();
                w.create_job("target", vec![7], &steps, at).map(drop)
            }
            Op::Begin(n) => w.begin_attempt(job, &step(&name(n)), &key(&name(n)), at).map(drop),
            Op::PhaseDone(n, phase) => {
                let layer = (phase == Phase::Unpack).then(|| "unpack".to_owned());
                w.phase_done(PhaseDone { attempt: attempt(n)?, phase, metrics: cost(at), layer })
            }
            Op::Fail(n) => {
                let finish = Finish { end: failed(), log_bytes: at, last: None };
                w.finish_attempt(attempt(n)?, finish, at)
            }
            Op::Built(n) => {
                let output = manifest(&name(n)).digest();
                w.commit_output(commit(attempt(n)?, output), at).map(drop)
            }
            Op::Cached(n) => w.set_cached(job, &step(&name(n)), &key(&name(n))).map(drop),
            Op::Skip(n) => w.set_step(job, &step(&name(n)), StepState::Skipped),
            Op::Interrupt => w.interrupt_attempts(|_| at, at).map(drop),
            Op::Audit => w.audit(AuditEntry { peer: None, what: format!("at {at}") }, at).map(drop),
            Op::JobDone => w.set_job_state(job, JobState::Done, at),
        }
    })
}

pub fn failed() -> AttemptEnd {
    AttemptEnd::Failed(Failure {
        class: FailureClass::Script,
        phase: Some(Phase::Build),
        what: "exit status 1".to_owned(),
        hint: "read the log".to_owned(),
    })
}

/// Every row of the state, one a line.
pub fn dump(store: &Store) -> Result<String, StoreError> {
    let read = store.read()?;
    let mut text = String::new();
    for job in read.jobs(usize::MAX)? {
        writeln!(text, "{job:?}").unwrap();
        for row in read.steps(job.id)? {
            writeln!(text, "{row:?}").unwrap();
        }
    }
    for n in 0..STEPS {
        writeln!(text, "{:?}", read.attempts_of(&step(&name(n)), usize::MAX)?).unwrap();
        writeln!(text, "{:?}", read.history(&step(&name(n)))?).unwrap();
    }
    writeln!(text, "{:?}\n{:?}", read.open_attempts()?, read.checkpoints()?).unwrap();
    writeln!(text, "{:?}\n{:?}", read.outputs()?, read.cache_rows()?).unwrap();
    writeln!(text, "{:?}\n{:?}", read.events_since(0, usize::MAX)?, read.audit(usize::MAX)?)
        .unwrap();
    Ok(text)
}
