//! What the machine takes and what it gives: events, actions, and the words in them.

use minos_proto::BootPhase;

use crate::bootrec::Reason;
use crate::cmdline::Then;
use crate::phase::{DISK_WAIT_MS, Phase, Step};
use crate::sup::{Exit, GIVE_UP_AFTER, Service};

/// Milliseconds since the kernel started.
pub type Ms = u64;

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Power off.
    PowerOff,
    /// Halt: stop the CPUs, leave the power on.
    Halt,
    /// Reboot.
    Reboot,
}

/// How and why the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub end: End,
    /// Why; goes into the boot record.
    pub reason: Reason,
}

/// Why the rescue prompt is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// `minos.rescue` on the kernel command line.
    Asked,
    /// This boot step failed.
    Step(&'static str),
    /// A service failed too often in a row.
    GaveUp(Service),
}

impl Why {
    /// pkgd is not running and nobody but the operator will start it: time ends the machine.
    pub(crate) const fn is_fatal(self) -> bool {
        !matches!(self, Self::GaveUp(Service::Console | Service::Other(_)))
    }

    /// What the boot record says while the prompt is open.
    pub const fn reason(self) -> Reason {
        match self {
            Self::GaveUp(Service::Pkgd) => Reason::PkgdGaveUp,
            Self::Asked | Self::GaveUp(_) => Reason::InProgress,
            Self::Step(_) => Reason::BootFailed,
        }
    }
}

impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Asked => f.write_str("minos.rescue is on the kernel command line"),
            Self::Step(name) => write!(f, "boot step \"{name}\" failed"),
            Self::GaveUp(Service::Pkgd) => f.write_str("pkgd failed too often in a row"),
            Self::GaveUp(_) => f.write_str("console failed too often in a row"),
        }
    }
}

/// What a generation failed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The check with this index.
    Check(u8),
    /// A service.
    Service(Service),
    /// Its root; the runtime knows which part.
    Root,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// What it needs is not there.
    Missing,
    /// What it needs is there and cannot be used.
    Failed,
    /// What it needs is not there yet: ask again soon.
    Pending,
    /// A helper process works on it; the answer follows.
    Working,
}

/// How a service is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// SIGTERM, and SIGCONT because a stopped process would not take it.
    Term,
    /// SIGKILL.
    Kill,
}

/// What the operator wants at the rescue prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Something was typed: the clock starts over.
    Stay,
    /// A shell was opened: no time-out until it is left.
    StayForShell,
    /// Try again what failed.
    Retry,
    /// Go on without the state disk.
    Volatile,
    /// End the machine.
    End(End),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// init runs.
    Start,
    /// Time went by.
    Tick,
    /// A step answered. Answers of a step that is no longer current are ignored.
    Answer(Step, Outcome),
    /// A service was started.
    Started(Service, u32),
    /// A service could not be started.
    NotStarted(Service),
    /// A service's process ended.
    Ended(Service, Exit),
    /// A service said that it is ready.
    Ready(Service),
    /// The command of a check was started, or could not be.
    CheckStarted(Option<u32>),
    /// The command of a check ended.
    CheckEnded(Exit),
    /// init has no child left.
    NoChildren,
    /// Somebody asked for the end.
    Asked(Ending),
    /// Somebody typed at the rescue prompt.
    Wish(Wish),
}

/// What the runtime is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Do this step and answer.
    Perform(Step),
    /// The step is no longer wanted: end its helper.
    Abandon(Step),
    /// The step overran its deadline: say so, and end its helper.
    Overrun(&'static Phase),
    /// Say that a step failed and that the boot goes on, or not.
    Report(&'static Phase, Outcome),
    /// Tell host and boot record.
    Reached(BootPhase),
    /// Start a service and answer.
    Start(Service),
    /// Tell a service to end.
    Push(Service, Push),
    /// Say that a service will be started again, and count it.
    Restarting {
        /// The service.
        service: Service,
        /// How it ended; `None`: it could not be started.
        exit: Option<Exit>,
        /// Milliseconds until then.
        delay: Ms,
    },
    /// A service was not ready, or not done, in time.
    NotReady(Service),
    /// A service failed too often; the machine goes on without it.
    Lost(Service),
    /// Run the command of this check and answer.
    Check(u8),
    /// This check is passed.
    Passed(u8),
    /// End the command of the current check, by its pid.
    EndCheck(u32),
    /// All checks are passed: the generation is good.
    Proven,
    /// The generation is bad, and why; the end follows.
    Judged(Reason, Blame),
    /// Open the rescue prompt.
    OpenRescue(Why),
    /// Close it.
    CloseRescue,
    /// The end begins.
    Ending(Ending),
    /// The very last action.
    Off {
        /// How and why.
        ending: Ending,
        /// The first step that left something unwritten or mounted for writing; `None`: all file systems are
        /// written back, and unmounted or read-only.
        unclean: Option<&'static str>,
    },
}

/// The most actions one event can cause; checked by the exhaustive test.
pub const MAX_ACTIONS: usize = 48;

/// The actions of one step of the machine, in order.
#[derive(Debug, Default)]
pub struct Actions {
    list: heapless::Vec<Action, MAX_ACTIONS>,
    /// An action had no room. Never happens (tested); kept so that it could not go unseen.
    pub overflowed: bool,
}

impl Actions {
    pub(crate) fn push(&mut self, action: Action) {
        self.overflowed |= self.list.push(action).is_err();
    }

    /// The actions, in order.
    pub fn as_slice(&self) -> &[Action] {
        &self.list
    }
}

/// What the kernel command line decides about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A build was asked for: nobody is at the keyboard, and a missing disk is a failure.
    pub unattended: bool,
    /// What is to follow an unattended build.
    pub then: Option<Then>,
    /// Stop at the rescue prompt.
    pub rescue: bool,
    /// How long to wait for a disk to appear.
    pub disk_wait: Ms,
    /// Rapid failures of a service before giving up; 0 = never.
    pub restart_limit: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            unattended: false,
            then: None,
            rescue: false,
            disk_wait: DISK_WAIT_MS,
            restart_limit: GIVE_UP_AFTER,
        }
    }
}
