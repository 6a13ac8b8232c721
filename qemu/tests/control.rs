//! The control client against a daemon played by the test over a socket pair.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{
    ErrorKind, ErrorReport, Event, EventBody, Hello, Reply, Request, Role, Tag, VERSION, Verdict,
    Welcome,
};
use minos_qemu::control::{Client, ControlError, Pushed, Timeouts};

const SOON: Timeouts =
    Timeouts { welcome: Duration::from_millis(300), reply: Duration::from_millis(300) };

type Answer = Result<Reply, ErrorReport>;

/// A daemon on the other end of a line.
struct Daemon {
    to: UnixStream,
    from: Reader<UnixStream>,
}

impl Daemon {
    /// Runs `script` as a daemon and returns the line to it.
    fn run(script: impl FnOnce(&mut Self) + Send + 'static) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let to = theirs.try_clone().unwrap();
            script(&mut Self { to, from: Reader::strict(theirs, MAX_REQUEST) });
        });
        ours
    }

    fn welcome(&mut self, version: u16) {
        let hello: Hello = self.from.next_frame().unwrap().decode().unwrap();
        assert_eq!((hello.version, hello.client.as_str()), (VERSION, "test"));
        let welcome = Welcome { version, server: "pkgd 0".into(), role: Role::Admin };
        frame::write(&mut self.to, Tag::Welcome, &welcome).unwrap();
    }

    fn request(&mut self) -> (u32, Request) {
        self.from.next_frame().unwrap().decode().unwrap()
    }

    fn send<T: serde::Serialize>(&mut self, tag: Tag, value: &T) {
        frame::write(&mut self.to, tag, value).unwrap();
    }

    /// Keeps the line open until the client has closed it.
    fn linger(&mut self) {
        let _ = self.from.next_frame();
    }
}

fn event(job: u64) -> Event {
    let body = EventBody::Progress { done: 1, total: 2, running: vec![], left_ms: None };
    Event { job, at_ms: 5, body }
}

fn verdict() -> Verdict {
    Verdict {
        success: true,
        target: "t".into(),
        summary: "s".into(),
        built: 1,
        cached: 0,
        failed: vec![],
        wall_ms: 1,
    }
}

#[test]
fn replies_are_matched_by_number_and_events_are_kept() {
    let line = Daemon::run(|d| {
        d.welcome(VERSION);
        let (number, request) = d.request();
        assert_eq!(request, Request::Status);
        d.send(Tag::Event, &event(7));
        d.send(Tag::Reply, &(number.wrapping_sub(1), Answer::Ok(Reply::Done)));
        d.send(Tag::Verdict, &verdict());
        d.send(Tag::Reply, &(number, Answer::Ok(Reply::Started { job: 3 })));
        d.linger();
    });
    let mut client = Client::over(line, "test", SOON).unwrap();
    assert_eq!(client.welcome().role, Role::Admin);
    assert_eq!(client.call(&Request::Status).unwrap(), Reply::Started { job: 3 });
    let long = Duration::from_secs(5);
    assert_eq!(client.next_pushed(long).unwrap(), Some(Pushed::Event(event(7))));
    assert_eq!(client.next_pushed(long).unwrap(), Some(Pushed::Verdict(verdict())));
    assert_eq!(client.next_pushed(Duration::from_millis(20)).unwrap(), None);
}

#[test]
fn leftovers_of_an_earlier_conversation_are_skipped() {
    let line = Daemon::run(|d| {
        let half = frame::encode(Tag::Event, &event(1)).unwrap();
        d.to.write_all(&half[5..]).unwrap();
        d.send(Tag::Reply, &(1_u32, Answer::Ok(Reply::Done)));
        d.send(Tag::Verdict, &verdict());
        d.welcome(VERSION);
        d.linger();
    });
    let mut client = Client::over(line, "test", SOON).unwrap();
    let first = client.next_pushed(Duration::from_secs(5)).unwrap();
    assert_eq!(first, Some(Pushed::Verdict(verdict())), "an early verdict is not lost");
}

#[test]
fn errors_of_the_daemon_come_through_with_their_hint() {
    let line = Daemon::run(|d| {
        d.welcome(VERSION);
        let (number, _) = d.request();
        let report = ErrorReport::new(ErrorKind::NotFound, "no job 9", "see pkgctl jobs");
        d.send(Tag::Reply, &(number, Answer::Err(report)));
        d.linger();
    });
    let mut client = Client::over(line, "test", SOON).unwrap();
    let e = client.call(&Request::Job { job: Some(9) }).unwrap_err();
    assert!(matches!(&e, ControlError::Refused(r) if r.kind == ErrorKind::NotFound));
    assert!(e.to_string().contains("pkgctl jobs"));
}

#[test]
fn each_way_to_get_no_answer_has_its_own_error() {
    let silent = Daemon::run(Daemon::linger_twice);
    let e = Client::over(silent, "test", SOON).unwrap_err();
    assert!(matches!(e, ControlError::TimedOut { what: "welcome", .. }), "{e}");

    let newer = Daemon::run(|d| {
        d.welcome(VERSION + 1);
        d.linger();
    });
    let e = Client::over(newer, "test", SOON).unwrap_err();
    assert!(matches!(e, ControlError::Version(v) if v == VERSION + 1), "{e}");

    let full = Daemon::run(|d| {
        d.send(Tag::Refusal, &ErrorReport::new(ErrorKind::Limit, "too many clients", ""));
        d.linger();
    });
    let e = Client::over(full, "test", SOON).unwrap_err();
    assert!(matches!(&e, ControlError::Failed(why) if why.contains("too many")), "{e}");

    let dying = Daemon::run(|d| {
        d.welcome(VERSION);
        d.request();
    });
    let e = Client::over(dying, "test", SOON).unwrap().call(&Request::Status).unwrap_err();
    assert!(matches!(e, ControlError::Closed), "{e}");

    let mute = Daemon::run(|d| {
        d.welcome(VERSION);
        d.linger_twice();
    });
    let e = Client::over(mute, "test", SOON).unwrap().call(&Request::Status).unwrap_err();
    assert!(matches!(e, ControlError::TimedOut { what: "reply", .. }), "{e}");
}

impl Daemon {
    /// Takes one frame, says nothing, and keeps the line open.
    fn linger_twice(&mut self) {
        self.linger();
        self.linger();
    }
}

#[test]
fn a_client_finds_a_daemon_that_comes_up_later() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("control.sock");
    let socket = path.clone();
    let server = thread::spawn(move || {
        thread::sleep(Duration::from_millis(150));
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        // The first client meets a daemon that dies at once.
        drop(listener.accept().unwrap());
        let (line, _) = listener.accept().unwrap();
        let to = line.try_clone().unwrap();
        let mut daemon = Daemon { to, from: Reader::strict(line, MAX_REQUEST) };
        daemon.welcome(VERSION);
        daemon.linger();
    });
    let long = Duration::from_secs(20);
    let client = Client::reconnect(&path, "test", Timeouts::default(), long).unwrap();
    drop(client);
    server.join().unwrap();
    let missing = tmp.path().join("no.sock");
    let e = Client::reconnect(&missing, "test", SOON, Duration::ZERO).unwrap_err();
    assert!(matches!(e, ControlError::Connect { .. }));
}
