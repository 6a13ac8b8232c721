//! The health gate: whether a generation on trial is good. Pure: it is told what it asks for.
//!
//! Good is a short explicit list, not "nothing failed" (systemd#9437: with that no real machine is ever
//! good). The checks are made one after the other; each has its deadline from the end of the one before,
//! all together have one from the start of the services. A gate that is not passed *acts*: the machine
//! reboots, and the boot record counts (pithead#1065: a gate that only says so is never left).

use heapless::Vec;
use minos_proto::bootplan::CHECKS;

use crate::bootrec::Reason;
use crate::event::{Blame, Ms};
use crate::sup::{Exit, READY_MS, Service};

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// This service is good: a daemon is ready, a one-shot is done.
    Good(Service),
    /// The console has answered.
    Answered,
    /// A command exits with 0.
    Command,
}

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// What it looks at.
    pub look: Look,
    /// How long it may take.
    pub deadline_ms: Ms,
}

/// The check of the built-in plan, until the one of the generation is read: pkgd is ready.
const BUILT_IN: Check = Check { look: Look::Good(Service::Pkgd), deadline_ms: READY_MS };
/// How long the built-in plan gives it.
const BUILT_IN_MS: Ms = READY_MS;

/// How a service stands, for a check that looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// As the check wants it.
    Good,
    /// Not yet; it may become so at this time without an event.
    Open(Option<Ms>),
    /// It never will be.
    Lost,
}

/// The command of the current check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    No,
    Asked,
    Up(u32),
    Ended(bool),
}

/// What the gate wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something happens or it is time.
    Wait,
    /// Run the command of this check.
    Run(u8),
    /// This check is passed; ask again.
    Passed(u8),
    /// All are passed.
    Good,
    /// The generation is bad.
    Bad(Reason, Blame),
}

/// The gate.
#[derive(Debug, Clone)]
pub struct Gate {
    checks: Vec<Check, CHECKS>,
    limit_ms: Ms,
    /// The current check.
    at: usize,
    since: Ms,
    until: Ms,
    run: Run,
}

impl Gate {
    /// A gate that is not open yet. No checks: the built-in one.
    pub fn new(checks: impl IntoIterator<Item = Check>, limit_ms: Ms) -> Self {
        let mut gate = Self::built_in();
        gate.checks.clear();
        for check in checks {
            // A plan has no more.
            let _ = gate.checks.push(check);
        }
        if gate.checks.is_empty() {
            return Self::built_in();
        }
        gate.limit_ms = limit_ms;
        gate
    }

    /// The gate of a generation whose plan is not read yet.
    pub fn built_in() -> Self {
        let checks = [BUILT_IN].into_iter().collect();
        Self { checks, limit_ms: BUILT_IN_MS, at: 0, since: 0, until: Ms::MAX, run: Run::No }
    }

    /// The services are being started: time begins.
    pub const fn open(&mut self, now: Ms) {
        self.since = now;
        self.until = now.saturating_add(self.limit_ms);
    }

    /// The pid of the current check's command.
    pub const fn pid(&self) -> Option<u32> {
        if let Run::Up(pid) = self.run { Some(pid) } else { None }
    }

    /// The command was started, or could not be.
    pub const fn started(&mut self, pid: Option<u32>) {
        if let Run::Asked = self.run {
            self.run = match pid {
                Some(pid) => Run::Up(pid),
                None => Run::Ended(false),
            };
        }
    }

    /// The command ended.
    pub fn ended(&mut self, exit: Exit) {
        if matches!(self.run, Run::Up(_)) {
            self.run = Run::Ended(exit == Exit::Exited(0));
        }
    }

    /// When to ask again at the latest. `fact` tells how that stands which a check looks at.
    pub fn deadline(&self, fact: &dyn Fn(Look) -> Fact) -> Ms {
        let end = match self.checks.get(self.at) {
            Some(check) => self.since.saturating_add(check.deadline_ms).min(self.until),
            None => self.until,
        };
        let later = |check: &Check| match fact(check.look) {
            Fact::Open(at) => at,
            Fact::Good | Fact::Lost => None,
        };
        self.checks.iter().filter_map(later).min().map_or(end, |at| at.min(end))
    }

    /// What to do now. `fact` tells how that stands which a check looks at; it is not asked about commands.
    pub fn next(&mut self, now: Ms, fact: &dyn Fn(Look) -> Fact) -> Next {
        let Some(check) = self.checks.get(self.at) else { return self.last_look(now, fact) };
        let index = self.at as u8;
        let state = match (check.look, self.run) {
            (Look::Command, Run::Ended(true)) => Fact::Good,
            (Look::Command, Run::Ended(false)) => Fact::Lost,
            (Look::Command, _) => Fact::Open(None),
            (look, _) => fact(look),
        };
        match state {
            Fact::Good => {
                (self.at, self.since, self.run) = (self.at + 1, now, Run::No);
                Next::Passed(index)
            }
            Fact::Lost => Next::Bad(Reason::CheckFailed, Blame::Check(index)),
            Fact::Open(_) if now >= self.since.saturating_add(check.deadline_ms) => {
                Next::Bad(Reason::CheckOverran, Blame::Check(index))
            }
            Fact::Open(_) if now >= self.until => {
                Next::Bad(Reason::GateOverran, Blame::Check(index))
            }
            Fact::Open(_) if check.look == Look::Command && self.run == Run::No => {
                self.run = Run::Asked;
                Next::Run(index)
            }
            Fact::Open(_) => Next::Wait,
        }
    }

    /// All checks were passed, one after the other; what they looked at must be good together.
    fn last_look(&self, now: Ms, fact: &dyn Fn(Look) -> Fact) -> Next {
        let bad = |check: &Check| check.look != Look::Command && fact(check.look) != Fact::Good;
        match self.checks.iter().position(bad) {
            None => Next::Good,
            Some(at) if now >= self.until => Next::Bad(Reason::GateOverran, Blame::Check(at as u8)),
            Some(_) => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Blame, Check, Exit, Fact, Gate, Look, Next, Reason, Service};

    const OPEN: &dyn Fn(Look) -> Fact = &|_| Fact::Open(None);
    const GOOD: &dyn Fn(Look) -> Fact = &|_| Fact::Good;
    const LOST: &dyn Fn(Look) -> Fact = &|_| Fact::Lost;

    fn gate(looks: &[Look]) -> Gate {
        let mut gate =
            Gate::new(looks.iter().map(|look| Check { look: *look, deadline_ms: 100 }), 250);
        gate.open(1_000);
        gate
    }

    #[test]
    fn checks_are_made_in_turn_and_the_last_one_makes_it_good() {
        let mut g = gate(&[Look::Good(Service::Pkgd), Look::Command]);
        assert_eq!(g.next(1_000, OPEN), Next::Wait);
        assert_eq!(g.next(1_050, GOOD), Next::Passed(0));
        assert_eq!(g.next(1_050, OPEN), Next::Run(1));
        assert_eq!(g.next(1_051, OPEN), Next::Wait);
        g.started(Some(9));
        assert_eq!((g.pid(), g.next(1_052, OPEN)), (Some(9), Next::Wait));
        g.ended(Exit::Exited(0));
        assert_eq!(g.next(1_060, GOOD), Next::Passed(1));
        assert_eq!(g.next(1_060, GOOD), Next::Good);
    }

    /// pkgd was ready when it was asked for, and died while the other checks were made.
    #[test]
    fn what_was_good_must_be_so_at_the_end() {
        let mut g = gate(&[Look::Good(Service::Pkgd), Look::Answered]);
        assert_eq!(g.next(1_010, GOOD), Next::Passed(0));
        assert_eq!(g.next(1_020, GOOD), Next::Passed(1));
        let dead: &dyn Fn(Look) -> Fact = &|look| match look {
            Look::Good(Service::Pkgd) => Fact::Open(None),
            _ => Fact::Good,
        };
        assert_eq!((g.next(1_030, dead), g.deadline(dead)), (Next::Wait, 1_250));
        assert_eq!(g.clone().next(1_040, GOOD), Next::Good, "it is there again");
        assert_eq!(g.next(1_250, dead), Next::Bad(Reason::GateOverran, Blame::Check(0)));
    }

    #[test]
    fn a_check_that_fails_is_named() {
        let bad = |n| Next::Bad(Reason::CheckFailed, Blame::Check(n));
        let mut g = gate(&[Look::Answered]);
        assert_eq!(g.next(1_000, LOST), bad(0));
        for how in [None, Some(Exit::Exited(1)), Some(Exit::Signaled { signal: 9, core: false })] {
            let mut g = gate(&[Look::Command]);
            assert_eq!(g.next(1_000, OPEN), Next::Run(0));
            g.started(how.map(|_| 7));
            if let Some(exit) = how {
                g.ended(exit);
            }
            assert_eq!(g.next(1_001, OPEN), bad(0), "{how:?}");
        }
    }

    #[test]
    fn each_check_has_its_deadline_and_all_have_one() {
        let mut g = gate(&[Look::Answered, Look::Answered, Look::Answered]);
        assert_eq!(g.deadline(OPEN), 1_100);
        assert_eq!(g.deadline(&|_| Fact::Open(Some(1_020))), 1_020);
        let mut late = g.clone();
        assert_eq!(late.next(1_100, OPEN), Next::Bad(Reason::CheckOverran, Blame::Check(0)));
        assert_eq!(g.next(1_090, GOOD), Next::Passed(0));
        assert_eq!(g.next(1_180, GOOD), Next::Passed(1));
        assert_eq!(g.deadline(OPEN), 1_250, "of the gate");
        assert_eq!(g.next(1_250, OPEN), Next::Bad(Reason::GateOverran, Blame::Check(2)));
    }

    #[test]
    fn a_gate_without_checks_asks_for_pkgd() {
        assert_eq!(Gate::new([], 5).checks[..], [super::BUILT_IN]);
    }

    proptest! {
        /// Time alone ends it, whatever was seen before.
        #[test]
        fn it_never_waits_for_ever(facts in prop::collection::vec((any::<bool>(), 0u64..40), 0..20)) {
            let mut g = gate(&[Look::Answered, Look::Command, Look::Good(Service::Other(3))]);
            let mut now = 1_000;
            for (good, later) in facts {
                now += later;
                if matches!(g.next(now, if good { GOOD } else { OPEN }), Next::Good | Next::Bad(..)) {
                    return Ok(());
                }
            }
            let due = g.deadline(OPEN);
            prop_assert!(due <= 1_250);
            let end = g.next(due.max(now), OPEN);
            prop_assert!(matches!(end, Next::Good | Next::Bad(..)), "{end:?}");
        }
    }
}
