//! The services, when they are started, and when again: pure, the clock is passed in.
//!
//! The law of supervision: init never waits for a service. It starts one, hears of its end from the
//! one reaper, and decides by the table below.
//!
//! A process is named by its pid. That is safe here without a pidfd: init is the only one that
//! reaps, so a pid it has not reaped cannot be given to another process.

use minos_proto::bootplan::{self, Kind};

/// Milliseconds.
type Ms = u64;

/// A program init keeps alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The package daemon: the built-in one, or that of the boot plan.
    Pkgd,
    /// What runs on the serial console: `pkgctl`, or the login of the boot plan.
    Console,
    /// Any other service of the boot plan, by its index there.
    Other(u8),
}

/// Slots in the table of services: the two that always are, and those of a boot plan.
pub const SLOTS: usize = 2 + bootplan::SERVICES;

impl Service {
    /// Its slot in the table of services.
    pub const fn slot(self) -> usize {
        match self {
            Self::Pkgd => 0,
            Self::Console => 1,
            Self::Other(n) => 2 + n as usize,
        }
    }

    /// The service of a slot.
    pub const fn of_slot(slot: usize) -> Self {
        match slot {
            0 => Self::Pkgd,
            1 => Self::Console,
            n => Self::Other((n - 2) as u8),
        }
    }

    /// The machine cannot do without it: when it is lost, the rescue prompt opens.
    pub const fn is_vital(self) -> bool {
        matches!(self, Self::Pkgd | Self::Console)
    }
}

/// How a service is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// One-shot, daemon or login.
    pub kind: Kind,
    /// It starts when the services of these slots are settled (bit n = slot n).
    pub after: u32,
    /// How long a one-shot may take, or a service that notifies until it is ready.
    pub deadline_ms: Ms,
    /// Rapid failures before giving up; 0 = never.
    pub limit: u8,
    /// It says when it is ready.
    pub notify: bool,
}

impl Rules {
    /// Of pkgd.
    pub const fn pkgd(limit: u8) -> Self {
        Self { kind: Kind::Daemon, after: 0, deadline_ms: READY_MS, limit, notify: true }
    }

    /// Of the console.
    pub const fn console(limit: u8) -> Self {
        Self { kind: Kind::Login, after: 0, deadline_ms: READY_MS, limit, notify: false }
    }

    /// A run at least this long is a success: the back-off starts over. A daemon needs its recovery and
    /// some work to show that it is sound; a person leaving the console shell is no failure.
    const fn stable_ms(&self) -> Ms {
        match self.kind {
            Kind::Daemon => 60_000,
            Kind::Login => ANSWERED_MS,
            Kind::Oneshot => Ms::MAX,
        }
    }
}

/// What has run this long was started well: what cannot be executed, or loses its terminal, is gone by
/// then.
pub const ANSWERED_MS: Ms = 2_000;
/// Delay before the first restart: long enough that a service dying at once costs 4 starts a second
/// at most, short enough that a person does not see a single crash.
pub const BACKOFF_FIRST_MS: Ms = 250;
/// The longest delay. Waiting longer helps nobody who watches a console; shorter keeps an emulated
/// machine busy with starting.
pub const BACKOFF_CAP_MS: Ms = 30_000;
/// Rapid failures in a row before init gives up: with the delays above that is after about 32 s,
/// longer than any disk or daemon hiccup worth waiting for. `minos.restart_limit=` overrides it.
pub const GIVE_UP_AFTER: u8 = 8;
/// How long pkgd may take to say that it is ready: recovery deletes scratch trees of killed steps,
/// which on a slow disk takes minutes. After that it is killed, which counts as a failure.
pub const READY_MS: Ms = 300_000;
/// The console is started when pkgd is ready, or after this long, so that a person is not left
/// without a prompt.
pub const CONSOLE_WAIT_MS: Ms = 5_000;

/// How a process ended. One enum, so that "killed" can never be mistaken for "exited 137".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled {
        /// Signal number.
        signal: u8,
        /// A core was dumped.
        core: bool,
    },
}

impl Exit {
    /// Decodes a status of `waitpid(2)`; `None` for "stopped" and "continued".
    ///
    /// nix's `WaitStatus` is not used: it refuses real-time signals, with the child already reaped.
    pub const fn from_wait(status: i32) -> Option<Self> {
        let signal = (status & 0x7f) as u8;
        match signal {
            0 => Some(Self::Exited(((status >> 8) & 0xff) as u8)),
            0x7f => None,
            _ => Some(Self::Signaled { signal, core: status & 0x80 != 0 }),
        }
    }

    /// The number in [`minos_proto::BootEvent::Restart`]: exit status, or 256 + signal number.
    pub const fn code(self) -> u16 {
        match self {
            Self::Exited(c) => c as u16,
            Self::Signaled { signal, .. } => 256 + signal as u16,
        }
    }
}

impl core::fmt::Display for Exit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exited(127) => f.write_str("could not be executed or exited with 127"),
            Self::Exited(c) => write!(f, "exited with {c}"),
            Self::Signaled { signal, core: false } => write!(f, "was killed by signal {signal}"),
            Self::Signaled { signal, core: true } => {
                write!(f, "was killed by signal {signal} and dumped core")
            }
        }
    }
}

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Not started, and will not be by time alone.
    Held,
    /// Waits for other services to settle.
    Blocked,
    /// Will be started at this time.
    Waiting {
        /// When.
        until: Ms,
    },
    /// Start was asked of the runtime, which has not answered yet.
    Starting,
    /// Runs.
    Up {
        /// Its pid.
        pid: u32,
        /// Since when.
        since: Ms,
    },
}

/// What follows the end of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It will be started again after this delay.
    Again {
        /// Milliseconds.
        delay: Ms,
    },
    /// It failed too often in a row; it is held.
    GiveUp {
        /// How often.
        failures: u8,
    },
    /// A one-shot has done its work.
    Done,
}

/// How it stands with what others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not yet: it has not started, is not ready or not done.
    Open,
    /// A daemon is ready, a one-shot is done.
    Good,
    /// It will not be: init gave up.
    Lost,
}

/// One service and its history.
#[derive(Debug, Clone)]
pub struct Supervised {
    rules: Rules,
    slot: Slot,
    standing: Standing,
    /// When it must be ready, or done.
    by: Option<Ms>,
    failures: u8,
    restarts: u32,
}

impl Supervised {
    /// A service that is held.
    pub const fn new(rules: Rules) -> Self {
        let (slot, standing) = (Slot::Held, Standing::Open);
        Self { rules, slot, standing, by: None, failures: 0, restarts: 0 }
    }

    /// What it is doing.
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// How often it was started again since boot.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Its pid while it runs.
    pub const fn pid(&self) -> Option<u32> {
        match self.slot {
            Slot::Up { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// How it is treated.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A daemon is ready, a one-shot is done.
    pub const fn is_good(&self) -> bool {
        matches!(self.standing, Standing::Good)
    }

    /// init gave up on it.
    pub const fn is_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost)
    }

    /// Nobody has to wait for it any more.
    pub const fn is_settled(&self) -> bool {
        !matches!(self.standing, Standing::Open)
    }

    /// Whether its process exists or is about to.
    pub const fn is_alive(&self) -> bool {
        matches!(self.slot, Slot::Up { .. } | Slot::Starting)
    }

    /// Forgets past failures and schedules a start at `at`, unless it lives.
    pub const fn schedule(&mut self, at: Ms) {
        self.failures = 0;
        if self.is_lost() {
            self.standing = Standing::Open;
        }
        if !self.is_alive() {
            self.slot = Slot::Waiting { until: at };
        }
    }

    /// It is to start when the services it waits for are settled.
    pub const fn block(&mut self) {
        if !self.is_alive() {
            self.slot = Slot::Blocked;
        }
    }

    /// No start by time any more; a living process is left alone, without a deadline.
    pub const fn hold(&mut self) {
        self.by = None;
        if !self.is_alive() {
            self.slot = Slot::Held;
        }
    }

    /// True once when the time to start has come.
    pub const fn due(&mut self, now: Ms) -> bool {
        match self.slot {
            Slot::Waiting { until } if until <= now => {
                self.slot = Slot::Starting;
                true
            }
            _ => false,
        }
    }

    /// When something is to be done by time alone.
    pub fn deadline(&self) -> Option<Ms> {
        let start = match self.slot {
            Slot::Waiting { until } => Some(until),
            _ => None,
        };
        [start, self.by].into_iter().flatten().min()
    }

    /// True once when it should have been ready, or done, by now.
    pub fn overran(&mut self, now: Ms) -> bool {
        self.by.take_if(|by| *by <= now).is_some()
    }

    /// The runtime started it.
    pub const fn started(&mut self, pid: u32, now: Ms) {
        self.slot = Slot::Up { pid, since: now };
        let waited_for = self.rules.notify || matches!(self.rules.kind, Kind::Oneshot);
        self.by = if waited_for { Some(now.saturating_add(self.rules.deadline_ms)) } else { None };
        self.standing = if waited_for { Standing::Open } else { Standing::Good };
    }

    /// It said that it is ready. False when that means nothing: it does not run, or had said so before.
    pub const fn became_ready(&mut self) -> bool {
        let news = self.is_alive() && self.rules.notify && !self.is_good();
        if news {
            self.standing = Standing::Good;
            self.by = None;
        }
        news
    }

    /// Since when it runs.
    pub const fn since(&self) -> Option<Ms> {
        match self.slot {
            Slot::Up { since, .. } => Some(since),
            _ => None,
        }
    }

    /// It ended, or could not be started (`None`).
    pub fn ended(&mut self, now: Ms, exit: Option<Exit>) -> Verdict {
        let ran = match self.slot {
            Slot::Up { since, .. } => now.saturating_sub(since),
            _ => 0,
        };
        self.by = None;
        if self.rules.kind == Kind::Oneshot && exit == Some(Exit::Exited(0)) {
            (self.slot, self.standing) = (Slot::Held, Standing::Good);
            return Verdict::Done;
        }
        self.standing = Standing::Open;
        let stable = ran >= self.rules.stable_ms();
        self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
        if self.rules.limit != 0 && self.failures >= self.rules.limit {
            (self.slot, self.standing) = (Slot::Held, Standing::Lost);
            return Verdict::GiveUp { failures: self.failures };
        }
        self.restarts = self.restarts.saturating_add(1);
        let delay = backoff(self.failures);
        self.slot = Slot::Waiting { until: now.saturating_add(delay) };
        Verdict::Again { delay }
    }

    /// It ended and stays down: the machine is going down or the rescue prompt owns the console.
    pub const fn ended_for_good(&mut self) {
        self.slot = Slot::Held;
        self.standing = Standing::Open;
        self.by = None;
    }
}

/// The delay after this many rapid failures in a row: doubling, capped, without jitter (there is
/// nothing here to be in step with).
pub const fn backoff(failures: u8) -> Ms {
    let doublings = if failures == 0 { 0 } else { failures as u32 - 1 };
    if doublings >= 16 {
        return BACKOFF_CAP_MS;
    }
    let delay = BACKOFF_FIRST_MS << doublings;
    if delay > BACKOFF_CAP_MS { BACKOFF_CAP_MS } else { delay }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{
        BACKOFF_CAP_MS, Exit, GIVE_UP_AFTER, Kind, Rules, SLOTS, Service, Slot, Supervised,
        Verdict, backoff,
    };

    fn oneshot() -> Supervised {
        let rules =
            Rules { kind: Kind::Oneshot, after: 0, deadline_ms: 500, limit: 2, notify: false };
        Supervised::new(rules)
    }

    #[test]
    fn every_slot_has_its_service() {
        for slot in 0..SLOTS {
            assert_eq!(Service::of_slot(slot).slot(), slot);
        }
    }

    #[test]
    fn a_one_shot_is_done_only_when_it_exited_with_0() {
        let mut s = oneshot();
        s.started(7, 0);
        assert!(!s.is_settled() && s.deadline() == Some(500));
        assert_eq!(s.ended(10, Some(Exit::Exited(1))), Verdict::Again { delay: 250 });
        assert!(s.due(260));
        s.started(8, 260);
        assert_eq!(s.ended(270, Some(Exit::Exited(0))), Verdict::Done);
        assert!(s.is_good() && s.is_settled() && s.deadline().is_none());
    }

    #[test]
    fn a_one_shot_that_hangs_overruns_once_and_is_lost_after_its_limit() {
        let mut s = oneshot();
        for n in 0..2 {
            s.started(7, 0);
            assert!(!s.overran(499) && s.overran(500) && !s.overran(501));
            let verdict = s.ended(501, Some(Exit::Signaled { signal: 9, core: false }));
            assert_eq!(matches!(verdict, Verdict::GiveUp { .. }), n == 1);
        }
        assert!(s.is_lost() && s.is_settled() && !s.is_good());
    }

    #[test]
    fn a_daemon_that_does_not_notify_is_good_while_it_runs() {
        let mut s = Supervised::new(Rules { notify: false, ..Rules::pkgd(0) });
        s.started(7, 0);
        assert!(s.is_good() && !s.became_ready());
        s.ended(5, Some(Exit::Exited(0)));
        assert!(!s.is_settled(), "a daemon that exited with 0 is none");
    }

    /// FedericoPonzi/Horust#121: a child ended by SIGKILL took another branch than one that exited.
    #[test]
    fn killed_is_not_exited() {
        let table = [
            (0x0000, Some(Exit::Exited(0))),
            (0x0100, Some(Exit::Exited(1))),
            (0x8900, Some(Exit::Exited(137))),
            (0x0009, Some(Exit::Signaled { signal: 9, core: false })),
            (0x008b, Some(Exit::Signaled { signal: 11, core: true })),
            (0x0022, Some(Exit::Signaled { signal: 34, core: false })), // real-time
            (0x137f, None),                                             // stopped
            (0xffff, None),                                             // continued
        ];
        for (status, exit) in table {
            assert_eq!(Exit::from_wait(status), exit, "{status:#x}");
        }
        assert_ne!(Exit::Exited(137).code(), Exit::Signaled { signal: 9, core: false }.code());
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let delays: Vec<_> = (0..=9).map(backoff).collect();
        assert_eq!(delays, [250, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff(u8::MAX), BACKOFF_CAP_MS);
    }

    #[test]
    fn gives_up_after_the_limit_of_rapid_failures_and_not_before() {
        let mut s = Supervised::new(Rules::pkgd(GIVE_UP_AFTER));
        let mut now = 0;
        s.schedule(now);
        for n in 1..GIVE_UP_AFTER {
            assert!(s.due(now));
            s.started(7, now);
            let Verdict::Again { delay } = s.ended(now + 10, None) else {
                panic!("gave up after {n}")
            };
            now += 10 + delay;
        }
        assert!(s.due(now));
        s.started(7, now);
        assert_eq!(s.ended(now + 10, None), Verdict::GiveUp { failures: GIVE_UP_AFTER });
        assert_eq!((s.slot(), s.deadline()), (Slot::Held, None));
        s.schedule(now);
        assert!(s.due(now), "an operator can start it again");
    }

    #[test]
    fn a_long_run_forgives_what_was_before() {
        let mut s = Supervised::new(Rules::pkgd(3));
        for _ in 0..50 {
            s.started(7, 1000);
            assert_eq!(s.ended(1000 + 60_000, None), Verdict::Again { delay: 250 });
        }
        assert_eq!(s.restarts(), 50);
    }

    #[test]
    fn a_limit_of_zero_never_gives_up() {
        let mut s = Supervised::new(Rules::console(0));
        for _ in 0..1000 {
            assert!(matches!(s.ended(5, None), Verdict::Again { .. }));
        }
    }

    proptest! {
        #[test]
        fn never_more_than_four_starts_a_second(runs in proptest::collection::vec(0u64..3000, 1..200)) {
            let mut s = Supervised::new(Rules::console(0));
            let mut now = 0;
            let mut last = None;
            s.schedule(0);
            for ran in runs {
                prop_assert!(s.due(now) && !s.due(now));
                if let Some(last) = last {
                    prop_assert!(now - last >= 250);
                }
                last = Some(now);
                s.started(9, now);
                now += ran;
                if let Verdict::Again { delay } = s.ended(now, None) {
                    prop_assert!(delay <= BACKOFF_CAP_MS);
                    now += delay;
                }
            }
        }
    }
}
