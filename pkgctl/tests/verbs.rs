//! Every verb of the real program against a fake pkgd: what it asks, what it says, how it ends.

mod support;

use minos_model::{JobState, TestLevel};
use minos_proto::{BuildOptions, CheckState, EventBody, PackageRequest, Reply, Request, VERSION};
use support::sample::{self, healthy};
use support::{Fake, run};

#[test]
fn status_plan_jobs() {
    let fake = Fake::start(healthy);
    let status = fake.pkgctl(&["status"]).ends(0);
    assert!(status.out.starts_with("daemon     pkgd 0.1.0, up 3:12, appliance\n"), "{status:?}");
    let plan = fake.pkgctl(&["plan", "m4", "--tests", "all", "--rebuild", "m4"]).ends(0);
    assert!(plan.out.contains("m4: 1 step, 0 cached, 1 to build, about 1:00\n"), "{plan:?}");
    let jobs = fake.pkgctl(&["jobs"]).ends(0);
    assert!(jobs.out.contains("\n  7  running  2025-11-21 03:47"), "{jobs:?}");
    let job = fake.pkgctl(&["jobs", "8"]).ends(0);
    assert!(job.out.starts_with("job 8 lfs/demo: failed after 2:00; 2 steps"), "{job:?}");
    let step = "m4".parse().unwrap();
    let options =
        BuildOptions { tests: TestLevel::All, rebuild: vec![step], ..BuildOptions::default() };
    let asked = [
        Request::Status,
        Request::Plan { target: "m4".into(), options },
        Request::Jobs { limit: 0 },
        Request::Job { job: Some(8) },
    ];
    assert_eq!(fake.asked(), asked);
}

#[test]
fn build_starts_watches_and_sums_up() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["build", "m4", "--keep-going", "--jobs", "2"]).ends(0);
    let want = "job 7 started
job 7 lfs/demo: running, 0 of 2 steps done
    0:00  zlib             cached, output 8b5ebc2d2c7a
    0:01  m4               started, attempt 3
    0:02  m4               build
    0:04  m4               build done in 1:01, cpu 1:39, peak 50.0 MiB
    0:05  m4               built in 1:01, cpu 1:39, peak 50.0 MiB, output
                           8b5ebc2d2c7a
job 7 lfs/demo: done after 2:00; 2 steps, 1 built, 1 cached
";
    let digest = minos_model::Digest::of(b"m4").short();
    assert!(ran.out.starts_with(&want.replace("8b5ebc2d2c7a", &digest)), "{}", ran.out);
    let options = BuildOptions { keep_going: true, jobs: 2, ..BuildOptions::default() };
    let build = Request::Build { target: "m4".into(), options };
    assert_eq!(fake.asked()[0], build);
}

/// The table of a job that compares comes after its summary, and a difference has a status of its own.
#[test]
fn what_differs_when_built_again_is_exit_14() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["build", "twice", "--check"]).ends(14);
    assert!(ran.out.contains("\nstep  result\nm4    differs\n"), "{}", ran.out);
    let options = BuildOptions { compare: true, ..BuildOptions::default() };
    let asked = fake.asked();
    assert_eq!(asked[0], Request::Build { target: "twice".into(), options });
    assert_eq!(asked.last(), Some(&Request::Compared { job: Some(9) }));
    let json = fake.pkgctl(&["watch", "9", "--json"]).ends(14);
    assert!(json.out.lines().last().unwrap().contains(r#""type":"comparison""#), "{}", json.out);
}

/// Costs are a table, or a page that can be put into a file as it is.
#[test]
fn costs_are_a_table_or_a_page() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["report", "lfs/all"]).ends(0);
    assert_eq!(ran.out, "step   sbu\nm4    1.00\n");
    let page = fake.pkgctl(&["report", "lfs/all", "--html"]).ends(0);
    assert_eq!(page.out, "<h1>m4</h1>\n");
    let target = "lfs/all".to_owned();
    assert_eq!(
        fake.asked(),
        [false, true].map(|page| Request::Costs { target: target.clone(), page })
    );
}

#[test]
fn tests_tell_what_came_of_a_suite_and_whether_it_failed_the_step() {
    let fake = Fake::start(healthy);
    let fine = fake.pkgctl(&["tests", "m4"]).ends(0);
    assert!(fine.out.contains("checks/12  FAIL"), "{}", fine.out);
    let json = fake.pkgctl(&["tests", "gcc:pass1", "--attempt", "8", "--json"]).ends(1);
    assert!(json.out.contains(r#""type":"tests""#), "{}", json.out);
    let step = |name: &str| name.parse().unwrap();
    let asked = [
        Request::Tests { step: step("m4"), attempt: None },
        Request::Tests { step: step("gcc:pass1"), attempt: Some(8) },
    ];
    assert_eq!(fake.asked(), asked);
    let wrong = fake.pkgctl(&["build", "m4", "--tests", "some"]).ends(2);
    assert!(wrong.err.contains("write none, critical or all"), "{}", wrong.err);
}

#[test]
fn a_failed_job_is_exit_1_and_shows_the_way_to_its_log() {
    let fake = Fake::start(healthy);
    let root = fake.root().to_str().unwrap();
    let ran = run(&["build", "bad", "--root", root]).ends(1);
    for want in [
        "m4               FAILED out-of-memory in build: cc1 was killed\n",
        "\nm4 failed: out-of-memory in build\n  what: cc1 was killed\n",
        "  hint: give the machine more memory\n",
        &format!("pkgctl --root {root} log m4 --attempt 3\n"),
    ] {
        // A long path may be broken over two lines.
        let flat = ran.out.replace("\n        ", " ");
        assert!(ran.out.contains(want) || flat.contains(want), "{want}\n{}", ran.out);
    }
}

#[test]
fn detached_builds_and_retries_return_at_once() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["build", "m4", "--detach"]).ends(0);
    assert!(ran.out.starts_with("job 7 started; 'pkgctl --socket "), "{ran:?}");
    fake.pkgctl(&["retry", "8", "--detach"]).ends(0);
    fake.pkgctl(&["retry", "8"]).ends(1);
    assert_eq!(fake.asked()[1], Request::Retry { job: 8 });
}

#[test]
fn events_audit_and_verify() {
    let fake = Fake::start(healthy);
    let events = fake.pkgctl(&["events", "9", "--job", "8"]).ends(0);
    assert!(events.out.contains("    8        lfs/demo queued\n"), "{}", events.out);
    assert!(events.out.contains("FAILED out-of-memory"), "{}", events.out);
    let json = fake.pkgctl(&["events", "--json"]).ends(0);
    let lines: Vec<serde_json::Value> =
        json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["number"], &lines[0]["event"]), (&1.into(), &"job-queued".into()));
    assert!(lines.iter().all(|line| line["type"] == "event" && line["job"] == 8), "{json:?}");
    let audit = fake.pkgctl(&["events", "--audit"]).ends(0);
    assert!(audit.out.contains("   0   77  build lfs/demo (pkgctl 0.1.0)\n"), "{}", audit.out);
    fake.pkgctl(&["events", "--audit", "--job", "8"]).ends(2);
    let lost = fake.pkgctl(&["verify"]).ends(9);
    assert!(lost.out.contains("1 lost") && lost.out.ends_with("nothing\n"), "{}", lost.out);
    fake.pkgctl(&["verify", "--outputs", "--quick", "--repair"]).ends(0);
    // Together they checked nothing, and said that all is well.
    fake.pkgctl(&["verify", "--outputs", "--system"]).ends(9);
    fake.pkgctl(&["verify", "--outputs", "--booted"]).ends(9);
    let system = |booted| {
        let names = Vec::new();
        Request::Package(PackageRequest::Verify { names, quick: false, repair: false, booted })
    };
    let asked = [
        Request::Events { job: Some(8), limit: 9 },
        Request::Events { job: None, limit: 0 },
        Request::Audit { limit: 0 },
        Request::Verify { quick: false, repair: false },
        system(false),
        Request::Verify { quick: true, repair: true },
        Request::Verify { quick: false, repair: false },
        system(false),
        Request::Verify { quick: false, repair: false },
        system(true),
    ];
    assert_eq!(fake.asked(), asked);
}

#[test]
fn watch_takes_the_newest_job_and_ignores_others() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } => {
            let body = || EventBody::JobFinished { state: JobState::Failed };
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            wire.event(sample::event(99, 0, body()));
            wire.event(sample::event(7, 1, EventBody::JobFinished { state: JobState::Done }));
        }
        other => healthy(other, wire),
    });
    fake.pkgctl(&["watch"]).ends(0);
    assert_eq!(fake.asked(), [Request::Watch { job: None }, Request::Job { job: Some(7) }]);
}

/// pkgd lets go of a watcher that was too slow without a word on the wire: a watch that only waited
/// would have waited for ever.
#[test]
fn a_watch_that_hears_nothing_asks_again() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } if wire.stream.read_timeout().unwrap().is_none() => {
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            // A mark on the connection that the first watch was answered.
            wire.stream.set_read_timeout(Some(support::HANGS)).unwrap();
        }
        Request::Watch { .. } => wire.reply(sample::ended(7)),
        other => healthy(other, wire),
    });
    fake.pkgctl(&["watch", "7"]).ends(0);
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn logs_come_whole_in_part_and_raw_into_a_pipe() {
    let fake = Fake::start(healthy);
    assert_eq!(fake.pkgctl(&["log", "m4"]).ends(0).out, sample::LOG);
    let tail = fake.pkgctl(&["log", "m4", "--tail", "2"]).ends(0);
    assert_eq!(tail.out, "\x1b[31mred\x1b[0m\nlast line\n");
    assert_eq!(fake.pkgctl(&["log", "m4", "--tail", "99"]).ends(0).out, sample::LOG);
    let first = fake.pkgctl(&["log", "gcc:pass1", "--attempt", "3"]).ends(0);
    assert_eq!(first.out, sample::LOG);
    let step = "gcc:pass1".parse().unwrap();
    assert!(fake.asked().contains(&Request::Log { step, attempt: Some(3), offset: 0 }));
}

#[test]
fn a_phase_of_a_log() {
    let fake = Fake::start(|request, wire| match request {
        Request::Log { offset, .. } => {
            let text = "pkgd: phase build\na\nb\npkgd: phase check\nc\n";
            // In pieces of 20 bytes, as a long log comes.
            let piece = text.bytes().skip(usize::try_from(*offset).unwrap()).take(20).collect();
            let end = *offset + 20 >= text.len() as u64;
            wire.reply(Reply::Log { attempt: sample::attempt(), bytes: piece, end });
        }
        other => healthy(other, wire),
    });
    let log =
        |phase, more: &[&str]| fake.pkgctl(&[&["log", "m4", "--phase", phase], more].concat());
    assert_eq!(log("build", &[]).ends(0).out, "a\nb\n");
    assert_eq!(log("build", &["--tail", "1"]).ends(0).out, "b\n");
    assert_eq!(log("check", &[]).ends(0).out, "c\n");
    assert!(log("install", &[]).ends(3).err.contains("phase install did not run in this attempt"));
    assert!(log("instal", &[]).ends(2).err.contains("is no phase; there are unpack"));
}

#[test]
fn a_followed_log_ends_with_its_attempt() {
    let rounds = std::sync::atomic::AtomicU64::new(0);
    let fake = Fake::start(move |request, wire| match request {
        Request::Log { offset, attempt, .. } => {
            let round = rounds.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Nothing new in the second round; the attempt is over in the fourth.
            let bytes = match round {
                1 => Vec::new(),
                n => format!("{attempt:?} from {offset} in round {n}\n").into_bytes(),
            };
            let running = minos_proto::Attempt { finished_ms: None, ..sample::attempt() };
            wire.reply(Reply::Log { attempt: running, bytes, end: round == 3 });
        }
        other => healthy(other, wire),
    });
    let want = "None from 0 in round 0\nSome(3) from 23 in round 2\nSome(3) from 50 in round 3\n";
    assert_eq!(fake.pkgctl(&["log", "m4", "--follow"]).ends(0).out, want);
}

#[test]
fn the_log_of_a_running_attempt_ends_where_it_stands() {
    let fake = Fake::start(|request, wire| match request {
        Request::Log { offset, .. } => {
            let Reply::Log { attempt, bytes, .. } = sample::log(*offset) else { return };
            wire.reply(Reply::Log { attempt, bytes, end: false });
        }
        other => healthy(other, wire),
    });
    assert_eq!(fake.pkgctl(&["log", "m4"]).ends(0).out, sample::LOG);
}

#[test]
fn recipes() {
    let fake = Fake::start(healthy);
    let list = fake.pkgctl(&["recipe", "list"]).ends(0);
    assert!(list.out.starts_with("step       version  stage   SBU  description\n"), "{list:?}");
    assert!(list.out.lines().all(|l| l.len() <= 80), "{}", list.out);
    let show = fake.pkgctl(&["recipe", "show", "m4"]).ends(0);
    assert!(show.out.ends_with("== recipe.toml\nname = \"m4\"\n"), "{show:?}");
    let lint = fake.pkgctl(&["recipe", "lint"]).ends(0);
    assert_eq!(lint.out, "nothing to complain about\n");
    let wrong = Fake::start(|_, wire| wire.reply(Reply::Lints(vec![sample::lint(true)])));
    wrong.pkgctl(&["recipe", "lint", "m4"]).ends(6);
    let fussy = Fake::start(|_, wire| wire.reply(Reply::Lints(vec![sample::lint(false)])));
    fussy.pkgctl(&["recipe", "lint"]).ends(0);
}

#[test]
fn doctor_is_exit_7_when_the_machine_cannot_build() {
    let doctor =
        |state| Fake::start(move |_, wire| wire.reply(Reply::Doctor(vec![sample::check(state)])));
    doctor(CheckState::Good).pkgctl(&["doctor"]).ends(0);
    doctor(CheckState::Warning).pkgctl(&["doctor"]).ends(0);
    let bad = doctor(CheckState::Bad).pkgctl(&["doctor"]).ends(7);
    assert!(bad.out.ends_with("landlock: boot another\nnot fit to build: 1 bad\n"), "{bad:?}");
}

#[test]
fn cancel_poweroff_reboot() {
    let fake = Fake::start(healthy);
    fake.pkgctl(&["cancel", "7"]).ends(0);
    fake.pkgctl(&["poweroff"]).ends(0);
    fake.pkgctl(&["reboot"]).ends(0);
    let (off, again) = (Request::Shutdown { reboot: false }, Request::Shutdown { reboot: true });
    assert_eq!(fake.asked(), [Request::Cancel { job: 7 }, off, again]);
}

#[test]
fn version_and_help_need_no_daemon() {
    assert_eq!(
        run(&["version"]).ends(0).out,
        format!("pkgctl 0.1.0, protocol {VERSION}, JSON schema minos/1\n")
    );
    for words in [&["help"][..], &["--help"], &["-h"], &["help", "build"], &["build", "--help"]] {
        let ran = run(words).ends(0);
        assert!(ran.out.contains("Usage: pkgctl"), "{ran:?}");
        assert!(ran.out.lines().all(|l| l.len() <= 80), "{}", ran.out);
    }
}

#[test]
fn json_is_one_object_a_line() {
    let fake = Fake::start(healthy);
    let table: [(&[&str], &str); 13] = [
        (&["status"], "status"),
        (&["plan", "m4"], "plan"),
        (&["jobs"], "jobs"),
        (&["jobs", "7"], "job"),
        (&["log", "m4"], "log"),
        (&["cancel", "7"], "done"),
        (&["retry", "7", "--detach"], "started"),
        (&["recipe", "list"], "recipes"),
        (&["recipe", "show", "m4"], "recipe"),
        (&["recipe", "lint"], "lints"),
        (&["doctor"], "doctor"),
        (&["reboot"], "done"),
        (&["version"], "version"),
    ];
    for (words, name) in table {
        let ran = fake.pkgctl(&[words, &["--json"]].concat()).ends(0);
        for line in ran.out.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&value["schema"], &value["type"]), (&"minos/1".into(), &name.into()));
        }
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{words:?} {ran:?}");
    }
}

#[test]
fn json_of_a_watch_is_a_line_for_each_event() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["build", "bad", "--json"]).ends(1);
    let kinds: Vec<String> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .map(|v| v.get("event").unwrap_or(&v["type"]).as_str().unwrap().to_owned())
        .collect();
    let want = [
        "started",
        "job",
        "step-cached",
        "step-started",
        "phase-started",
        "progress",
        "phase-done",
        "step-failed",
        "job-finished",
        "job",
    ];
    assert_eq!(kinds, want);
}

/// `pkgctl jobs | head -0`: nothing to complain about, and no panic.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fake = Fake::start(healthy);
    let mut child = support::start(&["--socket", fake.socket.to_str().unwrap(), "recipe", "list"]);
    drop(child.stdout.take());
    child.stdout = Some(
        std::process::Command::new("true")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
            .stdout
            .take()
            .unwrap(),
    );
    let ran = support::finish(child);
    assert!(ran.err.is_empty(), "{ran:?}");
}
