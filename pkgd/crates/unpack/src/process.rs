//! This side of a worker: start it, ask it, read its answer and believe nothing of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use minos_sandbox::{Program, Started, plain_words, wire};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::Error;
use crate::protocol::{DATA, DONE, FAILED, LEAST, MAX_WORDS, MOST, Request};

/// How long a worker is waited for in all until a record is whole: mostly a frame of 256 KiB. What is done with the
/// bytes meanwhile does not count.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a worker that has closed its output may take to die by itself, so that its own end can be told.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// The size of the pipe in bytes: what an unprivileged user may have. Both sides then work at the same time.
const PIPE: i32 = 1 << 20;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    started: Started,
    requests: UnixStream,
    answers: File,
    patience: Duration,
}

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn start(program: &Program, patience: Duration) -> Result<Self, Error> {
        let failed = |source| Error::Worker { doing: "start", source };
        let (requests, theirs) = UnixStream::pair().map_err(failed)?;
        let (answers, output) = io::pipe().map_err(failed)?;
        // A smaller pipe than wished only costs time.
        let _ = fcntl(&answers, FcntlArg::F_SETPIPE_SZ(PIPE));
        fcntl(&answers, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|e| failed(e.into()))?;
        let started = program.start(OwnedFd::from(theirs), output.into()).map_err(failed)?;
        let answers = File::from(OwnedFd::from(answers));
        Ok(Self { started, requests, answers, patience })
    }

    /// Asks for pieces of `file`. What a request before this one left unread must be nothing.
    ///
    /// # Errors
    /// The worker is gone, or has sent something unasked.
    pub fn ask(&mut self, request: &Request, file: BorrowedFd<'_>) -> Result<Answer<'_>, Error> {
        match self.answers.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) => return Err(Error::Died(self.end())),
            Ok(_) => return Err(Error::Lied("sent what nobody had asked for")),
            Err(source) => return Err(Error::Worker { doing: "hear", source }),
        }
        let patience = Some(self.patience);
        let sent = self.requests.set_write_timeout(patience);
        let sent = sent.and_then(|()| wire::send(&self.requests, request, &[file]));
        if let Err(source) = sent {
            return Err(match source.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    Error::Died(self.end())
                }
                _ => Error::Worker { doing: "ask", source },
            });
        }
        let left = request.pieces.iter().map(|(_, length)| length).sum();
        Ok(Answer { worker: self, left, record: 0, patience: Duration::ZERO })
    }

    /// Reads something, waiting no longer than `patience`, from which it takes what it waited. Never returns 0.
    fn read(&mut self, buffer: &mut [u8], patience: &mut Duration) -> Result<usize, Error> {
        loop {
            match self.answers.read(buffer) {
                Ok(0) => return Err(Error::Died(self.end())),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(patience)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Worker { doing: "hear", source }),
            }
        }
    }

    fn wait(&self, patience: &mut Duration) -> Result<(), Error> {
        if patience.is_zero() {
            return Err(Error::Silent(self.patience));
        }
        // Rounded up: a wait of 0 would spin through the last millisecond.
        let timeout = PollTimeout::try_from(patience.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let start = Instant::now();
        let polled = poll(&mut [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)], timeout);
        *patience = patience.saturating_sub(start.elapsed());
        match polled {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(source) => Err(Error::Worker { doing: "hear", source: source.into() }),
        }
    }

    /// How the worker ended, in words; kills it if it has not.
    fn end(&mut self) -> String {
        let start = Instant::now();
        while start.elapsed() < LAST_BREATH && matches!(self.started.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match self.started.0.try_wait() {
            Ok(Some(status)) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was killed by signal {signal}"),
                (None, code) => format!("ended with status {}", code.unwrap_or_default()),
            },
            _ => "closed its output".to_owned(),
        }
    }
}

/// The answer to one request.
pub struct Answer<'a> {
    worker: &'a mut Worker,
    /// Bytes of data that have not been read, in all.
    left: u64,
    /// The same in the record that has begun.
    record: usize,
    /// How long that record may still be waited for.
    patience: Duration,
}

impl Answer<'_> {
    /// Reads the next bytes, at most `most` of them; 0 only if `buffer` is empty or everything was read.
    ///
    /// # Errors
    /// Whatever the worker did instead of sending them.
    pub fn read(&mut self, buffer: &mut [u8], most: u64) -> Result<usize, Error> {
        let most = usize::try_from(most.min(self.left)).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        if self.record == 0 {
            self.begin(DATA)?;
            self.record = self.length()?;
        }
        let room = buffer.get_mut(..most.min(self.record)).unwrap_or_default();
        let count = self.worker.read(room, &mut self.patience)?;
        self.record -= count;
        self.left -= count as u64;
        Ok(count)
    }

    /// Everything was read: the worker must say so, and no more.
    ///
    /// # Errors
    /// It says something else.
    pub fn finish(mut self) -> Result<(), Error> {
        self.begin(DONE)
    }

    /// Reads the first byte of a record, which must be `wanted`, or an explanation.
    fn begin(&mut self, wanted: u8) -> Result<(), Error> {
        self.patience = self.worker.patience;
        let mut kind = [0];
        self.worker.read(&mut kind, &mut self.patience)?;
        match kind[0] {
            kind if kind == wanted => Ok(()),
            FAILED => Err(self.words()?),
            DATA => Err(Error::Lied("sent more than was asked for")),
            DONE => Err(Error::Lied("sent less than was asked for")),
            _ => Err(Error::Lied("sent what is no answer")),
        }
    }

    /// The length of a record of data, if it is one that a worker may send.
    fn length(&mut self) -> Result<usize, Error> {
        let mut length = [0; 4];
        self.exactly(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        match length as u64 {
            more if more > self.left => Err(Error::Lied("sent more than was asked for")),
            all if all == self.left => Ok(length),
            _ if (LEAST..=MOST).contains(&length) => Ok(length),
            _ => Err(Error::Lied("sent a piece that is too short or too long")),
        }
    }

    fn words(&mut self) -> Result<Error, Error> {
        let mut length = [0; 2];
        self.exactly(&mut length)?;
        let length = usize::from(u16::from_le_bytes(length));
        if length > MAX_WORDS {
            return Err(Error::Lied("explained itself at too great length"));
        }
        let mut words = vec![0; length];
        self.exactly(&mut words)?;
        Ok(Error::Told(plain_words(&words)))
    }

    fn exactly(&mut self, mut buffer: &mut [u8]) -> Result<(), Error> {
        while !buffer.is_empty() {
            let count = self.worker.read(buffer, &mut self.patience)?;
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}
