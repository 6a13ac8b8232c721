//! How far the job is, for those who watch.

use std::time::{Duration, Instant};

use minos_proto::EventBody;

use super::RunningJob;
use crate::service::Service;

impl RunningJob {
    /// Tells watchers how things stand, at most once in `every`.
    pub fn progress(&mut self, service: &Service, every: Duration) {
        if self.last_progress.elapsed() < every {
            return;
        }
        self.last_progress = Instant::now();
        for (at, lane) in &self.lanes {
            let elapsed = millis(lane.started.elapsed());
            let left = lane.expected_ms.checked_sub(elapsed).filter(|_| lane.expected_ms > 0);
            service.live.update(self.step(*at), |running| {
                running.elapsed_ms = elapsed;
                running.left_ms = left;
            });
        }
        let total = self.plan.steps().len();
        let done = total - self.queue.open().min(total);
        let body = EventBody::Progress {
            done: u32::try_from(done).unwrap_or(u32::MAX),
            total: u32::try_from(total).unwrap_or(u32::MAX),
            running: service.live.all(),
            left_ms: self.left_ms(),
        };
        self.publish(service, body);
    }

    /// What is still to do at the expected times, spread over the lanes.
    fn left_ms(&self) -> Option<u64> {
        let open = |at: &usize| self.outputs[*at].is_none() || self.lanes.contains_key(at);
        let expected = |at: usize| match self.lanes.get(&at) {
            Some(lane) => lane.expected_ms.saturating_sub(millis(lane.started.elapsed())),
            None => self.weights.expected_ms(at),
        };
        let left: u64 = (0..self.outputs.len()).filter(open).map(expected).sum();
        (left > 0).then(|| left / self.lanes.len().max(1) as u64)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
