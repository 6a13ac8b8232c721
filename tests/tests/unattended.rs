//! Builds started by the command line, with nobody there.
#![cfg(feature = "system")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use minos_model::JobState;
use minos_proto::bootrec::Record;
use minos_proto::{BuildOptions, Reply, Request};
use minos_tests::trials::write_record;
use minos_tests::{Recipes, Root, daemon};

/// Exit status and output of an unattended run on `root`.
fn unattended(root: &Root, target: &str) -> (Option<i32>, String) {
    let mut process =
        root.command().args(["--build", target, "--then", "exit"]).spawn().expect("pkgd starts");
    let status = process.wait().expect("pkgd ends");
    (status.code(), daemon::all_output(&mut process))
}

/// The second run found everything cached, so that its job was over before anybody waited for its end:
/// no verdict came, and an appliance booted for it stayed up for ever.
#[test]
fn a_build_with_nothing_left_to_do_ends_too() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/one");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("1 built, 0 cached"), "{text}");
    let (status, text) = unattended(&root, "demo/one");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("0 built, 1 cached"), "{text}");
}

#[test]
fn a_failure_shows_in_the_exit_status_and_in_words() {
    let mut recipes = Recipes::new();
    recipes.step("bad", &[], &[("build", "echo the reason; false\n")]);
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/bad");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("script in build") && text.contains("the reason"), "{text}");
    assert!(text.contains("hint:"), "{text}");
}

#[test]
fn an_unknown_target_ends_at_once() {
    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let (status, text) = unattended(&root, "demo/nothing");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("demo/nothing"), "{text}");
}

/// Runs pkgd under a PID 1 of its own that says when it is asked for a reboot, up to a line that holds one
/// of `until` or to its end.
fn under_init(root: &Root, arguments: &[&str], until: &[&str]) -> String {
    let pkgd = root.command();
    // Cgroups stay outside: seen from here every helper of another pkgd looks dead, and would be swept.
    let init = "umount -R -l /sys/fs/cgroup; trap 'echo asked for a reboot; exit' TERM; \"$@\" 2>&1 & wait $!; wait";
    let mut machine = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", init, "sh"])
        .arg(pkgd.get_program())
        .args(pkgd.get_args())
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare runs");
    let mut text = String::new();
    let mut lines = BufReader::new(machine.stdout.take().expect("a pipe")).lines();
    for line in lines.by_ref() {
        let line = line.expect("text");
        text += &(line + "\n");
        if until.iter().any(|end| text.contains(end)) {
            break;
        }
    }
    let _ = machine.kill();
    let _ = machine.wait();
    // The last of its processes is gone, and with it pkgd's lock, when nobody can write any more.
    lines.for_each(drop);
    text
}

/// The command line of the next boot asks for the same again: with everything cached, such a machine
/// rebooted for ever.
#[test]
fn then_reboot_reboots_once() {
    let last = ["--last-boot", "boot 1 ended by reboot, as asked"];
    let reboot = ["--appliance", "--build", "demo/one", "--then", "reboot", last[0], last[1]];
    let ends = ["asked for a reboot", "this time it stays"];
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let root = Root::new(recipes.path());
    let text = under_init(&root, &reboot, &ends);
    assert!(text.contains("1 built") && text.contains(ends[0]), "{text}");
    // What pkgd writes down of a boot came behind its mark, so that this machine rebooted for ever all the same.
    write_record(root.path(), &Record { boot_count: 2, ..Record::fresh() });
    let text = under_init(&root, &reboot, &ends);
    assert!(text.contains("1 cached") && text.contains(ends[1]), "{text}");
    assert!(!text.contains(ends[0]), "{text}");
}

/// On a host it would have been a signal to the host's own init.
#[test]
fn a_host_is_never_rebooted() {
    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let text = under_init(&root, &["--build", "demo/x", "--then", "reboot"], &["asked for"]);
    assert!(text.contains("--appliance") && !text.contains("asked for"), "{text}");
}

/// An unfinished job was taken up with its own options, whatever the command line said: a build that ran
/// out of memory with four jobs did so again when it was started with one.
#[test]
fn the_command_line_wins_over_an_unfinished_job() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[("build", "sleep 1\n")]);
    let root = Root::new(recipes.path());
    let mut first = root.start();
    let options = BuildOptions { jobs: 3, ..BuildOptions::default() };
    let old = first.begin("demo/one", options);
    first.kill();
    let (status, text) = unattended(&root, "demo/one");
    assert_eq!(status, Some(0), "{text}");
    let mut daemon = root.start();
    match daemon.call(&Request::Jobs { limit: 0 }) {
        Ok(Reply::Jobs(jobs)) => {
            let states: Vec<_> = jobs.iter().map(|job| (job.id, job.state)).collect();
            assert_eq!(states, [(old + 1, JobState::Done), (old, JobState::Cancelled)]);
        }
        other => panic!("{other:?}"),
    }
}
