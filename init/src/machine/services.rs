//! The services of the machine, and the gate that looks at them.

use minos_proto::BootPhase;
use minos_proto::bootplan::Kind;

use super::{Action, Actions, Blame, End, Ending, Machine, Ms, Push, State, Why};
use crate::bootrec::Reason;
use crate::gate::{Fact, Look, Next};
use crate::machine::Resume;
use crate::sup::{ANSWERED_MS, CONSOLE_WAIT_MS, Exit, SLOTS, Service, Slot, Supervised, Verdict};

/// The most services that are killed in one step of the machine; the rest is by the next.
const KILLS: usize = 8;

impl Machine {
    fn service(&self, service: Service) -> Option<&Supervised> {
        self.services.get(service.slot())?.as_ref()
    }

    fn service_mut(&mut self, service: Service) -> Option<&mut Supervised> {
        self.services.get_mut(service.slot())?.as_mut()
    }

    /// The pid of a service while it runs.
    pub fn pid(&self, service: Service) -> Option<u32> {
        self.service(service)?.pid()
    }

    /// The service that has this pid.
    pub fn service_of(&self, pid: u32) -> Option<Service> {
        let slot =
            self.services.iter().position(|s| s.as_ref().and_then(Supervised::pid) == Some(pid));
        slot.map(Service::of_slot)
    }

    /// How often pkgd was started again.
    pub fn pkgd_restarts(&self) -> u32 {
        self.service(Service::Pkgd).map_or(0, Supervised::restarts)
    }

    /// The pid of the current check's command.
    pub fn check_pid(&self) -> Option<u32> {
        self.gate.as_ref()?.pid()
    }

    pub(super) fn is_alive(&self, service: Service) -> bool {
        self.service(service).is_some_and(Supervised::is_alive)
    }

    pub(super) fn hold(&mut self, service: Service) {
        if let Some(s) = self.service_mut(service) {
            s.hold();
        }
    }

    pub(super) fn services_deadline(&self) -> Option<Ms> {
        let own = self.services.iter().flatten().filter_map(Supervised::deadline).min();
        // As of the last step: what was good by then asks for no time of its own.
        let look = |look| fact(&self.services, look, self.last_step);
        let gate = self.gate.as_ref().map(|g| g.deadline(&look));
        [own, gate].into_iter().flatten().min()
    }

    /// All services are wanted, each as soon as those before it are settled.
    pub(super) fn start_services(&mut self, now: Ms) {
        for s in self.services.iter_mut().flatten() {
            let done = s.rules().kind == Kind::Oneshot && s.is_good();
            if !done {
                s.schedule(now);
                s.block();
            }
        }
        self.console_waits = true;
        if let Some(console) = self.service_mut(Service::Console) {
            // A person is not left without a prompt for long, whatever the others do.
            console.schedule(now.saturating_add(CONSOLE_WAIT_MS));
        }
        if let Some(gate) = &mut self.gate {
            gate.open(now);
        }
    }

    pub(super) fn started(&mut self, service: Service, pid: u32, now: Ms, out: &mut Actions) {
        if let Some(s) = self.service_mut(service) {
            s.started(pid, now);
        }
        match self.state {
            State::Stop { .. } => out.push(Action::Push(service, Push::Term)),
            _ if !self.runs_services() => out.push(Action::Push(service, Push::Kill)),
            _ => {}
        }
    }

    pub(super) fn ended(
        &mut self,
        service: Service,
        exit: Option<Exit>,
        now: Ms,
        out: &mut Actions,
    ) {
        let runs = self.runs_services();
        let Some(s) = self.service_mut(service) else { return };
        if !runs {
            s.ended_for_good();
            return self.services_down(now, out);
        }
        match s.ended(now, exit) {
            Verdict::Again { delay } => out.push(Action::Restarting { service, exit, delay }),
            Verdict::GiveUp { .. } if !service.is_vital() => out.push(Action::Lost(service)),
            Verdict::GiveUp { .. } if self.is_on_trial() => {
                self.judged(Reason::ServiceLost, Blame::Service(service), now, out);
            }
            Verdict::GiveUp { .. } => self.rescue(Why::GaveUp(service), Resume::Services, now, out),
            Verdict::Done => {}
        }
    }

    pub(super) fn became_ready(&mut self, service: Service, out: &mut Actions) {
        let news = self.service_mut(service).is_some_and(Supervised::became_ready);
        if news && service == Service::Pkgd && self.runs_services() && !self.was_ready {
            self.was_ready = true;
            out.push(Action::Reached(BootPhase::Ready));
        }
    }

    // ---- time ----------------------------------------------------------------------------------

    /// The slots that nobody has to wait for any more. Those that are not planned are among them.
    fn settled(&self) -> u32 {
        let open = |s: &Option<Supervised>| s.as_ref().is_some_and(|s| !s.is_settled());
        let set = |bits: u32, (slot, s)| if open(s) { bits } else { bits | (1u32 << slot) };
        self.services.iter().enumerate().fold(0, set)
    }

    pub(super) fn service_timers(&mut self, now: Ms, out: &mut Actions) {
        if !self.runs_services() {
            return;
        }
        self.unblock(now);
        let mut kills = 0;
        for slot in 0..SLOTS {
            let service = Service::of_slot(slot);
            let Some(s) = self.service_mut(service) else { continue };
            if s.due(now) {
                self.console_waits &= service != Service::Console;
                out.push(Action::Start(service));
            } else if kills < KILLS && s.overran(now) {
                kills += 1;
                out.push(Action::NotReady(service));
                out.push(Action::Push(service, Push::Kill));
            }
        }
    }

    fn unblock(&mut self, now: Ms) {
        let settled = self.settled();
        let pkgd_ready = self.service(Service::Pkgd).is_some_and(Supervised::is_good);
        for (slot, s) in self.services.iter_mut().enumerate() {
            let Some(s) = s.as_mut().filter(|s| s.rules().after & !settled == 0) else { continue };
            let waits = match Service::of_slot(slot) {
                Service::Console => self.console_waits && pkgd_ready,
                _ => s.slot() == Slot::Blocked,
            };
            if waits {
                s.schedule(now);
            }
        }
    }

    // ---- the gate ------------------------------------------------------------------------------

    pub(super) fn ask_gate(&mut self, now: Ms, out: &mut Actions) {
        while self.runs_services() {
            let Some(gate) = &mut self.gate else { return };
            match gate.next(now, &|look| fact(&self.services, look, now)) {
                Next::Wait => return,
                Next::Run(check) => return out.push(Action::Check(check)),
                Next::Passed(check) => out.push(Action::Passed(check)),
                Next::Good => {
                    self.gate = None;
                    return out.push(Action::Proven);
                }
                Next::Bad(reason, blame) => return self.judged(reason, blame, now, out),
            }
        }
    }

    pub(super) const fn check_started(&mut self, pid: Option<u32>) {
        if let Some(gate) = &mut self.gate {
            gate.started(pid);
        }
    }

    pub(super) fn check_ended(&mut self, exit: Exit) {
        if let Some(gate) = &mut self.gate {
            gate.ended(exit);
        }
    }

    /// Nothing is asked any more.
    pub(super) fn end_gate(&mut self, out: &mut Actions) {
        if let Some(pid) = self.gate.take().and_then(|g| g.pid()) {
            out.push(Action::EndCheck(pid));
        }
    }

    /// The generation on trial is bad: the next boot knows what to do.
    pub(super) fn judged(&mut self, reason: Reason, blame: Blame, now: Ms, out: &mut Actions) {
        out.push(Action::Judged(reason, blame));
        self.asked(Ending { end: End::Reboot, reason }, now, out);
    }
}

/// How that stands which a check looks at. What has only just started may be gone again in a moment.
fn fact(services: &[Option<Supervised>], look: Look, now: Ms) -> Fact {
    let service = match look {
        Look::Good(service) => service,
        Look::Answered => Service::Console,
        Look::Command => return Fact::Open(None),
    };
    let Some(s) = services.get(service.slot()).and_then(Option::as_ref) else { return Fact::Lost };
    match s.since() {
        _ if s.is_lost() => Fact::Lost,
        _ if !s.is_good() => Fact::Open(None),
        Some(since) if now.saturating_sub(since) < ANSWERED_MS => {
            Fact::Open(Some(since.saturating_add(ANSWERED_MS)))
        }
        _ => Fact::Good,
    }
}
