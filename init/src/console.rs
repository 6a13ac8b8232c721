//! init's log and its two readers: the console and the host's `minos.init` port.
//!
//! Neither can stall PID 1. Both are written without blocking; what they do not take stays in the
//! [`Ring`], and what the ring has to forget is counted and said. Lines are never torn: the rest of
//! a line the terminal took half of is kept and comes first.

use core::fmt::{self, Write as _};

use heapless::String;
use minos_proto::frame::{Tag, encode_into};
use minos_proto::{BootEvent, BootPhase};

use crate::cmdline::{LogLevel, cut};
use crate::kernel::{Errno, Fd, Sys, Watch};
use crate::ring::{Cursor, ENTRY, Entry, Kind, Ring};

/// The longest log line in bytes: what [`BootEvent::Log`] holds.
pub const LINE: usize = 160;
/// Milliseconds after which a reader that took nothing is tried again, when poll cannot tell.
pub const RETRY_MS: u64 = 1_000;

/// The terminal.
#[derive(Debug, Default)]
struct Terminal {
    fd: Option<Fd>,
    cursor: Cursor,
    /// What the terminal has not taken yet of a line it took the beginning of.
    rest: heapless::Vec<u8, { ENTRY + 32 }>,
    stuck: bool,
    hung_up: bool,
}

/// The host's port.
#[derive(Debug, Default)]
struct Port {
    fd: Option<Fd>,
    cursor: Cursor,
    pending: bool,
}

/// The log.
#[derive(Debug)]
pub struct Journal {
    ring: Ring,
    terminal: Terminal,
    port: Port,
    level: LogLevel,
    replay_all: bool,
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    /// An empty log that nobody reads yet.
    pub fn new() -> Self {
        Self {
            ring: Ring::new(),
            terminal: Terminal::default(),
            port: Port::default(),
            level: LogLevel::Normal,
            replay_all: false,
        }
    }

    /// Sets how much of the log is shown on the console.
    pub const fn set_level(&mut self, level: LogLevel) {
        self.level = level;
    }

    /// Gives the log a terminal; what was logged before, and is not shown yet, is shown there. The
    /// descriptor it had until now comes back.
    pub const fn open_terminal(&mut self, fd: Fd) -> Option<Fd> {
        self.terminal.hung_up = false;
        self.terminal.fd.replace(fd)
    }

    /// The terminal was hung up, which the kernel does when the session leader of the console ends:
    /// it has to be opened again.
    pub const fn is_hung_up(&self) -> bool {
        self.terminal.hung_up
    }

    /// Gives the log a port; what was logged before is sent there.
    pub const fn open_port(&mut self, fd: Fd) {
        self.port.fd = Some(fd);
        self.port.pending = true;
    }

    /// The port's descriptor.
    pub const fn port_fd(&self) -> Option<Fd> {
        self.port.fd
    }

    /// Logs one line, cut to [`LINE`] bytes, control characters made visible.
    pub fn say(&mut self, at_ms: u64, level: LogLevel, text: fmt::Arguments<'_>) {
        let mut line = Line::default();
        // A line that is too long is cut; nothing else can fail.
        let _ = line.write_fmt(text);
        self.ring.push(Kind::Line(level), at_ms, line.0.as_bytes());
        self.port.pending = true;
    }

    /// Shows text on the console as it is, without a newline added.
    pub fn prompt(&mut self, at_ms: u64, text: &str) {
        self.ring.push(Kind::Prompt, at_ms, text.as_bytes());
    }

    /// Sends an event to the host.
    pub fn event(&mut self, at_ms: u64, event: &BootEvent) {
        let mut frame = [0; ENTRY];
        // Every event fits (tested).
        if let Ok(n) = encode_into(Tag::Boot, event, &mut frame) {
            self.ring.push(Kind::Frame, at_ms, &frame[..n]);
            self.port.pending = true;
        }
    }

    /// Tells the host that a phase was reached, and the console when it shows everything. The host
    /// gets no log line of it: it would read the same thing twice.
    pub fn phase(&mut self, at_ms: u64, phase: BootPhase) {
        self.event(at_ms, &BootEvent::Phase { at_ms, phase });
        let mut line = Line::default();
        // A line that is too long is cut; nothing else can fail.
        let _ = write!(line, "reached phase {phase}");
        self.ring.push(Kind::Local, at_ms, line.0.as_bytes());
    }

    /// Shows everything that is still in the ring on the console again.
    pub const fn replay(&mut self) {
        self.terminal.cursor = self.ring.oldest();
        self.replay_all = true;
    }

    /// What to poll for: room on a terminal that was full.
    pub fn watch(&self) -> Option<Watch> {
        let fd = self.terminal.fd.filter(|_| self.terminal.stuck)?;
        Some(Watch { fd, write: true, ready: false })
    }

    /// Whether something waits for a reader that poll knows nothing of.
    pub const fn wants_retry(&self) -> bool {
        self.port.pending && self.port.fd.is_some()
    }

    /// Hands the readers as much as they take now. Whether the terminal took anything.
    pub fn flush(&mut self, sys: &mut dyn Sys) -> bool {
        self.flush_port(sys);
        self.terminal.fd.is_some_and(|fd| self.flush_terminal(sys, fd))
    }

    fn flush_terminal(&mut self, sys: &mut dyn Sys, fd: Fd) -> bool {
        let mut took = false;
        loop {
            if self.terminal.rest.is_empty() && !self.next_line() {
                self.terminal.stuck = false;
                return took;
            }
            match sys.write(fd, &self.terminal.rest) {
                Ok(n) if n > 0 => {
                    drop_front(&mut self.terminal.rest, n);
                    took = true;
                }
                Err(Errno::EINTR) => {}
                other => {
                    self.terminal.stuck = true;
                    self.terminal.hung_up = other == Err(Errno::EIO);
                    return took;
                }
            }
        }
    }

    /// Puts the next text for the terminal into `rest`; false when there is none.
    fn next_line(&mut self) -> bool {
        if let Some(lost) = self.ring.catch_up(&mut self.terminal.cursor) {
            let mut text: String<LINE> = String::new();
            let (entries, bytes) = (lost.entries, lost.bytes);
            let _ = write!(text, "console too slow: {entries} entries ({bytes} bytes) dropped");
            self.put_line(text.as_bytes());
            return true;
        }
        while let Some(entry) = self.ring.next(&mut self.terminal.cursor) {
            match entry.kind {
                Kind::Line(level) if level <= self.level || self.replay_all => {
                    self.put_line(&entry.bytes);
                    return true;
                }
                Kind::Local if self.level == LogLevel::Debug || self.replay_all => {
                    self.put_line(&entry.bytes);
                    return true;
                }
                Kind::Prompt if !self.replay_all => {
                    // The longest entry fits.
                    let _ = self.terminal.rest.extend_from_slice(&entry.bytes);
                    return true;
                }
                _ => {}
            }
        }
        self.replay_all = false;
        false
    }

    fn put_line(&mut self, text: &[u8]) {
        for part in [b"init: ".as_slice(), text, b"\n"] {
            // The longest line fits.
            let _ = self.terminal.rest.extend_from_slice(part);
        }
    }

    fn flush_port(&mut self, sys: &mut dyn Sys) {
        let Some(fd) = self.port.fd else { return };
        if let Some(lost) = self.ring.catch_up(&mut self.port.cursor) {
            let mut text = String::new();
            let _ = write!(text, "host too slow: {} entries dropped", lost.entries);
            let at_ms = sys.now_ms();
            let _ = send(sys, fd, &BootEvent::Log { at_ms, text });
        }
        loop {
            let mut ahead = self.port.cursor;
            let Some(entry) = self.ring.next(&mut ahead) else {
                self.port.pending = false;
                return;
            };
            // A port takes a whole frame or nothing.
            if send_entry(sys, fd, &entry).is_err() {
                return;
            }
            self.port.cursor = ahead;
        }
    }
}

fn send_entry(sys: &mut dyn Sys, fd: Fd, entry: &Entry) -> Result<(), Errno> {
    match entry.kind {
        Kind::Prompt | Kind::Local => Ok(()),
        Kind::Frame => sys.write(fd, &entry.bytes).map(drop),
        Kind::Line(_) => {
            let text = cut(str::from_utf8(&entry.bytes).unwrap_or("?"));
            send(sys, fd, &BootEvent::Log { at_ms: entry.at_ms, text })
        }
    }
}

fn send(sys: &mut dyn Sys, fd: Fd, event: &BootEvent) -> Result<(), Errno> {
    let mut frame = [0; ENTRY];
    match encode_into(Tag::Boot, event, &mut frame) {
        Ok(n) => sys.write(fd, &frame[..n]).map(drop),
        Err(_) => Ok(()),
    }
}

fn drop_front<const N: usize>(bytes: &mut heapless::Vec<u8, N>, n: usize) {
    let n = n.min(bytes.len());
    bytes.copy_within(n.., 0);
    bytes.truncate(bytes.len() - n);
}

/// A log line while it is written: control characters become `?`, so that no service can move the
/// cursor; the end is cut.
#[derive(Debug, Default)]
pub(crate) struct Line(pub(crate) String<LINE>);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let c = if c.is_control() { '?' } else { c };
            self.0.push(c).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
