//! Whether this machine can hold a box: found out by making one and trying to get out of it.

mod acts;

pub use acts::{ARGV0, run as run_acts};

use crate::audit::{DenialLog, denial_log};
use crate::cgroup::{Kind, Place};
use crate::child::spawn;
use crate::claim::{self, Claim};
use crate::confine::REQUIRED;
use crate::error::Error;
use crate::spec::{Build, IdRange, Limits, Network, Sight, Spec, Strength, Upper};
use crate::sys::process::landlock_abi;
use crate::tree::Dir;
use acts::{ACTS, Act};
use nix::unistd::{geteuid, pipe};
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The ids of the probe's box: far from those of build slots.
const IDS: IdRange = IdRange { first: 3_000_000_000, count: 65_536 };

/// What a box is worth on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Release of the running kernel.
    pub kernel: String,
    /// Version of Landlock; 0 if there is none.
    pub landlock_abi: u32,
    /// Everything that was tried from inside and failed as it must.
    pub held: Vec<&'static str>,
    /// What was not held back. Always empty for [`Strength::Full`].
    pub missing: Vec<&'static str>,
    /// What bounds memory and processes.
    pub limits: Bounds,
    /// Whether [`crate::Exit::denials`] is filled.
    pub denials: DenialLog,
}

impl Report {
    /// One line for each property of this machine that a user may want to know: its name, whether it is
    /// as good as can be, what was found.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, bool, String)> {
        let (bounded, bounds) = match self.limits {
            Bounds::CgroupV2 => (true, "cgroup v2: memory, processes and I/O"),
            Bounds::CgroupV1 => (true, "cgroup v1: memory and processes; I/O is not counted"),
            Bounds::RlimitsOnly => (false, "no cgroup controllers: memory is not bounded"),
        };
        let denials = match self.denials {
            DenialLog::Reported => "reported by path and right",
            DenialLog::AuditOff => "not reported: boot with audit=1",
            DenialLog::NotInKernel => "not reported: needs Linux 6.15 with audit",
        };
        let held = match self.missing[..] {
            [] => {
                format!("{} acts tried, all held back or allowed as they should", self.held.len())
            }
            _ => format!("not held back: {}", self.missing.join(", ")),
        };
        let root = "idmapped layers and overlay in a user namespace work";
        vec![
            ("confinement", self.missing.is_empty(), held),
            ("step roots", true, root.to_owned()),
            ("step limits", bounded, bounds.to_owned()),
            ("denials", self.denials == DenialLog::Reported, denials.to_owned()),
        ]
    }
}

/// What bounds memory and processes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// cgroup version 2: memory, processes, and it counts I/O.
    CgroupV2,
    /// cgroup version 1: memory and processes.
    CgroupV1,
    /// Only the number of processes of each user, by RLIMIT_NPROC. Memory is not bounded.
    RlimitsOnly,
}

/// Why no box can be made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is missing or does not hold.
    pub why: String,
    /// What the user can do.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "this machine cannot hold a sandbox: {} ({})", self.why, self.remedy)
    }
}

impl std::error::Error for Refusal {}

fn refuse(why: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal { why: why.into(), remedy: remedy.into() }
}

/// Where the probe's box is made: the first of these that takes a directory.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

/// Makes a box, has every forbidden act tried in it by a process of its own, and says what held.
/// Takes some 50 ms.
///
/// # Errors
/// [`Refusal`] if a box cannot be made or does not hold; with [`Strength::Weak`] only if the namespaces
/// do not.
pub fn probe(strength: Strength) -> Result<Report, Refusal> {
    if !geteuid().is_root() {
        return Err(refuse("not running as root", "start pkgd as root"));
    }
    let landlock_abi = landlock(strength)?;
    let scratch = scratch()?;
    let dir = scratch.path();
    let failed = |error: io::Error| {
        refuse(format!("{}: {error}", dir.display()), "check the scratch directory")
    };
    let outcome = furnish(dir).map_err(failed).and_then(|()| try_all(strength, dir));
    let removed = dir.parent().map_or(Ok(()), |parent| remove(parent, dir));
    let (held, missing) = outcome?;
    removed.map_err(failed)?;
    Ok(Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default(),
        landlock_abi,
        held,
        missing,
        limits: match Place::find().kind() {
            Kind::V2 => Bounds::CgroupV2,
            Kind::V1 => Bounds::CgroupV1,
            Kind::None => Bounds::RlimitsOnly,
        },
        denials: denial_log(landlock_abi),
    })
}

/// The version of Landlock, if it will do.
fn landlock(strength: Strength) -> Result<u32, Refusal> {
    const WEAK: &str = "or accept a weaker sandbox with --sandbox weak";
    let required = REQUIRED as u32;
    let (why, remedy) = match landlock_abi() {
        Ok(abi) if abi >= required => return Ok(abi),
        Ok(abi) => (
            format!("Landlock ABI {abi} is older than {required}"),
            format!("boot Linux 6.12 or later, {WEAK}"),
        ),
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => (
            "Landlock is in the kernel but switched off".to_owned(),
            format!("add landlock to lsm= on the kernel command line, {WEAK}"),
        ),
        Err(_) => (
            "the kernel has no Landlock".to_owned(),
            format!("boot a kernel with CONFIG_SECURITY_LANDLOCK, {WEAK}"),
        ),
    };
    if strength == Strength::Weak { Ok(0) } else { Err(refuse(why, remedy)) }
}

/// A directory for the probe. What probes of killed pkgds left in the same place goes.
fn scratch() -> Result<Claim, Refusal> {
    const PREFIX: &str = "minos.probe-";
    let mut why = String::new();
    for parent in SCRATCH.map(Path::new) {
        claim::sweep(parent, PREFIX, remove);
        match Claim::take(parent, PREFIX, std::process::id(), remove) {
            Ok(claim) => return Ok(claim),
            Err(error) => why = format!("{}: {error}", parent.display()),
        }
    }
    Err(refuse(why, "make one of /run, /tmp, /dev/shm writable"))
}

/// Removes the tree of a probe, which may be that of a stranger by now.
fn remove(parent: &Path, dir: &Path) -> io::Result<()> {
    let name = dir.file_name().unwrap_or_default();
    Dir::open(parent).and_then(|parent| parent.remove_tree(name))
}

/// A root for the probe: this very program, and files it must not touch.
fn furnish(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    for part in ["root", "build", "layer"] {
        builder.create(dir.join(part))?;
    }
    fs::copy("/proc/self/exe", dir.join("layer").join(ARGV0))?;
    fs::write(dir.join("layer").join(acts::CANARY), acts::CANARY)
}

type Held = (Vec<&'static str>, Vec<&'static str>);

fn try_all(strength: Strength, dir: &Path) -> Result<Held, Refusal> {
    let text =
        run(strength, dir).map_err(|error| refuse(error.to_string(), "see docs/SANDBOX.md"))?;
    let canary = fs::read_to_string(dir.join("layer").join(acts::CANARY));
    if canary.ok().as_deref() != Some(acts::CANARY) {
        return Err(refuse("a layer was changed from inside", "report this as a security bug"));
    }
    let (mut held, mut missing) = (Vec::new(), Vec::new());
    for (index, act) in ACTS.iter().enumerate() {
        let prefix = format!("{index} ");
        let answer = text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        match answer {
            Some(errno) if act.wants(errno) => held.push(act.name),
            _ if strength == Strength::Weak && act.landlock => missing.push(act.name),
            other => return Err(not_held(act, other)),
        }
    }
    Ok((held, missing))
}

fn not_held(act: &Act, errno: Option<i32>) -> Refusal {
    let how = match errno {
        None => "was not tried: the probe ended early".to_owned(),
        Some(0) => "was possible".to_owned(),
        Some(errno) => format!("failed with {}", io::Error::from_raw_os_error(errno)),
    };
    refuse(
        format!("{}: {how}", act.name),
        "this kernel's Landlock or namespaces do not behave as documented; use another kernel",
    )
}

fn run(strength: Strength, dir: &Path) -> Result<String, Error> {
    let helper = |source| Error::Helper { what: "listen to the probe", source };
    let (reader, writer) = pipe().map_err(|e| helper(e.into()))?;
    let child = spawn(&spec(strength, dir), writer)?;
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).map_err(helper)?;
    child.wait()?;
    Ok(text)
}

fn spec(strength: Strength, dir: &Path) -> Spec {
    Spec {
        layers: vec![dir.join("layer")],
        plain: 0,
        upper: Some(Upper { dir: dir.join("root") }),
        build: Build { layers: Vec::new(), upper: Upper { dir: dir.join("build") } },
        binds: Vec::new(),
        argv: vec![format!("/{ARGV0}").into()],
        env: Vec::new(),
        cwd: "/build".into(),
        writable: vec![acts::WRITABLE.into()],
        ids: IDS,
        limits: Limits::default(),
        hostname: "probe".to_owned(),
        sight: Sight::default(),
        network: Network::None,
        strength,
        observe: false,
    }
}
