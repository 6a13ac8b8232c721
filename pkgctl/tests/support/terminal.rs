//! A person at a terminal: a pty, pkgctl on it, and a screen that knows what is shown.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};

use super::HANGS;

/// A running pkgctl and what it wrote.
pub struct Person {
    keyboard: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    watching: Arc<AtomicBool>,
    watcher: JoinHandle<()>,
}

impl Person {
    /// Sits down at `columns` columns; 0 is a line that does not know its size. `setsid` makes the
    /// pty the controlling terminal, as init does for the console: Ctrl-C becomes a signal.
    pub fn sit_down(columns: u16, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let rows = if columns == 0 { 0 } else { 24 };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // Clones are closed on exec, the descriptors of openpty are not: no other child of this
        // process may hold the terminal open.
        let keyboard = File::from(pty.master.try_clone().unwrap());
        let slave = pty.slave.try_clone().unwrap();
        drop(pty);
        let side = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_pkgctl")])
            .args(words)
            .env_remove("NO_COLOR")
            .env("TERM", "vt100")
            .env("PKGCTL_HISTORY", "")
            .envs(variables.iter().copied())
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        drop(slave);
        let (screen, seen) = (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let watching = Arc::new(AtomicBool::new(true));
        let (shared, goes_on) = (Arc::clone(&seen), Arc::clone(&watching));
        let watcher = thread::spawn(move || watch(screen, &shared, &goes_on));
        Self { keyboard, child, seen, watching, watcher }
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub fn types_bytes(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).unwrap();
    }

    /// Bytes received so far.
    pub fn received(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// The rows of the screen, from the first one ever written.
    pub fn rows(&self) -> Vec<String> {
        rows(&self.raw())
    }

    /// Waits until the last row is `want`.
    #[track_caller]
    pub fn sees_row(&self, want: &str) {
        self.waits_for(want, |rows| rows.last().is_some_and(|r| r.trim_end() == want));
    }

    /// Waits until some row contains `want`.
    #[track_caller]
    pub fn sees(&self, want: &str) {
        self.waits_for(want, |rows| rows.iter().any(|r| r.contains(want)));
    }

    #[track_caller]
    fn waits_for(&self, want: &str, found: impl Fn(&[String]) -> bool) {
        let begun = Instant::now();
        while !found(&self.rows()) {
            let rows = self.rows().join("\n");
            assert!(begun.elapsed() < HANGS, "'{want}' did not appear on:\n{rows}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The terminal goes away while pkgctl runs.
    pub fn hangs_up(self) -> Child {
        self.watching.store(false, Ordering::SeqCst);
        self.watcher.join().unwrap();
        self.child
    }

    /// Waits for the end and returns the exit status.
    pub fn leaves(self) -> Option<i32> {
        wait(self.child).code()
    }
}

/// Waits for the end of a process, which it is told to come to when it hangs.
pub fn wait(mut child: Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads what is shown until the other side is gone (`EIO`) or nobody looks any more.
fn watch(mut screen: File, seen: &Mutex<Vec<u8>>, goes_on: &AtomicBool) {
    let mut buffer = [0; 4096];
    while goes_on.load(Ordering::SeqCst) {
        let mut ready = [PollFd::new(screen.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, 20u16).unwrap_or(0) == 0 {
            continue;
        }
        match screen.read(&mut buffer) {
            Ok(n) => seen.lock().unwrap().extend_from_slice(&buffer[..n]),
            Err(_) => return,
        }
    }
}

/// What a terminal without end shows after `text`: carriage return, line feed, backspace and, of the
/// escape sequences, those that clear the screen. Others take no room.
fn rows(text: &str) -> Vec<String> {
    let mut rows: Vec<Vec<char>> = vec![Vec::new()];
    let (mut column, mut chars) = (0, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => rows.push(Vec::new()),
            '\x08' => column -= 1,
            '\x07' => {}
            '\x1b' => {
                if chars.next() == Some('[') {
                    let last = chars.by_ref().find(|c| ('@'..='~').contains(c));
                    if last == Some('J') {
                        rows = vec![Vec::new()];
                    }
                }
            }
            c => {
                let row = rows.last_mut().unwrap();
                row.resize(row.len().max(column + 1), ' ');
                row[column] = c;
                column += 1;
            }
        }
    }
    rows.into_iter().map(|r| r.into_iter().collect()).collect()
}
