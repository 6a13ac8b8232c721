//! Outputs whose files are gone or damaged: forgotten with an event, never silently.

use minos_model::Digest;
use minos_proto::EventBody;
use minos_store::StoreError;

use super::record;
use crate::service::Service;

/// The job of events that belong to none.
const NO_JOB: u64 = 0;

/// Forgets an output and the claims of the cache on it, records why, and discards what is left of its
/// files: the next build that wants it builds it again.
///
/// # Errors
/// The state cannot be written.
pub fn forget(service: &Service, digest: &Digest, why: &str) -> Result<(), StoreError> {
    let now = service.now_ms();
    let forgotten = service.store.write(|w| {
        let Some(row) = w.forget_output(digest)? else { return Ok(None) };
        let (step, why) = (row.step.clone(), why.to_owned());
        record::note(w, NO_JOB, &EventBody::OutputLost { step, output: *digest, why }, now)?;
        Ok(Some(row))
    })?;
    let Some(row) = forgotten else { return Ok(()) };
    eprintln!("pkgd: output {} of {}: {why}; it will be built again", digest.short(), row.step);
    let layout = service.store.layout();
    let place = layout.output(digest);
    if place.exists() {
        layout.discard(&place)?;
    }
    Ok(())
}
