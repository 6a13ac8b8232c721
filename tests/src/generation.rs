//! Roots of generations made by hand on a state disk: busybox and a boot plan, nothing of pkgd's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use minos_proto::bootplan::{self, BootPlan, CheckSpec, Command, Kind, ServiceSpec, What};
use minos_proto::{BootNext, bootnext};

/// What init expects of every root.
const DIRECTORIES: [&str; 12] = [
    "bin",
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "state",
    "var",
    "etc",
    "home",
    "root",
    "usr/lib/minos",
];
/// The static busybox of the host (package busybox-static).
const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 8] = ["sh", "sleep", "true", "false", "test", "touch", "cat", "grep"];

/// A plan that asks whether pkgd is ready, with the built-in services.
///
/// # Panics
/// Never.
pub fn plan() -> BootPlan {
    BootPlan {
        hostname: "lfs".try_into().expect("short"),
        services: Default::default(),
        checks: [check("pkgd", What::PkgdReady, 240_000)].into_iter().collect(),
        gate_ms: 240_000,
    }
}

/// A service that runs a line of shell. `after` is a set of bits.
///
/// # Panics
/// The name or the line is too long.
pub fn service(name: &str, kind: Kind, line: &str, after: u32) -> ServiceSpec {
    ServiceSpec {
        name: name.try_into().expect("a short name"),
        kind,
        command: shell(line),
        after,
        deadline_ms: 5_000,
        restart_limit: 1,
        notify: false,
    }
}

/// A check.
///
/// # Panics
/// The name is too long.
pub fn check(name: &str, what: What, deadline_ms: u32) -> CheckSpec {
    CheckSpec { name: name.try_into().expect("a short name"), what, deadline_ms }
}

/// A command that runs a line of shell.
///
/// # Panics
/// The line is too long.
pub fn shell(line: &str) -> Command {
    Command::new(["/bin/sh", "-c", line]).expect("a command")
}

/// Makes the root of generation `number` on the mounted state disk.
///
/// # Panics
/// It cannot be made; busybox is not there.
pub fn make(state: &Path, number: u64, plan: &BootPlan) -> PathBuf {
    let root = state.join(format!("roots/{number}"));
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    let busybox = root.join("bin/busybox");
    fs::copy(BUSYBOX, &busybox).expect("busybox-static is installed");
    fs::set_permissions(&busybox, Permissions::from_mode(0o755)).expect("its mode");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("a link");
    }
    let mut bytes = vec![0; bootplan::MAX];
    let length = plan.encode(&mut bytes).expect("a plan that can be carried out");
    fs::write(root.join(bootplan::PATH), &bytes[..length]).expect("the plan");
    root
}

/// Asks for generation `number` at the next boot.
///
/// # Panics
/// It cannot be written.
pub fn wish(state: &Path, number: u64, tries: u8) {
    let next = BootNext { generation: number, proven: false, tries, id: number.to_le_bytes() };
    let path = state.join(bootnext::PATH);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    fs::write(path, next.encode()).expect("the wish");
}
