//! The client's side of pkgd's protocol over the control port.
//!
//! The port is a line, not a connection: bytes of an earlier conversation may still come out of it,
//! and pkgd at its other end may be restarted. So frames are read with resynchronisation, everything
//! before the [`Welcome`] that answers our hello is ignored, and replies to numbers that were not
//! asked are dropped.

use std::collections::VecDeque;
use std::fmt;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use minos_proto::frame::{self, MAX_PAYLOAD, Reader};
use minos_proto::{
    ErrorReport, Event, Frame, FrameError, Hello, Reply, Request, Tag, VERSION, Verdict, Welcome,
};

use crate::observe::Observation;

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the welcome: covers the guest's boot, if it has only just been started.
    pub welcome: Duration,
    /// For the reply to a request.
    pub reply: Duration,
}

impl Default for Timeouts {
    /// Two minutes to boot under emulation, half a minute for a reply.
    fn default() -> Self {
        Self { welcome: Duration::from_secs(120), reply: Duration::from_secs(30) }
    }
}

/// Why pkgd could not be asked.
#[derive(Debug)]
pub enum ControlError {
    /// Nobody listens on the socket.
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
    /// No answer in time.
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The connection ended.
    Closed,
    /// pkgd speaks another version of the protocol.
    Version(u16),
    /// pkgd or the line refused the conversation as a whole.
    Failed(String),
    /// pkgd answered the request with an error.
    Refused(ErrorReport),
    /// A frame could not be sent.
    Frame(FrameError),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { path, why } => write!(
                f,
                "cannot connect to {}: {why}\nhint: is the machine running? see `minos-qemu run`",
                path.display()
            ),
            Self::TimedOut { what, after } => write!(
                f,
                "no {what} from pkgd within {} s\nhint: look at the console: `minos-qemu console`",
                after.as_secs()
            ),
            Self::Closed => f.write_str("the control connection was closed: the machine is gone"),
            Self::Version(theirs) => write!(
                f,
                "pkgd speaks version {theirs} of the protocol, this program version {VERSION}; \
                 use programs of the same build"
            ),
            Self::Failed(why) => write!(f, "the control connection failed: {why}"),
            Self::Refused(report) => report.fmt(f),
            Self::Frame(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for ControlError {}

impl From<FrameError> for ControlError {
    fn from(e: FrameError) -> Self {
        Self::Frame(e)
    }
}

/// What pkgd says without being asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// Something happened in a watched job.
    Event(Event),
    /// The unattended run is over.
    Verdict(Verdict),
}

/// One end of the line: sends what it is told and reports all that comes. The base of [`Client`],
/// and used as it is by [`crate::watch`], which has other things to wait for as well.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    reader: Option<JoinHandle<()>>,
    next: u32,
}

impl Link {
    /// Starts reading; everything decoded goes to `to`.
    pub(crate) fn new(stream: UnixStream, to: Sender<Observation>) -> std::io::Result<Self> {
        let from = stream.try_clone()?;
        let read = move || read(from, &to);
        let reader = Some(thread::Builder::new().name("control".into()).spawn(read)?);
        // Numbers differ between clients, so that a late reply to another one is not ours.
        Ok(Self { stream, reader, next: std::process::id().rotate_left(16) })
    }

    pub(crate) fn hello(&mut self, client: &str) -> Result<(), FrameError> {
        let hello = Hello { version: VERSION, client: client.into() };
        frame::write(&mut self.stream, Tag::Hello, &hello)
    }

    /// Sends a request and returns its number.
    pub(crate) fn request(&mut self, request: &Request) -> Result<u32, FrameError> {
        self.next = self.next.wrapping_add(1);
        frame::write(&mut self.stream, Tag::Request, &(self.next, request))?;
        Ok(self.next)
    }

    /// Waits until everything sent has been read. Only when the peer has closed.
    pub(crate) fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.finish();
    }
}

fn read(from: UnixStream, to: &Sender<Observation>) {
    let mut reader = Reader::resyncing(from, MAX_PAYLOAD);
    while let Ok(frame) = reader.next_frame() {
        let seen =
            decode(&frame).unwrap_or_else(|e| Some(Observation::ControlFailed(e.to_string())));
        if let Some(seen) = seen
            && to.send(seen).is_err()
        {
            return;
        }
    }
}

/// A frame as an observation; `None` for frames that no daemon sends.
fn decode(frame: &Frame) -> Result<Option<Observation>, FrameError> {
    Ok(Some(match frame.tag {
        Tag::Welcome => Observation::Welcome(frame.decode()?),
        Tag::Reply => {
            let (number, result) = frame.decode()?;
            Observation::Reply(number, result)
        }
        Tag::Event => Observation::Event(frame.decode()?),
        Tag::Verdict => Observation::Verdict(frame.decode()?),
        Tag::Refusal => Observation::ControlFailed(frame.decode::<ErrorReport>()?.to_string()),
        Tag::Hello | Tag::Request | Tag::Boot | Tag::Progress => return Ok(None),
    }))
}

/// A conversation with pkgd.
#[derive(Debug)]
pub struct Client {
    link: Link,
    seen: Receiver<Observation>,
    pushed: VecDeque<Pushed>,
    welcome: Welcome,
    timeouts: Timeouts,
}

impl Client {
    /// Connects to the control socket of a running machine (see [`crate::dir::Paths::control`]) and
    /// shakes hands. `name` is for pkgd's log. The socket takes one client at a time; a second one
    /// waits until its time-out.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn connect(path: &Path, name: &str, timeouts: Timeouts) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path)
            .map_err(|why| ControlError::Connect { path: path.into(), why })?;
        Self::over(stream, name, timeouts)
    }

    /// Connects as [`Self::connect`] does, and tries again while the socket is missing, pkgd is
    /// being restarted, or the machine is only just starting.
    ///
    /// # Errors
    /// The last [`ControlError`] once `for_at_most` is over; at once when the versions differ.
    pub fn reconnect(
        path: &Path,
        name: &str,
        timeouts: Timeouts,
        for_at_most: Duration,
    ) -> Result<Self, ControlError> {
        let deadline = Instant::now() + for_at_most;
        loop {
            match Self::connect(path, name, timeouts) {
                Err(e @ ControlError::Version(_)) => return Err(e),
                Err(e) if Instant::now() >= deadline => return Err(e),
                Err(_) => thread::sleep(Duration::from_millis(100)),
                done => return done,
            }
        }
    }

    /// Shakes hands over a stream.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn over(stream: UnixStream, name: &str, timeouts: Timeouts) -> Result<Self, ControlError> {
        let (to, seen) = mpsc::channel();
        let mut link = Link::new(stream, to).map_err(FrameError::Io)?;
        link.hello(name)?;
        let deadline = Instant::now() + timeouts.welcome;
        let mut pushed = VecDeque::new();
        let welcome = loop {
            match receive(&seen, deadline, "welcome", timeouts.welcome)? {
                Observation::Welcome(welcome) => break welcome,
                // A verdict must not be lost, even one that came before we were greeted.
                Observation::Verdict(verdict) => pushed.push_back(Pushed::Verdict(verdict)),
                Observation::ControlFailed(why) => return Err(ControlError::Failed(why)),
                _ => {}
            }
        };
        if welcome.version != VERSION {
            return Err(ControlError::Version(welcome.version));
        }
        Ok(Self { link, seen, pushed, welcome, timeouts })
    }

    /// What pkgd said about itself.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Asks, and waits for the answer. Events that come meanwhile are kept for [`Self::next_pushed`].
    ///
    /// # Errors
    /// [`ControlError::Refused`] with pkgd's own report, or what happened to the connection.
    pub fn call(&mut self, request: &Request) -> Result<Reply, ControlError> {
        let number = self.link.request(request)?;
        let deadline = Instant::now() + self.timeouts.reply;
        loop {
            match receive(&self.seen, deadline, "reply", self.timeouts.reply)? {
                Observation::Reply(n, result) if n == number => {
                    return result.map_err(ControlError::Refused);
                }
                other => self.keep(other)?,
            }
        }
    }

    /// The next event or verdict; `None` when none came within `timeout`.
    ///
    /// # Errors
    /// [`ControlError::Closed`], [`ControlError::Failed`].
    pub fn next_pushed(&mut self, timeout: Duration) -> Result<Option<Pushed>, ControlError> {
        let deadline = Instant::now() + timeout;
        while self.pushed.is_empty() {
            match receive(&self.seen, deadline, "event", timeout) {
                Ok(seen) => self.keep(seen)?,
                Err(ControlError::TimedOut { .. }) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        Ok(self.pushed.pop_front())
    }

    fn keep(&mut self, seen: Observation) -> Result<(), ControlError> {
        match seen {
            Observation::Event(event) => self.pushed.push_back(Pushed::Event(event)),
            Observation::Verdict(verdict) => self.pushed.push_back(Pushed::Verdict(verdict)),
            Observation::ControlFailed(why) => return Err(ControlError::Failed(why)),
            _ => {}
        }
        Ok(())
    }
}

fn receive(
    seen: &Receiver<Observation>,
    deadline: Instant,
    what: &'static str,
    after: Duration,
) -> Result<Observation, ControlError> {
    let left = deadline.saturating_duration_since(Instant::now());
    seen.recv_timeout(left).map_err(|e| match e {
        RecvTimeoutError::Timeout => ControlError::TimedOut { what, after },
        RecvTimeoutError::Disconnected => ControlError::Closed,
    })
}
