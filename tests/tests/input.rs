//! Bad input: sources that are not what was locked, recipes that are wrong, frames that are none.
#![cfg(feature = "system")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use minos_model::{Digest, FailureClass, JobState};
use minos_proto::{
    BuildOptions, ErrorKind, ErrorReport, Event, EventBody, Hello, Request, Tag, VERSION, frame,
};
use minos_qemu::control::ControlError;
use minos_tests::{Daemon, Recipes, Root};

const SOURCE: &str = "[[source]]\nfile = \"data.tar\"\n";

/// A tarball with one file, made here.
fn tarball() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("data-1.0")).expect("a folder");
    std::fs::write(dir.path().join("data-1.0/file"), "content").expect("a file");
    let made = std::process::Command::new("tar")
        .args(["-cf", "data.tar", "data-1.0"])
        .current_dir(dir.path())
        .status()
        .expect("tar runs");
    assert!(made.success());
    std::fs::read(dir.path().join("data.tar")).expect("the tarball")
}

fn with_source(bytes: &[u8], locked: &[u8]) -> (Recipes, tempfile::TempDir) {
    let mut recipes = Recipes::new();
    recipes.lock_source("data.tar", &Digest::of(locked).to_string(), locked.len());
    recipes.step_with("data", &[], &[("build", "test \"$(cat file)\" = content\n")], SOURCE);
    let sources = tempfile::tempdir().expect("a folder");
    std::fs::write(sources.path().join("data.tar"), bytes).expect("a file");
    (recipes, sources)
}

fn source_failure(bytes: &[u8], locked: &[u8], says: &str) {
    let (recipes, sources) = with_source(bytes, locked);
    let folder = sources.path().to_string_lossy().into_owned();
    let root = Root::new(recipes.path()).with(&["--sources", &folder]);
    let mut daemon = root.start();
    let outcome = daemon.build("demo/data");
    let failure = outcome.failure("data");
    assert_eq!(failure.class, FailureClass::Source);
    assert!(failure.what.contains("data.tar") && failure.what.contains(says), "{failure}");
    // Put right, the same job goes on.
    std::fs::write(sources.path().join("data.tar"), locked).expect("a file");
    assert_eq!(daemon.build("demo/data").state, JobState::Done);
}

#[test]
fn a_tarball_with_other_content_is_refused() {
    let good = tarball();
    let mut bad = good.clone();
    bad[600] ^= 1;
    source_failure(&bad, &good, "wrong content");
}

#[test]
fn a_truncated_tarball_is_refused() {
    let good = tarball();
    source_failure(&good[..good.len() / 2], &good, "truncated");
}

#[test]
fn a_missing_tarball_is_named_with_the_places_looked_at() {
    let good = tarball();
    let (recipes, sources) = with_source(&good, &good);
    std::fs::remove_file(sources.path().join("data.tar")).expect("it was there");
    let folder = sources.path().to_string_lossy().into_owned();
    let root = Root::new(recipes.path()).with(&["--sources", &folder]);
    let outcome = root.start().build("demo/data");
    let failure = outcome.failure("data");
    assert_eq!(failure.class, FailureClass::Source);
    assert!(failure.what.contains(&folder), "{failure}");
    let lock = recipes.path().join("sources.lock").display().to_string();
    assert!(failure.hint.contains(&format!("fetch-sources --lock {lock}")), "{failure:?}");
}

/// A bad file in the first folder hid the good one in the second.
#[test]
fn a_good_tarball_is_found_behind_a_bad_one() {
    let good = tarball();
    let (recipes, first) = with_source(&good[..1000], &good);
    let second = tempfile::tempdir().expect("a folder");
    std::fs::write(second.path().join("data.tar"), &good).expect("a file");
    let folders = [&first, &second].map(|dir| dir.path().to_string_lossy().into_owned());
    let root =
        Root::new(recipes.path()).with(&["--sources", &folders[0], "--sources", &folders[1]]);
    let outcome = root.start().build("demo/data");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

/// Verified once, bound by path into each phase: whoever could write to the folder of sources could change
/// the build between two phases.
#[test]
fn a_tarball_changed_during_the_build_changes_nothing() {
    let good = tarball();
    let (mut recipes, sources) = with_source(&good, &good);
    let hash = Digest::of(&good);
    let wait = "for i in $(seq 100); do sleep 0.05; done\n";
    let look = format!("echo '{hash}  /sources/data.tar' | sha256sum -c\n");
    recipes.step_with("slow", &[], &[("configure", wait), ("build", &look)], SOURCE);
    let folder = sources.path().to_string_lossy().into_owned();
    let root = Root::new(recipes.path()).with(&["--sources", &folder]);
    let mut daemon = root.start();
    let job = daemon.begin("demo/slow", BuildOptions::default());
    daemon.first_phase_of("slow");
    std::fs::write(sources.path().join("data.tar"), "something else").expect("a file");
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("slow"));
}

/// A squashfs image of a folder, mounted until dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(content: &std::path::Path) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (image, point) = (dir.path().join("image"), dir.path().join("mounted"));
        std::fs::create_dir(&point).expect("a folder");
        let run = |command: &mut std::process::Command| {
            let done = command.output().expect("it is installed");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run(std::process::Command::new("mksquashfs").args([content, &image]).arg("-quiet"));
        run(std::process::Command::new("mount").args(["-o", "loop,ro"]).args([&image, &point]));
        Self(dir)
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("mounted")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

/// The sources image of the appliance cannot change: nothing of it has to be copied.
#[test]
fn sources_of_an_image_are_used_in_place() {
    let good = tarball();
    let (recipes, sources) = with_source(&good, &good);
    let build = "test \"$(cat file)\" = content\nfor i in $(seq 60); do sleep 0.05; done\n";
    recipes.write("demo/data/build.sh", build);
    let copies = |folder: &std::path::Path| {
        let folder = folder.to_string_lossy().into_owned();
        let root = Root::new(recipes.path()).with(&["--sources", &folder]);
        let mut daemon = root.start();
        let job = daemon.begin("demo/data", BuildOptions::default());
        daemon.first_phase_of("data");
        let [scratch] = &root.list("scratch")[..] else { panic!("one step runs") };
        let copies = root.list(&format!("scratch/{scratch}/sources"));
        assert_eq!(daemon.wait(job).state, JobState::Done);
        copies
    };
    assert_eq!(copies(sources.path()), ["data.tar"]);
    let image = Mounted::new(sources.path());
    assert!(copies(&image.path()).is_empty());
}

/// What pkgd says to a build of `target`.
fn refused(recipes: &Recipes, target: &str) -> ErrorReport {
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let request = Request::Build { target: target.into(), options: BuildOptions::default() };
    match daemon.call(&request) {
        Err(ControlError::Refused(report)) => report,
        other => panic!("{target} was not refused: {other:?}"),
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let mut recipes = Recipes::new();
    recipes.step_with("odd", &[], &[], "[needz]\nsbu = 1\n");
    let report = refused(&recipes, "demo/odd");
    assert!(report.what.contains("odd") && report.to_string().contains("needz"), "{report}");
}

#[test]
fn a_cycle_is_named_whole() {
    let mut recipes = Recipes::new();
    recipes.step("a", &["c"], &[]).step("b", &["a"], &[]).step("c", &["b"], &[]);
    let report = refused(&recipes, "demo/a");
    assert_eq!(report.kind, ErrorKind::Recipe);
    for step in ["a", "b", "c"] {
        assert!(report.what.contains(step), "{report}");
    }
}

#[test]
fn a_missing_dependency_is_named_with_who_needs_it() {
    let mut recipes = Recipes::new();
    recipes.step("needy", &["zlip"], &[]).step("zlib", &[], &[]);
    let report = refused(&recipes, "demo/needy").to_string();
    assert!(report.contains("zlip") && report.contains("needy"), "{report}");
    assert!(report.contains("zlib"), "the nearest name is offered: {report}");
}

#[test]
fn a_placeholder_left_in_a_script_is_refused() {
    let mut recipes = Recipes::new();
    recipes.step("half", &[], &[("build", "true\n./configure --with=**EDITME path EDITME**\n")]);
    let report = refused(&recipes, "demo/half").to_string();
    assert!(report.contains("build.sh:2"), "{report}");
}

#[test]
fn an_unknown_target_offers_the_nearest() {
    let mut recipes = Recipes::new();
    recipes.step("zlib", &[], &[]);
    let report = refused(&recipes, "demo/zlip");
    assert_eq!(report.kind, ErrorKind::NotFound);
    assert!(report.to_string().contains("zlib"), "{report}");
}

/// A bare connection to a pkgd, for saying what no client would.
fn raw() -> (Root, Daemon, UnixStream, Recipes) {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let root = Root::new(recipes.path());
    let daemon = root.start();
    let stream = UnixStream::connect(daemon.socket()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    (root, daemon, stream, recipes)
}

/// pkgd says why, closes this connection, and serves the next.
fn refuses(bytes: &[u8]) -> ErrorReport {
    let (_root, mut daemon, mut stream, _recipes) = raw();
    // pkgd may close before it has taken everything.
    let _ = stream.write_all(bytes);
    let frame = frame::Reader::strict(&stream, frame::MAX_PAYLOAD).next_frame().expect("an answer");
    assert_eq!(frame.tag, Tag::Refusal);
    let report = frame.decode().expect("a report");
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_or(0), 0, "the connection is closed");
    assert!(daemon.call(&Request::Status).is_ok(), "pkgd still serves");
    report
}

#[test]
fn what_is_no_frame_is_refused() {
    assert_eq!(refuses(b"GET / HTTP/1.1\r\n\r\n").kind, ErrorKind::Invalid);
}

#[test]
fn an_oversized_frame_is_refused_before_it_is_read() {
    let mut bytes = vec![0x4d, 0xf1, Tag::Hello as u8, 0];
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend([0; 4]);
    assert_eq!(refuses(&bytes).kind, ErrorKind::Limit);
    let long = vec![b'x'; frame::MAX_REQUEST + 1];
    assert_eq!(refuses(&frame::encode(Tag::Hello, &long).expect("a frame")).kind, ErrorKind::Limit);
}

#[test]
fn a_damaged_frame_is_refused() {
    let hello = Hello { version: VERSION, client: "test".into() };
    let mut bytes = frame::encode(Tag::Hello, &hello).expect("a frame");
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    assert_eq!(refuses(&bytes).kind, ErrorKind::Invalid);
}

#[test]
fn a_request_before_the_hello_is_refused() {
    let bytes = frame::encode(Tag::Request, &(1u32, Request::Status)).expect("a frame");
    assert_eq!(refuses(&bytes).kind, ErrorKind::Invalid);
}

#[test]
fn another_protocol_version_is_told_apart() {
    let (_root, _daemon, mut stream, _recipes) = raw();
    let hello = Hello { version: VERSION + 1, client: "from the future".into() };
    frame::write(&mut stream, Tag::Hello, &hello).expect("sent");
    let frame = frame::Reader::strict(&stream, frame::MAX_PAYLOAD).next_frame().expect("an answer");
    let report: ErrorReport = frame.decode().expect("a report");
    assert_eq!(report.kind, ErrorKind::Version);
}

#[test]
fn clients_that_hold_connections_do_not_shut_others_out_for_good() {
    let (_root, mut daemon, stream, _recipes) = raw();
    drop(stream);
    let path = daemon.socket().to_owned();
    // A client that comes now, if it is welcome. One that pkgd will not have may find the connection closed.
    let enter = || {
        let mut stream = UnixStream::connect(&path).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        let hello = Hello { version: VERSION, client: "test".into() };
        let _ = frame::write(&mut stream, Tag::Hello, &hello);
        let answer = frame::Reader::strict(&stream, frame::MAX_PAYLOAD).next_frame().ok();
        answer.filter(|frame| frame.tag == Tag::Welcome).map(|_| stream)
    };
    // Not a fixed number: the place of the connection before is free a moment after its end.
    let held: Vec<UnixStream> = (0..200).map_while(|_| enter()).collect();
    assert!((1..200).contains(&held.len()), "places end: {}", held.len());
    assert!(daemon.call(&Request::Status).is_ok(), "an open connection is still served");
    drop(held);
    let end = Instant::now() + Duration::from_secs(60);
    while enter().is_none() {
        assert!(Instant::now() < end, "places are never free again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client that has said hello.
fn greeted(path: &std::path::Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let hello = Hello { version: VERSION, client: "test".into() };
    frame::write(&mut stream, Tag::Hello, &hello).expect("sent");
    stream
}

/// Each watch of a job that only waited left a queue and a thread behind: ten seconds of asking took two gigabytes.
#[test]
fn watches_without_end_take_no_memory_and_no_threads() {
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("build", "sleep 100000\n")]);
    recipes.step("next", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    daemon.begin("demo/slow", BuildOptions::default());
    let waits = daemon.begin("demo/next", BuildOptions::default());
    let mut client = greeted(daemon.socket());
    let mut frames = frame::Reader::strict(client.try_clone().expect("a copy"), frame::MAX_PAYLOAD);
    frames.next_frame().expect("a welcome");
    let status = |key: &str| {
        let text =
            std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
        let line = text.lines().find(|line| line.starts_with(key)).expect("a line").to_owned();
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    let before = (status("VmRSS"), status("Threads"));
    for number in 1..=5_000u32 {
        let watch = (number, Request::Watch { job: Some(waits) });
        frame::write(&mut client, Tag::Request, &watch).expect("sent");
        assert_eq!(frames.next_frame().expect("an answer").tag, Tag::Reply);
    }
    let after = (status("VmRSS"), status("Threads"));
    assert!(after.0 < before.0 + 32 * 1024 && after.1 <= before.1 + 2, "{before:?} {after:?}");
}

#[test]
fn an_idle_connection_is_let_go_and_a_watch_is_not() {
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("build", "sleep 5\n")]);
    let root = Root::new(recipes.path()).with(&["--idle", "1"]);
    let mut daemon = root.start();
    let job = daemon.begin("demo/slow", BuildOptions::default());
    let mut watcher = greeted(daemon.socket());
    let watch = (1u32, Request::Watch { job: Some(job) });
    frame::write(&mut watcher, Tag::Request, &watch).expect("sent");
    let idle = greeted(daemon.socket());

    let mut frames = frame::Reader::strict(&idle, frame::MAX_PAYLOAD);
    assert_eq!(frames.next_frame().expect("a welcome").tag, Tag::Welcome);
    let refusal = frames.next_frame().expect("a word before the end");
    let report: ErrorReport = refusal.decode().expect("a report");
    assert!(report.kind == ErrorKind::Limit && report.what.contains("idle"), "{report}");

    let mut frames = frame::Reader::strict(&watcher, frame::MAX_PAYLOAD);
    let over = |event: &Event| matches!(event.body, EventBody::JobFinished { .. });
    loop {
        let frame = frames.next_frame().expect("the watch goes on to its end");
        assert_ne!(frame.tag, Tag::Refusal);
        if frame.tag == Tag::Event && over(&frame.decode().expect("an event")) {
            break;
        }
    }
    assert_eq!(frames.next_frame().expect("now it is idle too").tag, Tag::Refusal);
}

/// 16 connections of any users but root were all there were.
#[test]
fn one_user_cannot_take_the_places_of_others() {
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("build", "sleep 300\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    open_to_all(&root);
    daemon.begin("demo/slow", BuildOptions::default());
    let pkgctl = |user: u32, arguments: &[&str]| {
        let mut command = std::process::Command::new(minos_tests::artefacts::binary("pkgctl"));
        command.arg("--socket").arg(daemon.socket()).args(arguments).uid(user);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    let status = |user| pkgctl(user, &["status"]).status().expect("pkgctl runs").code();
    let mut greedy: Vec<_> =
        (0..20).map(|_| pkgctl(65534, &["watch"]).spawn().expect("pkgctl runs")).collect();
    let deadline = std::time::Instant::now() + minos_tests::daemon::PATIENCE;
    while status(65534) != Some(12) {
        assert!(std::time::Instant::now() < deadline, "the user never reached its limit");
    }
    assert_eq!((status(65533), status(0)), (Some(0), Some(0)), "the others get in");
    for child in &mut greedy {
        let _ = child.kill();
        let _ = child.wait();
    }
    while status(65534) != Some(0) {
        assert!(std::time::Instant::now() < deadline, "its places never became free");
    }
}

/// The root of a test is private; here it is the socket's role that is under test.
fn open_to_all(root: &Root) {
    for folder in root.path().ancestors().take(2).chain([root.path().join("run").as_path()]) {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, open).expect("the folder is ours");
    }
}

#[test]
fn others_may_look_but_not_change() {
    let (root, daemon, _stream, _recipes) = raw();
    open_to_all(&root);
    let pkgctl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(minos_tests::artefacts::binary("pkgctl"));
        command.arg("--socket").arg(daemon.socket()).args(arguments).uid(65534);
        command.output().expect("pkgctl runs").status.code()
    };
    assert_eq!(pkgctl(&["status"]), Some(0));
    assert_eq!(pkgctl(&["build", "demo/one", "--detach"]), Some(5), "forbidden");
}
