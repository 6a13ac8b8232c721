//! Which accelerator to use, and why.
//!
//! `/dev/kvm` may exist and be useless: a machine that is itself a guest may offer it through the
//! module `kvm_pvm`, which interprets a guest's kernel one instruction at a time. The device
//! opens, reports API version 12, and even runs a short guest. So the rule asks, in this order:
//! 1. can `/dev/kvm` be opened for reading and writing?
//! 2. is it driven by `kvm_intel` or `kvm_amd`, and not by `kvm_pvm`? (exact, costs nothing)
//! 3. does a guest get through a loop of 1,000,000 iterations in 200 ms? (real hardware: under 1 ms)
//!
//! What none of the three sees is caught at boot: [`crate::vm::Vm::start`] goes back to TCG when a
//! machine under KVM gives no sign of life.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::sys::kvm::{self, Probe};

/// How long the probe's guest may take for its loop.
const PROBE_LIMIT: Duration = Duration::from_millis(200);

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The CPU itself.
    Kvm,
    /// QEMU's emulation: works everywhere, about fifteen times slower for compilers.
    Tcg,
}

impl Accel {
    /// The name QEMU uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the user asked for with `--accel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// KVM where the rule of this module finds it usable.
    #[default]
    Auto,
    /// KVM whatever the rule says, as long as the device opens.
    Kvm,
    /// Emulation.
    Tcg,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "kvm" => Ok(Self::Kvm),
            "tcg" => Ok(Self::Tcg),
            other => Err(format!("unknown accelerator '{other}': use auto, kvm or tcg")),
        }
    }
}

/// The accelerator taken, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What will be used.
    pub accel: Accel,
    /// Whether KVM is usable here, whatever was asked for.
    pub kvm_usable: bool,
    /// Why: one clause without a full stop.
    pub why: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.accel {
            Accel::Kvm => write!(f, "KVM: {}", self.why),
            Accel::Tcg => {
                write!(f, "TCG (emulated; compiling takes about 15 times as long): {}", self.why)
            }
        }
    }
}

/// KVM was asked for by name and cannot be had.
#[derive(Debug)]
pub struct NoKvm(String);

impl fmt::Display for NoKvm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--accel kvm: {}; use --accel auto", self.0)
    }
}

impl std::error::Error for NoKvm {}

/// Decides on this host.
///
/// # Errors
/// [`NoKvm`] when KVM is demanded and `/dev/kvm` cannot be opened.
pub fn decide(choice: Choice) -> Result<Decision, NoKvm> {
    decide_on(choice, &ThisHost)
}

/// What the rule asks of a host; the tests answer for others.
trait Host {
    type Device;
    fn open(&self) -> io::Result<Self::Device>;
    fn has_module(&self, name: &str) -> bool;
    fn probe(&self, device: Self::Device) -> Probe;
}

struct ThisHost;

impl Host for ThisHost {
    type Device = File;

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open("/dev/kvm")
    }

    fn has_module(&self, name: &str) -> bool {
        Path::new("/sys/module").join(name).exists()
    }

    fn probe(&self, device: File) -> Probe {
        kvm::probe(device, PROBE_LIMIT)
    }
}

fn decide_on<H: Host>(choice: Choice, host: &H) -> Result<Decision, NoKvm> {
    if choice == Choice::Tcg {
        let why = "asked for with --accel tcg".into();
        return Ok(Decision { accel: Accel::Tcg, kvm_usable: false, why });
    }
    let device = match host.open() {
        Ok(device) => device,
        Err(e) if choice == Choice::Kvm => {
            return Err(NoKvm(format!("/dev/kvm cannot be opened ({e})")));
        }
        Err(e) => return Ok(tcg(format!("/dev/kvm cannot be opened ({e})"))),
    };
    let found = usable(device, host);
    Ok(match (choice, found) {
        (_, Ok(why)) => Decision { accel: Accel::Kvm, kvm_usable: true, why },
        (Choice::Kvm, Err(why)) => Decision {
            accel: Accel::Kvm,
            kvm_usable: false,
            why: format!("asked for with --accel kvm, but {why}"),
        },
        (_, Err(why)) => tcg(why),
    })
}

fn tcg(why: String) -> Decision {
    Decision { accel: Accel::Tcg, kvm_usable: false, why }
}

fn usable<H: Host>(device: H::Device, host: &H) -> Result<String, String> {
    if host.has_module("kvm_pvm") {
        return Err("/dev/kvm is driven by kvm_pvm, which interprets the guest's kernel".into());
    }
    let Some(driver) = ["kvm_intel", "kvm_amd"].into_iter().find(|m| host.has_module(m)) else {
        return Err("/dev/kvm is driven by neither kvm_intel nor kvm_amd".into());
    };
    match host.probe(device) {
        Probe::Works(took) => Ok(format!(
            "{driver} ran the probe's million iterations in {:.1} ms",
            took.as_secs_f64() * 1e3
        )),
        Probe::TooSlow => Err(format!(
            "{driver} did not get through the probe's million iterations in {} ms",
            PROBE_LIMIT.as_millis()
        )),
        Probe::Broken(why) => Err(format!("{driver} failed the probe: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{Accel, Choice, Host, Probe, decide_on};

    struct Fake {
        opens: bool,
        modules: &'static [&'static str],
        probe: Option<Probe>,
    }

    impl Host for Fake {
        type Device = ();
        fn open(&self) -> io::Result<()> {
            if self.opens { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EACCES)) }
        }
        fn has_module(&self, name: &str) -> bool {
            self.modules.contains(&name)
        }
        fn probe(&self, (): ()) -> Probe {
            self.probe.clone().expect("the rule must not probe here")
        }
    }

    const GOOD: Probe = Probe::Works(Duration::from_micros(400));

    #[test]
    fn the_rule_in_its_order() {
        let intel: &[_] = &["kvm", "kvm_intel"];
        let cases = [
            (false, intel, None, Accel::Tcg, "cannot be opened"),
            (true, &["kvm", "kvm_pvm"], None, Accel::Tcg, "kvm_pvm"),
            (true, &["kvm", "kvm_pvm", "kvm_intel"], None, Accel::Tcg, "kvm_pvm"),
            (true, &["kvm"], None, Accel::Tcg, "neither"),
            (true, intel, Some(GOOD), Accel::Kvm, "0.4 ms"),
            (true, &["kvm_amd"], Some(GOOD), Accel::Kvm, "kvm_amd"),
            (true, intel, Some(Probe::TooSlow), Accel::Tcg, "200 ms"),
            (true, intel, Some(Probe::Broken("exit reason 17".into())), Accel::Tcg, "reason 17"),
        ];
        for (opens, modules, probe, accel, part) in cases {
            let decision = decide_on(Choice::Auto, &Fake { opens, modules, probe }).unwrap();
            assert_eq!(decision.accel, accel, "{decision}");
            assert_eq!(decision.kvm_usable, accel == Accel::Kvm, "{decision}");
            assert!(decision.why.contains(part), "{decision}");
        }
    }

    #[test]
    fn a_demand_is_obeyed_but_not_believed() {
        let pvm = Fake { opens: true, modules: &["kvm_pvm"], probe: None };
        let decision = decide_on(Choice::Kvm, &pvm).unwrap();
        assert_eq!((decision.accel, decision.kvm_usable), (Accel::Kvm, false));
        assert!(decision.to_string().contains("kvm_pvm"));
        let closed = Fake { opens: false, modules: &[], probe: None };
        assert!(decide_on(Choice::Kvm, &closed).is_err());
        // Emulation on demand does not even look at the device.
        let unseen = Fake { opens: true, modules: &["kvm_intel"], probe: None };
        assert_eq!(decide_on(Choice::Tcg, &unseen).unwrap().accel, Accel::Tcg);
    }

    #[test]
    fn emulation_says_what_it_costs() {
        let closed = Fake { opens: false, modules: &[], probe: None };
        let line = decide_on(Choice::Auto, &closed).unwrap().to_string();
        assert!(line.contains("15 times") && !line.contains('\n'), "{line}");
    }

    /// Whatever this host has, the probe itself must come back: under `kvm_pvm` it once hung.
    #[test]
    fn the_probe_ends_on_every_host() {
        let Ok(device) = super::ThisHost.open() else { return };
        let found = super::ThisHost.probe(device);
        let pvm = super::ThisHost.has_module("kvm_pvm");
        assert!(!pvm || !matches!(found, Probe::Works(_)), "kvm_pvm is too slow, found {found:?}");
    }
}
