//! The search for a proof.
//!
//! A search of its own, beside that of resolvo: an answer of yes or no needs another order than a proof that people
//! read. It follows what is forced; where nothing is, it assumes the options of one open need in turn, each of which
//! must lead to a contradiction. A contradiction that does not use the assumption needs no other option: so what has
//! nothing to do with the matter leaves no trace in the proof.

use super::Fact;
use super::state::{Cause, Core, Duty, State};
use crate::budget::Budget;
use crate::rules::Rules;
use crate::universe::PackageId;

/// How many assumptions may stand on each other.
const DEPTH: u32 = 100;

/// The facts that contradict each other; `None` where the budget ended first.
pub fn prove(rules: &Rules<'_>, budget: &Budget<'_>) -> Option<Vec<Fact>> {
    contradiction(State::new(rules), 0, budget).map(|core| core.facts)
}

/// What follows from a state.
enum Next {
    /// This cannot be.
    Contradiction(Core),
    /// These packages are the options of the first need that is still open.
    Split(Vec<PackageId>),
    /// No contradiction, or no budget.
    Stuck,
}

fn contradiction(mut state: State<'_>, level: u32, budget: &Budget<'_>) -> Option<Core> {
    loop {
        match follow(&mut state, budget) {
            Next::Contradiction(core) => return Some(core),
            Next::Stuck => return None,
            Next::Split(options) => {
                if level >= DEPTH {
                    return None;
                }
                let assumed = *options.first()?;
                let mut child = state.clone();
                child.take(assumed, Cause::Assumed(level));
                let mut core = contradiction(child, level + 1, budget)?;
                if !core.levels.remove(&level) {
                    return Some(core);
                }
                state.refute(assumed, core);
            }
        }
    }
}

/// Takes what is forced until nothing is.
fn follow(state: &mut State<'_>, budget: &Budget<'_>) -> Next {
    loop {
        let mut changed = false;
        let mut at = 0;
        let mut split: Option<Vec<PackageId>> = None;
        while let Some(duty) = state.duties.get(at).cloned() {
            at += 1;
            if !state.is_due(&duty) {
                continue;
            }
            if !budget.step() {
                return Next::Stuck;
            }
            let left: Vec<PackageId> =
                state.options(&duty).iter().copied().filter(|p| !state.is_out(*p)).collect();
            match left[..] {
                [] => return Next::Contradiction(state.blame(&duty)),
                [only] => {
                    take(state, duty, only);
                    changed = true;
                }
                _ if split.as_ref().is_none_or(|best| left.len() < best.len()) => {
                    split = Some(left)
                }
                _ => {}
            }
        }
        if !changed {
            return split.map_or(Next::Stuck, Next::Split);
        }
    }
}

fn take(state: &mut State<'_>, duty: Duty, package: PackageId) {
    let cause = match duty {
        Duty::Must(index) => Cause::Must(index),
        Duty::Need(by, clause) => Cause::Need(by, clause),
    };
    state.take(package, cause);
}
