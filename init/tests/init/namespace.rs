//! What PID 1 must get right, each duty by a real init with real processes.

use std::fs;

use minos_proto::{BootEvent, BootPhase};
use nix::sys::signal::Signal;

use crate::ns::{GOOD_PKGD, Ns, Plan, wait_for};

/// A pkgd that leaves `count` orphans, which all end at the same moment: when the last writer of
/// the gate closes it.
fn with_orphans(count: usize) -> String {
    format!(
        "mkfifo $D/gate; exec 4<>$D/gate; i=0
        while [ $i -lt {count} ]; do ( ( exec 4>&-; read x <$D/gate ) & ); i=$((i+1)); done
        touch $D/waiting; while [ ! -e $D/go ]; do sleep 0.05; done
        exec 4>&-; touch $D/gone\n{GOOD_PKGD}"
    )
}

fn let_go(ns: &Ns) {
    ns.wait_file("waiting");
    fs::write(ns.file("go"), "").unwrap();
    ns.wait_file("gone");
    // pkgd and the console remain.
    wait_for("all orphans to be reaped", || (ns.children() == 2).then_some(()));
}

#[test]
fn two_thousand_simultaneous_orphans_leave_none_and_no_descriptor_and_no_heap_call() {
    let pkgd = with_orphans(2000);
    let mut ns = Ns::start(Plan { pkgd: &pkgd, ..Plan::default() });
    ns.wait_file("waiting");
    wait_for("the console", || (ns.children() == 2002).then_some(()));
    let before = ns.descriptors();
    let_go(&ns);
    ns.wait_event("readiness", |e| matches!(e, BootEvent::Phase { phase: BootPhase::Ready, .. }));
    // The readiness pipe is closed once it has done its work.
    assert_eq!(ns.descriptors(), before - 1);
    ns.signal(Signal::SIGUSR2);
    assert_eq!(ns.end().code(), Some(0));
    let log = ns.log();
    assert!(log.contains(" in all, 0 cruising\n") && !log.contains("heap calls: 0 "), "{log}");
}

/// habitat-sh/habitat#1606, superradcompany/microsandbox#1201: zombies of a build workload.
#[test]
fn grandchildren_in_sessions_of_their_own_are_reaped_too() {
    let pkgd = format!(
        "i=0; while [ $i -lt 20 ]; do setsid sh -c 'sleep 0.2' & i=$((i+1)); done\n{GOOD_PKGD}"
    );
    let ns = Ns::ready(Plan { pkgd: &pkgd, ..Plan::default() });
    wait_for("only pkgd and the console", || (ns.children() == 2).then_some(()));
}

#[test]
fn each_signal_ends_the_container_with_its_status() {
    for (signal, code) in
        [(Signal::SIGUSR2, 0), (Signal::SIGUSR1, 1), (Signal::SIGTERM, 2), (Signal::SIGINT, 2)]
    {
        let mut ns = Ns::ready(Plan::default());
        ns.signal(signal);
        assert_eq!(ns.end().code(), Some(code), "{signal}: {}", ns.log());
        let reboot = code == 2;
        assert!(
            ns.events()
                .iter()
                .any(|e| matches!(e, BootEvent::Bye { reboot: r, .. } if *r == reboot))
        );
    }
}

#[test]
fn a_child_that_ignores_term_is_killed_at_its_deadline() {
    let pkgd = format!("( trap '' TERM; touch $D/deaf; while :; do sleep 1; done ) &\n{GOOD_PKGD}");
    let mut ns = Ns::ready(Plan { pkgd: &pkgd, ..Plan::default() });
    ns.wait_file("deaf");
    ns.signal(Signal::SIGUSR2);
    assert_eq!(ns.end().code(), Some(0));
    assert!(ns.log().contains("terminate processes: not done within"), "{}", ns.log());
}

/// nitro: a stopped job does not take SIGTERM until it is continued.
#[test]
fn a_stopped_child_is_continued_so_that_it_can_end() {
    let pkgd = format!(
        "sh -c 'trap \"touch $0/ended; exit 0\" TERM; touch $0/stopping; kill -STOP $$; sleep 60' $D &\n{GOOD_PKGD}"
    );
    let mut ns = Ns::ready(Plan { pkgd: &pkgd, ..Plan::default() });
    ns.wait_file("stopping");
    ns.signal(Signal::SIGUSR2);
    assert_eq!(ns.end().code(), Some(0));
    assert!(ns.file("ended").exists(), "it must have taken SIGTERM: {}", ns.log());
}

#[test]
fn killed_and_exited_are_told_apart_and_both_are_restarted() {
    let pkgd = "n=$(ls $D | grep -c run); touch $D/run$n
        case $n in 0) exit 137;; 1) kill -KILL $$;; *) echo >&$MINOS_READY_FD; exec sleep 60;; esac";
    let ns = Ns::ready(Plan { pkgd, ..Plan::default() });
    let restarts: Vec<_> = ns
        .events()
        .into_iter()
        .filter_map(|e| match e {
            BootEvent::Restart { status, delay_ms, .. } => Some((status, delay_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(restarts, [(137, 250), (256 + 9, 500)]);
    assert!(
        ns.log().contains("exited with 137") && ns.log().contains("killed by signal 9"),
        "{}",
        ns.log()
    );
}

#[test]
fn a_pkgd_that_cannot_be_executed_ends_at_the_rescue_prompt() {
    let cmdline = "minos.log=debug minos.restart_limit=2";
    let mut ns = Ns::start(Plan { cmdline, pkgd: "rm $0; exit 1", ..Plan::default() });
    ns.wait_log("RESCUE: pkgd failed too often");
    assert!(ns.log().contains("/pkgd: ENOENT"), "{}", ns.log());
    ns.signal(Signal::SIGTERM);
    assert_eq!(ns.end().code(), Some(2));
}

#[test]
fn the_end_can_be_asked_for_before_pkgd_is_ready() {
    let mut ns = Ns::start(Plan {
        pkgd: "trap 'exit 0' TERM; touch $D/up; while :; do sleep 60 & wait $!; done",
        ..Plan::default()
    });
    ns.wait_file("up");
    ns.signal(Signal::SIGTERM);
    assert_eq!(ns.end().code(), Some(2));
    assert!(
        !ns.events().iter().any(|e| matches!(e, BootEvent::Phase { phase: BootPhase::Ready, .. }))
    );
}

#[test]
fn words_init_does_not_know_are_warned_about() {
    let ns =
        Ns::ready(Plan { cmdline: "quiet minos.biuld=zlib minos.jobs=many", ..Plan::default() });
    ns.wait_log("minos.biuld=zlib: this key is not known; ignored");
    ns.wait_log("minos.jobs=many: not a number from 1 to 1024; ignored");
}

#[test]
fn a_console_nobody_reads_stalls_nothing() {
    let pty = nix::pty::openpty(None, None).unwrap();
    // Restarts fill the terminal many times over; nobody reads the master.
    let console = "touch $D/c.$$; exit 1";
    let pkgd = format!(
        "for i in 1 2 3 4 5 6 7 8 9; do seq -f 'a long line of output number %.0f' 1000; done; touch $D/said\n{GOOD_PKGD}"
    );
    let plan = Plan {
        pkgd: &pkgd,
        console,
        cmdline: "minos.log=debug minos.restart_limit=0",
        stderr: Some(pty.slave.into()),
        ..Plan::default()
    };
    let mut ns = Ns::ready(plan);
    assert!(ns.file("said").exists(), "pkgd was not held up by the console");
    wait_for("restarts to go on", || {
        let starts = fs::read_dir(ns.dir.path()).unwrap().flatten();
        (starts.filter(|e| e.file_name().to_string_lossy().starts_with("c.")).count() >= 3)
            .then_some(())
    });
    ns.signal(Signal::SIGUSR2);
    assert_eq!(ns.end().code(), Some(0));
    drop(pty.master);
}

/// What a child inherits decides how it dies: std ignores SIGPIPE, init blocks everything.
#[test]
fn services_start_with_nothing_blocked_ignored_or_inherited() {
    let pkgd = format!(
        "cp /proc/self/status $D/status; ls /proc/self/fd >$D/fds; env >$D/env\n{GOOD_PKGD}"
    );
    let ns = Ns::ready(Plan { pkgd: &pkgd, ..Plan::default() });
    let status = fs::read_to_string(ns.file("status")).unwrap();
    for key in ["SigBlk", "SigIgn"] {
        let line = status.lines().find(|l| l.starts_with(key)).unwrap();
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    // 0, 1, 2, the readiness pipe, and the one ls itself opens.
    assert_eq!(fs::read_to_string(ns.file("fds")).unwrap().lines().count(), 5);
    let env = fs::read_to_string(ns.file("env")).unwrap();
    let mut names: Vec<_> = env.lines().filter_map(|l| l.split('=').next()).collect();
    names.retain(|n| !["PWD", "OLDPWD", "SHLVL", "_"].contains(n)); // the shell's own
    names.sort_unstable();
    assert_eq!(names, ["MINOS_READY_FD", "PATH", "TERM"]);
}

/// gokrazy/gokrazy#60: init panicked and the machine stood still. It must say where, and end.
#[test]
fn a_panic_of_init_is_one_line_an_event_and_an_end() {
    let mut ns = Ns::ready(Plan::default());
    ns.signal(Signal::SIGABRT);
    assert_eq!(ns.end().code(), Some(70));
    let log = ns.log();
    let line = log.lines().find(|l| l.starts_with("init: PANIC ")).expect("a line");
    assert!(line.contains("src/runtime.rs:") && line.contains("asked for by a test"), "{line}");
    assert!(line.contains("right: 6"), "all in one line: {line}");
    assert!(
        ns.events()
            .iter()
            .any(|e| matches!(e, BootEvent::Panic { text } if text.contains("runtime.rs")))
    );
}

/// A first version cut six bytes, the length of what it puts in front, out of every long line.
#[test]
fn a_long_line_of_pkgd_is_broken_and_nothing_of_it_lost() {
    let pkgd = format!("seq -s, 1 200; printf 'no newline'; exec >/dev/null 2>&1\n{GOOD_PKGD}");
    let ns = Ns::ready(Plan { pkgd: &pkgd, ..Plan::default() });
    ns.wait_log("no newline");
    let log = ns.log();
    let said: String = log.lines().filter_map(|l| l.strip_prefix("init: pkgd: ")).collect();
    let numbers: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
    assert_eq!(said, numbers.join(",") + "no newline");
}

#[test]
fn init_refuses_to_run_as_an_ordinary_process() {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_init")).output().unwrap();
    assert_eq!(out.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&out.stderr).contains("not PID 1"));
}
