//! This side of a worker: start it, ask it, and wait no longer than is reasonable.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use minos_sandbox::{Program, Started, plain_words, wire};

use crate::error::Error;
use crate::protocol::{ABSENT, DATA, DONE, FAILED, MAX_WORDS, MOST, Request};
use crate::worker::ARGV0;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one more record, however slowly its bytes come.
    pub silence: Duration,
    /// For [`Patience::bytes`], again and again.
    pub window: Duration,
    /// The fewest bytes of data in a window.
    pub bytes: u64,
}

impl Default for Patience {
    /// Half a minute, and 64 KiB in each minute.
    fn default() -> Self {
        let (silence, window) = (Duration::from_secs(30), Duration::from_secs(60));
        Self { silence, window, bytes: 64 << 10 }
    }
}

/// Fetches parts of files. Its worker is started with the first and keeps its connections; one that did anything wrong
/// fetches nothing more.
#[derive(Debug)]
pub struct Fetcher {
    program: Program,
    patience: Patience,
    worker: Option<Worker>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self::new(Program::itself(ARGV0), Patience::default())
    }
}

impl Fetcher {
    /// A fetcher with another worker and another time to wait for it.
    pub fn new(program: Program, patience: Patience) -> Self {
        Self { program, patience, worker: None }
    }

    /// Fetches the file of this address from byte `from` on, at most `most` bytes, and hands them to `sink` as they come;
    /// fewer only where the file ends. Returns how many there were.
    ///
    /// # Errors
    /// [`Error`]. What `sink` was given until then is of that file.
    pub fn fetch(
        &mut self,
        url: &str,
        from: u64,
        most: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Error> {
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(&self.program)?,
        };
        let request = Request { url: url.to_owned(), from, most };
        let fetched = worker.serve(&request, &self.patience, sink);
        // After an answer that came to its end the worker waits for the next request.
        if matches!(fetched, Ok(_) | Err(Error::Absent | Error::Told(_))) {
            self.worker = Some(worker);
        }
        fetched
    }
}

/// A running worker.
#[derive(Debug)]
struct Worker {
    _started: Started,
    socket: UnixStream,
}

impl Worker {
    fn start(program: &Program) -> Result<Self, Error> {
        let (socket, theirs) = UnixStream::pair().map_err(Error::Machine)?;
        let started = program.start(theirs.into(), Stdio::null()).map_err(Error::Machine)?;
        Ok(Self { _started: started, socket })
    }

    fn serve(
        &mut self,
        request: &Request,
        patience: &Patience,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Error> {
        let sent = self.socket.set_write_timeout(Some(patience.silence));
        sent.and_then(|()| wire::send(&self.socket, request, &[])).map_err(Error::Machine)?;
        let (mut buffer, mut fetched) = (vec![0; MOST], 0);
        let (mut window, mut before) = (Instant::now(), 0);
        loop {
            let (kind, length) = self.head(patience)?;
            let bytes = buffer.get_mut(..length).ok_or(Error::Worker("sent too much at once"))?;
            self.exactly(bytes, patience)?;
            match kind {
                DATA => {}
                DONE => return Ok(fetched),
                ABSENT => return Err(Error::Absent),
                FAILED => {
                    let words = bytes.get(..MAX_WORDS).unwrap_or(bytes);
                    return Err(Error::Told(plain_words(words)));
                }
                _ => return Err(Error::Worker("sent what is no answer")),
            }
            fetched += bytes.len() as u64;
            if fetched > request.most {
                return Err(Error::Worker("sent more than was asked for"));
            }
            sink(bytes).map_err(Error::Sink)?;
            if window.elapsed() >= patience.window {
                let came = fetched - before;
                if came < patience.bytes {
                    return Err(Error::Slow(came, window.elapsed()));
                }
                (window, before) = (Instant::now(), fetched);
            }
        }
    }

    /// What the next record is, and its length.
    fn head(&mut self, patience: &Patience) -> Result<(u8, usize), Error> {
        let mut head = [0; 5];
        self.exactly(&mut head, patience)?;
        let [kind, length @ ..] = head;
        Ok((kind, u32::from_le_bytes(length) as usize))
    }

    /// Reads so many bytes. The time is for all of them: nobody can make a life of single ones.
    fn exactly(&mut self, mut buffer: &mut [u8], patience: &Patience) -> Result<(), Error> {
        let until = Instant::now() + patience.silence;
        while !buffer.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Silent(patience.silence));
            }
            self.socket.set_read_timeout(Some(left)).map_err(Error::Machine)?;
            match self.socket.read(buffer) {
                Ok(0) => return Err(Error::Worker("has ended")),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Error::Worker("has ended")),
            }
        }
        Ok(())
    }
}
