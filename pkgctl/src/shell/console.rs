//! Standard input as keys, and the size of the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::key::{Decoder, Key};
use crate::sys::{self, Wait};

/// A sequence that stays incomplete for so long was none: a slow line needs a millisecond a byte.
const SEQUENCE: Duration = Duration::from_millis(200);
/// How long the terminal may take to say where its cursor is.
const ANSWER: Duration = Duration::from_millis(500);
/// Sizes a terminal may claim; anything else is noise on the line.
const SANE: std::ops::RangeInclusive<usize> = 20..=1000;
/// Save the cursor, move it as far as it goes, ask where it is, restore it (DECSC, CUP, DSR 6, DECRC).
const WHERE: &str = "\x1b7\x1b[999;999H\x1b[6n\x1b8";

/// The keyboard side of the terminal.
#[derive(Debug, Default)]
pub struct Console {
    bytes: VecDeque<u8>,
    typed_ahead: VecDeque<Key>,
    decoder: Decoder,
}

impl Console {
    /// The next key; `None` when the terminal is gone.
    ///
    /// # Errors
    /// As `read(2)`.
    pub fn key(&mut self) -> io::Result<Option<Key>> {
        if let Some(key) = self.typed_ahead.pop_front() {
            return Ok(Some(key));
        }
        loop {
            while let Some(byte) = self.bytes.pop_front() {
                if let Some(key) = self.decoder.push(byte) {
                    return Ok(Some(key));
                }
            }
            let patience = if self.decoder.is_waiting() { SEQUENCE } else { Duration::MAX };
            match sys::wait_readable(sys::stdin_fd(), patience)? {
                Wait::Ready if self.fill()? == 0 => return Ok(None),
                Wait::Ready => {}
                Wait::TimedOut => self.decoder.reset(),
                // A SIGINT sent by hand; the key itself comes as a byte in raw mode.
                Wait::Interrupted => {
                    sys::forget_interrupt();
                    return Ok(Some(Key::Ctrl('c')));
                }
            }
        }
    }

    /// Whether more input is there already: then painting can wait.
    pub fn has_more(&self) -> bool {
        !self.bytes.is_empty() || !self.typed_ahead.is_empty()
    }

    /// Asks the terminal for its size, as columns. Keys typed meanwhile are kept. `None` when it does
    /// not answer in time: a late answer comes as [`Key::Position`].
    ///
    /// # Errors
    /// As `read(2)` and `write(2)`.
    pub fn measure(&mut self, out: &mut dyn Write) -> io::Result<Option<usize>> {
        out.write_all(WHERE.as_bytes())?;
        out.flush()?;
        let end = Instant::now() + ANSWER;
        loop {
            while let Some(byte) = self.bytes.pop_front() {
                match self.decoder.push(byte) {
                    Some(position @ Key::Position { .. }) => return Ok(columns(position)),
                    Some(key) => self.typed_ahead.push_back(key),
                    None => {}
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let ready = sys::wait_readable(sys::stdin_fd(), left)? == Wait::Ready;
            if !ready || self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 256];
        let n = sys::read_stdin(&mut buffer)?;
        self.bytes.extend(&buffer[..n]);
        Ok(n)
    }
}

/// The columns a terminal claims when its cursor was moved as far as it goes.
pub fn columns(key: Key) -> Option<usize> {
    match key {
        Key::Position { column, .. } if SANE.contains(&column) => Some(column),
        _ => None,
    }
}
