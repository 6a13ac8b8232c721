//! How a machine ended, from everything that was seen. Pure.
//!
//! Exit statuses of QEMU say nothing: a panic, a reboot and an orderly power-off all end it with 0.
//! What counts, in this order: what the host did; a panic (the pvpanic device, or a reset after the
//! kernel's own words, or PID 1's last frame); a bite of the watchdog; QEMU's own failure; then why
//! QEMU says the guest stopped, and the verdict frame. A verdict does not cover up what came after
//! it: a machine that says "success" and then panics has panicked.

use std::fmt;

use minos_proto::{BootEvent, BootPhase, Verdict};

use crate::observe::{Exit, HostAct, Observation, QmpEvent};
use crate::panic::{self, Pid1};

/// How many bytes of a console line are looked at.
const LONGEST_LINE: usize = 512;

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It said how its unattended run went and ended in order.
    Verdict(Verdict),
    /// It was powered off without a verdict.
    PoweredOffWithoutVerdict,
    /// It rebooted, which ends a machine that is not allowed to, without a verdict.
    Rebooted {
        /// PID 1 announced it. Otherwise something reset the machine behind its back.
        announced: bool,
    },
    /// The guest's kernel panicked, or PID 1 did.
    GuestPanic {
        /// The reason in words.
        text: String,
        /// How PID 1 died, where that was the reason.
        pid1: Option<Pid1>,
    },
    /// Nothing was heard for the limit.
    Silence {
        /// The last line of the console.
        last_output: String,
    },
    /// The watchdog bit: PID 1 had stopped feeding it.
    Watchdog,
    /// The power was cut from outside.
    PowerCut,
    /// QEMU was killed or told to quit from outside.
    Killed,
    /// QEMU itself failed.
    QemuFailed {
        /// What it wrote to standard error, or how it died.
        stderr: String,
    },
    /// The time for the whole run was up.
    TimedOut {
        /// How far PID 1 had come.
        phase: Option<BootPhase>,
    },
    /// The user ended it.
    Interrupted,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(v) if v.success => write!(f, "success: {}", v.summary),
            Self::Verdict(v) => write!(f, "failure: {}", v.summary),
            Self::PoweredOffWithoutVerdict => f.write_str("powered off without a verdict"),
            Self::Rebooted { announced: true } => f.write_str("rebooted without a verdict"),
            Self::Rebooted { announced: false } => {
                f.write_str("was reset without a word from PID 1, and without a verdict")
            }
            Self::GuestPanic { text, .. } => write!(f, "panic: {text}"),
            Self::Silence { last_output } if last_output.is_empty() => {
                f.write_str("silent: the console never showed anything")
            }
            Self::Silence { last_output } => {
                write!(f, "silent: nothing was heard after '{last_output}'")
            }
            Self::Watchdog => f.write_str("the watchdog bit: PID 1 had stopped feeding it"),
            Self::PowerCut => f.write_str("the power was cut"),
            Self::Killed => f.write_str("QEMU was killed from outside"),
            Self::QemuFailed { stderr } => write!(f, "QEMU failed: {}", stderr.trim_end()),
            Self::TimedOut { phase: Some(phase) } => {
                write!(f, "timed out; PID 1 had reached phase '{phase}'")
            }
            Self::TimedOut { phase: None } => {
                f.write_str("timed out before PID 1 reported anything")
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// The exit status of `minos-qemu run`.
///
/// | status | meaning |
/// | --- | --- |
/// | 0 | verdict: success (or, without an unattended target, powered off) |
/// | 1 | verdict: failure |
/// | 2 | wrong usage, or the machine could not be started |
/// | 3 | QEMU failed |
/// | 4 | powered off without a verdict |
/// | 5 | rebooted or reset without a verdict |
/// | 6 | kernel panic, or PID 1 died |
/// | 7 | silence for longer than allowed |
/// | 8 | the watchdog bit |
/// | 9 | timed out |
/// | 10 | the power was cut |
/// | 11 | QEMU was killed |
/// | 130 | interrupted |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the table above documents each")]
pub enum Status {
    Success = 0,
    Failure = 1,
    Usage = 2,
    QemuFailed = 3,
    NoVerdict = 4,
    Rebooted = 5,
    Panic = 6,
    Silence = 7,
    Watchdog = 8,
    TimedOut = 9,
    PowerCut = 10,
    Killed = 11,
    Interrupted = 130,
}

impl Status {
    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::QemuFailed => "qemu-failed",
            Self::NoVerdict => "no-verdict",
            Self::Rebooted => "rebooted",
            Self::Panic => "panic",
            Self::Silence => "silence",
            Self::Watchdog => "watchdog",
            Self::TimedOut => "timed-out",
            Self::PowerCut => "power-cut",
            Self::Killed => "killed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<&Ending> for Status {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Verdict(v) if v.success => Self::Success,
            Ending::Verdict(_) => Self::Failure,
            Ending::PoweredOffWithoutVerdict => Self::NoVerdict,
            Ending::Rebooted { .. } => Self::Rebooted,
            Ending::GuestPanic { .. } => Self::Panic,
            Ending::Silence { .. } => Self::Silence,
            Ending::Watchdog => Self::Watchdog,
            Ending::PowerCut => Self::PowerCut,
            Ending::Killed => Self::Killed,
            Ending::QemuFailed { .. } => Self::QemuFailed,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

/// What is known so far. Feed it every observation, then ask for the ending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// How far PID 1 has come in the present boot.
    pub phase: Option<BootPhase>,
    /// Why the boot before the present one ended, as PID 1 tells.
    pub last_boot: Option<String>,
    /// PID 1's last words: whether it reboots, and whether the file systems are clean.
    pub goodbye: Option<(bool, bool)>,
    /// Boots begun, as counted by PID 1's first frame.
    pub boots: u32,
    console: Console,
    init_panic: Option<String>,
    device_panic: bool,
    bitten: bool,
    shutdown: Option<String>,
    act: Option<HostAct>,
    exit: Option<Exit>,
}

/// The ending of a machine of which exactly this was seen.
pub fn classify(seen: &[Observation]) -> Ending {
    let mut evidence = Evidence::default();
    for observation in seen {
        evidence.see(observation);
    }
    evidence.ending()
}

impl Evidence {
    /// Takes in one observation.
    pub fn see(&mut self, seen: &Observation) {
        match seen {
            Observation::Serial(bytes) => self.console.write(bytes),
            Observation::Boot(event) => self.boot(event),
            Observation::Verdict(verdict) => self.verdict = Some(verdict.clone()),
            Observation::Qmp(event) => self.qmp(event),
            // The first act is the cause; the kill that carries it out is not.
            Observation::Host(act) => self.act = self.act.or(Some(*act)),
            Observation::Exited(exit) => self.exit = Some(exit.clone()),
            Observation::Welcome(_)
            | Observation::Reply(..)
            | Observation::Event(_)
            | Observation::ControlFailed(_) => {}
        }
    }

    /// The last line of the console that is not empty.
    pub fn last_output(&self) -> &str {
        &self.console.last
    }

    fn boot(&mut self, event: &BootEvent) {
        match event {
            BootEvent::Phase { phase, .. } => {
                self.boots += u32::from(*phase == BootPhase::Start);
                self.phase = Some(*phase);
            }
            BootEvent::LastBoot { text } => self.last_boot = Some(text.to_string()),
            BootEvent::Panic { text } => self.init_panic = Some(text.to_string()),
            BootEvent::Bye { reboot, clean, .. } => self.goodbye = Some((*reboot, *clean)),
            BootEvent::Log { .. } | BootEvent::Restart { .. } | BootEvent::Generation { .. } => {}
        }
    }

    fn qmp(&mut self, event: &QmpEvent) {
        match event.name.as_str() {
            "GUEST_PANICKED" => self.device_panic = true,
            "WATCHDOG" => self.bitten = true,
            "SHUTDOWN" => self.shutdown = Some(event.text("reason").to_owned()),
            // The machine goes on: what ended the boot before does not end this one.
            "RESET" => self.forget_boot(),
            _ => {}
        }
    }

    fn forget_boot(&mut self) {
        self.console.panic = None;
        self.init_panic = None;
        self.device_panic = false;
        self.bitten = false;
        self.goodbye = None;
        self.phase = None;
    }

    /// The ending, from what has been seen.
    pub fn ending(&self) -> Ending {
        match self.act {
            Some(HostAct::Interrupted) => return Ending::Interrupted,
            Some(HostAct::PowerCut) => return Ending::PowerCut,
            Some(HostAct::Killed) => return Ending::Killed,
            _ => {}
        }
        if let Some(panic) = self.panic() {
            return panic;
        }
        match self.act {
            _ if self.bitten => Ending::Watchdog,
            Some(HostAct::Silence) => {
                Ending::Silence { last_output: self.last_output().to_owned() }
            }
            Some(HostAct::TimedOut) => Ending::TimedOut { phase: self.phase },
            _ => self.own_end(),
        }
    }

    /// A panic by the device, by the console, or by PID 1's own words.
    fn panic(&self) -> Option<Ending> {
        if let Some(reason) = &self.console.panic {
            return Some(Ending::GuestPanic {
                text: panic::explain(reason),
                pid1: panic::pid1(reason),
            });
        }
        if let Some(text) = &self.init_panic {
            return Some(Ending::GuestPanic { text: format!("PID 1: {text}"), pid1: None });
        }
        let text = "the kernel panicked; the console does not show why".to_owned();
        self.device_panic.then_some(Ending::GuestPanic { text, pid1: None })
    }

    /// The end of a machine nobody touched.
    fn own_end(&self) -> Ending {
        if let Some(exit) = &self.exit
            && (exit.signal.is_some() || exit.code != Some(0))
        {
            return match exit.signal {
                Some(libc::SIGKILL) => Ending::Killed,
                Some(signal) => Ending::QemuFailed {
                    stderr: format!("killed by signal {signal}\n{}", exit.stderr),
                },
                None => Ending::QemuFailed { stderr: exit.stderr.clone() },
            };
        }
        match (self.shutdown.as_deref(), &self.verdict) {
            (Some("host-qmp-quit" | "host-signal" | "host-ui"), _) => Ending::Killed,
            (Some("guest-panic"), _) => Ending::GuestPanic {
                text: "the kernel panicked; the console does not show why".into(),
                pid1: None,
            },
            // A reset that PID 1 did not announce is a crash, verdict or not.
            (Some("guest-reset"), _) if self.goodbye.is_none() && self.phase.is_some() => {
                Ending::Rebooted { announced: false }
            }
            (_, Some(verdict)) => Ending::Verdict(verdict.clone()),
            (Some("guest-reset"), None) => Ending::Rebooted { announced: self.goodbye.is_some() },
            (Some(_), None) => Ending::PoweredOffWithoutVerdict,
            (None, None) => {
                let stderr = self.exit.as_ref().map_or("", |e| &e.stderr);
                Ending::QemuFailed { stderr: format!("it ended without a reason\n{stderr}") }
            }
        }
    }
}

/// The console as lines: the last one, and the first panic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Console {
    line: Vec<u8>,
    last: String,
    panic: Option<String>,
}

impl Console {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.end_line(),
                _ if self.line.len() < LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
        // A prompt has no end of line, and is output all the same.
        self.note();
    }

    fn end_line(&mut self) {
        self.note();
        if self.panic.is_none() {
            self.panic = panic::reason(&self.last).map(str::to_owned);
        }
        self.line.clear();
    }

    fn note(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let visible: String = text.chars().filter(|c| !c.is_control()).collect();
        if !visible.trim().is_empty() {
            self.last = visible.trim().to_owned();
        }
    }
}

#[cfg(test)]
mod tests;
