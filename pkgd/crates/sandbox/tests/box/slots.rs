//! Two boxes at the same time, and a box that has somehow got out: neither reaches the other's files,
//! processes or memory.

use crate::Test;
use crate::rig::{Rig, line, outside_as};
use minos_sandbox::Child;
use std::fs;
use std::io::PipeReader;
use std::os::fd::AsRawFd;
use std::path::Path;

pub const TESTS: &[Test] = &[
    ("two_boxes_do_not_see_each_other", apart),
    ("processes_run_as_ids_of_their_slot", own_ids),
    ("the_ids_of_one_slot_reach_nothing_of_another", other_slot),
    ("what_a_failed_step_left_open_stays_closed_to_others", left_open),
];

/// A box that has a secret in a file that anybody may read and write, in shared memory, and waits.
fn keeper(rig: &mut Rig) -> (Child, PipeReader) {
    let script = "umask 0; mkdir -m 2777 d; echo secret > d/secret; echo s > /dev/shm/secret
        echo s > /tmp/secret; echo ready; sleep 1000; true";
    let (child, mut reader) = rig.start(&["/bin/sh", "-c", script]);
    assert_eq!(line(&mut reader), "ready");
    (child, reader)
}

/// The host's ids of all processes of a box: the first one, and its descendants.
fn processes(child: &Child) -> Vec<u32> {
    let info = format!("/proc/self/fdinfo/{}", child.pidfd().as_raw_fd());
    let info = fs::read_to_string(info).unwrap();
    let helper = info.lines().find_map(|l| l.strip_prefix("Pid:")?.trim().parse().ok()).unwrap();
    let mut found: Vec<u32> = Vec::new();
    let mut queue: Vec<u32> = vec![helper];
    while let Some(pid) = queue.pop() {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        queue.extend(children.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
        found.push(pid);
    }
    found.split_off(1)
}

fn apart() {
    let (mut one, mut two) = (Rig::new(), Rig::new());
    let (child, _reader) = keeper(&mut one);
    let script = "ls /build /tmp /dev/shm /run; find / -name 'secret*'; kill -9 -1
        for p in /proc/[0-9]*; do echo $p; done";
    let text = two.shell(script).text;
    assert!(!text.contains("secret"), "{text}");
    let pids = text.lines().filter(|line| line.starts_with("/proc/")).count();
    assert!(pids <= 2, "{text}");
    assert_eq!(processes(&child).len(), 3);
    child.kill();
    child.wait().unwrap();
}

fn own_ids() {
    let mut rig = Rig::new();
    let first = rig.spec.ids.first;
    let (child, _reader) = keeper(&mut rig);
    for pid in processes(&child) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        for ids in ["Uid:", "Gid:"].map(field) {
            assert!(ids.split_whitespace().all(|id| id == first.to_string()), "{status}");
        }
        // Those of a build at most; nothing towards the host in any case.
        let effective = u64::from_str_radix(field("CapEff:").trim(), 16).unwrap();
        assert_eq!(effective & !0xfb, 0, "{status}");
        assert_eq!(field("NoNewPrivs:").trim(), "1");
    }
    child.kill();
    child.wait().unwrap();
}

/// As if the first box had got out of its namespaces, but for its user.
fn other_slot() {
    let (one, mut two) = (Rig::new(), Rig::new());
    assert_ne!(one.spec.ids.first, two.spec.ids.first);
    let (child, _reader) = keeper(&mut two);
    let secret = two.spec.build.upper.tree().join("d/secret");
    let refused = |uid: u32, tool: &str, what: &str| {
        let output = outside_as(uid, &[tool, what]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{tool} {what} by {uid} was possible");
        assert!(text.contains("ermitted") || text.contains("ermission denied"), "{text}");
    };
    let uid = one.spec.ids.first;
    for pid in processes(&child).iter().map(u32::to_string) {
        refused(uid, "kill", &pid);
        refused(uid, "trace", &pid);
        for file in ["root/tmp/secret", "cwd/d/secret", "mem", "environ", "fd"] {
            refused(uid, "read", &format!("/proc/{pid}/{file}"));
        }
    }
    // Not even the ids of the slot itself get at its files from outside: the upper's directory is root's.
    for uid in [uid, two.spec.ids.first] {
        refused(uid, "read", &secret.display().to_string());
        refused(uid, "write", &secret.display().to_string());
        // The appliance has none.
        if Path::new("/etc/shadow").exists() {
            refused(uid, "read", "/etc/shadow");
        }
    }
    child.kill();
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret\n");
}

/// Nix, CVE-2025-52991: a later build wrote into what a failed one had left.
fn left_open() {
    let mut rig = Rig::new();
    let outcome = rig.shell("umask 0; mkdir -m 2777 d; echo x > d/f; chmod 777 /build; exit 1");
    assert!(!outcome.exit.status.success());
    let left = rig.spec.build.upper.tree().join("d");
    let later = Rig::new().spec.ids.first;
    let write = |path: &Path| outside_as(later, &["write", &path.display().to_string()]);
    assert!(!write(&left.join("f")).status.success());
    assert!(!write(&left.join("new")).status.success());
    assert!(!left.join("new").exists());
}
