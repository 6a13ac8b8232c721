//! How much a box may use, and that what it used is told.

use crate::Test;
use crate::rig::{Rig, line};
use minos_sandbox::{Bounds, Status, Strength, probe};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("a_fork_bomb_is_bounded_and_counted", fork_bomb),
    ("without_cgroups_a_fork_bomb_is_bounded_and_noticed", no_cgroups),
    ("a_memory_eater_is_killed_and_counted", memory_eater),
    ("tmpfs_is_bounded", tmpfs),
    ("files_and_descriptors_are_bounded", files),
    ("usage_is_told_while_a_box_runs", usage),
    ("the_report_tells_what_was_used", report),
];

fn bounds() -> Bounds {
    probe(Strength::Full).unwrap_or_else(|refusal| panic!("{refusal}")).limits
}

fn fork_bomb() {
    let mut rig = Rig::new();
    rig.spec.limits.processes = Some(40);
    let (child, mut reader) = rig.start(&["/bin/attack", "forks"]);
    let made: u64 = line(&mut reader).parse().unwrap();
    let usage = child.usage();
    child.kill();
    let exit = child.wait().unwrap();
    assert!((20..40).contains(&made), "{made}");
    // Process 1 of the box, the bomb and its children.
    assert_eq!(usage.processes, made + 2);
    assert!(exit.fork_failures > 0, "{exit:?}");
    let calm = rig.shell("true").exit;
    assert_eq!(calm.fork_failures, 0);
}

/// Name of the program that makes its boxes where no cgroups are mounted.
pub const BARE: &str = "bare";

/// Takes the cgroup file systems away, for itself alone, and does the test.
pub fn bare() -> ExitCode {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
    umount2("/sys/fs/cgroup", MntFlags::MNT_DETACH).unwrap();
    assert_eq!(bounds(), Bounds::RlimitsOnly);
    fork_bomb();
    ExitCode::SUCCESS
}

fn no_cgroups() {
    let output = Command::new("/proc/self/exe").arg0(BARE).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn memory_eater() {
    let mut rig = Rig::new();
    rig.spec.limits.memory_bytes = Some(64 << 20);
    if bounds() == Bounds::RlimitsOnly {
        // Nothing bounds memory here, and `doctor` says so.
        assert_eq!(rig.shell("true").exit.memory_peak, None);
        return;
    }
    let exit = rig.run(&["/bin/attack", "eat"]).exit;
    assert_eq!(exit.status, Status::Signaled(9));
    assert!(exit.oom_kills > 0, "{exit:?}");
    let peak = exit.memory_peak.unwrap();
    assert!((32 << 20..=64 << 20).contains(&peak), "{peak}");
    assert_eq!(rig.shell("true").exit.oom_kills, 0);
}

fn tmpfs() {
    let mut rig = Rig::new();
    rig.spec.limits.tmp_bytes = 1 << 20;
    for place in ["/tmp", "/dev/shm", "/run"] {
        let script = format!("dd if=/dev/zero of={place}/big bs=4096 count=512");
        let outcome = rig.shell(&script);
        assert!(outcome.text.contains("No space left"), "{place}: {}", outcome.text);
    }
}

fn files() {
    let mut rig = Rig::new();
    rig.spec.limits.file_bytes = Some(1 << 20);
    rig.spec.limits.open_files = 64;
    let exit = rig.shell("exec dd if=/dev/zero of=big bs=4096 count=512").exit;
    assert_eq!(exit.status, Status::Signaled(libc::SIGXFSZ));
    let text = rig.shell("ulimit -n; ulimit -Hn; ulimit -c; ulimit -n 65 || echo refused").text;
    assert!(text.starts_with("64\n64\n0\n") && text.ends_with("refused\n"), "{text}");
}

fn usage() {
    let mut rig = Rig::new();
    let (child, mut reader) = rig.start(&["/bin/attack", "spin"]);
    assert_eq!(line(&mut reader), "spinning");
    // Waits for as long as it takes: the machine may be busy.
    let mut usage = child.usage();
    while usage.cpu < Duration::from_millis(30) {
        usage = child.usage();
    }
    assert_eq!(usage.processes, 2);
    assert!(usage.memory > 0);
    child.kill();
    child.wait().unwrap();
}

fn report() {
    let mut rig = Rig::new();
    let exit = rig.shell("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done").exit;
    assert!(exit.user > Duration::ZERO && exit.max_rss > 100 << 10, "{exit:?}");
    assert_eq!(exit.memory_peak.is_some(), bounds() != Bounds::RlimitsOnly);
    assert_eq!(exit.denials, []);
}
