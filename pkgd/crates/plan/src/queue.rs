//! Which step is next, while steps finish and fail.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use minos_model::StepId;

use crate::estimate::Weights;
use crate::plan::{Plan, Step};

/// Where a step stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for so many inputs, or is ready when there are none left.
    Waiting(usize),
    Running,
    Done,
    Failed,
    /// Something it depends on failed.
    Dropped,
}

/// Longest remaining path first, then book order, then name.
type Ready = (u64, Reverse<(u32, StepId, usize)>);

/// Hands out the steps of a plan, each when its inputs are done. Steps are named by position.
///
/// With one lane or many, in the same order of calls it gives the same answers.
#[derive(Debug, Clone)]
pub struct Queue {
    plan: Arc<Plan>,
    remaining: Vec<u64>,
    states: Vec<State>,
    ready: BinaryHeap<Ready>,
    /// Neither done, failed nor dropped.
    open: usize,
}

impl Queue {
    /// A queue of all steps of the plan, none of them done.
    pub fn new(plan: Arc<Plan>, weights: &Weights) -> Self {
        let count = plan.steps().len();
        let needs = |step: &Step| State::Waiting(step.inputs.len() + step.check_inputs.len());
        let states = plan.steps().iter().map(needs).collect();
        let remaining = (0..count).map(|at| weights.remaining_ms(at)).collect();
        let mut queue = Self { plan, remaining, states, ready: BinaryHeap::new(), open: count };
        (0..count).for_each(|at| queue.offer(at));
        queue
    }

    /// Puts a step among the ready ones if nothing keeps it waiting.
    fn offer(&mut self, at: usize) {
        if let (Some(State::Waiting(0)), Some(step)) =
            (self.states.get(at), self.plan.steps().get(at))
        {
            let tie = Reverse((step.order, step.id.clone(), at));
            self.ready.push((self.remaining.get(at).copied().unwrap_or(0), tie));
        }
    }

    /// The step to start next, now running. `None` when no step is ready: wait for a running one,
    /// or, when [`Self::is_finished`], stop.
    pub fn start(&mut self) -> Option<usize> {
        let (_, Reverse((_, _, at))) = self.ready.pop()?;
        *self.states.get_mut(at)? = State::Running;
        Some(at)
    }

    /// A running step is done; its dependants may become ready. Of any other step: nothing.
    pub fn done(&mut self, at: usize) {
        if !self.close(at, State::Done) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        for next in plan.steps().get(at).map_or(&[][..], |step| &step.dependants) {
            if let Some(State::Waiting(inputs)) = self.states.get_mut(*next) {
                *inputs = inputs.saturating_sub(1);
                self.offer(*next);
            }
        }
    }

    /// A running step failed. What depends on it is dropped, and returned in the order of the plan;
    /// all else goes on. Of any other step: nothing.
    pub fn fail(&mut self, at: usize) -> Vec<usize> {
        if !self.close(at, State::Failed) {
            return Vec::new();
        }
        let plan = Arc::clone(&self.plan);
        let mut dropped = Vec::new();
        let mut open = vec![at];
        while let Some(step) = open.pop().and_then(|at| plan.steps().get(at)) {
            for next in &step.dependants {
                if let Some(state @ State::Waiting(_)) = self.states.get_mut(*next) {
                    *state = State::Dropped;
                    self.open -= 1;
                    dropped.push(*next);
                    open.push(*next);
                }
            }
        }
        dropped.sort_unstable();
        dropped
    }

    /// Ends a running step; false when it was not running.
    fn close(&mut self, at: usize, end: State) -> bool {
        match self.states.get_mut(at) {
            Some(state @ State::Running) => {
                *state = end;
                self.open -= 1;
                true
            }
            _ => false,
        }
    }

    /// Every step is done, failed or dropped.
    pub fn is_finished(&self) -> bool {
        self.open == 0
    }

    /// This step runs, or will yet.
    pub fn is_open(&self, at: usize) -> bool {
        matches!(self.states.get(at), Some(State::Waiting(_) | State::Running))
    }

    /// Steps that are neither done, failed nor dropped.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The plan whose steps are handed out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
