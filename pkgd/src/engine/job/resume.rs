//! Where an attempt goes on from, and what a failed one leaves to be looked into.

use std::fs;
use std::path::Path;

use minos_exec::layers::Layers;
use minos_model::{Digest, Failure, FailureClass, Metrics, Phase, StepId};
use minos_plan::Basis;
use minos_store::{CheckpointRow, Snapshot, StoreError};

use super::{Lane, RunningJob, Work};
use crate::service::Service;
use crate::suites;

impl RunningJob {
    /// The phases of the step that were finished before and still hold, with what they cost.
    pub(super) fn done_before(
        &self,
        service: &Service,
        work: &Work<'_>,
    ) -> Result<Vec<(Phase, Metrics)>, StoreError> {
        // What a finished phase opened was not observed.
        if self.options.observe {
            return Ok(Vec::new());
        }
        let snapshot = service.store.read()?;
        let found = match snapshot.checkpoint(&work.key)? {
            None if take_over(service, &snapshot, work)? => {
                service.store.read()?.checkpoint(&work.key)?
            }
            found => found,
        };
        let Some(row) = found else { return Ok(Vec::new()) };
        // The key does not say with which script the tests were run.
        let tested = suites::was_run(&snapshot, work.recipe, &work.key)?;
        let usable = row.layers.iter().filter(|l| tested || l.phase != Phase::Check);
        Ok(usable.map(|l| (l.phase, l.metrics)).collect())
    }
}

/// Gives the step the layers that it made under another task key, as far as that key has them in common with the one it
/// has now: who mends the script of a late phase need not wait for the early ones again. Returns whether there were any.
///
/// The folder is renamed before the row. Killed in between, the step has lost its checkpoint and nothing else: a row
/// without layers and layers without a row are both swept.
fn take_over(
    service: &Service,
    snapshot: &Snapshot<'_>,
    work: &Work<'_>,
) -> Result<bool, StoreError> {
    let Some((key, phases)) = candidate(service, snapshot, work)? else { return Ok(false) };
    // From here on nobody who makes room on the disk may touch the folder.
    service.live.update(&work.step, |_| {});
    let layout = service.store.layout();
    let (from, to) =
        (layout.scratch_of(&work.step, &key), layout.scratch_of(&work.step, &work.key));
    // What no row names: an attempt that ended before its first checkpoint.
    layout.discard(&to)?;
    if let Err(e) = fs::rename(&from, &to) {
        eprintln!("pkgd: {}: built from its first phase: {}: {e}", work.step, from.display());
        return Ok(false);
    }
    service.store.write(|w| w.move_checkpoint(&key, &work.key, &phases))?;
    Ok(true)
}

/// The other key of the step with the most phases that hold, and these.
fn candidate(
    service: &Service,
    snapshot: &Snapshot<'_>,
    work: &Work<'_>,
) -> Result<Option<(Digest, Vec<Phase>)>, StoreError> {
    let mut best: Option<(Digest, Vec<Phase>)> = None;
    for (key, row) in snapshot.checkpoints()? {
        if row.step != work.step || key == work.key {
            continue;
        }
        let Some(row) = snapshot.checkpoint(&key)? else { continue };
        let Some(old) = read_basis(&service.store.layout().basis(&row.step, &key), &key) else {
            continue;
        };
        let phases = held(&row, &work.basis.shared(&old));
        if phases.len() > best.as_ref().map_or(0, |(_, best)| best.len()) {
            best = Some((key, phases));
        }
    }
    Ok(best)
}

/// The finished phases that are `shared`, up to the first that is not.
fn held(row: &CheckpointRow, shared: &[Phase]) -> Vec<Phase> {
    // No later phase sees what a test suite left.
    let phases = row.layers.iter().map(|l| l.phase).filter(|phase| *phase != Phase::Check);
    phases.zip(shared).take_while(|(done, shared)| done == *shared).map(|(done, _)| done).collect()
}

/// What the layers under `key` are made of. `None` for a file that is not there, is not whole, or is that of another key:
/// what it says is held against the key itself.
fn read_basis(path: &Path, key: &Digest) -> Option<Basis> {
    let basis: Basis = postcard::from_bytes(&fs::read(path).ok()?).ok()?;
    (basis.parts.key() == *key).then_some(basis)
}

/// What is written to [`minos_store::Layout::basis`] before the first phase of an attempt; the sync of a phase makes it
/// durable before the checkpoint is.
pub(super) fn stored(basis: &Basis) -> Vec<u8> {
    // Writing to memory with derived encoders: postcard has no way to fail here.
    postcard::to_allocvec(basis).unwrap_or_default()
}

/// `failure` with the place of what the failed phase left, if it left something.
pub(super) fn with_place(
    service: &Service,
    lane: &Lane,
    step: &StepId,
    failure: Failure,
) -> Failure {
    let Some(phase) = failure.phase.filter(|_| failure.class != FailureClass::Source) else {
        return failure;
    };
    let layers = Layers::new(&lane.scratch(service.store.layout(), step));
    // An assertion leaves nothing itself: it judges the package.
    let place = match phase {
        Phase::Install | Phase::Assert => layers.root().tree(),
        _ => layers.build(phase).tree(),
    };
    if !place.is_dir() {
        return failure;
    }
    let kept = format!("what it left is kept until the next attempt: {}", place.display());
    let hint = match failure.hint.is_empty() {
        true => kept,
        false => format!("{}; {kept}", failure.hint),
    };
    Failure { hint, ..failure }
}
