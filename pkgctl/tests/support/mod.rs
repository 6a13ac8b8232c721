//! A pkgd made of a closure, and the real `pkgctl` to talk to it.
#![allow(dead_code, reason = "each test program uses its own part of this module")]

pub mod sample;
pub mod terminal;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{ErrorKind, ErrorReport, Event, Progress, Reply, Request, Role, Tag};
use minos_proto::{VERSION, Welcome};
use tempfile::TempDir;

/// A run of pkgctl that takes longer than this hangs.
pub const HANGS: Duration = Duration::from_secs(60);

/// One connection as the fake sees it, after the handshake.
pub struct Wire {
    pub stream: UnixStream,
    id: u32,
}

impl Wire {
    pub fn reply(&mut self, reply: Reply) {
        self.send(Tag::Reply, &(self.id, Ok::<_, ErrorReport>(reply)));
    }

    pub fn fail(&mut self, kind: ErrorKind) {
        let report = ErrorReport::new(kind, "it cannot be done", "do something else");
        self.send(Tag::Reply, &(self.id, Err::<Reply, _>(report)));
    }

    pub fn reply_to(&mut self, id: u32, reply: Reply) {
        self.send(Tag::Reply, &(id, Ok::<_, ErrorReport>(reply)));
    }

    pub fn progress(&mut self, stage: &str, done: u64, total: u64) {
        let subject = Some("zlib-1.3.1".into());
        self.send(
            Tag::Progress,
            &(self.id, Progress { stage: stage.into(), subject, done, total }),
        );
    }

    pub fn event(&mut self, event: Event) {
        self.send(Tag::Event, &event);
    }

    /// A client that has gone is no fault of the test.
    pub fn send<T: serde::Serialize>(&mut self, tag: Tag, value: &T) {
        let _ = frame::write(&mut self.stream, tag, value);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn cut(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// A listening fake; it ends with the test's process.
pub struct Fake {
    folder: TempDir,
    pub socket: PathBuf,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Shakes hands as pkgd does, then answers each request with `answer`.
    pub fn start(answer: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Self {
        let fake = Self::silent();
        fake.listen(answer);
        fake
    }

    /// A place for a fake that does not listen yet.
    pub fn silent() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        let socket = folder.path().join("run/pkgd.sock");
        Self { folder, socket, asked: Arc::default() }
    }

    /// Starts (or starts again) to listen.
    pub fn listen(&self, answer: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) {
        let (asked, answer) = (Arc::clone(&self.asked), Arc::new(answer));
        self.accept(move |stream| serve(stream, &asked, answer.as_ref()));
    }

    /// Hands each connection to `handle` as it is, before any handshake.
    pub fn accept(&self, handle: impl Fn(UnixStream) + Send + Sync + 'static) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let handle = Arc::new(handle);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let handle = Arc::clone(&handle);
                thread::spawn(move || handle(stream.unwrap()));
            }
        });
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// Runs pkgctl against this fake.
    pub fn pkgctl(&self, words: &[&str]) -> Ran {
        run(&[&["--socket", self.socket.to_str().unwrap()], words].concat())
    }
}

fn serve(stream: UnixStream, asked: &Mutex<Vec<Request>>, answer: &impl Fn(&Request, &mut Wire)) {
    let mut frames = Reader::strict(stream.try_clone().unwrap(), MAX_REQUEST);
    let mut wire = Wire { stream, id: 0 };
    while let Ok(frame) = frames.next_frame() {
        if frame.tag == Tag::Hello {
            let server = "pkgd 0.1.0".to_owned();
            wire.send(Tag::Welcome, &Welcome { version: VERSION, server, role: Role::Admin });
            continue;
        }
        let (id, request): (u32, Request) = frame.decode().unwrap();
        asked.lock().unwrap().push(request.clone());
        wire.id = id;
        answer(&request, &mut wire);
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// What was said of errors, as if the terminal were endlessly wide.
    pub fn complaint(&self) -> String {
        self.err.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pkgctl"));
    command.args(words).env_remove("NO_COLOR").env("PKGCTL_HISTORY", "");
    command
}

/// Runs pkgctl to its end, with no terminal anywhere.
pub fn run(words: &[&str]) -> Ran {
    finish(start(words))
}

/// Starts pkgctl with pipes.
pub fn start(words: &[&str]) -> Child {
    let mut command = command(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for the end of a run and collects what it said; kills it when it hangs.
pub fn finish(mut child: Child) -> Ran {
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut err = String::new();
    let status = terminal::wait(child);
    stderr.read_to_string(&mut err).unwrap();
    Ran { code: status.code(), out: out.join().unwrap(), err }
}
