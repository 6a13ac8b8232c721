//! Random sequences of commits, restarts, kills and power cuts against a model of maps.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::disk::{Cache, Disk};
use common::script::{Op, STEPS, name, open, place_outputs, run};
use common::{key, manifest, step};
use minos_model::{JobState, Phase, StepState};
use minos_store::{AttemptEnd, Store};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Commit(Op),
    /// A clean stop.
    Restart,
    /// `kill -9`.
    Kill,
    /// Power goes at a sync soon to come.
    Cut(u64, u64),
}

/// What the state must say, in the plainest form.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    /// Per job: its state, and each step's state without detail.
    jobs: Vec<(JobState, BTreeMap<u8, &'static str>)>,
    /// Per attempt, from 1: job, step, and how it ended.
    attempts: Vec<(usize, u8, &'static str)>,
    /// The latest attempt of each step in the latest job.
    latest: BTreeMap<u8, usize>,
    cached: BTreeMap<u8, ()>,
    checkpoints: BTreeMap<u8, ()>,
    events: usize,
    audit: usize,
}

impl Model {
    /// The model after `op`, or `None` where the store must refuse it.
    fn after(&self, op: Op) -> Option<Self> {
        let mut next = self.clone();
        next.events += 1;
        match op {
            Op::NewJob => {
                next.jobs.push((JobState::Queued, (0..STEPS).map(|n| (n, "waiting")).collect()));
                next.latest.clear();
            }
            Op::Begin(n) => {
                if next.open_attempt(n).is_some() {
                    return None;
                }
                next.set(n, "running")?;
                next.attempts.push((next.jobs.len(), n, "open"));
                next.latest.insert(n, next.attempts.len());
            }
            Op::PhaseDone(n, phase) => {
                next.open_attempt(n)?;
                if phase == Phase::Unpack {
                    next.checkpoints.insert(n, ());
                }
            }
            Op::Fail(n) => {
                next.open_attempt(n)?.2 = "failed";
                next.set(n, "failed")?;
            }
            Op::Built(n) => {
                next.open_attempt(n)?.2 = "built";
                next.set(n, "built")?;
                next.cached.insert(n, ());
                next.checkpoints.remove(&n);
            }
            Op::Cached(n) => {
                next.cached.get(&n)?;
                next.waiting(n)?;
                next.set(n, "cached")?;
            }
            Op::Skip(n) => {
                next.waiting(n)?;
                next.set(n, "skipped")?;
            }
            Op::Interrupt => {
                for at in 0..next.attempts.len() {
                    let (job, n, end) = next.attempts[at];
                    if end == "open" {
                        next.attempts[at].2 = "interrupted";
                        next.jobs[job - 1].1.insert(n, "waiting");
                    }
                }
            }
            Op::Audit => next.audit += 1,
            Op::JobDone => next.jobs.last_mut()?.0 = JobState::Done,
        }
        Some(next)
    }

    fn set(&mut self, n: u8, state: &'static str) -> Option<()> {
        self.jobs.last_mut()?.1.insert(n, state).map(drop)
    }

    fn waiting(&self, n: u8) -> Option<()> {
        matches!(self.jobs.last()?.1[&n], "waiting" | "skipped").then_some(())
    }

    fn open_attempt(&mut self, n: u8) -> Option<&mut (usize, u8, &'static str)> {
        let attempt = self.attempts.get_mut(*self.latest.get(&n)? - 1)?;
        (attempt.2 == "open").then_some(attempt)
    }

    /// The same, read from the store.
    fn of(store: &Store) -> Self {
        let read = store.read().unwrap();
        assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
        let mut model = Self::default();
        let mut jobs = read.jobs(usize::MAX).unwrap();
        jobs.reverse();
        for job in &jobs {
            let steps = read.steps(job.id).unwrap();
            model.latest =
                (0..).zip(&steps).filter_map(|(n, s)| Some((n, s.attempt? as usize))).collect();
            model
                .jobs
                .push((job.state, (0..).zip(&steps).map(|(n, s)| (n, word(&s.state))).collect()));
        }
        for id in 1.. {
            let Some(row) = read.attempt(id).unwrap() else { break };
            let n = (0..STEPS).find(|n| step(&name(*n)) == row.step).unwrap();
            model.attempts.push((row.job as usize, n, end(row.end.as_ref())));
        }
        for n in 0..STEPS {
            if let Some(output) = read.cached(&key(&name(n))).unwrap() {
                assert_eq!(output.digest, manifest(&name(n)).digest());
                model.cached.insert(n, ());
            }
        }
        let has = |n: &u8| read.checkpoints().unwrap().iter().any(|(k, _)| *k == key(&name(*n)));
        model.checkpoints = (0..STEPS).filter(has).map(|n| (n, ())).collect();
        let events = read.events_since(0, usize::MAX).unwrap();
        model.events = events.last().map_or(0, |event| event.seq as usize);
        assert_eq!(events.len(), model.events.min(20), "the ring keeps the latest 20");
        model.audit = read.verify_audit().unwrap() as usize;
        model
    }
}

fn word(state: &StepState) -> &'static str {
    match state {
        StepState::Waiting => "waiting",
        StepState::Running(_) => "running",
        StepState::Built => "built",
        StepState::Cached => "cached",
        StepState::Failed(_) => "failed",
        StepState::Skipped => "skipped",
        StepState::Cancelled => "cancelled",
    }
}

fn end(end: Option<&AttemptEnd>) -> &'static str {
    match end {
        None => "open",
        Some(AttemptEnd::Built) => "built",
        Some(AttemptEnd::Failed(_)) => "failed",
        Some(AttemptEnd::Interrupted) => "interrupted",
        Some(AttemptEnd::Cancelled) => "cancelled",
        Some(AttemptEnd::Compared) => "compared",
    }
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..STEPS;
    prop_oneof![
        1 => Just(Op::NewJob),
        4 => n.clone().prop_map(Op::Begin),
        2 => n.clone().prop_map(|n| Op::PhaseDone(n, Phase::Unpack)),
        1 => n.clone().prop_map(|n| Op::PhaseDone(n, Phase::Build)),
        1 => n.clone().prop_map(Op::Fail),
        3 => n.clone().prop_map(Op::Built),
        1 => n.clone().prop_map(Op::Cached),
        1 => n.prop_map(Op::Skip),
        1 => Just(Op::Interrupt),
        1 => Just(Op::Audit),
        1 => Just(Op::JobDone),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => op().prop_map(Act::Commit),
        1 => Just(Act::Restart),
        1 => Just(Act::Kill),
        2 => (1u64..90, any::<u64>()).prop_map(|(n, seed)| Act::Cut(n, seed)),
    ]
}

struct Machine<'a> {
    root: &'a Path,
    disk: Disk,
    store: Option<Store>,
    luck: u64,
}

impl Machine<'_> {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Starts again on `disk`; the store before it is gone without having written anything more.
    fn start(&mut self, disk: Disk) {
        self.store = None;
        self.store = Some(open(&disk, self.root).unwrap());
        self.disk = disk;
    }

    fn after_power_cut(&mut self) {
        let disk = self.disk.after_power_cut(Cache::Torn(self.luck));
        self.start(disk);
    }

    fn kill(&mut self) {
        let (database, journal) = self.disk.live();
        self.disk.after_power_cut(Cache::Lost);
        self.start(Disk::with(database, journal));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn state_is_that_of_the_model(acts in prop::collection::vec(act(), 1..250)) {
        let dir = tempfile::tempdir().unwrap();
        place_outputs(dir.path());
        let disk = Disk::default();
        let store = Some(open(&disk, dir.path()).unwrap());
        let mut machine = Machine { root: dir.path(), disk, store, luck: 1 };
        let mut model = Model::default();
        for (at, act) in (1..).zip(acts) {
            match act {
                Act::Commit(op) => {
                    let next = model.after(op);
                    let done = run(machine.store(), at, op);
                    if machine.store().latched().is_some() {
                        machine.after_power_cut();
                        let found = Model::of(machine.store());
                        prop_assert!(found == model || Some(&found) == next.as_ref());
                        model = found;
                    } else {
                        prop_assert_eq!(done.is_ok(), next.is_some(), "{:?}: {:?}", op, done);
                        model = next.unwrap_or(model);
                    }
                }
                Act::Restart => {
                    machine.store = None;
                    let disk = machine.disk.clone();
                    match open(&disk, dir.path()) {
                        Ok(store) => machine.store = Some(store),
                        Err(_) => machine.after_power_cut(),
                    }
                }
                Act::Kill => machine.kill(),
                Act::Cut(n, seed) => {
                    machine.luck = seed;
                    machine.disk.cut_at(machine.disk.syncs() + n);
                }
            }
        }
        machine.kill();
        prop_assert_eq!(Model::of(machine.store()), model);
    }
}
