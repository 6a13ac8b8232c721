//! Looks at the machine the way a person would before starting a long build.

mod tools;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use minos_model::units::date;
use minos_proto::{Check, CheckState};
use minos_sandbox::{
    Build, Error, IdRange, Limits, Network, Sight, Spec, Strength, Upper, spawn, tree,
};

use crate::config::Sandbox;
use crate::host;
use crate::service::Service;

/// Free space below which the whole toolchain may not fit: gcc's build tree and output, and slack.
const WANTED_DISK: u64 = 12 << 30;
/// Free space below which not even a small package can be built.
const LEAST_DISK: u64 = 256 << 20;
/// Memory below which building gcc with one job is likely to run out.
const WANTED_MEMORY_KIB: u64 = 2 << 20;
/// A clock before this is wrong: 1 January 2025. TLS and make's comparisons of times suffer.
const EARLIEST_MS: u64 = 1_735_689_600_000;
/// User ids for the look into the seed; not one of a build slot's.
const DOCTOR_IDS: IdRange = IdRange { first: 0x4c00_0000, count: 1 << 16 };

/// All checks, the most basic first.
pub fn run(service: &Service) -> Vec<Check> {
    let mut checks = vec![kernel(), landlock(service)];
    checks.extend(facts(service));
    checks.extend([disk(&service.args.root), memory(), clock(service), state(service)]);
    checks.extend(seed(service));
    checks
}

fn check(name: &str, state: CheckState, found: impl Into<String>, hint: &str) -> Check {
    let hint = if state == CheckState::Good { String::new() } else { hint.to_owned() };
    Check { name: name.to_owned(), state, found: found.into(), hint }
}

fn kernel() -> Check {
    check("kernel", CheckState::Good, host::kernel_release(), "")
}

fn landlock(service: &Service) -> Check {
    match &service.sandbox {
        Ok(report) if report.landlock_abi >= minos_sandbox::REQUIRED_ABI => {
            let found = format!("ABI {}, proven by behaviour", report.landlock_abi);
            check("sandbox", CheckState::Good, found, "")
        }
        Ok(report) => check(
            "sandbox",
            CheckState::Warning,
            format!("weak, as asked for: Landlock ABI {}", report.landlock_abi),
            "boot a kernel with Landlock ABI 6 or later and drop '--sandbox weak'",
        ),
        Err(why) => check(
            "sandbox",
            CheckState::Bad,
            why,
            "boot a kernel with Landlock ABI 6 or later (6.12), with 'landlock' in its lsm= list",
        ),
    }
}

/// What the sandbox's probe found besides Landlock.
fn facts(service: &Service) -> Vec<Check> {
    let Ok(report) = &service.sandbox else { return Vec::new() };
    let lines = report.facts().into_iter();
    lines
        .map(|(name, good, found)| {
            let state = if good { CheckState::Good } else { CheckState::Warning };
            check(name, state, found, "builds work, with less control or less to tell")
        })
        .collect()
}

fn disk(root: &Path) -> Check {
    let Ok(space) = tree::free_space(root) else {
        return check("disk", CheckState::Bad, "cannot be read", "check the state's file system");
    };
    let found = format!("{} MiB free below {}", space.free >> 20, root.display());
    let state = match space.free {
        0..LEAST_DISK => CheckState::Bad,
        LEAST_DISK..WANTED_DISK => CheckState::Warning,
        _ => CheckState::Good,
    };
    check("disk", state, found, "the whole toolchain wants 12 GiB; give the state a larger disk")
}

fn memory() -> Check {
    let (total, available) = host::memory_kib();
    let found = format!("{} MiB, {} MiB available", total >> 10, available >> 10);
    let enough = total >= WANTED_MEMORY_KIB;
    let state = if enough { CheckState::Good } else { CheckState::Warning };
    check("memory", state, found, "gcc wants 2 GiB; build with --jobs 1, or give the machine more")
}

fn clock(service: &Service) -> Check {
    let now = service.now_ms();
    let state = if now >= EARLIEST_MS { CheckState::Good } else { CheckState::Warning };
    check("clock", state, format!("{} UTC", date(now)), "set the machine's clock")
}

fn state(service: &Service) -> Check {
    match service.store.latched() {
        None => check("state", CheckState::Good, "opens and takes writes", ""),
        Some(first) => check("state", CheckState::Bad, first, "mend the cause, then restart pkgd"),
    }
}

fn seed(service: &Service) -> Vec<Check> {
    let seed = match &service.seed {
        Ok(seed) => seed,
        Err(why) => {
            return vec![check("seed", CheckState::Bad, why, "start pkgd with --seed")];
        }
    };
    if service.sandbox.is_err() {
        return vec![check("seed", CheckState::Warning, "not looked into without a sandbox", "")];
    }
    match ask(service, &seed.dir) {
        Ok(output) => tools::judge(&output, service.args.lanes),
        Err(why) => vec![check("seed", CheckState::Bad, why, "make the seed again")],
    }
}

/// Runs the tools' version script in a sandbox over the seed alone.
fn ask(service: &Service, seed: &Path) -> Result<String, String> {
    let layout = service.store.layout();
    let scratch = layout.scratch().join("doctor");
    // Left over from a doctor that was killed: the sweep at start knows no such row and clears it, but
    // this pkgd may have been running since.
    layout.discard(&scratch).map_err(|e| e.to_string())?;
    std::fs::create_dir(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let output = boxed(service, seed, &scratch);
    layout.discard(&scratch).map_err(|e| e.to_string())?;
    output.map_err(|e| e.to_string())
}

fn boxed(service: &Service, seed: &Path, scratch: &Path) -> Result<String, Error> {
    let weak = service.args.sandbox == Sandbox::Weak;
    let spec = Spec {
        layers: vec![seed.to_owned()],
        plain: 1,
        upper: None,
        build: Build { layers: Vec::new(), upper: Upper { dir: scratch.to_owned() } },
        binds: Vec::new(),
        argv: ["/bin/bash", "-c", &tools::script()].map(Into::into).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/usr/sbin:/bin".into()), ("LC_ALL".into(), "C".into())],
        cwd: "/build".into(),
        writable: Vec::new(),
        ids: DOCTOR_IDS,
        limits: Limits::default(),
        hostname: "minos".to_owned(),
        sight: Sight::default(),
        network: Network::None,
        strength: if weak { Strength::Weak } else { Strength::Full },
        observe: false,
    };
    let failed = |source| Error::Helper { what: "give it a pipe", source };
    let (reader, writer) = io::pipe().map_err(failed)?;
    let child = spawn(&spec, OwnedFd::from(writer))?;
    let mut text = Vec::new();
    File::from(OwnedFd::from(reader)).read_to_end(&mut text).map_err(failed)?;
    child.wait()?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
