//! Small models of the machine: all sequences of a few events, from every state.

use minos_proto::bootplan::Kind;

use super::{
    Action, Actions, Blame, End, Ending, Event, Machine, Ms, Outcome, Policy, RESCUE_MS,
    RESCUE_UNATTENDED_MS, Why, Wish,
};
use crate::bootrec::Reason;
use crate::cmdline::Then;
use crate::gate::{Check, Gate, Look};
use crate::phase::{BOOT, Step, boot_bound_ms, stop_bound_ms};
use crate::sup::{CONSOLE_WAIT_MS, Exit, READY_MS, Rules, Service};

const ASKED: Event = Event::Asked(Ending { end: End::PowerOff, reason: Reason::PowerOff });
const KILLED: Exit = Exit::Signaled { signal: 9, core: false };

/// A machine, its clock, and the step it waits for.
#[derive(Clone)]
struct Model {
    machine: Machine,
    now: Ms,
    step: Option<Step>,
    starting: Option<Service>,
    last: Vec<Action>,
}

impl Model {
    fn new(policy: Policy) -> Self {
        let mut machine = Machine::new();
        machine.set_policy(policy);
        let mut model = Self { machine, now: 1, step: None, starting: None, last: vec![] };
        model.feed(Event::Start);
        model
    }

    /// A boot that tries a generation with two more services and four checks.
    fn on_trial() -> Self {
        let mut model = Self::new(Policy { restart_limit: 2, ..Policy::default() });
        let rules = Rules::pkgd(2);
        let once = Rules { kind: Kind::Oneshot, notify: false, deadline_ms: 100, ..rules };
        model.machine.plan(Service::Other(0), once);
        model.machine.plan(Service::Other(1), Rules { after: 1 << 2, deadline_ms: 100, ..rules });
        let looks = [
            Look::Good(Service::Pkgd),
            Look::Good(Service::Other(1)),
            Look::Command,
            Look::Answered,
        ];
        let checks = looks.map(|look| Check { look, deadline_ms: 50_000 });
        model.machine.set_trial(Some(Gate::new(checks, 120_000)));
        model
    }

    /// As far as the root of the generation.
    fn at_its_root() -> Self {
        let mut model = Self::on_trial();
        while model.step != Some(Step::Root) {
            model.answer(Outcome::Done);
        }
        model
    }

    fn feed(&mut self, event: Event) {
        let mut out = Actions::default();
        self.machine.step(self.now, event, &mut out);
        assert!(!out.overflowed, "{event:?}: {:?}", out.as_slice());
        for action in out.as_slice() {
            match action {
                Action::Perform(step) => self.step = Some(*step),
                Action::Start(service) => self.starting = Some(*service),
                _ => {}
            }
        }
        self.last = out.as_slice().to_vec();
    }

    fn wait(&mut self, ms: Ms) {
        self.now += ms;
        self.feed(Event::Tick);
    }

    fn answer(&mut self, outcome: Outcome) {
        if let Some(step) = self.step {
            self.feed(Event::Answer(step, outcome));
        }
    }

    /// Everything works, until the services run.
    fn booted(policy: Policy) -> Self {
        let mut model = Self::new(policy);
        for _ in BOOT {
            model.answer(Outcome::Done);
        }
        assert_eq!(model.machine.name(), "running");
        model.started();
        model.feed(Event::Ready(Service::Pkgd));
        model.started();
        model
    }

    fn started(&mut self) {
        if let Some(service) = self.starting.take() {
            self.feed(Event::Started(service, 10));
        }
    }

    fn did(&self, wanted: fn(&Action) -> bool) -> bool {
        self.last.iter().any(wanted)
    }
}

const EVENTS: usize = 15;

fn nth(model: &mut Model, n: usize) {
    match n {
        0 => model.wait(30),
        1 => model.wait(61_000),
        2 => model.answer(Outcome::Done),
        3 => model.answer(Outcome::Failed),
        4 => model.answer(Outcome::Missing),
        5 => model.answer(Outcome::Working),
        6 => model.started(),
        7 => model.feed(Event::Ended(Service::Pkgd, KILLED)),
        8 => model.feed(Event::Ended(Service::Console, Exit::Exited(0))),
        9 => model.feed(Event::Ready(Service::Pkgd)),
        10 => model.feed(Event::NoChildren),
        11 => model.feed(Event::Wish(Wish::Retry)),
        12 => model.feed(Event::CheckStarted(Some(77))),
        13 => model.feed(Event::CheckEnded(Exit::Exited(0))),
        _ => model.feed(ASKED),
    }
}

fn explore(model: &Model, depth: usize, seen: &mut usize) {
    for n in 0..EVENTS {
        let mut next = model.clone();
        nth(&mut next, n);
        *seen += 1;
        let (was, is) = (model.machine.name(), next.machine.name());
        match was {
            "stop" => assert!(["stop", "off"].contains(&is), "event {n} led from {was} to {is}"),
            "off" => assert_eq!(is, "off"),
            _ => {}
        }
        let moves_by_time = next.machine.deadline().is_some();
        assert!(moves_by_time || ["running", "off"].contains(&is), "{is} is stuck after event {n}");
        if depth > 1 {
            explore(&next, depth - 1, seen);
        } else {
            settles(next);
        }
    }
}

/// Time alone, with nothing working, leads to a state that can be left running; a generation on trial is
/// judged by then.
fn settles(mut model: Model) {
    for _ in 0..200 {
        let on_trial = model.machine.name() == "running" && model.machine.is_on_trial();
        if ["running", "rescue", "off"].contains(&model.machine.name()) && !on_trial {
            return;
        }
        let due = model.machine.deadline().expect("moves by time");
        model.wait(due.saturating_sub(model.now));
    }
    panic!("does not settle: {}", model.machine.name());
}

#[test]
fn all_sequences_of_a_few_events_from_every_state() {
    let mut seen = 0;
    let mut stopping = Model::booted(Policy::default());
    stopping.feed(ASKED);
    let rescue = Model::new(Policy { rescue: true, ..Policy::default() });
    let unattended = Policy { unattended: true, then: Some(Then::PowerOff), ..Policy::default() };
    for start in [
        Model::new(Policy::default()),
        Model::new(unattended),
        Model::booted(Policy { restart_limit: 2, ..Policy::default() }),
        stopping,
        rescue,
    ] {
        explore(&start, 4, &mut seen);
    }
    let mut services_up = Model::at_its_root();
    services_up.answer(Outcome::Done);
    let mut checked = services_up.clone();
    checked.feed(Event::Started(Service::Pkgd, 10));
    checked.feed(Event::Ready(Service::Pkgd));
    for start in [Model::at_its_root(), services_up, checked] {
        explore(&start, 3, &mut seen);
    }
    assert!(seen > 250_000, "{seen}");
}

#[test]
fn the_end_can_be_asked_for_in_every_row_of_the_boot() {
    for row in 0..BOOT.len() {
        let mut model = Model::new(Policy::default());
        for _ in 0..row {
            model.answer(Outcome::Done);
        }
        model.feed(ASKED);
        assert_eq!(model.machine.name(), "stop");
        let asked_at = model.now;
        while model.machine.name() != "off" {
            let due = model.machine.deadline().unwrap();
            model.wait(due - model.now);
        }
        assert!(model.now - asked_at <= stop_bound_ms());
        assert!(
            model.did(|a| matches!(a, Action::Off { unclean: Some(_), .. })),
            "nothing was unmounted"
        );
    }
}

#[test]
fn a_boot_in_which_every_step_hangs_ends_within_its_bound() {
    let mut model = Model::new(Policy::default());
    while model.machine.name() == "boot" {
        let due = model.machine.deadline().unwrap();
        model.wait(due - model.now);
    }
    assert!(model.now <= boot_bound_ms());
    assert_eq!(model.machine.name(), "rescue", "a state disk that hangs is not hidden");
}

#[test]
fn a_root_on_trial_that_fails_is_judged_and_a_proven_one_is_done_without() {
    for (outcome, reason) in
        [(Outcome::Missing, Reason::LacksFile), (Outcome::Failed, Reason::RootFailed)]
    {
        let mut trial = Model::at_its_root();
        trial.answer(outcome);
        assert!(trial.last.contains(&Action::Judged(reason, Blame::Root)), "{:?}", trial.last);
        assert!(trial.last.contains(&Action::Ending(Ending { end: End::Reboot, reason })));
        let mut proven = Model::at_its_root();
        proven.machine.set_trial(None);
        proven.answer(outcome);
        assert_eq!(proven.machine.name(), "running");
    }
}

#[test]
fn services_start_in_order_and_a_lost_one_holds_nobody_up() {
    let mut model = Model::at_its_root();
    model.answer(Outcome::Done);
    let starts = |model: &Model, service| model.last.contains(&Action::Start(service));
    assert!(starts(&model, Service::Pkgd) && starts(&model, Service::Other(0)));
    assert!(!starts(&model, Service::Other(1)), "its one-shot is not done");
    for pid in [20, 21] {
        model.feed(Event::Started(Service::Other(0), pid));
        assert!(!starts(&model, Service::Other(1)));
        model.feed(Event::Ended(Service::Other(0), KILLED));
        if pid == 20 {
            model.wait(250);
        }
    }
    assert!(model.last.contains(&Action::Lost(Service::Other(0))));
    assert!(starts(&model, Service::Other(1)), "an order is not a need: {:?}", model.last);
}

#[test]
fn a_stale_answer_is_ignored() {
    let mut model = Model::new(Policy::default());
    model.feed(Event::Answer(Step::Seed, Outcome::Done));
    assert_eq!((model.step, model.last.len()), (Some(Step::KernelFs), 0));
}

#[test]
fn the_console_comes_with_readiness_or_after_its_wait() {
    let boot = || {
        let mut model = Model::new(Policy::default());
        BOOT.iter().for_each(|_| model.answer(Outcome::Done));
        model.started();
        model
    };
    let mut ready = boot();
    ready.feed(Event::Ready(Service::Pkgd));
    assert_eq!(ready.starting, Some(Service::Console));
    let mut late = boot();
    late.wait(CONSOLE_WAIT_MS - 1);
    assert_eq!(late.starting, None);
    late.wait(1);
    assert_eq!(late.starting, Some(Service::Console));
}

#[test]
fn a_pkgd_that_never_gets_ready_is_killed_and_counts_as_failed() {
    let mut model = Model::new(Policy { restart_limit: 1, ..Policy::default() });
    BOOT.iter().for_each(|_| model.answer(Outcome::Done));
    model.started();
    model.wait(READY_MS);
    assert!(model.did(|a| matches!(a, Action::NotReady(_))));
    let mut ready = Model::booted(Policy::default());
    ready.wait(READY_MS * 2);
    assert!(!ready.did(|a| matches!(a, Action::NotReady(_))), "it was ready");
}

#[test]
fn readiness_counts_once_and_only_from_a_living_pkgd() {
    let mut model = Model::booted(Policy::default());
    model.feed(Event::Ready(Service::Pkgd));
    assert!(model.last.is_empty());
    model.feed(Event::Ended(Service::Pkgd, KILLED));
    model.feed(Event::Ready(Service::Pkgd));
    assert!(model.last.is_empty(), "a byte left in the pipe of a dead pkgd is not readiness");
}

#[test]
fn a_console_that_gives_up_does_not_end_a_running_build() {
    let mut model = Model::booted(Policy { restart_limit: 1, ..Policy::default() });
    model.feed(Event::Ended(Service::Console, Exit::Exited(1)));
    assert!(model.did(|a| matches!(a, Action::OpenRescue(Why::GaveUp(Service::Console)))));
    model.wait(RESCUE_MS);
    assert_eq!(model.machine.name(), "running", "the time-out tries the console again");
    assert_eq!(model.machine.pid(Service::Pkgd), Some(10));
}

#[test]
fn time_at_the_prompt_starts_over_with_every_word() {
    let mut model = Model::new(Policy { rescue: true, ..Policy::default() });
    BOOT.iter().take(3).for_each(|_| model.answer(Outcome::Done));
    assert_eq!(model.machine.name(), "rescue");
    for _ in 0..10 {
        model.wait(RESCUE_MS - 1);
        model.feed(Event::Wish(Wish::Stay));
    }
    assert_eq!(model.machine.name(), "rescue");
    model.wait(RESCUE_MS);
    assert_eq!(model.machine.name(), "stop");
}

#[test]
fn an_unattended_machine_that_cannot_build_ends_as_its_builds_end() {
    for (then, end) in [(Then::PowerOff, End::PowerOff), (Then::Reboot, End::Reboot)] {
        let policy = Policy { unattended: true, then: Some(then), ..Policy::default() };
        let mut model = Model::new(policy);
        BOOT.iter().take(3).for_each(|_| model.answer(Outcome::Done));
        model.answer(Outcome::Missing); // the state disk
        assert_eq!(model.machine.name(), "rescue");
        model.wait(RESCUE_UNATTENDED_MS);
        assert!(model.did(|a| matches!(a, Action::Ending(e) if e.reason == Reason::RescueTimeout)));
        assert!(model.last.iter().any(|a| matches!(a, Action::Ending(e) if e.end == end)));
    }
}

#[test]
fn a_second_request_changes_nothing() {
    let mut model = Model::booted(Policy::default());
    model.feed(ASKED);
    model.feed(Event::Asked(Ending { end: End::Reboot, reason: Reason::CtrlAltDel }));
    assert!(model.last.is_empty());
}
