//! Everything that can go wrong on the way to pkgd, and the exit status and words it leads to.

mod support;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use minos_model::JobState;
use minos_proto::frame::{self, MAX_PAYLOAD, Reader};
use minos_proto::{
    ErrorKind, ErrorReport, EventBody, Hello, Reply, Request, Role, Tag, VERSION, Verdict, Welcome,
};
use support::sample::{self, healthy};
use support::{Fake, finish, run, start};

#[test]
fn each_kind_of_error_has_its_exit_status() {
    let table = [
        (ErrorKind::NotFound, 3),
        (ErrorKind::Invalid, 2),
        (ErrorKind::Forbidden, 5),
        (ErrorKind::Conflict, 11),
        (ErrorKind::Recipe, 6),
        (ErrorKind::Machine, 7),
        (ErrorKind::Limit, 12),
        (ErrorKind::Version, 8),
        (ErrorKind::State, 9),
        (ErrorKind::Internal, 10),
        (ErrorKind::Unsolvable, 13),
    ];
    for (kind, code) in table {
        let fake = Fake::start(move |_, wire| wire.fail(kind));
        let ran = fake.pkgctl(&["cancel", "4"]).ends(code);
        assert_eq!(ran.err, "pkgctl: it cannot be done\nhint: do something else\n");
        assert_eq!(ran.out, "");
        let ran = fake.pkgctl(&["cancel", "4", "--json"]).ends(code);
        let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((&value["kind"], &value["exit"]), (&kind.as_str().into(), &code.into()));
        assert_eq!(ran.err, "");
    }
}

#[test]
fn wrong_command_lines_are_exit_2_with_the_nearest_word() {
    let table: [(&[&str], &str); 10] = [
        (&["statsu"], "pkgctl: there is no verb 'statsu'\nhint: did you mean 'status'? "),
        (
            &["recipe", "lits"],
            "pkgctl: there is no verb 'recipe lits'\nhint: did you mean 'list'? ",
        ),
        (&["build", "m4", "--keepgoing"], "hint: did you mean '--keep-going'? 'pkgctl help build'"),
        (&["frobnicate"], "hint: 'pkgctl help' tells more\n"),
        (&["build"], "hint: 'pkgctl help build' tells more\n"),
        (&["jobs", "x"], "pkgctl: jobs does not take 'x': invalid digit"),
        (&["log", "../etc"], "is not a valid name"),
        (&["build", "m4", "extra"], "pkgctl: unrecognized argument: extra"),
        (&["--socket", "/x", "--root", "/y", "status"], "exclude each other"),
        (&[], "pkgctl: no verb given\nhint: 'pkgctl help' lists them\n"),
    ];
    for (words, want) in table {
        let ran = run(words).ends(2);
        assert!(ran.err.contains(want), "{words:?}\n{}", ran.err);
        assert!(ran.err.lines().all(|l| l.len() <= 80), "{}", ran.err);
    }
}

#[test]
fn an_unreachable_pkgd_is_named_with_the_next_step() {
    let nowhere = Fake::silent();
    let ran = nowhere.pkgctl(&["status"]).ends(4);
    let socket = nowhere.socket.to_str().unwrap();
    assert!(ran.complaint().contains(socket), "{ran:?}");
    assert!(ran.complaint().contains("there is no such socket"), "{ran:?}");
    assert!(ran.complaint().contains("hint: pkgd is not running"), "{}", ran.err);
    let root = nowhere.root().to_str().unwrap();
    let ran = run(&["--root", root, "status"]).ends(4);
    assert!(
        ran.complaint().contains("hint: start the daemon on that root: pkgd --root DIR"),
        "{ran:?}"
    );
    let ran = run(&["--vm=/nonexistent/control.sock", "status"]).ends(4);
    assert!(ran.complaint().contains("hint: start a machine with ./qemu/up"), "{ran:?}");
    drop(std::os::unix::net::UnixListener::bind(&nowhere.socket).unwrap());
    let ran = nowhere.pkgctl(&["status"]).ends(4);
    assert!(ran.complaint().contains("nobody listens on it"), "{ran:?}");
    run(&["--socket", &"x/".repeat(100), "status"]).ends(4);
}

fn welcome(version: u16) -> Welcome {
    Welcome { version, server: "pkgd 9.9".into(), role: Role::Admin }
}

/// Reads the client's hello, so that closing does not reset the connection.
fn hear(stream: &UnixStream) -> Hello {
    Reader::strict(stream, MAX_PAYLOAD).next_frame().unwrap().decode().unwrap()
}

#[test]
fn another_protocol_version_is_exit_8() {
    let fake = Fake::silent();
    fake.accept(|mut stream| {
        assert_eq!(hear(&stream).version, VERSION);
        frame::write(&mut stream, Tag::Welcome, &welcome(VERSION + 1)).unwrap();
    });
    let speaks = format!("this pkgctl speaks protocol {VERSION}, pkgd 9.9 speaks {}", VERSION + 1);
    let ran = fake.pkgctl(&["status"]).ends(8);
    assert!(ran.complaint().contains(&speaks), "{ran:?}");
    let refusing = Fake::silent();
    refusing.accept(|mut stream| {
        hear(&stream);
        let report = ErrorReport::new(ErrorKind::Version, "too old", "use a newer one");
        frame::write(&mut stream, Tag::Refusal, &report).unwrap();
    });
    let ran = refusing.pkgctl(&["status"]).ends(8);
    assert_eq!(ran.err, "pkgctl: too old\nhint: use a newer one\n");
}

/// A daemon that is full refuses before it has read anything.
#[test]
fn a_refusal_at_the_door_is_told() {
    let fake = Fake::silent();
    fake.accept(|mut stream| {
        let report = ErrorReport::new(ErrorKind::Limit, "too many clients", "try again");
        frame::write(&mut stream, Tag::Refusal, &report).unwrap();
    });
    for _ in 0..20 {
        fake.pkgctl(&["status"]).ends(12);
    }
}

#[test]
fn what_is_not_the_protocol_is_exit_8() {
    let noise: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        // A frame that announces 4 GiB.
        &[0x4d, 0xf1, 2, 0, 255, 255, 255, 255, 0, 0, 0, 0],
        // An unknown tag and a wrong checksum.
        &[0x4d, 0xf1, 77, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        &[0x4d, 0xf1, 2, 0, 1, 0, 0, 0, 1, 2, 3, 4, 9],
    ];
    for bytes in noise {
        let fake = Fake::silent();
        fake.accept(move |mut stream| {
            hear(&stream);
            stream.write_all(bytes).unwrap();
        });
        let ran = fake.pkgctl(&["status"]).ends(8);
        assert!(
            ran.complaint().contains("hint: are pkgctl and pkgd from the same build?"),
            "{ran:?}"
        );
    }
}

#[test]
fn damaged_and_foreign_replies_are_exit_8() {
    let table: [fn(&Request, &mut support::Wire); 5] = [
        |_, wire| wire.send(Tag::Reply, &(1u32, 99u8)),
        |_, wire| wire.reply_to(77, Reply::Done),
        |_, wire| wire.reply(Reply::Done),
        |_, wire| wire.send(Tag::Welcome, &1u8),
        |_, wire| {
            let mut bytes = frame::encode(Tag::Reply, &(1u32, "x")).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            wire.bytes(&bytes);
        },
    ];
    for answer in table {
        Fake::start(answer).pkgctl(&["status"]).ends(8);
    }
}

#[test]
fn a_connection_cut_before_the_answer_is_exit_4() {
    let cut = Fake::start(|_, wire| wire.cut());
    let ran = cut.pkgctl(&["status"]).ends(4);
    assert!(ran.complaint().contains("the peer closed the connection"), "{ran:?}");
    let halfway = Fake::start(|_, wire| {
        let bytes = frame::encode(Tag::Reply, &(1u32, "a long enough text")).unwrap();
        wire.bytes(&bytes[..bytes.len() - 3]);
        wire.cut();
    });
    halfway.pkgctl(&["status"]).ends(4);
}

#[test]
fn a_daemon_that_says_nothing_is_given_up() {
    let deaf = Fake::silent();
    deaf.accept(|_stream| thread::sleep(support::HANGS));
    let ran = deaf.pkgctl(&["status", "--timeout", "1"]).ends(4);
    assert!(ran.complaint().contains("did not answer for 1 s"), "{ran:?}");
    let slow = Fake::start(|request, wire| {
        thread::sleep(Duration::from_millis(300));
        healthy(request, wire);
    });
    slow.pkgctl(&["status"]).ends(0);
    // Silence in the middle of a frame is silence as well.
    let stuck = Fake::start(|_, wire| {
        wire.bytes(&[0x4d, 0xf1]);
        thread::sleep(support::HANGS);
    });
    stuck.pkgctl(&["status", "--timeout", "1"]).ends(4);
}

#[test]
fn a_hung_daemon_with_a_full_backlog_is_given_up() {
    let fake = Fake::silent();
    let listener = std::os::unix::net::UnixListener::bind(&fake.socket).unwrap();
    let backlog: Vec<_> = std::iter::from_fn(|| {
        let socket = &fake.socket;
        let (sender, done) = std::sync::mpsc::channel();
        let socket = socket.clone();
        thread::spawn(move || sender.send(UnixStream::connect(socket)));
        done.recv_timeout(Duration::from_millis(200)).ok()
    })
    .take(5000)
    .collect();
    assert!(!backlog.is_empty());
    let ran = fake.pkgctl(&["status", "--timeout", "1"]).ends(4);
    assert!(ran.complaint().contains("it does not accept connections"), "{ran:?}");
    drop(listener);
}

#[test]
fn a_watch_survives_a_restart_of_pkgd() {
    let watches = AtomicU32::new(0);
    let fake = Fake::start(move |request, wire| match request {
        Request::Watch { job } if watches.fetch_add(1, Ordering::SeqCst) == 0 => {
            assert_eq!(*job, Some(7));
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            wire.event(sample::event(7, 0, sample::progress()));
            wire.cut();
        }
        other => healthy(other, wire),
    });
    let ran = fake.pkgctl(&["watch", "7"]).ends(0);
    assert!(ran.out.contains("\npkgd went away; waiting for it to come back\n"), "{}", ran.out);
    assert!(ran.out.contains("job 7 lfs/demo: done after 2:00"), "{}", ran.out);
}

#[test]
fn a_watch_does_not_wait_for_ever() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } => wire.cut(),
        other => healthy(other, wire),
    });
    fake.pkgctl(&["watch", "--timeout", "1"]).ends(4);
}

#[test]
fn an_interrupt_ends_the_watch_and_not_the_job() {
    let fake = Fake::start(|request, wire| match request {
        Request::Watch { .. } => {
            wire.reply(Reply::Job { job: sample::job(7, JobState::Running), steps: Vec::new() });
            let m4 = "m4".parse().unwrap();
            wire.event(sample::event(7, 0, EventBody::StepStarted { step: m4, attempt: 3 }));
        }
        other => healthy(other, wire),
    });
    for json in [false, true] {
        let socket = fake.socket.to_str().unwrap();
        let words: &[&str] = &["--socket", socket, "build", "m4", "--json"];
        let child = start(if json { words } else { &words[..4] });
        while fake.asked().len() < if json { 4 } else { 2 } {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(100));
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let ran = finish(child).ends(130);
        if json {
            let last: serde_json::Value =
                serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
            assert_eq!((&last["type"], &last["job"]), (&"detached".into(), &7.into()));
        } else {
            assert!(ran.out.contains("detached: job 7 goes on\n"), "{}", ran.out);
            assert!(ran.out.contains("cancel 7\n"), "{}", ran.out);
        }
    }
    assert!(!fake.asked().iter().any(|r| matches!(r, Request::Cancel { .. })));
}

/// The control port of a machine carries frames of others, and bytes that are none.
#[test]
fn on_a_shared_line_only_our_frames_count() {
    let fake = Fake::start(|request, wire| {
        wire.bytes(b"\xf1M\xf1 noise of a boot loader M\x00");
        wire.reply_to(123, Reply::Done);
        wire.event(sample::event(1, 0, sample::progress()));
        let verdict = Verdict {
            success: true,
            target: "m4".into(),
            summary: "done".into(),
            built: 1,
            cached: 0,
            failed: Vec::new(),
            wall_ms: 1,
        };
        wire.send(Tag::Verdict, &verdict);
        let mut damaged = frame::encode(Tag::Reply, &(1u32, "x")).unwrap();
        damaged[9] ^= 1;
        wire.bytes(&damaged);
        healthy(request, wire);
    });
    let vm = format!("--vm={}", fake.socket.display());
    run(&["status", &vm]).ends(0);
    let ran = run(&["build", "m4", &vm]).ends(0);
    assert!(ran.out.contains("job 7 lfs/demo: done"), "{}", ran.out);
}

/// Replies to others, one after the other, must not keep a client waiting for its own for ever.
#[test]
fn a_busy_shared_line_without_our_answer_is_given_up() {
    let fake = Fake::start(|_, wire| {
        loop {
            wire.reply_to(123, Reply::Done);
            thread::sleep(Duration::from_millis(50));
        }
    });
    let ran =
        run(&["status", "--timeout", "1", &format!("--vm={}", fake.socket.display())]).ends(4);
    assert!(ran.complaint().contains("another program holds its control socket"), "{ran:?}");
}
