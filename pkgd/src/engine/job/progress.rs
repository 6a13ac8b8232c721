//! How far the job is, for those who watch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minos_plan::{Plan, Weights};
use minos_proto::EventBody;

use super::RunningJob;
use crate::engine::plan;
use crate::service::Service;

impl RunningJob {
    /// Tells watchers how things stand, at most once in `every`.
    pub fn progress(&mut self, service: &Service, every: Duration) {
        if self.last_progress.elapsed() < every {
            return;
        }
        self.last_progress = Instant::now();
        if self.forecast.stale {
            self.forecast(service);
        }
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

    /// Forecasts anew, from what the steps that have ended did take.
    fn forecast(&mut self, service: &Service) {
        // With a state that cannot be read the job ends soon; until then the forecast of before will do.
        let Ok(snapshot) = service.store.read() else { return };
        let (cached, lanes) = (std::mem::take(&mut self.forecast.cached), &self.lanes);
        let left = |at: usize, ms: u64| match lanes.get(&at) {
            Some(lane) => ms.saturating_sub(millis(lane.started.elapsed())),
            None if self.queue.is_open(at) && !cached[at] => ms,
            None => 0,
        };
        let weights = Weights::new(&self.plan, &plan::estimates(&snapshot, &self.plan), left);
        self.forecast = Forecast::new(&self.plan, weights, service.args.lane_count(), cached);
    }

    /// What is left of the forecast. Where a step takes longer than was thought, no less than what comes behind it.
    fn left_ms(&self) -> Option<u64> {
        let forecast = self.forecast.left_ms.saturating_sub(millis(self.forecast.made.elapsed()));
        let behind = self.lanes.keys().map(|at| self.forecast.weights.after_ms(*at)).max();
        Some(forecast.max(behind.unwrap_or(0))).filter(|left| *left > 0)
    }
}

/// When the job ends, as far as that can be told.
pub(super) struct Forecast {
    /// What the steps take that are still to do.
    pub(super) weights: Weights,
    /// A step has ended since.
    pub(super) stale: bool,
    /// Which steps were in the cache when the job began.
    cached: Vec<bool>,
    left_ms: u64,
    made: Instant,
}

impl Forecast {
    /// Plays the steps through on so many lanes.
    pub(super) fn new(plan: &Arc<Plan>, weights: Weights, lanes: usize, cached: Vec<bool>) -> Self {
        let left_ms = weights.wall_ms(plan, lanes);
        Self { weights, stale: false, cached, left_ms, made: Instant::now() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
