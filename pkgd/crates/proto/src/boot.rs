//! What init tells the host while the machine boots and goes down.
//!
//! Only fixed-size types: init encodes these without touching the heap.

use core::fmt;

use heapless::String;
use serde::{Deserialize, Serialize};

/// Where PID 1 stands. Also stored in the boot record, so the numbers are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum BootPhase {
    /// init runs; nothing is mounted.
    Start = 0,
    /// Kernel file systems are mounted.
    Mounted = 1,
    /// Disks were looked for; the state disk is mounted.
    Disks = 2,
    /// The boot record is read and this boot is written into it.
    Recorded = 3,
    /// Services are started.
    Services = 4,
    /// pkgd said that it is ready.
    Ready = 5,
    /// Shutting down.
    Stopping = 6,
    /// All processes are gone, file systems are unmounted or read-only.
    Stopped = 7,
}

impl BootPhase {
    /// The phase with this number.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Start,
            1 => Self::Mounted,
            2 => Self::Disks,
            3 => Self::Recorded,
            4 => Self::Services,
            5 => Self::Ready,
            6 => Self::Stopping,
            7 => Self::Stopped,
            _ => return None,
        })
    }

    /// The name used on the console and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Mounted => "mounted",
            Self::Disks => "disks",
            Self::Recorded => "recorded",
            Self::Services => "services",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for BootPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a generation stands in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It has been proven before.
    Proven,
    /// It is on trial: its health checks are about to be made.
    Trial,
    /// It has just passed its health checks.
    Passed,
    /// It failed; the machine reboots.
    Failed,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Proven => "is proven",
            Self::Trial => "is on trial",
            Self::Passed => "has passed its checks",
            Self::Failed => "has failed",
        })
    }
}

/// One event of PID 1. Times are milliseconds since the kernel started (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootEvent {
    /// A phase was reached.
    Phase {
        /// Milliseconds since the kernel started.
        at_ms: u64,
        /// The phase.
        phase: BootPhase,
    },
    /// A line of init's log; longer lines are cut.
    Log {
        /// Milliseconds since the kernel started.
        at_ms: u64,
        /// The text, without a newline.
        text: String<160>,
    },
    /// Why the boot before this one ended.
    LastBoot {
        /// The sentence shown on the console.
        text: String<160>,
    },
    /// A service ended and will be started again.
    Restart {
        /// Milliseconds since the kernel started.
        at_ms: u64,
        /// The service.
        service: String<16>,
        /// Exit status, or 256 + signal number.
        status: u16,
        /// Delay until the next start, in milliseconds.
        delay_ms: u32,
    },
    /// PID 1 itself failed; it syncs and reboots after this frame.
    Panic {
        /// File, line and message; cut to fit.
        text: String<160>,
    },
    /// The last frame before power-off or reboot.
    Bye {
        /// Milliseconds since the kernel started.
        at_ms: u64,
        /// Reboot instead of power-off.
        reboot: bool,
        /// The state disk took everything, and all file systems were unmounted or made read-only.
        clean: bool,
    },
    /// The root of a generation is the root of the machine, or the generation was judged.
    Generation {
        /// Milliseconds since the kernel started.
        at_ms: u64,
        /// Its number.
        generation: u64,
        /// How it stands.
        standing: Standing,
    },
}
