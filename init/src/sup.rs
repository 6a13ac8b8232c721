//! The two services, and when they are started again: pure, the clock is passed in.
//!
//! The law of supervision: init never waits for a service. It starts one, hears of its end from the
//! one reaper, and decides by the table below.
//!
//! A process is named by its pid. That is safe here without a pidfd: init is the only one that
//! reaps, so a pid it has not reaped cannot be given to another process.

/// Milliseconds.
type Ms = u64;

/// A program init keeps alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The package daemon.
    Pkgd,
    /// `pkgctl` on the serial console.
    Console,
}

impl Service {
    /// Both, in starting order.
    pub const ALL: [Self; 2] = [Self::Pkgd, Self::Console];

    /// The name in log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkgd => "pkgd",
            Self::Console => "console",
        }
    }

    /// A run at least this long is a success: the back-off starts over. pkgd needs its recovery
    /// and a few steps to show that it is sound; a person leaving the console shell is no failure.
    const fn stable_ms(self) -> Ms {
        match self {
            Self::Pkgd => 60_000,
            Self::Console => 2_000,
        }
    }
}

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
}

/// One service and its history.
#[derive(Debug, Clone)]
pub struct Supervised {
    service: Service,
    slot: Slot,
    failures: u8,
    limit: u8,
    restarts: u32,
}

impl Supervised {
    /// A service that is held. `limit` is the number of rapid failures before giving up; 0 = never.
    pub const fn new(service: Service, limit: u8) -> Self {
        Self { service, slot: Slot::Held, failures: 0, limit, restarts: 0 }
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

    /// Whether its process exists or is about to.
    pub const fn is_alive(&self) -> bool {
        matches!(self.slot, Slot::Up { .. } | Slot::Starting)
    }

    /// Forgets past failures and schedules a start at `at`, unless it lives.
    pub const fn schedule(&mut self, at: Ms) {
        self.failures = 0;
        if !self.is_alive() {
            self.slot = Slot::Waiting { until: at };
        }
    }

    /// No start by time any more; a living process is left alone.
    pub const fn hold(&mut self) {
        if let Slot::Waiting { .. } = self.slot {
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
    pub const fn deadline(&self) -> Option<Ms> {
        match self.slot {
            Slot::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// The runtime started it.
    pub const fn started(&mut self, pid: u32, now: Ms) {
        self.slot = Slot::Up { pid, since: now };
    }

    /// It ended, or could not be started.
    pub fn ended(&mut self, now: Ms) -> Verdict {
        let ran = match self.slot {
            Slot::Up { since, .. } => now.saturating_sub(since),
            _ => 0,
        };
        let stable = ran >= self.service.stable_ms();
        self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
        if self.limit != 0 && self.failures >= self.limit {
            self.slot = Slot::Held;
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

    use super::{BACKOFF_CAP_MS, Exit, GIVE_UP_AFTER, Service, Slot, Supervised, Verdict, backoff};

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
        let mut s = Supervised::new(Service::Pkgd, GIVE_UP_AFTER);
        let mut now = 0;
        s.schedule(now);
        for n in 1..GIVE_UP_AFTER {
            assert!(s.due(now));
            s.started(7, now);
            let Verdict::Again { delay } = s.ended(now + 10) else { panic!("gave up after {n}") };
            now += 10 + delay;
        }
        assert!(s.due(now));
        s.started(7, now);
        assert_eq!(s.ended(now + 10), Verdict::GiveUp { failures: GIVE_UP_AFTER });
        assert_eq!((s.slot(), s.deadline()), (Slot::Held, None));
        s.schedule(now);
        assert!(s.due(now), "an operator can start it again");
    }

    #[test]
    fn a_long_run_forgives_what_was_before() {
        let mut s = Supervised::new(Service::Pkgd, 3);
        for _ in 0..50 {
            s.started(7, 1000);
            assert_eq!(s.ended(1000 + 60_000), Verdict::Again { delay: 250 });
        }
        assert_eq!(s.restarts(), 50);
    }

    #[test]
    fn a_limit_of_zero_never_gives_up() {
        let mut s = Supervised::new(Service::Console, 0);
        for _ in 0..1000 {
            assert!(matches!(s.ended(5), Verdict::Again { .. }));
        }
    }

    proptest! {
        #[test]
        fn never_more_than_four_starts_a_second(runs in proptest::collection::vec(0u64..3000, 1..200)) {
            let mut s = Supervised::new(Service::Console, 0);
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
                if let Verdict::Again { delay } = s.ended(now) {
                    prop_assert!(delay <= BACKOFF_CAP_MS);
                    now += delay;
                }
            }
        }
    }
}
