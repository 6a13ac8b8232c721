//! Hands events to everyone who watches.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

use minos_proto::{Event, EventBody};

/// Events that may wait for one slow watcher. A watcher that falls further behind is let go: it sees
/// its channel close and asks again, which costs it nothing but the missed lines.
const QUEUE: usize = 256;

/// The list of watchers.
#[derive(Debug, Default)]
pub struct Hub(Mutex<Vec<(u64, SyncSender<Event>)>>);

impl Hub {
    /// Events of `job` from now on.
    pub fn subscribe(&self, job: u64) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(QUEUE);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((job, sender));
        receiver
    }

    /// Sends `event` to those who watch its job. Never waits.
    pub fn publish(&self, event: &Event) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|(job, sender)| *job != event.job || delivered(sender, event));
    }

    /// Closes the channels of those who watch `job`: nothing more will come.
    pub fn close(&self, job: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(j, _)| *j != job);
    }
}

/// Whether the watcher is still one. The next progress report says all that a missed one said, so a
/// full queue may go without it; with any other event missing, the watcher would tell a wrong story.
fn delivered(sender: &SyncSender<Event>, event: &Event) -> bool {
    match sender.try_send(event.clone()) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => matches!(event.body, EventBody::Progress { .. }),
        Err(TrySendError::Disconnected(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use minos_model::JobState;
    use minos_proto::{Event, EventBody};

    use super::{Hub, QUEUE};

    fn event(job: u64) -> Event {
        Event { job, at_ms: 0, body: EventBody::JobFinished { state: JobState::Done } }
    }

    #[test]
    fn only_the_watched_job_arrives() {
        let hub = Hub::default();
        let one = hub.subscribe(1);
        hub.publish(&event(2));
        hub.publish(&event(1));
        assert_eq!(one.try_recv().map(|e| e.job), Ok(1));
        assert!(one.try_recv().is_err());
    }

    #[test]
    fn a_watcher_that_does_not_read_is_let_go_and_holds_nobody_up() {
        let hub = Hub::default();
        let slow = hub.subscribe(1);
        (0..QUEUE + 10).for_each(|_| hub.publish(&event(1)));
        assert_eq!(slow.iter().count(), QUEUE);
        hub.publish(&event(1));
    }

    #[test]
    fn a_full_queue_goes_without_progress_reports_and_stays() {
        let hub = Hub::default();
        let slow = hub.subscribe(1);
        (0..QUEUE).for_each(|_| hub.publish(&event(1)));
        let body = EventBody::Progress { done: 0, total: 1, running: Vec::new(), left_ms: None };
        hub.publish(&Event { job: 1, at_ms: 0, body });
        assert_eq!(slow.try_iter().count(), QUEUE);
        hub.publish(&event(1));
        assert_eq!(slow.try_iter().count(), 1, "it still watches");
    }

    #[test]
    fn closing_ends_the_watch() {
        let hub = Hub::default();
        let watch = hub.subscribe(1);
        hub.close(1);
        assert_eq!(watch.iter().count(), 0);
    }
}
