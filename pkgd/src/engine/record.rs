//! Events in the state, beside the rows they tell of.
//!
//! An event is written in the commit of the change it tells of, so that neither is there without the
//! other, and none costs a commit of its own. The state keeps the newest 10,000 (a ring).

use minos_proto::{ErrorReport, Event, EventBody, Recorded};
use minos_store::{EventRow, Store, StoreError, Write};

use crate::service::state_error;

/// Events read when the client does not say how many.
const DEFAULT_EVENTS: u32 = 100;

/// Adds an event to the commit under way.
///
/// # Errors
/// The state cannot be written.
pub fn note(w: &mut Write<'_>, job: u64, body: &EventBody, now_ms: u64) -> Result<(), StoreError> {
    note_all(w, job, core::slice::from_ref(body), now_ms)
}

/// Adds events to the commit under way.
///
/// # Errors
/// The state cannot be written.
pub fn note_all(
    w: &mut Write<'_>,
    job: u64,
    bodies: &[EventBody],
    now_ms: u64,
) -> Result<(), StoreError> {
    let bytes: Result<Vec<Vec<u8>>, _> = bodies.iter().map(postcard::to_allocvec).collect();
    let bytes = bytes.map_err(|e| StoreError::Invalid {
        what: format!("an event of job {job} cannot be stored: {e}"),
    })?;
    w.events(job, bytes, now_ms).map(|_| ())
}

/// The newest `limit` events of `job`, or of all, oldest of them first; 0 takes 100.
///
/// # Errors
/// The state cannot be read.
pub fn last(store: &Store, job: Option<u64>, limit: u32) -> Result<Vec<Recorded>, ErrorReport> {
    let limit = if limit == 0 { DEFAULT_EVENTS } else { limit } as usize;
    // Events of one job lie among those of others, so all are looked through.
    let read = if job.is_some() { usize::MAX } else { limit };
    let rows = store.read().and_then(|s| s.last_events(read)).map_err(|e| state_error(&e))?;
    let wanted = rows.into_iter().filter(|row| job.is_none_or(|id| row.job == id));
    let mut events: Vec<Recorded> = wanted.take(limit).filter_map(recorded).collect();
    events.reverse();
    Ok(events)
}

/// `None` for an event of another version of pkgd: its number shows as a gap.
fn recorded(row: EventRow) -> Option<Recorded> {
    let body = postcard::from_bytes(&row.body).ok()?;
    Some(Recorded { number: row.seq, event: Event { job: row.job, at_ms: row.at_ms, body } })
}

#[cfg(test)]
mod tests {
    use minos_model::JobState;
    use minos_proto::EventBody;
    use minos_store::{Options, Store};

    use super::{last, note};

    #[test]
    fn the_newest_events_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, Options::default()).unwrap();
        let queued = |n: u64| EventBody::JobQueued { target: format!("t{n}") };
        for n in 1..=5 {
            store.write(|w| note(w, n % 2, &queued(n), 10 * n)).unwrap();
        }
        // Whatever another pkgd may have written, it is passed over.
        store.write(|w| w.event(1, vec![0xff; 3], 60)).unwrap();
        let numbers = |job, limit| -> Vec<u64> {
            last(&store, job, limit).unwrap().iter().map(|e| e.number).collect()
        };
        assert_eq!(numbers(None, 0), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(Some(1), 0), [1, 3, 5]);
        assert_eq!(numbers(Some(0), 1), [4]);
        store.write(|w| note(w, 9, &EventBody::JobFinished { state: JobState::Done }, 70)).unwrap();
        let newest = last(&store, None, 1).unwrap().remove(0);
        assert_eq!((newest.number, newest.event.job, newest.event.at_ms), (7, 9, 70));
        assert_eq!(newest.event.body, EventBody::JobFinished { state: JobState::Done });
    }
}
