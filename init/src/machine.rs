//! The machine: what happens decides what is done. Pure: no I/O, no clock of its own, no heap.
//!
//! ```text
//!            Start            services up
//!   Idle ──────────▶ Boot ──────────────────▶ Running ◀──┐
//!                     │ step failed    gave up │         │ retry
//!                     └──────────▶ Rescue ◀────┘─────────┘
//!          asked to end, in any state ▶ Stop ──▶ Off
//!          a generation on trial fails ▶ Stop (and the next boot tries again, or takes another)
//! ```
//! Two laws, both held by the tests below: an end somebody asks for interrupts every state, and
//! from every state time alone leads to `Running`, `Rescue` or `Off`.

use minos_proto::BootPhase;

use crate::bootrec::Reason;
use crate::cmdline::Then;
pub use crate::event::{
    Action, Actions, Blame, End, Ending, Event, MAX_ACTIONS, Ms, Outcome, Policy, Push, Why, Wish,
};
use crate::gate::Gate;
use crate::phase::{BOOT, OnFailure, POLL_MS, Phase, STOP, Step};
use crate::sup::{Rules, SLOTS, Service, Supervised};

mod services;

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
    /// The services, by their slots; a slot that nothing was planned for is empty.
    services: [Option<Supervised>; SLOTS],
    /// The console has not been started since the services were asked for.
    console_waits: bool,
    was_ready: bool,
    /// The generation is on trial.
    gate: Option<Gate>,
    last_step: Ms,
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
        let mut machine = Self {
            state: State::Idle,
            policy: Policy::default(),
            services: [const { None }; SLOTS],
            console_waits: false,
            was_ready: false,
            gate: None,
            last_step: 0,
            state_mounted: false,
            unclean: None,
        };
        machine.set_policy(Policy::default());
        machine
    }

    /// Sets the policy, once the kernel command line is read and before services are started.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.plan(Service::Pkgd, Rules::pkgd(policy.restart_limit));
        self.plan(Service::Console, Rules::console(policy.restart_limit));
    }

    /// Plans a service, before services are started.
    pub fn plan(&mut self, service: Service, rules: Rules) {
        if let Some(slot) = self.services.get_mut(service.slot()) {
            *slot = Some(Supervised::new(rules));
        }
    }

    /// Whether this boot tries a generation: then it is judged by the gate. To be said before the root
    /// of the generation is mounted.
    pub fn set_trial(&mut self, gate: Option<Gate>) {
        self.gate = gate;
    }

    /// The generation is on trial.
    pub const fn is_on_trial(&self) -> bool {
        self.gate.is_some()
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

    /// Whether a change of the boot record may be written in the background: once it was read, and
    /// not on the way down, where a step of its own writes it.
    pub const fn keeps_record(&self) -> bool {
        matches!(self.state, State::Boot { .. } | State::Running | State::Rescue { .. })
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
        let services = if self.runs_services() { self.services_deadline() } else { None };
        [own, services].into_iter().flatten().min()
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
        self.last_step = now;
        match event {
            Event::Start if self.state == State::Idle => self.boot(0, now, out),
            Event::Start | Event::Tick => {}
            Event::Answer(step, outcome) => self.answer(step, outcome, now, out),
            Event::Started(service, pid) => self.started(service, pid, now, out),
            Event::NotStarted(service) => self.ended(service, None, now, out),
            Event::Ended(service, exit) => self.ended(service, Some(exit), now, out),
            Event::Ready(service) => self.became_ready(service, out),
            Event::CheckStarted(pid) => self.check_started(pid),
            Event::CheckEnded(exit) => self.check_ended(exit),
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
            OnFailure::Judge if self.is_on_trial() => {
                let lacks = outcome == Outcome::Missing;
                let reason = if lacks { Reason::LacksFile } else { Reason::RootFailed };
                return self.judged(reason, Blame::Root, now, out);
            }
            OnFailure::Continue | OnFailure::Judge => true,
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

    // ---- rescue --------------------------------------------------------------------------------

    fn rescue(&mut self, why: Why, resume: Resume, now: Ms, out: &mut Actions) {
        // The prompt needs the terminal for itself.
        self.hold(Service::Console);
        if self.is_alive(Service::Console) {
            out.push(Action::Push(Service::Console, Push::Kill));
        }
        if why.is_fatal() {
            self.hold(Service::Pkgd);
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
        self.end_gate(out);
        self.services.iter_mut().flatten().for_each(Supervised::hold);
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
        for slot in 0..SLOTS {
            if self.is_alive(Service::of_slot(slot)) {
                out.push(Action::Push(Service::of_slot(slot), Push::Term));
            }
        }
        self.services_down(now, out);
    }

    fn services_down(&mut self, now: Ms, out: &mut Actions) {
        let alive = self.services.iter().flatten().any(Supervised::is_alive);
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
        self.ask_gate(now, out);
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
