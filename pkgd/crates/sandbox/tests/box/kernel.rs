//! What exists in a box, and what the kernel does for it.

use crate::Test;
use crate::rig::Rig;
use minos_sandbox::Sight;
use nix::unistd::dup;
use std::fs::File;

pub const TESTS: &[Test] = &[
    ("mounts_namespaces_and_the_machine_are_out_of_reach", || Rig::new().attack("fence")),
    ("proc_sys_and_dev_hold_nothing_dangerous", || Rig::new().attack("proc")),
    ("nobody_can_type_on_a_terminal", || Rig::new().attack("terminal")),
    ("fences_hold_in_the_install_phase", || {
        Rig::installing("/").attack("proc");
        Rig::installing("/lfs").attack("fence");
    }),
    ("only_the_standard_streams_are_open", descriptors),
    ("names_and_ids_are_those_of_the_box", identity),
    ("a_box_can_be_shown_other_numbers_and_fewer_cpus", sight),
    ("the_environment_is_the_declared_one", environment),
    ("the_probe_holds_and_says_so", probe),
];

fn descriptors() {
    // A leak of ours: duplicates are not close-on-exec.
    let _leak = dup(File::open("/proc/self/exe").unwrap()).unwrap();
    let text = Rig::new().run(&["/bin/attack", "descriptors"]).expect_success();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "0 /dev/null");
    assert!(lines[1].starts_with("1 pipe:") && lines[2].starts_with("2 pipe:"), "{text}");
}

fn identity() {
    let mut rig = Rig::new();
    let first = rig.spec.ids.first;
    let script = "hostname; cat /proc/sys/kernel/domainname /proc/self/uid_map; id -u; id -G
        cat /proc/self/setgroups; echo $$";
    let text = rig.shell(script).expect_success();
    let words: Vec<&str> = text.split_whitespace().collect();
    let first = first.to_string();
    assert_eq!(words, ["minos", "(none)", "0", &first, "65536", "0", "0", "allow", "2"]);
}

fn sight() {
    let look = |sight| {
        let mut rig = Rig::new();
        rig.spec.sight = sight;
        let text = rig.shell("echo $$; cat /proc/self/status").expect_success();
        let mut lines = text.lines();
        let pid: u32 = lines.next().unwrap().parse().unwrap();
        let cpus = lines.find_map(|line| line.strip_prefix("Cpus_allowed:")).unwrap().trim();
        let cpus: u32 =
            cpus.split(',').map(|w| u32::from_str_radix(w, 16).unwrap().count_ones()).sum();
        (pid, cpus)
    };
    let (usual, all) = look(Sight::default());
    let (pid, cpus) = look(Sight { used_pids: 300, cpus: Some(1) });
    assert_eq!((usual, pid, cpus), (2, 302, 1));
    let most = look(Sight { cpus: Some(100_000), ..Sight::default() }).1;
    assert_eq!(most, all, "there are no more than there are");
}

fn environment() {
    let mut rig = Rig::new();
    rig.set_env("A", "b");
    let text = rig.run(&["/bin/cat", "/proc/self/environ"]).expect_success();
    assert_eq!(text, "PATH=/bin\0A=b\0");
}

fn probe() {
    use minos_sandbox::{REQUIRED_ABI, Strength, probe};
    let report = probe(Strength::Full).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(report.landlock_abi >= REQUIRED_ABI);
    assert_eq!(report.missing, [] as [&str; 0]);
    assert!(report.held.len() > 15, "{report:?}");
    assert!(report.facts().iter().any(|(name, good, _)| *name == "confinement" && *good));
}
