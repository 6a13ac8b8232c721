//! The shell and the status line on a real pseudo-terminal, with keys typed.

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::thread;
use std::time::Duration;

use minos_model::JobState;
use minos_proto::{Reply, Request, VERSION};
use support::Fake;
use support::sample::{self, healthy};
use support::terminal::{Person, wait};

fn at_the_prompt(fake: &Fake, columns: u16) -> Person {
    let person = Person::sit_down(columns, &["--socket", fake.socket.to_str().unwrap()], &[]);
    person.sees_row("minos>");
    person
}

#[test]
fn a_session_from_banner_to_exit() {
    let fake = Fake::start(healthy);
    let mut person = at_the_prompt(&fake, 80);
    person.sees("MinOS 0.1.0, kernel 6.12.9, Landlock ABI 6, 12 outputs, 4.0 GiB free");
    person.sees("last boot: powered off on request");
    person.sees("job 7 builds lfs/demo; 'watch' follows it");
    person.types("status\r");
    person.sees("daemon     pkgd 0.1.0, up 3:12, appliance");
    person.sees_row("minos>");
    person.types("exit\r");
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn keys_edit_the_line() {
    let fake = Fake::start(healthy);
    let mut person = at_the_prompt(&fake, 80);
    person.types("vrsion");
    person.types("\x1b[D\x1b[D\x1b[D\x1b[D\x1b[De");
    person.sees_row("minos> version");
    person.types("\x01x\x05y");
    person.sees_row("minos> xversiony");
    person.types("\x7f\x1b[H\x1b[3~\r");
    person.sees(&format!("pkgctl 0.1.0, protocol {VERSION}"));
    person.sees_row("minos>");
    person.types("some words\x17\x15\x03");
    person.sees_row("minos>");
    person.types("\x1b[A");
    person.sees_row("minos> version");
    person.types("\x15\x04");
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn tab_completes_verbs_options_and_what_pkgd_knows() {
    let fake = Fake::start(healthy);
    let mut person = at_the_prompt(&fake, 80);
    person.types("sta\t");
    person.sees_row("minos> status");
    person.types("\x15bui\tlfs\t--keep\t");
    person.sees_row("minos> build lfs/demo --keep-going");
    person.types("\x15log gc\t--at\t");
    person.sees_row("minos> log gcc:pass1 --attempt");
    person.types("\x15re\t");
    person.sees("reboot  recipe  remove  repo    report  retry");
    person.sees_row("minos> re");
    person.types("\x15cancel \t");
    person.sees("7  8");
    person.types("7\r");
    person.sees("job 7 is cancelled");
    person.types("\x04");
    assert_eq!(person.leaves(), Some(0));
    assert_eq!(fake.asked().last(), Some(&Request::Cancel { job: 7 }));
}

#[test]
fn history_is_kept_in_its_file() {
    let fake = Fake::start(healthy);
    let file = fake.root().join("history");
    let variables = [("PKGCTL_HISTORY", file.to_str().unwrap())];
    let words = ["--socket", fake.socket.to_str().unwrap()];
    let mut first = Person::sit_down(80, &words, &variables);
    first.sees_row("minos>");
    first.types("plan m4\rjobs\r");
    first.sees("lfs/demo");
    first.types("exit\r");
    first.leaves();
    let mut second = Person::sit_down(80, &words, &variables);
    second.sees_row("minos>");
    second.types("\x1bOA\x1bOA\x1bOA");
    second.sees_row("minos> plan m4");
    second.types("\x15\x12job");
    second.sees_row("search 'job': jobs");
    second.types("\r");
    second.sees("begun (UTC)");
    second.types("\x04");
    assert_eq!(second.leaves(), Some(0));
}

#[test]
fn bad_input_never_ends_the_shell() {
    let fake = Fake::start(healthy);
    let mut person = at_the_prompt(&fake, 80);
    person.types_bytes(b"\xff\xfe\x00\x1b[999q\x1b[;;R\xc3\x28\x1c\x1d\x1e\x1f");
    person.types("\x15statsu\r");
    person.sees("did you mean 'status'?");
    person.types("log 'm4\r");
    person.sees("the quote ' is not closed");
    person.types("build --jobs many m4\r");
    person.sees("option '--jobs' does not take 'many'");
    person.types("\r\r   \r");
    person.types(&"x".repeat(5000));
    person.types("\r");
    person.sees("xxxx..");
    person.types("pkgctl version\r");
    person.sees(&format!("pkgctl 0.1.0, protocol {VERSION}"));
    person.types("exit\r");
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn the_shell_outlives_pkgd() {
    let fake = Fake::silent();
    let words = ["--socket", fake.socket.to_str().unwrap(), "--timeout", "1"];
    let mut person = Person::sit_down(80, &words, &[]);
    person.sees("no answer yet: cannot reach pkgd");
    person.sees_row("minos>");
    person.types("status\r");
    person.sees("hint: pkgd is not running");
    fake.listen(healthy);
    person.types("status\r");
    person.sees("daemon     pkgd 0.1.0");
    person.types("exit\r");
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn ctrl_c_leaves_a_watch_and_stays_in_the_shell() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } => {
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            wire.event(sample::event(7, 0, sample::progress()));
        }
        other => healthy(other, wire),
    });
    let mut person = at_the_prompt(&fake, 80);
    person.types("watch 7\r");
    person.sees("[#######---] 1/2 m4 build 0:30 cpu 0:55 mem 97.6 MiB left 0:30");
    person.types("\x03");
    person.sees("detached: job 7 goes on");
    person.sees_row("minos>");
    person.types("exit\r");
    assert_eq!(person.leaves(), Some(0));
}

/// A job of 200 events in one burst and 30 of mere progress: the status line is drawn once, not 230
/// times, and is gone at the end.
#[test]
fn a_watch_does_not_flood_a_slow_line() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } => {
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            (0..200).for_each(|n| wire.event(sample::event(7, n, sample::progress())));
            sample::story(7).into_iter().for_each(|body| wire.event(sample::event(7, 200, body)));
        }
        other => healthy(other, wire),
    });
    let words = ["--socket", fake.socket.to_str().unwrap(), "watch", "7"];
    let person = Person::sit_down(80, &words, &[]);
    person.sees("job 7 lfs/demo: done after 2:00");
    let bytes = person.received();
    let drawn = person.raw().matches("[#").count();
    assert!(drawn <= 4, "the status line was drawn {drawn} times");
    assert!(bytes < 3000, "{bytes} bytes for 8 lines and a table");
    assert!(!person.rows().iter().any(|row| row.contains("[#")), "{:#?}", person.rows());
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let fake = Fake::start(healthy);
    for columns in [80, 60] {
        let mut person = at_the_prompt(&fake, columns);
        for line in
            ["status", "jobs", "jobs 8", "recipe list", "watch 8", "doctor", "help", "plan m4"]
        {
            person.types(&format!("{line}\r"));
            person.sees_row("minos>");
        }
        person.types(&"long ".repeat(60));
        person.types("\x01\x05\x15exit\r");
        let rows = person.rows();
        assert_eq!(person.leaves(), Some(0));
        let wide: Vec<_> = rows.iter().filter(|r| r.chars().count() > columns.into()).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}

#[test]
fn a_line_of_unknown_size_is_asked() {
    let fake = Fake::start(healthy);
    let mut person = Person::sit_down(0, &["--socket", fake.socket.to_str().unwrap()], &[]);
    while !person.raw().contains("\x1b[6n") {
        thread::sleep(Duration::from_millis(5));
    }
    // A key typed before the answer is not lost.
    person.types("r\x1b[24;40R");
    person.sees_row("minos> r");
    person.types("ecipe list\r");
    person.sees("package");
    person.types("exit\r");
    let rows = person.rows();
    assert_eq!(person.leaves(), Some(0));
    assert!(rows.iter().all(|r| r.chars().count() <= 40), "{rows:#?}");
}

#[test]
fn a_terminal_that_does_not_answer_has_eighty_columns() {
    let fake = Fake::start(healthy);
    let mut person = at_the_prompt(&fake, 0);
    person.types("recipe list\r");
    person.sees_row("minos>");
    // The late answer is taken when it comes, and is no input.
    person.types("\x1b[24;132Rexit\r");
    let rows = person.rows();
    assert_eq!(person.leaves(), Some(0));
    assert!(rows.iter().all(|r| r.chars().count() <= 80), "{rows:#?}");
    assert!(rows.iter().any(|r| r.chars().count() > 60), "{rows:#?}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let fake = Fake::start(healthy);
    let words = ["--socket", fake.socket.to_str().unwrap(), "jobs"];
    let shown = |words: &[&str], variables: &[(&str, &str)]| {
        let person = Person::sit_down(80, words, variables);
        person.sees("begun (UTC)");
        person.sees("  7  running");
        let raw = person.raw();
        assert_eq!(person.leaves(), Some(0));
        raw.contains("\x1b[31m")
    };
    assert!(shown(&words, &[]));
    assert!(!shown(&words, &[("NO_COLOR", "1")]));
    assert!(!shown(&words, &[("TERM", "dumb")]));
    assert!(!shown(&[&words[..], &["--no-color"]].concat(), &[]));
}

/// A build log must not be able to command the terminal it is shown on.
#[test]
fn logs_are_harmless_on_a_terminal() {
    let fake = Fake::start(healthy);
    let words = ["--socket", fake.socket.to_str().unwrap(), "log", "m4"];
    let person = Person::sit_down(80, &words, &[]);
    person.sees("last line");
    assert!(!person.raw().contains('\x1b'), "{:?}", person.raw());
    person.sees("?[31mred?[0m");
}

/// The console of a machine that loses its terminal must end, so that init can start it again.
#[test]
fn a_terminal_that_goes_away_ends_the_shell() {
    let fake = Fake::start(healthy);
    let child = at_the_prompt(&fake, 80).hangs_up();
    let status = wait(child);
    assert_ne!(status.signal(), Some(9), "it had to be killed");
}
