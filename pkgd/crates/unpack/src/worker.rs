//! The worker: sealed before it sees its first request.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use minos_package::Extract;
use minos_sandbox::wire;

use crate::protocol::{DATA, DONE, FAILED, LEAST, MAX_WORDS, Request};

/// The name a worker is started under.
pub const ARGV0: &str = "minos-unpack";

/// The most address space of a worker in bytes. The largest index (64 MiB) needs some 250 MB with what is made of it,
/// frames twice 16 MiB, a request 16 MiB.
const MEMORY: u64 = 512 << 20;

/// Becomes a worker and does not return, if this process was started as one; otherwise does nothing.
/// To be called before anything else in `main`.
pub fn run_if_worker() {
    minos_sandbox::serve_if_named(ARGV0, run);
}

/// Serves until the daemon lets go. An error is one of the streams: nobody listens.
fn run() -> io::Result<()> {
    let sealed = minos_sandbox::seal(MEMORY);
    let requests = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut out = Records::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    loop {
        let (request, files) = wire::receive::<Request>(&requests)?;
        let done = match (&sealed, files.into_iter().next()) {
            (Err(why), _) => Err(Failed::Told(format!("the worker cannot be shut in: {why}"))),
            (Ok(()), None) => Err(Failed::Told("no file came with the request".to_owned())),
            (Ok(()), Some(file)) => answer(file, &request, &mut out),
        };
        match done {
            Ok(()) => out.done()?,
            Err(Failed::Told(words)) => out.failed(&words)?,
            Err(Failed::Stream(error)) => return Err(error),
        }
    }
}

/// Why a request was not answered.
enum Failed {
    /// Something about the package, for the daemon to hear.
    Told(String),
    /// The daemon does not listen any more.
    Stream(io::Error),
}

fn answer(file: OwnedFd, request: &Request, out: &mut Records) -> Result<(), Failed> {
    let told = |error: minos_package::Error| Failed::Told(error.to_string());
    let mut extract = Extract::open(File::from(file), &request.layout).map_err(told)?;
    for (mut offset, mut left) in request.pieces.iter().copied() {
        while left > 0 {
            let bytes = extract.at(offset).map_err(told)?;
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let bytes = bytes.get(..most).unwrap_or(bytes);
            if bytes.is_empty() {
                return Err(Failed::Told("the content ends too early".to_owned()));
            }
            out.data(bytes).map_err(Failed::Stream)?;
            offset += bytes.len() as u64;
            left -= bytes.len() as u64;
        }
    }
    Ok(())
}

/// Makes records of what comes: of a frame by itself where it is long enough, of several where they are not.
struct Records {
    out: File,
    /// Data of less than [`LEAST`] bytes.
    waiting: Vec<u8>,
}

impl Records {
    fn new(out: File) -> Self {
        Self { out, waiting: Vec::with_capacity(LEAST) }
    }

    fn data(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let (now, later) = bytes.split_at((LEAST - self.waiting.len()).min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == LEAST {
                self.flush()?;
            }
        }
        if bytes.len() >= LEAST {
            return record(&mut self.out, bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        record(&mut self.out, &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    fn done(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        self.out.write_all(&[DONE])
    }

    /// What was not sent yet is dropped.
    fn failed(&mut self, words: &str) -> io::Result<()> {
        self.waiting.clear();
        // The cut may fall within a character; the reader shows that as '?'.
        let words = words.as_bytes();
        let words = words.get(..MAX_WORDS).unwrap_or(words);
        let length = u16::try_from(words.len()).unwrap_or(0).to_le_bytes();
        self.out.write_all(&[&[FAILED][..], &length, words].concat())
    }
}

fn record(out: &mut File, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&[DATA, length[0], length[1], length[2], length[3]])?;
    out.write_all(bytes)
}
