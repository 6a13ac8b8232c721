//! The machine: what happens decides what is done. Pure: no I/O, no clock of its own, no heap.
//!
//! ```text
//!            Start            services up
//!   Idle ──────────▶ Boot ──────────────────▶ Running ◀──┐
//!                     │ step failed    gave up │         │ retry
//!                     └──────────▶ Rescue ◀────┘─────────┘
//!          asked to end, in any state ▶ Stop ──▶ Off
//! ```
//! Two laws, both held by the tests below: an end somebody asks for interrupts every state, and
//! from every state time alone leads to `Running`, `Rescue` or `Off`.

use minos_proto::BootPhase;

use crate::bootrec::Reason;
use crate::cmdline::Then;
pub use crate::event::{
    Action, Actions, End, Ending, Event, MAX_ACTIONS, Ms, Outcome, Policy, Push, Why, Wish,
};
use crate::phase::{BOOT, OnFailure, POLL_MS, Phase, STOP, Step};
use crate::sup::{CONSOLE_WAIT_MS, Exit, READY_MS, Service, Slot, Supervised, Verdict};

/// How long the rescue prompt waits for a person who is perhaps still on the way.
pub const RESCUE_MS: Ms = 300_000;
/// How long it waits on an unattended machine: long enough for a harness to read why.
pub const RESCUE_UNATTENDED_MS: Ms = 20_000;

/// Where a rescue prompt leads back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resume {
    /// This row of [`BOOT`].
    Boot(usize),
    /// The services.
    Services,
}

/// Where the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Boot { row: usize, since: Ms, again: Option<Ms> },
    Running,
    Rescue { why: Why, until: Ms, resume: Resume },
    Stop { row: usize, since: Ms, ending: Ending },
    Off,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Machine {
    state: State,
    policy: Policy,
    pkgd: Supervised,
    console: Supervised,
    ready: bool,
    ready_by: Option<Ms>,
    was_ready: bool,
    state_mounted: bool,
    /// The first step of the way down that left a file system not clean.
    unclean: Option<&'static str>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine that has not started, with the default policy.
    pub fn new() -> Self {
        let policy = Policy::default();
        Self {
            state: State::Idle,
            policy,
            pkgd: Supervised::new(Service::Pkgd, policy.restart_limit),
            console: Supervised::new(Service::Console, policy.restart_limit),
            ready: false,
            ready_by: None,
            was_ready: false,
            state_mounted: false,
            unclean: None,
        }
    }

    /// Sets the policy, once the kernel command line is read and before services are started.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.pkgd = Supervised::new(Service::Pkgd, policy.restart_limit);
        self.console = Supervised::new(Service::Console, policy.restart_limit);
    }

    /// The name of the state, for log lines.
    pub const fn name(&self) -> &'static str {
        match self.state {
            State::Idle => "idle",
            State::Boot { .. } => "boot",
            State::Running => "running",
            State::Rescue { .. } => "rescue",
            State::Stop { .. } => "stop",
            State::Off => "off",
        }
    }

    /// The services are started and no step is pending: from here on the heap is not touched.
    pub const fn is_cruising(&self) -> bool {
        matches!(self.state, State::Running)
    }

    /// Whether a change of the boot record may be written in the background: once it was read, and
    /// not on the way down, where a step of its own writes it.
    pub const fn keeps_record(&self) -> bool {
        matches!(self.state, State::Boot { .. } | State::Running | State::Rescue { .. })
    }

    /// The pid of a service while it runs.
    pub const fn pid(&self, service: Service) -> Option<u32> {
        self.service(service).pid()
    }

    /// How often pkgd was started again.
    pub const fn pkgd_restarts(&self) -> u32 {
        self.pkgd.restarts()
    }

    const fn service(&self, service: Service) -> &Supervised {
        match service {
            Service::Pkgd => &self.pkgd,
            Service::Console => &self.console,
        }
    }

    const fn service_mut(&mut self, service: Service) -> &mut Supervised {
        match service {
            Service::Pkgd => &mut self.pkgd,
            Service::Console => &mut self.console,
        }
    }

    /// When [`Event::Tick`] is due at the latest; `None`: nothing happens by time alone.
    pub fn deadline(&self) -> Option<Ms> {
        let own = match self.state {
            State::Boot { row, since, again } => {
                let end = since.saturating_add(BOOT[row].deadline_ms);
                Some(again.map_or(end, |a| a.min(end)))
            }
            State::Stop { row, since, .. } => Some(since.saturating_add(STOP[row].deadline_ms)),
            State::Rescue { until, .. } => Some(until),
            _ => None,
        };
        let services = self.runs_services().then(|| {
            [self.pkgd.deadline(), self.console.deadline(), self.ready_by]
                .into_iter()
                .flatten()
                .min()
        });
        [own, services.flatten()].into_iter().flatten().min()
    }

    const fn runs_services(&self) -> bool {
        match self.state {
            State::Running => true,
            State::Rescue { why, .. } => !why.is_fatal(),
            _ => false,
        }
    }

    /// Takes one event at one time and says what to do. `out` is appended to.
    pub fn step(&mut self, now: Ms, event: Event, out: &mut Actions) {
        match event {
            Event::Start if self.state == State::Idle => self.boot(0, now, out),
            Event::Start | Event::Tick => {}
            Event::Answer(step, outcome) => self.answer(step, outcome, now, out),
            Event::Started(service, pid) => self.started(service, pid, now, out),
            Event::NotStarted(service) => self.ended(service, None, now, out),
            Event::Ended(service, exit) => self.ended(service, Some(exit), now, out),
            Event::Ready => self.became_ready(now, out),
            Event::NoChildren => self.no_children(now, out),
            Event::Asked(ending) => self.asked(ending, now, out),
            Event::Wish(wish) => self.wish(wish, now, out),
        }
        self.timers(now, out);
    }

    // ---- boot ----------------------------------------------------------------------------------

    /// Enters the first row at or after `row` that has something to do.
    fn boot(&mut self, mut row: usize, now: Ms, out: &mut Actions) {
        while let Some(phase) = BOOT.get(row) {
            match phase.step {
                Step::RescueAsked if !self.policy.rescue => {}
                Step::RescueAsked => {
                    return self.rescue(Why::Asked, Resume::Boot(row + 1), now, out);
                }
                Step::Volatile if self.state_mounted => {}
                Step::Services => self.start_services(now),
                step => {
                    self.state = State::Boot { row, since: now, again: None };
                    return out.push(Action::Perform(step));
                }
            }
            reached(phase, out);
            row += 1;
        }
        self.state = State::Running;
    }

    fn start_services(&mut self, now: Ms) {
        self.pkgd.schedule(now);
        self.console.schedule(now.saturating_add(CONSOLE_WAIT_MS));
    }

    fn answer(&mut self, step: Step, outcome: Outcome, now: Ms, out: &mut Actions) {
        match self.state {
            State::Boot { row, since, .. } if BOOT[row].step == step => {
                self.boot_answer(row, since, outcome, now, out);
            }
            State::Stop { row, ending, .. } if STOP[row].step == step => {
                self.stop_answer(row, ending, outcome, now, out);
            }
            _ => {}
        }
    }

    fn boot_answer(&mut self, row: usize, since: Ms, outcome: Outcome, now: Ms, out: &mut Actions) {
        let phase = &BOOT[row];
        let waits_for_disk = matches!(phase.step, Step::State | Step::Seed | Step::Sources);
        let patience = if waits_for_disk { self.policy.disk_wait } else { phase.deadline_ms };
        match outcome {
            Outcome::Working => {}
            Outcome::Pending if now.saturating_sub(since) < patience => {
                self.state = State::Boot { row, since, again: Some(now.saturating_add(POLL_MS)) };
            }
            Outcome::Done => {
                self.state_mounted |= phase.step == Step::State;
                reached(phase, out);
                self.boot(row + 1, now, out);
            }
            Outcome::Pending | Outcome::Missing => {
                self.boot_failed(row, Outcome::Missing, now, out);
            }
            Outcome::Failed => self.boot_failed(row, Outcome::Failed, now, out),
        }
    }

    fn boot_failed(&mut self, row: usize, outcome: Outcome, now: Ms, out: &mut Actions) {
        let phase = &BOOT[row];
        out.push(Action::Report(phase, outcome));
        let go_on = match phase.on_failure {
            OnFailure::Continue => true,
            OnFailure::Rescue => false,
            OnFailure::NeedIfUnattended => outcome == Outcome::Missing && !self.policy.unattended,
        };
        if go_on {
            reached(phase, out);
            self.boot(row + 1, now, out);
        } else {
            self.rescue(Why::Step(phase.name), Resume::Boot(row), now, out);
        }
    }

    // ---- services ------------------------------------------------------------------------------

    fn started(&mut self, service: Service, pid: u32, now: Ms, out: &mut Actions) {
        self.service_mut(service).started(pid, now);
        if service == Service::Pkgd {
            self.ready = false;
            self.ready_by = Some(now.saturating_add(READY_MS));
        }
        match self.state {
            State::Stop { .. } => out.push(Action::Push(service, Push::Term)),
            _ if !self.runs_services() => out.push(Action::Push(service, Push::Kill)),
            _ => {}
        }
    }

    fn ended(&mut self, service: Service, exit: Option<Exit>, now: Ms, out: &mut Actions) {
        if service == Service::Pkgd {
            self.ready = false;
            self.ready_by = None;
        }
        if !self.runs_services() {
            self.service_mut(service).ended_for_good();
            return self.services_down(now, out);
        }
        match self.service_mut(service).ended(now) {
            Verdict::Again { delay } => out.push(Action::Restarting { service, exit, delay }),
            Verdict::GiveUp { .. } => {
                self.rescue(Why::GaveUp(service), Resume::Services, now, out);
            }
        }
    }

    fn became_ready(&mut self, now: Ms, out: &mut Actions) {
        if !self.pkgd.is_alive() || self.ready {
            return;
        }
        self.ready = true;
        self.ready_by = None;
        if !self.runs_services() {
            return;
        }
        if !self.was_ready {
            self.was_ready = true;
            out.push(Action::Reached(BootPhase::Ready));
            if matches!(self.console.slot(), Slot::Waiting { .. }) {
                self.console.schedule(now);
            }
        }
    }

    // ---- rescue --------------------------------------------------------------------------------

    fn rescue(&mut self, why: Why, resume: Resume, now: Ms, out: &mut Actions) {
        // The prompt needs the terminal for itself.
        self.console.hold();
        if self.console.is_alive() {
            out.push(Action::Push(Service::Console, Push::Kill));
        }
        if why.is_fatal() {
            self.pkgd.hold();
        }
        self.state = State::Rescue { why, until: now.saturating_add(self.patience()), resume };
        out.push(Action::OpenRescue(why));
    }

    const fn patience(&self) -> Ms {
        let leaves = matches!(self.policy.then, Some(Then::PowerOff | Then::Reboot));
        if self.policy.unattended && leaves { RESCUE_UNATTENDED_MS } else { RESCUE_MS }
    }

    fn wish(&mut self, wish: Wish, now: Ms, out: &mut Actions) {
        let State::Rescue { why, resume, .. } = self.state else { return };
        match wish {
            Wish::Stay => {
                let until = now.saturating_add(RESCUE_MS);
                self.state = State::Rescue { why, until, resume };
            }
            Wish::StayForShell => self.state = State::Rescue { why, until: Ms::MAX, resume },
            Wish::Retry => self.resume(resume, now, out),
            Wish::Volatile => self.resume(without_disk(resume), now, out),
            Wish::End(end) => {
                self.asked(Ending { end, reason: Reason::RescueAsked }, now, out);
            }
        }
    }

    fn resume(&mut self, resume: Resume, now: Ms, out: &mut Actions) {
        out.push(Action::CloseRescue);
        match resume {
            Resume::Boot(row) => self.boot(row, now, out),
            Resume::Services => {
                self.state = State::Running;
                self.start_services(now);
                if self.ready {
                    self.console.schedule(now);
                }
            }
        }
    }

    fn rescue_timed_out(&mut self, why: Why, resume: Resume, now: Ms, out: &mut Actions) {
        if !why.is_fatal() {
            // pkgd may be in the middle of a build: only the console is tried again.
            return self.resume(resume, now, out);
        }
        let off = self.policy.unattended && self.policy.then == Some(Then::PowerOff);
        let end = if off { End::PowerOff } else { End::Reboot };
        self.asked(Ending { end, reason: Reason::RescueTimeout }, now, out);
    }

    // ---- the way down --------------------------------------------------------------------------

    fn asked(&mut self, ending: Ending, now: Ms, out: &mut Actions) {
        match self.state {
            State::Stop { .. } | State::Off => return,
            State::Rescue { .. } => out.push(Action::CloseRescue),
            State::Boot { row, .. } => out.push(Action::Abandon(BOOT[row].step)),
            State::Idle | State::Running => {}
        }
        self.pkgd.hold();
        self.console.hold();
        self.ready_by = None;
        out.push(Action::Ending(ending));
        out.push(Action::Reached(BootPhase::Stopping));
        self.stop(0, ending, now, out);
    }

    fn stop(&mut self, mut row: usize, ending: Ending, now: Ms, out: &mut Actions) {
        if STOP.get(row).is_some_and(|p| p.step == Step::FlushState && !self.state_mounted) {
            row += 1;
        }
        let Some(phase) = STOP.get(row) else {
            self.state = State::Off;
            return out.push(Action::Off { ending, unclean: self.unclean });
        };
        self.state = State::Stop { row, since: now, ending };
        if phase.step != Step::StopServices {
            return out.push(Action::Perform(phase.step));
        }
        for service in Service::ALL {
            if self.service(service).is_alive() {
                out.push(Action::Push(service, Push::Term));
            }
        }
        self.services_down(now, out);
    }

    fn services_down(&mut self, now: Ms, out: &mut Actions) {
        let alive = self.pkgd.is_alive() || self.console.is_alive();
        if let State::Stop { row, ending, .. } = self.state
            && STOP[row].step == Step::StopServices
            && !alive
        {
            self.stop(row + 1, ending, now, out);
        }
    }

    fn no_children(&mut self, now: Ms, out: &mut Actions) {
        if let State::Stop { row, ending, .. } = self.state
            && matches!(STOP[row].step, Step::TermAll | Step::KillAll)
        {
            self.stop(row + 1, ending, now, out);
        }
    }

    fn stop_answer(
        &mut self,
        row: usize,
        ending: Ending,
        outcome: Outcome,
        now: Ms,
        out: &mut Actions,
    ) {
        let phase = &STOP[row];
        match outcome {
            Outcome::Working | Outcome::Pending => return,
            Outcome::Done => {}
            Outcome::Missing | Outcome::Failed => {
                if matches!(phase.step, Step::FlushState | Step::Unmount | Step::Sync) {
                    self.unclean = self.unclean.or(Some(phase.name));
                }
                out.push(Action::Report(phase, outcome));
            }
        }
        reached(phase, out);
        self.stop(row + 1, ending, now, out);
    }

    // ---- time ----------------------------------------------------------------------------------

    fn timers(&mut self, now: Ms, out: &mut Actions) {
        match self.state {
            State::Boot { row, since, .. }
                if now >= since.saturating_add(BOOT[row].deadline_ms) =>
            {
                out.push(Action::Overrun(&BOOT[row]));
                self.boot_failed(row, Outcome::Failed, now, out);
            }
            State::Boot { row, since, again: Some(again) } if now >= again => {
                self.state = State::Boot { row, since, again: None };
                out.push(Action::Perform(BOOT[row].step));
            }
            State::Stop { row, since, ending }
                if now >= since.saturating_add(STOP[row].deadline_ms) =>
            {
                out.push(Action::Overrun(&STOP[row]));
                self.stop_answer(row, ending, Outcome::Failed, now, out);
            }
            State::Rescue { why, until, resume } if now >= until => {
                self.rescue_timed_out(why, resume, now, out);
            }
            _ => {}
        }
        self.service_timers(now, out);
    }

    fn service_timers(&mut self, now: Ms, out: &mut Actions) {
        if !self.runs_services() {
            return;
        }
        for service in Service::ALL {
            if self.service_mut(service).due(now) {
                out.push(Action::Start(service));
            }
        }
        if self.ready_by.is_some_and(|by| now >= by) {
            self.ready_by = None;
            out.push(Action::NotReady);
            out.push(Action::Push(Service::Pkgd, Push::Kill));
        }
    }
}

/// Skips the state disk, when it was the state disk that failed.
fn without_disk(resume: Resume) -> Resume {
    match resume {
        Resume::Boot(row) if BOOT[row].step == Step::State => Resume::Boot(row + 1),
        other => other,
    }
}

fn reached(phase: &Phase, out: &mut Actions) {
    if let Some(phase) = phase.reached {
        out.push(Action::Reached(phase));
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
