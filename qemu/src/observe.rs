//! Everything the launcher sees of a machine, in the order in which it sees it.

use minos_proto::{BootEvent, ErrorReport, Event, Reply, Verdict, Welcome};
use serde_json::Value;

/// One thing seen or done.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The guest wrote to its serial console.
    Serial(Vec<u8>),
    /// PID 1 reported.
    Boot(BootEvent),
    /// pkgd answered the handshake.
    Welcome(Welcome),
    /// pkgd answered a request.
    Reply(u32, Result<Reply, ErrorReport>),
    /// Something happened in a job.
    Event(Event),
    /// How the unattended run ended, in the guest's own words.
    Verdict(Verdict),
    /// The control connection cannot be used: other protocol version, or not our protocol.
    ControlFailed(String),
    /// QEMU reported.
    Qmp(QmpEvent),
    /// The launcher, a user or a test did something to the machine.
    Host(HostAct),
    /// The QEMU process is gone. The last observation of a machine.
    Exited(Exit),
}

/// An event of QEMU's monitor; names and fields as in QEMU's QMP reference.
#[derive(Debug, Clone, PartialEq)]
pub struct QmpEvent {
    /// For example `SHUTDOWN`.
    pub name: String,
    /// Its fields.
    pub data: Value,
}

impl QmpEvent {
    /// A field of text, empty where there is none.
    pub fn text(&self, field: &str) -> &str {
        self.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A field that is true or false; false where there is none.
    pub fn flag(&self, field: &str) -> bool {
        self.data.get(field).and_then(Value::as_bool).unwrap_or_default()
    }
}

/// What was done to the machine from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAct {
    /// The power was cut: volatile disks lost what was not flushed.
    PowerCut,
    /// QEMU was killed; its disks keep what they had.
    Killed,
    /// Nothing was heard from the guest for the limit.
    Silence,
    /// The time for the whole run was up.
    TimedOut,
    /// The user ended the run.
    Interrupted,
}

/// How the QEMU process ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Its exit status, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it otherwise.
    pub signal: Option<i32>,
    /// What it wrote to standard error; at most the last 8 KiB.
    pub stderr: String,
}

impl Observation {
    /// Whether this shows that the guest's kernel or a program in it is alive. Under firmware any
    /// serial output may be the firmware's own, so only the kernel's counts there.
    pub fn is_sign_of_life(&self, firmware: bool) -> bool {
        match self {
            Self::Serial(bytes) => !firmware || contains(bytes, b"Linux version"),
            Self::Boot(_) | Self::Welcome(_) | Self::Event(_) | Self::Verdict(_) => true,
            Self::Reply(..) => true,
            Self::Qmp(event) => event.name == "VSERPORT_CHANGE" && event.flag("open"),
            Self::ControlFailed(_) | Self::Host(_) | Self::Exited(_) => false,
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Observation, QmpEvent};

    #[test]
    fn a_banner_of_the_firmware_is_no_sign_of_life() {
        let banner = Observation::Serial(b"BdsDxe: loading Boot0001".to_vec());
        assert!(banner.is_sign_of_life(false));
        assert!(!banner.is_sign_of_life(true));
        let kernel = Observation::Serial(b"[    0.0] Linux version 6.12".to_vec());
        assert!(kernel.is_sign_of_life(true));
    }

    #[test]
    fn an_opened_port_is_a_sign_of_life_and_a_closed_one_is_not() {
        let change = |open: bool| {
            let data = json!({"id": "control-port", "open": open});
            Observation::Qmp(QmpEvent { name: "VSERPORT_CHANGE".into(), data })
        };
        assert!(change(true).is_sign_of_life(true));
        assert!(!change(false).is_sign_of_life(true));
    }
}
