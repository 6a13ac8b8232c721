//! Hands events to everyone who watches.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use minos_proto::{Event, EventBody};

/// Events that may wait for one slow watcher. A watcher that falls further behind is let go: it sees
/// its watch end and asks again, which costs it nothing but the missed lines.
const QUEUE: usize = 256;

type Watchers = Mutex<Vec<(u64, Arc<Queue>)>>;

/// The list of watchers.
#[derive(Debug, Default)]
pub struct Hub(Arc<Watchers>);

/// Events that wait for one watcher. It takes memory for those alone: a watch of a job that waits for hours is next
/// to nothing.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    closed: bool,
}

/// A watcher's place in the list, which it leaves when this goes.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
    hub: Arc<Watchers>,
}

impl Hub {
    /// Events of `job` from now on.
    pub fn subscribe(&self, job: u64) -> Subscription {
        let queue = Arc::new(Queue::default());
        list(&self.0).push((job, Arc::clone(&queue)));
        Subscription { queue, hub: Arc::clone(&self.0) }
    }

    /// Sends `event` to those who watch its job. Never waits.
    pub fn publish(&self, event: &Event) {
        list(&self.0).retain(|(job, queue)| *job != event.job || queue.take(event));
    }

    /// Ends the watches of `job`: nothing more will come.
    pub fn close(&self, job: u64) {
        list(&self.0).retain(|(of, queue)| {
            let stays = *of != job;
            if !stays {
                queue.close();
            }
            stays
        });
    }
}

/// The events as they come, each waited for, until there will be no more.
impl Iterator for Subscription {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut waiting = self.queue.lock();
        loop {
            if let Some(event) = waiting.events.pop_front() {
                return Some(event);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.queue.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Subscription {
    /// What ends this watch from elsewhere.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.close();
        list(&self.hub).retain(|(_, queue)| !Arc::ptr_eq(queue, &self.queue));
    }
}

impl Queue {
    /// Takes an event; whether the watcher is still one. The next progress report says all that a missed one said, so a
    /// full queue may go without it; with any other event missing, the watcher would tell a wrong story.
    fn take(&self, event: &Event) -> bool {
        let mut waiting = self.lock();
        if waiting.events.len() < QUEUE {
            waiting.events.push_back(event.clone());
        } else if !matches!(event.body, EventBody::Progress { .. }) {
            waiting.closed = true;
        }
        self.came.notify_all();
        !waiting.closed
    }

    /// Ends the watch. What waits may still be read.
    fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
    }

    /// Ends the watch and forgets what waits.
    pub fn abandon(&self) {
        self.lock().events.clear();
        self.close();
    }

    /// Whether events may still come.
    pub fn is_open(&self) -> bool {
        !self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list(watchers: &Watchers) -> MutexGuard<'_, Vec<(u64, Arc<Queue>)>> {
    watchers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use minos_model::JobState;
    use minos_proto::{Event, EventBody};

    use super::{Hub, QUEUE, list};

    fn event(job: u64) -> Event {
        Event { job, at_ms: 0, body: EventBody::JobFinished { state: JobState::Done } }
    }

    #[test]
    fn only_the_watched_job_arrives() {
        let hub = Hub::default();
        let one = hub.subscribe(1);
        hub.publish(&event(2));
        hub.publish(&event(1));
        hub.close(1);
        assert_eq!(one.map(|e| e.job).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_watcher_that_does_not_read_is_let_go_and_holds_nobody_up() {
        let hub = Hub::default();
        let slow = hub.subscribe(1);
        (0..QUEUE + 10).for_each(|_| hub.publish(&event(1)));
        hub.publish(&event(1));
        assert_eq!(slow.count(), QUEUE);
    }

    #[test]
    fn a_full_queue_goes_without_progress_reports_and_stays() {
        let hub = Hub::default();
        let mut slow = hub.subscribe(1);
        (0..QUEUE).for_each(|_| hub.publish(&event(1)));
        let body = EventBody::Progress { done: 0, total: 1, running: Vec::new(), left_ms: None };
        hub.publish(&Event { job: 1, at_ms: 0, body });
        assert_eq!(slow.by_ref().take(QUEUE).count(), QUEUE);
        hub.publish(&event(1));
        assert!(slow.next().is_some(), "it still watches");
    }

    #[test]
    fn closing_ends_the_watch() {
        let hub = Hub::default();
        let mut watch = hub.subscribe(1);
        hub.close(1);
        assert!(watch.next().is_none());
    }

    /// Who watched a job that only waited stayed in the list until something happened to that job.
    #[test]
    fn whoever_watches_no_more_leaves_nothing_behind() {
        let hub = Hub::default();
        for _ in 0..10_000 {
            let watch = hub.subscribe(1);
            watch.queue().abandon();
        }
        let stays = hub.subscribe(1);
        assert_eq!(list(&hub.0).len(), 1);
        assert!(stays.queue().is_open());
    }
}
