//! How long it takes from a generation that is no good back to the login of the one that was proven; and to the login of
//! a proven one, beside a Debian with little more than systemd, on the same kernel and kind of machine.
//!
//! Both are measured from outside: from the start of the emulator to the word "login:" on the serial console.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use minos_model::Digest;
use minos_proto::bootplan::{Kind, What};
use minos_proto::bootrec::Record;
use minos_proto::{BootEvent, BootPhase};
use minos_qemu::machine::{Disk, Machine};
use minos_qemu::observe::Observation;
use minos_qemu::vm::{Start, Vm};
use minos_qemu::watch::{Limits, Order, watch};

use crate::appliance::{Appliance, initramfs};
use crate::artefacts;
use crate::bench::{Figure, median};
use crate::generation::{check, make, plan, service, shell, wish};
use crate::trials::write_record;

/// What a person waits for.
const LOGIN: &[u8] = b"login:";
/// Prints it, as a login does, and stays.
const ASK: &str = "printf 'minos login: '; exec sleep 100000";
const PROVEN: u64 = 5;
const BROKEN: u64 = 6;
/// As often as pkgd asks for it.
const TRIES: u8 = 3;
/// What Debian needs to come up to a login on a serial console, beside what is essential.
const PACKAGES: &str = "systemd-sysv,udev";
const LIMITS: Limits =
    Limits { total: Some(Duration::from_secs(900)), silence: None, after_verdict: None };

/// Notices a word on a console, in whatever pieces it comes.
#[derive(Debug, Default)]
struct Ear(Vec<u8>);

impl Ear {
    fn hears(&mut self, bytes: &[u8]) -> bool {
        self.0.extend_from_slice(bytes);
        let found = self.0.windows(LOGIN.len()).any(|part| part == LOGIN);
        let keep = self.0.len().saturating_sub(LOGIN.len());
        self.0.drain(..keep);
        found
    }
}

/// Boots until a login is there: seconds, and how often PID 1 started.
fn to_login(appliance: &Appliance) -> (f64, f64) {
    let (mut ear, mut boots, start) = (Ear::default(), 0_u32, Instant::now());
    let mut took = None;
    let run = appliance.run(&mut |seen| {
        match seen {
            Observation::Boot(BootEvent::Phase { phase: BootPhase::Start, .. }) => boots += 1,
            Observation::Serial(bytes) if ear.hears(bytes) => {
                took = Some(start.elapsed().as_secs_f64());
                return Order::Kill;
            }
            _ => {}
        }
        Order::Continue
    });
    let took = took.unwrap_or_else(|| panic!("no login: {}\n{}", run.report.ending, run.console));
    (took, f64::from(boots))
}

/// A machine with a proven generation that asks for a login.
fn machine() -> Appliance {
    let appliance = Appliance::new().rebooting();
    appliance.look("rw", |state| {
        let mut good = plan();
        good.services.push(service("login", Kind::Login, ASK, 0)).expect("room");
        make(state, PROVEN, &good);
        let mut broken = plan();
        let refuses = What::Command(shell("exit 1"));
        broken.checks.insert(0, check("broken", refuses, 60_000)).expect("room");
        make(state, BROKEN, &broken);
        proven(state);
    });
    appliance
}

/// Puts the boot record into the state of after a proof.
fn proven(state: &Path) {
    write_record(state, &Record { generation: PROVEN, fallback: PROVEN, ..Record::fresh() });
}

/// To the login of a proven generation, beside Debian; the median of so many rounds.
///
/// # Errors
/// The Debian to compare with cannot be made.
///
/// # Panics
/// A machine does not come to its login.
pub fn login(rounds: usize) -> Result<Figure, String> {
    let (debian, appliance) = (debian()?, machine());
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(to_login(&appliance).0);
        peer.push(debian_to_login(&debian));
    }
    let mut login = Figure::new("boot.to-login", median(ours), "s", None);
    login.peer = Some(median(peer));
    Ok(login)
}

/// From the first start of a generation that fails a check, with the usual number of tries, to the login of the proven
/// one: boots, that one included, and seconds; medians of so many rounds.
///
/// # Panics
/// The machine does not come to its login.
pub fn back(rounds: usize) -> [Figure; 2] {
    let appliance = machine();
    let (mut boots, mut back) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        appliance.look("rw", |state| {
            // The record as before: a wish is obeyed once.
            proven(state);
            wish(state, BROKEN, TRIES);
        });
        let (took, started) = to_login(&appliance);
        back.push(took);
        boots.push(started);
    }
    [
        Figure::new("rollback.boots", median(boots), "", Some(f64::from(TRIES) + 1.0)),
        Figure::new("rollback.to-login", median(back), "s", None),
    ]
}

/// To the login of an installed system, the one on `disk`, beside Debian: the same kernel, started without firmware, on the
/// same kind of machine; the median of so many rounds. Nothing is written to the disk.
///
/// # Errors
/// The Debian to compare with cannot be made.
///
/// # Panics
/// A machine does not come to its login.
pub fn installed(disk: &Path, rounds: usize) -> Result<Figure, String> {
    let debian = debian()?;
    let dir = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
    let initrd = initramfs(dir.path(), &artefacts::recipes());
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let machine = Machine::kernel(artefacts::kernel(), Some(initrd.clone())).append("quiet");
        ours.push(console_to_login(machine, Disk::new("installed", disk)));
        peer.push(debian_to_login(&debian));
    }
    let mut login = Figure::new("boot.installed-to-login", median(ours), "s", None);
    login.peer = Some(median(peer));
    Ok(login)
}

fn debian_to_login(image: &Path) -> f64 {
    let machine = Machine::kernel(artefacts::kernel(), None).append("root=/dev/vda rw quiet");
    console_to_login(machine, Disk::new("debian", image))
}

fn console_to_login(machine: Machine, disk: Disk) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    // Memory and CPUs as the appliance has them.
    let machine = machine.memory(1536).disk(disk.snapshot());
    let start = Instant::now();
    let mut vm = Vm::start(&machine, &Start::in_dir(dir.path().join("vm"))).expect("QEMU starts");
    let (mut ear, mut took) = (Ear::default(), None);
    let report = watch(&mut vm, &LIMITS, &mut |seen| match seen {
        Observation::Serial(bytes) if ear.hears(bytes) => {
            took = Some(start.elapsed().as_secs_f64());
            Order::Kill
        }
        _ => Order::Continue,
    });
    let ending = report.expect("the machine can be watched").ending;
    took.unwrap_or_else(|| panic!("a machine comes to no login: {ending}"))
}

/// The image of the Debian to compare with, from the cache, where it is made once.
fn debian() -> Result<PathBuf, String> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache =
        cache.or(home).ok_or("neither XDG_CACHE_HOME nor HOME is set")?.join("minos/debian");
    fs::create_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    let (image, told) = (cache.join("minimal.ext4"), cache.join("minimal.sha256"));
    let digest = |path: &Path| fs::read(path).map(|bytes| Digest::of(&bytes).to_string());
    let good = digest(&image).ok().zip(fs::read_to_string(&told).ok());
    if good.is_some_and(|(found, told)| found == told) {
        return Ok(image);
    }
    let root = tempfile::tempdir_in(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    bootstrap(root.path())?;
    let made = cache.join("minimal.new");
    let (from, to) = (root.path().display().to_string(), made.display().to_string());
    call("mke2fs", &["-q", "-F", "-t", "ext4", "-d", &from, &to, "1G"])?;
    let found = digest(&made).map_err(|e| format!("{to}: {e}"))?;
    fs::rename(&made, &image).and_then(|()| fs::write(&told, found)).map_err(|e| e.to_string())?;
    Ok(image)
}

/// Installs it from where this machine has its own packages from.
fn bootstrap(root: &Path) -> Result<(), String> {
    let text =
        fs::read_to_string("/etc/os-release").map_err(|e| format!("/etc/os-release: {e}"))?;
    let suite = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.ok_or("/etc/os-release names no Debian release")?;
    let include = format!("--include={PACKAGES}");
    let sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let sources = sources.into_iter().find(|path| Path::new(path).exists());
    let root = root.display().to_string();
    let words = ["--variant=minbase", "--format=directory", &include, suite, &root];
    let words: Vec<&str> = words.into_iter().chain(sources).collect();
    call("mmdebstrap", &words)
}

fn call(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}
