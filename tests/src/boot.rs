//! How long a boot takes, beside busybox init on the same kernel and disks. Both mount the same three disks; only
//! ours has a watchdog, ports of the host and a boot record to write, which are its own choice and count.
//!
//! Both are measured by the guest's own clock: milliseconds since the kernel started. Ours tells when PID 1
//! starts, when it starts the services, and when pkgd is ready, which is when the console's shell is started;
//! busybox's start-up script and shell print the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use minos_proto::{BootEvent, BootPhase};
use minos_qemu::machine::{Disk, Machine};
use minos_qemu::observe::Observation;
use minos_qemu::vm::{Start, Vm};
use minos_qemu::watch::{Limits, Order, watch};

use crate::appliance::Appliance;
use crate::artefacts;

/// Milliseconds since the kernel started.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// PID 1 began.
    pub init: f64,
    /// PID 1 had done what the boot asks of it: the services are started.
    pub services: f64,
    /// The console's shell was started.
    pub prompt: f64,
}

impl Boot {
    /// What PID 1 itself took.
    pub fn share(&self) -> f64 {
        self.services - self.init
    }
}

/// What busybox init does for the same end: file systems, disks, a shell on the console.
const SCRIPT: &str = "#!/bin/sh
mount -t proc proc /proc
. /etc/mark init
mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
mount -t tmpfs run /run; mount -t tmpfs tmp /tmp
mkdir -p /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname minos; ifconfig lo 127.0.0.1 up
for disk in /sys/block/vd*; do
    case $(cat $disk/serial) in
        minos-state) mount -t ext4 /dev/${disk##*/} /state ;;
        minos-seed) mount -t squashfs -o ro /dev/${disk##*/} /seed ;;
        minos-sources) mount -t squashfs -o ro /dev/${disk##*/} /sources ;;
    esac
done
";
const SHELL: &str = "#!/bin/sh
. /etc/mark prompt
exec sleep 1000
";
/// `/proc/uptime` tells hundredths of a second, of which all of this takes a few; the list of timers tells
/// nanoseconds, in its third line.
const MARK: &str = "{ read line; read line; read now at time unit; } < /proc/timer_list
echo MARK $1 $time
";
const INITTAB: &str = "::sysinit:/etc/rcS\nttyS0::respawn:/etc/shell\n";

/// One boot of the appliance.
///
/// # Panics
/// It does not reach the prompt.
pub fn ours(appliance: &Appliance) -> Boot {
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        _ => Order::Continue,
    });
    let at = |wanted: BootPhase| {
        run.events.iter().find_map(|event| match event {
            BootEvent::Phase { at_ms, phase } if *phase == wanted => Some(*at_ms as f64),
            _ => None,
        })
    };
    match [BootPhase::Start, BootPhase::Services, BootPhase::Ready].map(at) {
        // The shell is started at once when pkgd is ready.
        [Some(init), Some(services), Some(prompt)] => Boot { init, services, prompt },
        _ => panic!("no prompt: {}\n{}", run.report.ending, run.console),
    }
}

/// One boot of busybox init with the same kernel and disks.
///
/// # Panics
/// It does not reach the prompt, or busybox or cpio is missing.
pub fn busybox(appliance: &Appliance) -> Boot {
    let dir = tempfile::tempdir().expect("a folder");
    let mut machine = Machine::kernel(artefacts::kernel(), Some(initramfs(dir.path())))
        .memory(1536)
        .append("quiet")
        .counted(appliance.is_counted())
        .disk(Disk::new("minos-seed", artefacts::seed()).read_only())
        .disk(Disk::new("minos-state", appliance.state_image()));
    // As `Appliance` does: a disk that only one of the two mounts would make the ratio unfair.
    let sources = artefacts::top().join("out/sources.squashfs");
    if sources.exists() {
        machine = machine.disk(Disk::new("minos-sources", sources).read_only());
    }
    let vm_dir = dir.path().join("vm");
    let mut vm = Vm::start(&machine, &Start::in_dir(&vm_dir)).expect("QEMU starts");
    let mut console = String::new();
    let limits = Limits { total: Some(Duration::from_secs(300)), ..Limits::NONE };
    watch(&mut vm, &limits, &mut |seen| {
        if let Observation::Serial(bytes) = seen {
            console.push_str(&String::from_utf8_lossy(bytes));
        }
        if mark(&console, "prompt").is_some() { Order::Kill } else { Order::Continue }
    })
    .expect("the machine can be watched");
    match (mark(&console, "init"), mark(&console, "prompt")) {
        // The shell is its only service.
        (Some(init), Some(prompt)) => Boot { init, services: prompt, prompt },
        _ => panic!("no prompt: {console}"),
    }
}

/// The milliseconds of a finished line `MARK NAME NANOSECONDS`.
fn mark(console: &str, name: &str) -> Option<f64> {
    let line = console.split(&format!("MARK {name} ")).nth(1)?;
    let (time, _) = line.split_once(['\r', '\n'])?;
    Some(time.trim().parse::<f64>().ok()? / 1e6)
}

fn initramfs(dir: &Path) -> PathBuf {
    let root = dir.join("root");
    for folder in ["bin", "dev", "etc", "proc", "sys", "run", "tmp", "state", "seed", "sources"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in ["sh", "mount", "mkdir", "cat", "hostname", "ifconfig", "sleep", "init"] {
        symlink("busybox", root.join("bin").join(applet)).expect("a link");
    }
    symlink("bin/busybox", root.join("init")).expect("a link");
    for (name, text) in [("rcS", SCRIPT), ("shell", SHELL), ("mark", MARK), ("inittab", INITTAB)] {
        let path = root.join("etc").join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let archive = dir.join("initramfs");
    let packed = Command::new("sh")
        .args(["-c", "find . | cpio --quiet -o -H newc | zstd -q"])
        .current_dir(&root)
        .stdout(fs::File::create(&archive).expect("a file"))
        .stderr(Stdio::null())
        .status();
    assert!(packed.is_ok_and(|s| s.success()), "cpio and zstd pack the peer's initramfs");
    archive
}
