//! Lines for people while a machine runs. Pure.

use std::time::Duration;

use minos_proto::{Event, EventBody, RunningStep};

use crate::boot;
use crate::observe::Observation;

/// How often a step that goes on is mentioned again.
const REPEAT: Duration = Duration::from_secs(30);

/// Turns observations into lines, leaving out what would only repeat.
#[derive(Debug, Default)]
pub struct Progress {
    last: Option<Duration>,
    paused: bool,
}

impl Progress {
    /// The line for an observation made `since` the start; `None` when there is nothing to say.
    pub fn line(&mut self, seen: &Observation, since: Duration) -> Option<String> {
        Some(match seen {
            Observation::Boot(event) => boot::describe(event),
            Observation::Welcome(w) => format!("{} is ready", w.server),
            Observation::Event(event) => return self.event(event, since),
            Observation::Verdict(v) => format!("verdict: {}", v.summary),
            Observation::ControlFailed(why) => format!("control channel: {why}"),
            Observation::Qmp(event) => self.qmp(&event.name)?.into(),
            Observation::Serial(_)
            | Observation::Reply(..)
            | Observation::Host(_)
            | Observation::Exited(_) => return None,
        })
    }

    fn qmp(&mut self, event: &str) -> Option<&'static str> {
        match event {
            "STOP" => self.paused = true,
            // Every machine starts stopped: only what was paused goes on.
            "RESUME" if std::mem::take(&mut self.paused) => return Some("goes on"),
            _ => {}
        }
        Some(match event {
            "STOP" => "paused",
            "WATCHDOG" => "the watchdog bit",
            "GUEST_PANICKED" => "the guest's kernel panicked",
            "RESET" => "the machine is reset",
            _ => return None,
        })
    }

    fn event(&mut self, event: &Event, since: Duration) -> Option<String> {
        Some(match &event.body {
            EventBody::StepStarted { step, .. } => format!("{step}: started"),
            EventBody::PhaseStarted { step, phase, resumed: false } => format!("{step}: {phase}"),
            EventBody::PhaseStarted { step, phase, resumed: true } => {
                format!("{step}: {phase}, taken up from its checkpoint")
            }
            // The last two of these are only recorded, never sent to those who watch.
            EventBody::PhaseDone { .. }
            | EventBody::JobQueued { .. }
            | EventBody::OutputLost { .. } => return None,
            EventBody::StepCached { step, .. } => format!("{step}: cached"),
            EventBody::StepBuilt { step, metrics, .. } => {
                format!("{step}: built in {}", time(metrics.wall_ms))
            }
            EventBody::StepCompared { step, files: 0, .. } => format!("{step}: the same again"),
            EventBody::StepCompared { step, files, .. } => {
                format!("{step}: DIFFERS in {files} paths when built again")
            }
            EventBody::StepTested { step, tested } => format!("{step}: tests: {tested}"),
            EventBody::StepFailed { step, failure } => format!("{step}: FAILED: {failure}"),
            EventBody::OutputMended { step, output, why } => {
                format!("{step}: output {} was damaged, now mended: {why}", output.short())
            }
            EventBody::StepClobbers { step, clobbers } => format!("{step}: {clobbers}"),
            EventBody::StepSkipped { step, because } => format!("{step}: skipped, needs {because}"),
            EventBody::Progress { done, total, running, left_ms } => {
                if self.last.is_some_and(|last| since.saturating_sub(last) < REPEAT) {
                    return None;
                }
                self.last = Some(since);
                let running: Vec<String> = running.iter().map(step).collect();
                let left = left_ms.map_or(String::new(), |ms| format!(", about {} left", time(ms)));
                format!("{done} of {total} steps done{left}; {}", running.join(", "))
            }
            EventBody::JobFinished { state } => format!("job {} is {state}", event.job),
        })
    }
}

fn step(running: &RunningStep) -> String {
    let phase = running.phase.map_or(String::new(), |p| format!(" {p}"));
    format!("{}{phase} for {}", running.step, time(running.elapsed_ms))
}

/// A duration as people write it: `42 s`, `3 min 05 s`, `2 h 07 min`.
pub fn time(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minos_proto::{Event, EventBody};

    use serde_json::Value;

    use super::{Progress, time};
    use crate::observe::{Observation, QmpEvent};

    #[test]
    fn progress_is_not_repeated_every_second() {
        let body =
            EventBody::Progress { done: 1, total: 5, running: vec![], left_ms: Some(65_000) };
        let seen = Observation::Event(Event { job: 1, at_ms: 0, body });
        let mut progress = Progress::default();
        let lines: Vec<u64> =
            (0..70).filter(|s| progress.line(&seen, Duration::from_secs(*s)).is_some()).collect();
        assert_eq!(lines, [0, 30, 60]);
        let line = Progress::default().line(&seen, Duration::ZERO).unwrap();
        assert!(line.contains("1 of 5") && line.contains("1 min 05 s left"), "{line}");
    }

    #[test]
    fn times_have_two_units_at_most() {
        assert_eq!(
            [0, 59_999, 60_000, 3_599_000, 3_600_000, 90_061_000].map(time),
            ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "25 h 01 min"]
        );
    }

    #[test]
    fn only_a_paused_machine_goes_on() {
        let mut progress = Progress::default();
        let mut say = |name: &str| {
            let event = QmpEvent { name: name.into(), data: Value::Null };
            progress.line(&Observation::Qmp(event), Duration::ZERO)
        };
        let said = ["RESUME", "STOP", "RESUME", "RTC_CHANGE"].map(&mut say);
        assert_eq!(said, [None, Some("paused".into()), Some("goes on".into()), None]);
    }

    #[test]
    fn serial_text_is_not_progress() {
        let seen = Observation::Serial(b"boot".to_vec());
        assert_eq!(Progress::default().line(&seen, Duration::ZERO), None);
    }
}
