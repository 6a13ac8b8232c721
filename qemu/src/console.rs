//! A terminal on the guest's serial console.
//!
//! The terminal is in raw mode: every key, Ctrl-C included, goes to the guest. `Ctrl-]` is for us:
//! `Ctrl-] q` leaves, `Ctrl-] p` presses the power button, `Ctrl-] ?` shows this list, and a second
//! `Ctrl-]` is sent to the guest.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::error::Error;
use crate::sys::{self, RawMode};

/// The escape key, `Ctrl-]`.
pub const ESCAPE: u8 = 0x1d;

/// What to tell people before they are connected.
pub const HINT: &str = "Ctrl-] q leaves, Ctrl-] p presses the power button, Ctrl-] ? shows more";

const HELP: &str = "\r\n[Ctrl-] q: leave   Ctrl-] p: press the power button   \
                    Ctrl-] Ctrl-]: send Ctrl-]]\r\n";

/// Why the console came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The user left it.
    Escaped,
    /// The machine ended.
    Closed,
}

/// Connects standard input and output with the console at `path` until the user leaves or the
/// machine ends. The end of standard input (a pipe) only stops the typing. `power` is called for
/// `Ctrl-] p`.
///
/// # Errors
/// [`Error::Io`] when the socket or the terminal fails.
pub fn attach(path: &Path, power: &mut dyn FnMut()) -> Result<Left, Error> {
    let stream = UnixStream::connect(path).map_err(Error::io("connect to", path))?;
    let stdin = io::stdin();
    let _raw = if stdin.is_terminal() {
        Some(RawMode::enter(&stdin).map_err(Error::io("set up the terminal for", path))?)
    } else {
        None
    };
    pump(stream, power).map_err(Error::io("speak to", path))
}

fn pump(mut guest: UnixStream, power: &mut dyn FnMut()) -> io::Result<Left> {
    let mut keyboard = stdin_file()?;
    let mut screen = io::stdout();
    let mut escape = Escape::default();
    let mut typing = true;
    let mut buffer = [0; 4096];
    loop {
        let wanted = typing.then(|| keyboard.as_fd());
        let ready = sys::readable(guest.as_fd(), wanted)?;
        if ready.0 {
            match guest.read(&mut buffer)? {
                0 => return Ok(Left::Closed),
                n => {
                    screen.write_all(&buffer[..n])?;
                    screen.flush()?;
                }
            }
        }
        if ready.1 {
            let n = keyboard.read(&mut buffer)?;
            typing = n > 0;
            for key in &buffer[..n] {
                match escape.key(*key) {
                    Key::Send(byte) => guest.write_all(&[byte])?,
                    Key::Nothing => {}
                    Key::Leave => return Ok(Left::Escaped),
                    Key::Power => power(),
                    Key::Help => screen.write_all(HELP.as_bytes()).and_then(|()| screen.flush())?,
                }
            }
        }
    }
}

/// Standard input without std's buffer: what is buffered there, poll cannot see.
fn stdin_file() -> io::Result<std::fs::File> {
    io::stdin().as_fd().try_clone_to_owned().map(Into::into)
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    Send(u8),
    Nothing,
    Leave,
    Power,
    Help,
}

/// Finds the escape sequences among the keys.
#[derive(Debug, Default)]
struct Escape {
    pending: bool,
}

impl Escape {
    fn key(&mut self, key: u8) -> Key {
        if !std::mem::take(&mut self.pending) {
            self.pending = key == ESCAPE;
            return if self.pending { Key::Nothing } else { Key::Send(key) };
        }
        match key {
            b'q' => Key::Leave,
            b'p' => Key::Power,
            ESCAPE => Key::Send(ESCAPE),
            _ => Key::Help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ESCAPE, Escape, Key};

    fn keys(typed: &[u8]) -> Vec<Key> {
        let mut escape = Escape::default();
        typed.iter().map(|k| escape.key(*k)).collect()
    }

    #[test]
    fn only_the_escape_key_is_not_the_guests() {
        let all: Vec<u8> = (0..=255).filter(|b| *b != ESCAPE).collect();
        assert!(keys(&all).iter().zip(&all).all(|(k, b)| *k == Key::Send(*b)));
        assert_eq!(keys(&[ESCAPE, b'q']), [Key::Nothing, Key::Leave]);
        assert_eq!(keys(&[ESCAPE, b'p', b'p']), [Key::Nothing, Key::Power, Key::Send(b'p')]);
        assert_eq!(keys(&[ESCAPE, ESCAPE]), [Key::Nothing, Key::Send(ESCAPE)]);
        assert_eq!(keys(&[ESCAPE, b'x', b'q']), [Key::Nothing, Key::Help, Key::Send(b'q')]);
    }
}
