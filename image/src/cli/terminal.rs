//! Progress on standard error: a line that rewrites itself on a terminal, sparse lines in a log.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use minos_image::Progress;

/// In a log, a sign of life this often is enough.
const LOG_TICK: Duration = Duration::from_secs(15);
/// On a terminal, more often than this is flicker.
const TERMINAL_TICK: Duration = Duration::from_millis(200);
/// The narrowest terminal we care for.
const COLUMNS: usize = 79;

/// Reports to people.
pub struct Terminal {
    rewrites: bool,
    ticked: Cell<Option<Instant>>,
    open_line: Cell<bool>,
}

impl Terminal {
    /// Looks whether standard error is a terminal.
    pub fn new() -> Self {
        let rewrites = stderr().is_terminal();
        Terminal { rewrites, ticked: Cell::new(None), open_line: Cell::new(false) }
    }

    /// Removes a line that was being rewritten.
    pub fn end(&self) {
        if self.open_line.replace(false) {
            self.write("\r\x1b[K");
        }
    }

    /// Standard error may be closed; the work goes on all the same.
    fn write(&self, text: &str) {
        let _ = stderr().write_all(text.as_bytes());
    }
}

impl Progress for Terminal {
    fn step(&self, text: &str) {
        self.end();
        self.ticked.set(Some(Instant::now()));
        self.write(&format!("{text}\n"));
    }

    fn tick(&self, text: &str) {
        let pause = if self.rewrites { TERMINAL_TICK } else { LOG_TICK };
        if self.ticked.get().is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.ticked.set(Some(Instant::now()));
        let line: String = text.chars().filter(|c| !c.is_control()).take(COLUMNS).collect();
        if self.rewrites {
            self.open_line.set(true);
            self.write(&format!("\r\x1b[K{line}"));
        } else {
            self.write(&format!("{line}\n"));
        }
    }
}
