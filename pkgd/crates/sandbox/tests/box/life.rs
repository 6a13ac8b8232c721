//! Ends: of the program, of the box by order, of whoever made the box. Nothing survives any of them.

use crate::Test;
use crate::rig::{Rig, line};
use minos_sandbox::{Error, Stage, Status, Upper, spawn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("the_status_is_that_of_the_program", status),
    ("what_the_program_leaves_running_is_killed_and_counted", left_running),
    ("an_order_to_kill_reaches_every_process", order),
    ("dropping_a_box_kills_it", dropped),
    ("the_death_of_the_parent_kills_the_tree", parent_killed),
    ("the_death_of_the_helper_kills_the_tree", helper_killed),
    ("the_death_of_parent_and_helper_kills_the_tree", both_killed),
    ("a_box_whose_parent_is_dead_leaves_the_successors_alone", orphan),
    ("nothing_is_left_on_the_host", nothing_left),
    ("a_missing_program_is_a_setup_error", missing_program),
    ("a_used_upper_is_refused", used_upper),
    ("many_boxes_at_once_end_well", many),
];

/// Processes that do not want to go: own sessions, other users, ignored signals, a stopped one.
const STUBBORN: &str = "trap '' TERM HUP INT; umask 0
    setsid sh -c 'trap \"\" TERM HUP; (sleep 1000; echo a) & sleep 1000' &
    attack daemon & attack become 1000 sleep /bin/busybox 1000 &
    sleep 1000 & kill -STOP $!; echo ready; sleep 1000; true";

fn status() {
    let mut rig = Rig::new();
    assert_eq!(rig.shell("exit 3").exit.status, Status::Exited(3));
    assert_eq!(rig.shell("kill -SEGV $$").exit.status, Status::Signaled(11));
    assert_eq!(rig.shell("sleep 1000 & exit 0").exit.status, Status::Exited(0));
    // What a child does is the script's business, not ours.
    assert_eq!(rig.shell("(exit 9); true").exit.status, Status::Exited(0));
}

fn left_running() {
    let mut rig = Rig::new();
    let outcome = rig.shell("mkdir d; cd d; attack daemon; true");
    assert_eq!(outcome.exit.status, Status::Exited(0));
    assert_eq!(outcome.exit.leftover, 1);
    assert_eq!(rig.shell("true").exit.leftover, 0);
}

fn order() {
    let mut rig = Rig::new();
    let (child, mut reader) = rig.start(&["/bin/sh", "-c", STUBBORN]);
    assert_eq!(line(&mut reader), "ready");
    let killer = child.killer();
    thread::spawn(move || {
        killer.kill();
        killer.kill();
    });
    let exit = child.wait().unwrap();
    assert_eq!(exit.status, Status::Signaled(9));
    // Everybody had the pipe: its end says that all are dead.
    reader.read_to_end(&mut Vec::new()).unwrap();
}

fn dropped() {
    let mut rig = Rig::new();
    let (child, mut reader) = rig.start(&["/bin/sh", "-c", STUBBORN]);
    assert_eq!(line(&mut reader), "ready");
    drop(child);
    reader.read_to_end(&mut Vec::new()).unwrap();
}

/// Name of the program that makes a box and is killed.
pub const PARENT: &str = "parent";

/// Makes a box whose output is our own, and waits.
pub fn parent() -> ExitCode {
    let mut rig = Rig::new();
    let (_child, mut reader) = rig.start(&["/bin/sh", "-c", STUBBORN]);
    println!("{}", line(&mut reader));
    println!("{}", rig.dir().display());
    // Keeps the pipe's other end for the test.
    let _ = reader.read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

/// A parent with its box, and the processes below it, the helper first.
fn parent_and_tree() -> (std::process::Child, Vec<u32>, String) {
    let mut command = Command::new("/proc/self/exe");
    let mut parent = command.arg0(PARENT).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let dir = lines.next().unwrap().unwrap();
    let tree = descendants(parent.id());
    assert!(tree.len() > 5, "{tree:?}");
    (parent, tree, dir)
}

fn parent_killed() {
    let (mut parent, tree, dir) = parent_and_tree();
    parent.kill().unwrap();
    parent.wait().unwrap();
    tree.iter().for_each(|pid| wait_gone(*pid));
    fs::remove_dir_all(dir).unwrap();
}

/// Name of the program that is killed while it makes a box.
pub const HASTY: &str = "hasty-parent";

/// Says where its box is, makes it, and waits. The box writes at once.
pub fn hasty_parent() -> ExitCode {
    let mut rig = Rig::new();
    rig.spec.build.upper = Upper { dir: rig.private("build") };
    rig.spec.argv = ["/bin/sh", "-c", "echo x > /build/stray; sleep 1000"].map(Into::into).to_vec();
    println!("{}", rig.dir().display());
    let output = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
    let _child = spawn(&rig.spec, output).unwrap();
    thread::sleep(Duration::from_secs(1000));
    ExitCode::SUCCESS
}

/// A pkgd is killed, and the next one makes the phase's directories anew, while the helper of the first is not yet
/// done with the box. That helper looked its directories up by name a second time: the box of the dead one
/// wrote into the phase of the living one, and its output was another than that of a quiet build.
fn orphan() {
    for round in 0..150 {
        let mut command = Command::new("/proc/self/exe");
        let mut parent = command.arg0(HASTY).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(parent.stdout.take().unwrap());
        let mut dir = String::new();
        output.read_line(&mut dir).unwrap();
        let dir = Path::new(dir.trim_end());
        thread::sleep(Duration::from_micros(round % 50 * 200));
        parent.kill().unwrap();
        parent.wait().unwrap();
        let build = dir.join("build");
        fs::rename(&build, dir.join("trash")).unwrap();
        let fresh = ["upper", "work"].map(|name| build.join(name));
        fresh.iter().for_each(|path| fs::create_dir_all(path).unwrap());
        // Everybody had the pipe: its end says that all are dead.
        output.read_to_end(&mut Vec::new()).unwrap();
        for path in &fresh {
            let found: Vec<_> = fs::read_dir(path).unwrap().flatten().map(|e| e.path()).collect();
            assert!(found.is_empty(), "round {round}: {found:?}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
    minos_sandbox::sweep();
}

/// Nobody is left to give the order: the kernel must do it alone.
fn both_killed() {
    let (mut parent, tree, dir) = parent_and_tree();
    kill(Pid::from_raw(parent.id().cast_signed()), Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(tree[0].cast_signed()), Signal::SIGKILL).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    tree.iter().for_each(|pid| wait_gone(*pid));
    fs::remove_dir_all(dir).unwrap();
    minos_sandbox::sweep();
}

fn descendants(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children: Vec<u32> =
        children.unwrap_or_default().split_whitespace().map(|c| c.parse().unwrap()).collect();
    let below: Vec<u32> = children.iter().flat_map(|child| descendants(*child)).collect();
    children.into_iter().chain(below).collect()
}

/// Waits, with no bound of its own, until a process that is not our child is dead.
fn wait_gone(pid: u32) {
    let dead = || match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(_) => true,
    };
    while !dead() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn helper_killed() {
    let mut rig = Rig::new();
    let (child, mut reader) = rig.start(&["/bin/sh", "-c", STUBBORN]);
    assert_eq!(line(&mut reader), "ready");
    let info = format!("/proc/self/fdinfo/{}", child.pidfd().as_raw_fd());
    let info = fs::read_to_string(info).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert!(matches!(child.wait(), Err(Error::Lost)));
    reader.read_to_end(&mut Vec::new()).unwrap();
    minos_sandbox::sweep();
}

/// No mount, no process, no file besides those of the upper; its descriptors can all be gone.
fn nothing_left() {
    let mut rig = Rig::installing("/");
    rig.shell("echo x > /new; cd /; attack daemon").expect_success();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = rig.dir().display().to_string();
    assert!(!mounts.contains(&dir), "{mounts}");
    for pid in fs::read_dir("/proc").unwrap().flatten() {
        let mounts = fs::read_to_string(pid.path().join("mountinfo")).unwrap_or_default();
        assert!(!mounts.contains(&dir), "{}: {mounts}", pid.path().display());
    }
    let upper = rig.spec.upper.clone().unwrap();
    fs::rename(upper.tree(), rig.dir().join("package")).unwrap();
    fs::remove_dir_all(upper.dir).unwrap();
}

fn setup_error(rig: &mut Rig, argv: &[&str]) -> minos_sandbox::Failure {
    rig.spec.argv = argv.iter().map(Into::into).collect();
    let (_reader, writer) = std::io::pipe().unwrap();
    match spawn(&rig.spec, writer.into()) {
        Err(Error::Setup(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn missing_program() {
    let mut rig = Rig::new();
    rig.spec.build.upper.dir = rig.private("b");
    let failure = setup_error(&mut rig, &["/bin/missing"]);
    assert_eq!((failure.stage, failure.errno), (Stage::Exec, libc::ENOENT));
    assert!(failure.to_string().contains("/bin/missing"), "{failure}");
}

/// Overlayfs would keep on where a killed box stopped, and nobody knows where that was.
fn used_upper() {
    let mut rig = Rig::new();
    rig.shell("true").expect_success();
    let failure = setup_error(&mut rig, &["/bin/true"]);
    assert_eq!((failure.stage, failure.errno), (Stage::Prepare, libc::EEXIST));
}

fn many() {
    let boxes: Vec<_> = (0..8).map(|_| thread::spawn(|| Rig::new().shell("echo x"))).collect();
    for one in boxes {
        assert_eq!(one.join().unwrap().expect_success(), "x\n");
    }
}
