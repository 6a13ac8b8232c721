//! How long steps take: from history, else from the book's figures.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use minos_model::StepId;

use crate::plan::{Plan, Step};
use crate::queue::Queue;

/// What is known about the time that steps take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimates {
    history: BTreeMap<StepId, u64>,
    sbu_ms: u64,
}

impl Estimates {
    /// Wall milliseconds of steps as they last took on this machine, and those of one standard
    /// build unit for the steps without a history; 0 when that is unknown.
    pub fn new(history: BTreeMap<StepId, u64>, sbu_ms: u64) -> Self {
        Self { history, sbu_ms }
    }

    /// Takes the length of a standard build unit from the steps of `plan` that have a history: all
    /// their time over all their units, so that long steps count for more than small ones. Leaves
    /// it as it is when there are none.
    #[must_use]
    pub fn calibrated(mut self, plan: &Plan) -> Self {
        let known =
            plan.steps().iter().filter_map(|s| Some((self.history.get(&s.id)?, s.sbu_centi)));
        let (ms, centi) = known
            .filter(|(_, centi)| *centi > 0)
            .fold((0_u64, 0_u64), |(ms, sum), (m, c)| (ms.saturating_add(*m), sum + u64::from(c)));
        if let Some(unit) = ms.saturating_mul(100).checked_div(centi) {
            self.sbu_ms = unit;
        }
        self
    }

    /// Milliseconds of one standard build unit; 0 when unknown.
    pub fn sbu_ms(&self) -> u64 {
        self.sbu_ms
    }

    /// Expected milliseconds of a step; 0 when nothing is known.
    pub fn expected_ms(&self, step: &Step) -> u64 {
        let book = || self.sbu_ms.saturating_mul(u64::from(step.sbu_centi)) / 100;
        self.history.get(&step.id).copied().unwrap_or_else(book)
    }
}

/// Expected times of a plan, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    expected: Vec<u64>,
    remaining: Vec<u64>,
    critical: Vec<usize>,
}

impl Weights {
    /// Of the steps of `plan`. `left` says how much of what a step takes is still to come, from its position and those
    /// milliseconds: nothing of a cached one.
    pub fn new(plan: &Plan, estimates: &Estimates, left: impl Fn(usize, u64) -> u64) -> Self {
        let time = |(at, step)| left(at, estimates.expected_ms(step));
        let expected: Vec<u64> = plan.steps().iter().enumerate().map(time).collect();
        let mut remaining = expected.clone();
        for (at, step) in plan.steps().iter().enumerate().rev() {
            let after = step.dependants.iter().map(|next| remaining[*next]).max().unwrap_or(0);
            remaining[at] = expected[at].saturating_add(after);
        }
        let critical = critical(plan, &remaining);
        Self { expected, remaining, critical }
    }

    /// Expected milliseconds of the step at a position; 0 for a position outside the plan.
    pub fn expected_ms(&self, at: usize) -> u64 {
        self.expected.get(at).copied().unwrap_or(0)
    }

    /// Milliseconds of the longest path that starts with this step.
    pub fn remaining_ms(&self, at: usize) -> u64 {
        self.remaining.get(at).copied().unwrap_or(0)
    }

    /// Milliseconds of the longest path behind this step.
    pub fn after_ms(&self, at: usize) -> u64 {
        self.remaining_ms(at).saturating_sub(self.expected_ms(at))
    }

    /// The critical path: positions, first to last. Of equally long ones, the first by position.
    pub fn critical(&self) -> &[usize] {
        &self.critical
    }

    /// Milliseconds of the critical path: no number of lanes is faster.
    pub fn critical_ms(&self) -> u64 {
        self.critical.first().map_or(0, |at| self.remaining_ms(*at))
    }

    /// Expected wall milliseconds on `lanes` lanes (at least one), by playing the queue through.
    pub fn wall_ms(&self, plan: &Arc<Plan>, lanes: usize) -> u64 {
        let mut queue = Queue::new(Arc::clone(plan), self);
        let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut now = 0;
        loop {
            while running.len() < lanes.max(1) {
                let Some(at) = queue.start() else { break };
                running.push(Reverse((self.expected_ms(at).saturating_add(now), at)));
            }
            let Some(Reverse((end, at))) = running.pop() else { return now };
            now = end;
            queue.done(at);
        }
    }
}

fn critical(plan: &Plan, remaining: &[u64]) -> Vec<usize> {
    let longest = |steps: &mut dyn Iterator<Item = usize>| {
        steps.min_by_key(|at| (Reverse(remaining[*at]), *at))
    };
    let mut path = Vec::new();
    let mut next = longest(&mut (0..plan.steps().len()));
    while let Some(at) = next {
        path.push(at);
        next = longest(&mut plan.steps()[at].dependants.iter().copied());
    }
    path
}
