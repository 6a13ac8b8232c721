//! What is known before anything is built: which steps are cached, which keys can be told.

use minos_model::Digest;

use crate::key::{Fingerprints, KeyParts, World};
use crate::plan::Plan;

/// What can be said about a step now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// Its output is there.
    Cached {
        /// Its task key.
        key: Digest,
        /// The output.
        output: Digest,
    },
    /// All inputs are there, its own output is not.
    Build {
        /// Its task key.
        key: Digest,
        /// The parts of it, to be compared with those of an earlier output.
        parts: KeyParts,
    },
    /// An input has to be built first, so that the key is not known yet. Should the input come out
    /// as it was, the step may turn out to be cached.
    Waits {
        /// Position of the first such input.
        on: usize,
    },
}

/// The outlook of every step of the plan, by position. `cached` tells the output of a task key.
pub fn outlook(
    plan: &Plan,
    prints: &Fingerprints,
    world: &World,
    mut cached: impl FnMut(&Digest) -> Option<Digest>,
) -> Vec<Outlook> {
    let mut out: Vec<Outlook> = Vec::with_capacity(plan.steps().len());
    for step in plan.steps() {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        let mut waits = None;
        for at in &step.inputs {
            match (out.get(*at), plan.steps().get(*at)) {
                (Some(Outlook::Cached { output, .. }), Some(input)) => {
                    inputs.push((input.id.clone(), *output));
                }
                _ => waits = waits.or(Some(*at)),
            }
        }
        let parts = prints.parts(&step.id, inputs, world);
        out.push(match (waits, parts) {
            (None, Some(parts)) => known(parts, &mut cached),
            // a step that the fingerprints lack is not of this plan's set: it waits for itself
            (waits, _) => Outlook::Waits { on: waits.unwrap_or(out.len()) },
        });
    }
    out
}

fn known(parts: KeyParts, cached: &mut impl FnMut(&Digest) -> Option<Digest>) -> Outlook {
    let key = parts.key();
    match cached(&key) {
        Some(output) => Outlook::Cached { key, output },
        None => Outlook::Build { key, parts },
    }
}
