//! One connection: handshake, then requests, each with exactly one answer.

use std::io::{self, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use minos_model::JobState;
use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{
    ErrorKind, ErrorReport, Event, EventBody, FrameError, Hello, Progress, Reply, Request, Role,
    Tag, VERSION, Welcome,
};

use crate::hub::{Queue, Subscription};
use crate::service::{Peer, Service};

/// Program and version as told to peers.
pub const SERVER: &str = concat!("pkgd ", env!("CARGO_PKG_VERSION"));

/// A client that waits for an answer hears something at least this often: pkgctl gives up after 30 s of silence.
const BEAT: Duration = Duration::from_secs(5);

/// Characters kept of a client's name.
const CLIENT_NAME: usize = 64;

/// The writing half, shared between answers and the events of a watch.
struct Out<W>(Mutex<W>);

impl<W: Write> Out<W> {
    fn send<T: serde::Serialize>(&self, tag: Tag, value: &T) -> Result<(), FrameError> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut *writer, tag, value)
    }
}

/// A connection over any pair of byte streams.
pub struct Session<W> {
    service: Arc<Service>,
    peer: Peer,
    out: Arc<Out<W>>,
    /// The current watch, and the thread that forwards its events.
    watching: Option<(Arc<Queue>, JoinHandle<()>)>,
    greeted: bool,
    /// A line rather than a connection: it goes on after an error.
    persistent: bool,
}

impl<W: Write + Send + 'static> Session<W> {
    /// A connection of `peer` that answers into `out`.
    pub fn new(service: Arc<Service>, peer: Peer, out: W) -> Self {
        let out = Arc::new(Out(Mutex::new(out)));
        Self { service, peer, out, watching: None, greeted: false, persistent: false }
    }

    /// The same over a line that has no connections.
    pub fn persistent(self) -> Self {
        Self { persistent: true, ..self }
    }

    /// Serves until the peer closes or misbehaves. A peer that misbehaves is told why, then left.
    pub fn serve<R: Read>(mut self, mut reader: Reader<R>) {
        loop {
            let step = reader.next_frame().and_then(|frame| self.frame(&frame));
            match step {
                Ok(()) => {}
                Err(FrameError::Closed) => break,
                // Nothing came for the idle time: only a client that is being told something stays.
                Err(FrameError::Io(e)) if timed_out(&e) && self.watches() => {}
                Err(FrameError::Io(e)) if timed_out(&e) => {
                    self.say_idle();
                    break;
                }
                // A line that fails stays failed; asking it again at once would only heat the machine.
                Err(FrameError::Io(_)) => break,
                // On a line without connections there is nothing to close: the next hello starts anew.
                Err(e) if self.persistent => self.refuse(&e),
                Err(e) => {
                    self.refuse(&e);
                    break;
                }
            }
        }
        self.stop_watching();
    }

    fn frame(&mut self, frame: &minos_proto::Frame) -> Result<(), FrameError> {
        match frame.tag {
            // A new hello is a new client on a line without connections (a serial port).
            Tag::Hello => self.hello(&frame.decode()?),
            Tag::Request if self.greeted => {
                let (number, request) = frame.decode()?;
                self.request(number, request)
            }
            tag => Err(FrameError::Tag(tag as u8)),
        }
    }

    fn hello(&mut self, hello: &Hello) -> Result<(), FrameError> {
        self.stop_watching();
        let plain = hello.client.chars().filter(|c| !c.is_control());
        self.peer.client = plain.take(CLIENT_NAME).collect();
        self.greeted = hello.version == VERSION;
        if !self.greeted {
            let report = ErrorReport::new(
                ErrorKind::Version,
                format!("pkgd speaks protocol {VERSION}, the client {}", hello.version),
                "use the pkgctl that came with this pkgd",
            );
            return self.out.send(Tag::Refusal, &report);
        }
        let server = SERVER.to_owned();
        self.out.send(Tag::Welcome, &Welcome { version: VERSION, server, role: self.peer.role })
    }

    fn request(&mut self, number: u32, request: Request) -> Result<(), FrameError> {
        if request.changes() && self.peer.role != Role::Admin {
            let report = ErrorReport::new(
                ErrorKind::Forbidden,
                "only root may change anything",
                "run the command as root",
            );
            return self.answer(number, &Err(report));
        }
        let watch = match request {
            Request::Watch { job } => Some(self.subscribe(job)),
            _ => None,
        };
        match watch {
            None => {
                let reply = self.work(number, request);
                self.answer(number, &reply)
            }
            Some(Err(report)) => self.answer(number, &Err(report)),
            Some(Ok((reply, events))) => {
                self.stop_watching();
                self.answer(number, &Ok(reply))?;
                self.forward(events)
            }
        }
    }

    /// Does what was asked, and tells how far that is: what is new at once, and the last again every [`BEAT`]. A program
    /// that runs for a minute and says nothing is no reason for a client to think that pkgd is gone.
    fn work(&self, number: u32, request: Request) -> Result<Reply, ErrorReport> {
        let last = Mutex::new(Progress::working());
        let at = || last.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not listen any more gets the reply, or its end, soon enough.
        let send = |progress: &Progress| drop(self.out.send(Tag::Progress, &(number, progress)));
        let tell = |progress: Progress| {
            send(&progress);
            *at() = progress;
        };
        if !matches!(request, Request::Package(_) | Request::Verify { .. }) {
            return self.service.handle(request, &self.peer, &tell);
        }
        thread::scope(|scope| {
            let (done, wait) = channel::<()>();
            let beat = || {
                let last = at().clone();
                send(&last);
            };
            // Without a thread for it there is no beat, and the work is done all the same.
            let _ = thread::Builder::new().spawn_scoped(scope, move || {
                while wait.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    beat();
                }
            });
            let reply = self.service.handle(request, &self.peer, &tell);
            drop(done);
            reply
        })
    }

    fn answer(&self, number: u32, reply: &Result<Reply, ErrorReport>) -> Result<(), FrameError> {
        match self.out.send(Tag::Reply, &(number, reply)) {
            Err(FrameError::TooLong { length, limit }) => {
                let report = ErrorReport::new(
                    ErrorKind::Limit,
                    format!("the answer needs {length} bytes, a frame holds {limit}"),
                    "ask for less",
                );
                self.out.send(Tag::Reply, &(number, Err::<Reply, _>(report)))
            }
            sent => sent,
        }
    }

    /// Subscribes before reading the job, so that nothing that happens in between is missed.
    fn subscribe(&self, job: Option<u64>) -> Result<(Reply, Subscription), ErrorReport> {
        let id = self.service.job_number(job)?;
        let events = self.service.hub.subscribe(id);
        let reply = self.service.handle(Request::Job { job: Some(id) }, &self.peer, &|_| ())?;
        if let Reply::Job { job, .. } = &reply
            && job.state.is_final()
        {
            // The end may have been published before the subscription: say it again.
            let body = EventBody::JobFinished { state: job.state };
            self.service.hub.publish(&Event { job: id, at_ms: self.service.now_ms(), body });
        }
        Ok((reply, events))
    }

    /// Sends events as they come, from a thread of its own: of each connection there is one at most.
    fn forward(&mut self, events: Subscription) -> Result<(), FrameError> {
        let (queue, out) = (events.queue(), Arc::clone(&self.out));
        let thread = thread::Builder::new().spawn(move || {
            for event in events {
                if out.send(Tag::Event, &event).is_err() || is_last(&event) {
                    break;
                }
            }
            // The subscription goes here: from now on the connection may be idle like any other.
        })?;
        self.watching = Some((queue, thread));
        Ok(())
    }

    /// Whether events of a job are still to come.
    fn watches(&self) -> bool {
        self.watching.as_ref().is_some_and(|(queue, _)| queue.is_open())
    }

    fn say_idle(&self) {
        let report = ErrorReport::new(
            ErrorKind::Limit,
            "the connection was idle for too long",
            "connect again; a connection is for asking",
        );
        let _ = self.out.send(Tag::Refusal, &report);
    }

    /// Ends the current watch. When it returns there is no event of it on the way any more.
    fn stop_watching(&mut self) {
        if let Some((queue, thread)) = self.watching.take() {
            queue.abandon();
            // It panics with nobody: the program ends then.
            let _ = thread.join();
        }
    }

    fn refuse(&self, error: &FrameError) {
        let report = ErrorReport::new(
            match error {
                FrameError::TooLong { .. } => ErrorKind::Limit,
                _ => ErrorKind::Invalid,
            },
            error.to_string(),
            format!("frames start with a hello; requests have at most {MAX_REQUEST} bytes"),
        );
        // The peer may already be gone; there is nobody else to tell.
        let _ = self.out.send(Tag::Refusal, &report);
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_last(event: &Event) -> bool {
    matches!(event.body, EventBody::JobFinished { state } if JobState::is_final(state))
}
