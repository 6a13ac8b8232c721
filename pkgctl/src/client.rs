//! The connection to pkgd: handshake, requests with their replies, events.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minos_proto::frame::{self, MAX_PAYLOAD, Reader};
use minos_proto::{
    ErrorKind, ErrorReport, Event, Frame, FrameError, Hello, Progress, Reply, Request,
};
use minos_proto::{Tag, VERSION, Welcome};

use crate::error::Error;
use crate::sys::{self, Wait};

/// Where pkgd is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Its Unix socket.
    Socket(PathBuf),
    /// The state root given to `pkgd --root`; the socket is `run/pkgd.sock` below it.
    Root(PathBuf),
    /// The control socket of a virtual machine: a byte stream to its virtio port, shared with others.
    Vm(PathBuf),
}

impl Endpoint {
    /// The socket of the appliance.
    pub const DEFAULT_SOCKET: &'static str = "/run/pkgd.sock";
    /// The control socket of the machine that `qemu/up` started.
    pub const DEFAULT_VM: &'static str = "out/vm/control.sock";

    /// The socket to connect to.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Socket(path) | Self::Vm(path) => path.clone(),
            Self::Root(root) => root.join("run/pkgd.sock"),
        }
    }

    /// The options that lead here, for commands shown in hints: empty for the default socket.
    pub fn as_options(&self) -> String {
        match self {
            Self::Socket(path) if path == Path::new(Self::DEFAULT_SOCKET) => String::new(),
            Self::Socket(path) => format!(" --socket {}", quoted(path)),
            Self::Root(root) => format!(" --root {}", quoted(root)),
            Self::Vm(path) if path == Path::new(Self::DEFAULT_VM) => " --vm".into(),
            Self::Vm(path) => format!(" --vm={}", quoted(path)),
        }
    }

    fn unreachable(&self, error: &io::Error) -> Error {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such socket".into(),
            io::ErrorKind::ConnectionRefused => "nobody listens on it".into(),
            io::ErrorKind::WouldBlock => "it does not accept connections".into(),
            _ => error.to_string(),
        };
        let hint = match (self, error.kind()) {
            (_, io::ErrorKind::PermissionDenied) => "this user may not open it: try as root",
            (Self::Vm(_), _) => "start a machine with ./qemu/up, or name its control socket",
            (Self::Root(_), _) => "start the daemon on that root: pkgd --root DIR",
            (Self::Socket(_), _) => {
                "pkgd is not running or is just being restarted; on a host name its state with \
                 --root DIR, for a virtual machine use --vm"
            }
        };
        Error::Unreachable {
            what: format!("cannot reach pkgd at {self}: {why}"),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,~".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A socket that gives up when it hears nothing for a while, and on Ctrl-C.
#[derive(Debug)]
struct Patient {
    socket: UnixStream,
    patience: Duration,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match sys::wait_readable(&self.socket, self.patience)? {
            Wait::Ready => self.socket.read(buffer),
            Wait::TimedOut => Err(io::ErrorKind::TimedOut.into()),
            // Not ErrorKind::Interrupted, which readers try again.
            Wait::Interrupted => Err(io::Error::other("interrupted")),
        }
    }
}

/// A connection to pkgd that has shaken hands.
#[derive(Debug)]
pub struct Client {
    frames: Reader<Patient>,
    writer: UnixStream,
    place: String,
    shared: bool,
    patience: Duration,
    last_id: u32,
    welcome: Welcome,
}

impl Client {
    /// Connects and shakes hands. `patience` is the longest silence taken before giving up.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Daemon`] when pkgd refuses, [`Error::Protocol`] when it does
    /// not speak our version.
    pub fn connect(endpoint: &Endpoint, patience: Duration) -> Result<Self, Error> {
        let open = || {
            let writer = sys::connect_unix(&endpoint.path(), patience)?;
            Ok((writer.try_clone()?, writer))
        };
        let (socket, writer) = open().map_err(|e| endpoint.unreachable(&e))?;
        let shared = matches!(endpoint, Endpoint::Vm(_));
        let patient = Patient { socket, patience };
        let frames = if shared {
            Reader::resyncing(patient, MAX_PAYLOAD)
        } else {
            Reader::strict(patient, MAX_PAYLOAD)
        };
        let welcome =
            Welcome { version: VERSION, server: String::new(), role: minos_proto::Role::Reader };
        let place = format!("pkgd at {endpoint}");
        let last_id = if shared { first_id() } else { 0 };
        let mut client = Self { frames, writer, place, shared, patience, last_id, welcome };
        client.shake_hands()?;
        Ok(client)
    }

    /// What pkgd said of itself.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    fn shake_hands(&mut self) -> Result<(), Error> {
        let client = concat!("pkgctl ", env!("CARGO_PKG_VERSION")).into();
        self.send(Tag::Hello, &Hello { version: VERSION, client })?;
        let started = Instant::now();
        loop {
            let frame = self.next_frame(started)?;
            if frame.tag == Tag::Welcome {
                self.welcome = self.decode(&frame)?;
                break;
            }
            self.ignore(&frame)?;
        }
        let theirs = self.welcome.version;
        if theirs == VERSION { Ok(()) } else { Err(version_differs(theirs, &self.welcome.server)) }
    }

    /// Sends one request and waits for its reply. What belongs to others is passed over.
    ///
    /// # Errors
    /// What pkgd answers as [`Error::Daemon`]; a broken connection otherwise.
    pub fn call(&mut self, request: &Request) -> Result<Reply, Error> {
        self.call_with(request, &mut |_| Ok(()))
    }

    /// As [`Client::call`], and hands on how far pkgd is with it. Each such sign is an end of its silence.
    ///
    /// # Errors
    /// As [`Client::call`], and those of `progress`.
    pub fn call_with(
        &mut self,
        request: &Request,
        progress: &mut dyn FnMut(&Progress) -> Result<(), Error>,
    ) -> Result<Reply, Error> {
        self.last_id = self.last_id.wrapping_add(1);
        self.send(Tag::Request, &(self.last_id, request))?;
        let mut last_sign = Instant::now();
        loop {
            let frame = self.next_frame(last_sign)?;
            if frame.tag == Tag::Progress {
                let (id, done): (u32, Progress) = self.decode(&frame)?;
                if id == self.last_id {
                    last_sign = Instant::now();
                    progress(&done)?;
                }
            } else if frame.tag == Tag::Reply {
                let (id, reply) = decode_reply(&frame).map_err(|e| self.broken(e))?;
                if id == self.last_id {
                    return reply.map_err(Error::Daemon);
                }
                if !self.shared {
                    return Err(Error::protocol(format!(
                        "{}: a reply to request {id}, which was not asked",
                        self.place
                    )));
                }
            } else {
                self.ignore(&frame)?;
            }
        }
    }

    /// The next event of `job`, or `None` when none came in `time`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] on Ctrl-C; a broken connection otherwise.
    pub fn next_event(&mut self, job: u64, time: Duration) -> Result<Option<Event>, Error> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match sys::wait_readable(self.frames.get_ref().socket.as_fd(), left)
                .map_err(|e| self.broken(e.into()))?
            {
                Wait::Ready => {}
                Wait::TimedOut => return Ok(None),
                Wait::Interrupted => return Err(Error::Interrupted),
            }
            let frame = self.next_frame(Instant::now())?;
            if frame.tag != Tag::Event {
                self.ignore(&frame)?;
                continue;
            }
            let event: Event = self.decode(&frame)?;
            if event.job == job {
                return Ok(Some(event));
            }
        }
    }

    fn send<T: serde::Serialize>(&mut self, tag: Tag, value: &T) -> Result<(), Error> {
        match frame::write(&mut self.writer, tag, value) {
            // A daemon that refuses says why before it closes: that is worth more than EPIPE.
            Err(FrameError::Io(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                while let Ok(frame) = self.frames.next_frame() {
                    self.ignore(&frame)?;
                }
                Err(self.broken(FrameError::Closed))
            }
            done => done.map_err(|e| self.broken(e)),
        }
    }

    /// The next frame. On a shared line the frames of others must not keep us waiting for ever.
    fn next_frame(&mut self, since: Instant) -> Result<Frame, Error> {
        if since.elapsed() > self.patience {
            return Err(self.silent());
        }
        self.frames.next_frame().map_err(|e| match e {
            FrameError::Io(_) if sys::interrupted() => Error::Interrupted,
            FrameError::Io(e) if e.kind() == io::ErrorKind::TimedOut => self.silent(),
            e => self.broken(e),
        })
    }

    /// Passes over a frame that is no answer to us, unless it ends the connection.
    fn ignore(&self, frame: &Frame) -> Result<(), Error> {
        match frame.tag {
            Tag::Refusal => Err(Error::Daemon(self.decode(frame)?)),
            Tag::Event | Tag::Verdict | Tag::Boot => Ok(()),
            _ if self.shared => Ok(()),
            tag => Err(Error::protocol(format!("{}: an unexpected {tag:?} frame", self.place))),
        }
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, frame: &Frame) -> Result<T, Error> {
        frame.decode().map_err(|e| self.broken(e))
    }

    fn broken(&self, error: FrameError) -> Error {
        Error::from_frame(&self.place, error)
    }

    fn silent(&self) -> Error {
        let hint = if self.shared {
            "the machine may still be starting, or another program holds its control socket"
        } else {
            "it may be busy or stopped: try again, or wait longer with --timeout SECONDS"
        };
        Error::Unreachable {
            what: format!("{} did not answer for {} s", self.place, self.patience.as_secs()),
            hint: hint.into(),
        }
    }
}

/// The number and the answer in a frame with [`Tag::Reply`].
///
/// # Errors
/// [`FrameError::Payload`] when it holds something else.
pub fn decode_reply(frame: &Frame) -> Result<(u32, Result<Reply, ErrorReport>), FrameError> {
    frame.decode()
}

fn version_differs(theirs: u16, server: &str) -> Error {
    let older = if theirs > VERSION { "pkgctl" } else { "pkgd" };
    Error::Daemon(ErrorReport::new(
        ErrorKind::Version,
        format!("this pkgctl speaks protocol {VERSION}, {server} speaks {theirs}"),
        format!("use both from the same build; the older one here is {older}"),
    ))
}

/// On a line shared with others, start where replies to our predecessors cannot match.
fn first_id() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |d| d.subsec_nanos());
    std::process::id().wrapping_mul(0x9e37_79b9) ^ nanos
}
