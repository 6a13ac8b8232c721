//! Runs a machine unattended, from its start to its ending.

use std::time::{Duration, Instant};

use minos_proto::{ErrorKind, Request};

use crate::arguments::CONTROL_ID;
use crate::ending::{Ending, Evidence};
use crate::error::Error;
use crate::observe::{HostAct, Observation, QmpEvent};
use crate::vm::Vm;
use crate::volatile::Survivors;

/// How long a machine may take. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the whole run.
    pub total: Option<Duration>,
    /// Between two signs of life: output, a frame on either port. Not counted while it is paused.
    pub silence: Option<Duration>,
    /// Between the verdict and the end of the machine.
    pub after_verdict: Option<Duration>,
}

impl Limits {
    /// No limits: for a machine somebody sits at.
    pub const NONE: Self = Self { total: None, silence: None, after_verdict: None };
}

impl Default for Limits {
    /// No limit on the whole, ten minutes of silence, two minutes to power off.
    fn default() -> Self {
        Self {
            total: None,
            silence: Some(Duration::from_secs(600)),
            after_verdict: Some(Duration::from_secs(120)),
        }
    }
}

/// What the watcher is to do after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Continue,
    /// Cut the power.
    CutPower(Survivors),
    /// Kill QEMU.
    Kill,
    /// Take the disk of this serial number away from the running machine, as [`Vm::detach`] does.
    Detach(&'static str),
    /// End the run as interrupted.
    Interrupt,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// All that was learned, the verdict among it, whatever the ending.
    pub evidence: Evidence,
    /// Wall time of the run.
    pub wall: Duration,
}

/// Watches `vm` to its end. Takes the control port to follow the newest job and to receive the
/// verdict. `on` sees every observation and gives orders; a test may cut the power there.
///
/// # Errors
/// When the control port cannot be connected, a survivor of a power cut cannot be written, or a
/// disk that is to be detached is not there.
/// Everything that happens to the guest is an [`Ending`], not an error.
pub fn watch(
    vm: &mut Vm,
    limits: &Limits,
    on: &mut dyn FnMut(&Observation) -> Order,
) -> Result<Report, Error> {
    vm.take_control()?;
    run(vm, limits, on, true)
}

/// Watches `vm` to its end and leaves the control port to others, for example to `pkgctl --vm`.
/// There will be no verdict.
///
/// # Errors
/// As [`watch`].
pub fn attend(
    vm: &mut Vm,
    limits: &Limits,
    on: &mut dyn FnMut(&Observation) -> Order,
) -> Result<Report, Error> {
    run(vm, limits, on, false)
}

fn run(
    vm: &mut Vm,
    limits: &Limits,
    on: &mut dyn FnMut(&Observation) -> Order,
    follow: bool,
) -> Result<Report, Error> {
    let start = Instant::now();
    let mut evidence = Evidence::default();
    let mut clocks = Clocks::new(*limits, start);
    let mut follower = follow.then(Follower::default);
    loop {
        let now = Instant::now();
        if let Some(act) = clocks.due(now) {
            evidence.see(&Observation::Host(act));
            clocks.stop();
            vm.kill();
        }
        if let Some(follower) = &mut follower {
            follower.tick(vm, now);
        }
        let Some(seen) = vm.next(clocks.next(now).min(POLL)) else {
            if vm.has_ended() {
                break;
            }
            continue;
        };
        evidence.see(&seen);
        clocks.see(&seen, Instant::now());
        if let Some(follower) = &mut follower {
            follower.see(vm, &seen);
        }
        if let Some(act) = carry_out(vm, on(&seen), &seen)? {
            evidence.see(&Observation::Host(act));
            clocks.stop();
        }
    }
    Ok(Report { ending: evidence.ending(), evidence, wall: start.elapsed() })
}

/// The longest the loop waits: what the follower's retries are counted in.
const POLL: Duration = Duration::from_secs(1);

/// Does what is ordered, and what an observation asks for by itself.
fn carry_out(vm: &mut Vm, order: Order, seen: &Observation) -> Result<Option<HostAct>, Error> {
    match (order, seen) {
        (Order::CutPower(survivors), _) => {
            vm.cut_power(survivors)?;
            Ok(Some(HostAct::PowerCut))
        }
        (Order::Kill, _) => {
            vm.kill();
            Ok(Some(HostAct::Killed))
        }
        (Order::Detach(serial), _) => {
            vm.detach(serial)?;
            Ok(None)
        }
        (Order::Interrupt, _) | (_, Observation::Host(HostAct::Interrupted)) => {
            vm.kill();
            Ok(Some(HostAct::Interrupted))
        }
        // A volatile disk reached its planned moment: the rest of the machine goes with it.
        (Order::Continue, Observation::Host(HostAct::PowerCut)) => {
            vm.cut_power(Survivors::None)?;
            Ok(Some(HostAct::PowerCut))
        }
        (Order::Continue, _) => Ok(None),
    }
}

/// The limits, as they run. Pure: it is told the time.
#[derive(Debug)]
struct Clocks {
    limits: Limits,
    start: Instant,
    heard: Instant,
    verdict: Option<Instant>,
    paused: bool,
}

impl Clocks {
    fn new(limits: Limits, start: Instant) -> Self {
        Self { limits, start, heard: start, verdict: None, paused: false }
    }

    fn see(&mut self, seen: &Observation, now: Instant) {
        match seen {
            Observation::Qmp(QmpEvent { name, .. }) if name == "STOP" => self.paused = true,
            Observation::Qmp(QmpEvent { name, .. }) if name == "RESUME" => {
                self.paused = false;
                self.heard = now;
            }
            Observation::Verdict(_) => {
                self.verdict = self.verdict.or(Some(now));
                self.heard = now;
            }
            seen if seen.is_sign_of_life(false) => self.heard = now,
            _ => {}
        }
    }

    /// No limit applies any more: the machine is on its way out.
    fn stop(&mut self) {
        self.limits = Limits::NONE;
    }

    fn deadlines(&self) -> [(Option<Instant>, HostAct); 3] {
        let silence = self.limits.silence.filter(|_| !self.paused);
        let after =
            |from: Instant, limit: Option<Duration>| limit.and_then(|l| from.checked_add(l));
        let power_off = self.verdict.and_then(|said| after(said, self.limits.after_verdict));
        [
            (after(self.start, self.limits.total), HostAct::TimedOut),
            (power_off, HostAct::TimedOut),
            (after(self.heard, silence), HostAct::Silence),
        ]
    }

    fn due(&self, now: Instant) -> Option<HostAct> {
        let over = |deadline: &Option<Instant>| deadline.is_some_and(|d| d <= now);
        self.deadlines().into_iter().find(|(d, _)| over(d)).map(|(_, act)| act)
    }

    /// How long until the next limit.
    fn next(&self, now: Instant) -> Duration {
        let left = |(deadline, _): (Option<Instant>, _)| {
            deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(now))
        };
        self.deadlines().into_iter().map(left).min().unwrap_or(Duration::MAX)
    }
}

/// Speaks with pkgd to follow the newest job: greets when pkgd opens its port (again, after a
/// restart), then watches, and asks again while there is no job yet.
#[derive(Debug, Default)]
struct Follower {
    asked: Option<u32>,
    again: Option<Instant>,
}

impl Follower {
    fn see(&mut self, vm: &mut Vm, seen: &Observation) {
        match seen {
            Observation::Qmp(e) if e.name == "VSERPORT_CHANGE" && e.text("id") == CONTROL_ID => {
                *self = Self::default();
                if e.flag("open") {
                    self.hello(vm);
                }
            }
            Observation::Welcome(_) => self.ask(vm),
            Observation::Reply(number, Err(report)) if Some(*number) == self.asked => {
                self.asked = None;
                if report.kind == ErrorKind::NotFound {
                    self.again = Instant::now().checked_add(POLL);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, vm: &mut Vm, now: Instant) {
        if self.again.is_some_and(|at| at <= now) {
            self.again = None;
            self.ask(vm);
        }
    }

    // A line that broke is seen as the end of the machine; a failed send needs no word of its own.
    fn hello(&self, vm: &mut Vm) {
        if let Ok(link) = vm.take_control() {
            let _ = link.hello(concat!("minos-qemu ", env!("CARGO_PKG_VERSION")));
        }
    }

    fn ask(&mut self, vm: &mut Vm) {
        if let Ok(link) = vm.take_control() {
            self.asked = link.request(&Request::Watch { job: None }).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::{Clocks, Limits};
    use crate::observe::{HostAct, Observation, QmpEvent};

    const SECOND: Duration = Duration::from_secs(1);

    fn clocks(start: Instant) -> Clocks {
        let limits = Limits {
            total: Some(100 * SECOND),
            silence: Some(10 * SECOND),
            after_verdict: Some(5 * SECOND),
        };
        Clocks::new(limits, start)
    }

    fn qmp(name: &str) -> Observation {
        Observation::Qmp(QmpEvent { name: name.into(), data: json!({}) })
    }

    #[test]
    fn silence_is_counted_from_the_last_sign_of_life() {
        let t = Instant::now();
        let mut c = clocks(t);
        assert_eq!(c.due(t + 9 * SECOND), None);
        assert_eq!(c.due(t + 10 * SECOND), Some(HostAct::Silence));
        c.see(&Observation::Serial(b"x".to_vec()), t + 9 * SECOND);
        assert_eq!(c.due(t + 18 * SECOND), None);
        assert_eq!(c.next(t + 18 * SECOND), SECOND);
        c.see(&qmp("RTC_CHANGE"), t + 18 * SECOND);
        assert_eq!(
            c.due(t + 19 * SECOND),
            Some(HostAct::Silence),
            "QEMU's word is not the guest's"
        );
    }

    #[test]
    fn a_paused_machine_is_not_silent() {
        let t = Instant::now();
        let mut c = clocks(t);
        c.see(&qmp("STOP"), t);
        assert_eq!(c.due(t + 50 * SECOND), None);
        c.see(&qmp("RESUME"), t + 50 * SECOND);
        assert_eq!(c.due(t + 59 * SECOND), None);
        assert_eq!(c.due(t + 60 * SECOND), Some(HostAct::Silence));
        assert_eq!(c.due(t + 100 * SECOND), Some(HostAct::TimedOut), "the total runs on");
    }

    #[test]
    fn without_limits_nothing_is_ever_due() {
        let t = Instant::now();
        let mut c = clocks(t);
        c.stop();
        assert_eq!(c.due(t + 1_000_000 * SECOND), None);
        assert_eq!(c.next(t), Duration::MAX);
    }
}
