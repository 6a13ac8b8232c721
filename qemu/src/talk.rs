//! A person at the guest's serial console, played by a program: waits for what is printed, and types.
//!
//! For what only a person can show: that there is a prompt, and that a shell behind it works. Verdicts are frames
//! ([`crate::watch`]), never text of the console.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How much of the console a complaint quotes, in bytes.
const QUOTED: usize = 800;
/// The longest output that is waited through for one text, in bytes.
const LONGEST: usize = 4 << 20;

/// What somebody waited for and did not get.
#[derive(Debug)]
pub enum Missed {
    /// The text did not come in time.
    Late {
        /// What was waited for.
        wanted: String,
        /// For how long.
        within: Duration,
        /// The last of what came instead.
        instead: String,
    },
    /// The machine ended, or its console did.
    Closed {
        /// What was waited for.
        wanted: String,
        /// The last of what came before.
        before: String,
    },
    /// The socket failed.
    Io(io::Error),
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { wanted, within, instead } => {
                let seconds = within.as_secs();
                write!(f, "the console did not show '{wanted}' within {seconds} s, but:\n{instead}")
            }
            Self::Closed { wanted, before } => {
                write!(f, "the machine ended before its console showed '{wanted}'; last:\n{before}")
            }
            Self::Io(e) => write!(f, "the console cannot be used: {e}"),
        }
    }
}

impl std::error::Error for Missed {}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A command that a shell on the console ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub status: u8,
    /// What it printed, on either stream.
    pub output: String,
}

/// The talk with a console. What it shows is taken from it at all times, also when nobody waits for anything: who
/// does not read is cut off ([`crate::serial`]).
#[derive(Debug)]
pub struct Talk {
    stream: UnixStream,
    heard: Receiver<Vec<u8>>,
    /// What came and was not waited for yet.
    unread: Vec<u8>,
    turn: u32,
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Ends the listener.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Talk {
    /// Sits down at the console served at `path` (`console.sock` of a machine's folder).
    ///
    /// # Errors
    /// [`Error::Io`] when nobody serves it.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(Error::io("connect to", path))?;
        Self::new(stream).map_err(Error::io("listen to", path))
    }

    fn new(stream: UnixStream) -> io::Result<Self> {
        let (tell, heard) = channel();
        let from = stream.try_clone()?;
        thread::Builder::new().name("talk".into()).spawn(move || listen(from, &tell))?;
        Ok(Self { stream, heard, unread: Vec::new(), turn: 0 })
    }

    /// Waits until the console shows `text`; what it showed before that. What comes after it is kept.
    ///
    /// # Errors
    /// [`Missed`].
    pub fn until(&mut self, text: &str, within: Duration) -> Result<String, Missed> {
        let deadline = Instant::now() + within;
        let mut searched = 0;
        loop {
            let found = find(self.unread.get(searched..).unwrap_or_default(), text.as_bytes());
            if let Some(at) = found.map(|at| searched + at) {
                let rest = self.unread.split_off(at + text.len());
                let before = std::mem::replace(&mut self.unread, rest);
                return Ok(clean(&before[..at]));
            }
            // The beginning of the text may have come.
            searched = (self.unread.len() + 1).saturating_sub(text.len());
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.unread.len() > LONGEST {
                let (wanted, instead) = (text.to_owned(), self.last());
                return Err(Missed::Late { wanted, within, instead });
            }
            if !self.hear(left) {
                return Err(Missed::Closed { wanted: text.to_owned(), before: self.last() });
            }
        }
    }

    /// Forgets what the console has shown so far.
    pub fn forget(&mut self) {
        while self.heard.try_recv().is_ok() {}
        self.unread.clear();
    }

    /// Types a line.
    ///
    /// # Errors
    /// [`Missed::Io`].
    pub fn say(&mut self, line: &str) -> Result<(), Missed> {
        self.stream.write_all(format!("{line}\r").as_bytes())?;
        Ok(())
    }

    /// Has a shell that shows its prompt run a command.
    ///
    /// # Errors
    /// [`Missed`]; the command does not end in time.
    pub fn run(&mut self, command: &str, within: Duration) -> Result<Ran, Missed> {
        self.turn += 1;
        let n = self.turn;
        // The terminal shows what is typed: the marks must not stand in it as they are printed.
        self.say(&format!("echo '<''<{n}'; {command}; echo '{n}>''>' $?"))?;
        self.until(&format!("<<{n}"), within)?;
        let output = self.until(&format!("{n}>> "), within)?;
        let status = self.until("\n", within)?;
        let status = status.trim().parse().unwrap_or(u8::MAX);
        Ok(Ran { status, output: output.trim().to_owned() })
    }

    /// Takes in what there is; false at the end of the console.
    fn hear(&mut self, within: Duration) -> bool {
        match self.heard.recv_timeout(within) {
            Ok(piece) => self.unread.extend_from_slice(&piece),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn last(&self) -> String {
        clean(&self.unread[self.unread.len().saturating_sub(QUOTED)..])
    }
}

/// Passes on what comes, until the console ends or nobody wants it any more.
fn listen(mut from: UnixStream, tell: &Sender<Vec<u8>>) {
    let mut block = [0; 4096];
    loop {
        match from.read(&mut block) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(n) => {
                if tell.send(block[..n].to_vec()).is_err() {
                    return;
                }
            }
        }
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Text without carriage returns and escape sequences (those of `CSI`, ECMA-48 5.4).
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\x1b' if characters.next_if_eq(&'[').is_some() => {
                let _ = characters.by_ref().find(|c| ('@'..='~').contains(c));
            }
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use super::{Missed, Ran, Talk, clean};

    const SOON: Duration = Duration::from_secs(10);

    fn talk() -> (Talk, UnixStream) {
        let (ours, guest) = UnixStream::pair().unwrap();
        (Talk::new(ours).unwrap(), guest)
    }

    #[test]
    fn a_text_is_found_in_pieces_and_the_rest_is_kept() {
        let (mut talk, mut guest) = talk();
        for piece in ["boot\r\nlo", "gin: and ", "more# "] {
            guest.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(talk.until("login: ", SOON).unwrap(), "boot\n");
        assert_eq!(talk.until("# ", SOON).unwrap(), "and more");
    }

    #[test]
    fn what_does_not_come_is_told_with_what_came_instead() {
        let (mut talk, mut guest) = talk();
        guest.write_all(b"panic").unwrap();
        let late = talk.until("login: ", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(&late, Missed::Late { instead, .. } if instead == "panic"), "{late}");
        talk.forget();
        drop(guest);
        let closed = talk.until("login: ", SOON).unwrap_err();
        assert!(matches!(&closed, Missed::Closed { before, .. } if before.is_empty()), "{closed}");
    }

    /// A story waited for a boot, and not for the console: it was cut off, and took the machine to have ended.
    #[test]
    fn what_nobody_waits_for_holds_nobody_up() {
        let (mut talk, mut guest) = talk();
        guest.set_write_timeout(Some(SOON)).unwrap();
        for _ in 0..1000 {
            guest.write_all(&[b'x'; 1000]).unwrap();
        }
        guest.write_all(b"login: ").unwrap();
        assert_eq!(talk.until("login: ", SOON).unwrap().len(), 1_000_000);
    }

    /// A terminal shows the command as it is typed, and a shell its prompt; neither is output.
    #[test]
    fn a_command_gives_its_output_and_status_and_not_its_echo() {
        let (mut talk, guest) = talk();
        let shell = thread::spawn(move || {
            let mut typed = Vec::new();
            let mut from = BufReader::new(guest.try_clone().unwrap());
            from.read_until(b'\r', &mut typed).unwrap();
            let echo = String::from_utf8(typed).unwrap();
            let said = format!("{echo}\n\x1b[?2004l\r<<1\r\nhello\r\n1>> 3\r\n# ");
            (&guest).write_all(said.as_bytes()).unwrap();
            echo
        });
        let ran = talk.run("greet", SOON).unwrap();
        assert_eq!(ran, Ran { status: 3, output: "hello".to_owned() });
        let echo = shell.join().unwrap();
        assert!(echo.contains("; greet; ") && !echo.contains("<<1") && !echo.contains("1>>"));
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        assert_eq!(clean(b"\x1b[?2004ha\x1b[1;31mb\x07\r\n\x1b"), "ab\n");
    }
}
