//! Passphrases: from a file, or from a person at the terminal, without echo.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use minos_proto::{ErrorKind, ErrorReport};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::answer::on_file;
use super::open;

/// The terminal of this process, also where input and output are redirected.
const TERMINAL: &str = "/dev/tty";
/// No passphrase is longer, in bytes.
const LONGEST: usize = 1024;

/// Where a passphrase comes from.
#[derive(Debug, Clone)]
pub enum From {
    /// The first line of this file.
    File(PathBuf),
    /// A person.
    Terminal,
}

impl From {
    /// Of `--passphrase-file`.
    pub fn option(file: Option<PathBuf>) -> Self {
        file.map_or(Self::Terminal, Self::File)
    }

    /// The passphrase of a key that is there.
    ///
    /// # Errors
    /// The file cannot be read; there is no terminal; the person gave up.
    pub fn ask(&self, path: &Path) -> Result<String, ErrorReport> {
        match self {
            Self::File(file) => first_line(file),
            Self::Terminal => typed(&format!("password of {}: ", path.display())),
        }
    }

    /// A new passphrase, typed twice; empty for none.
    ///
    /// # Errors
    /// As [`From::ask`]; the two are not the same.
    pub fn choose(&self) -> Result<String, ErrorReport> {
        let Self::Terminal = self else { return self.ask(Path::new("")) };
        let first = typed("password of the new key (empty: none): ")?;
        if first.is_empty() || typed("the same once more: ")? == first {
            return Ok(first);
        }
        let what = "the two passwords are not the same: no key was made";
        Err(ErrorReport::new(ErrorKind::Invalid, what, "try again"))
    }
}

fn first_line(file: &Path) -> Result<String, ErrorReport> {
    let text = open::text(file)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn typed(question: &str) -> Result<String, ErrorReport> {
    let opened = OpenOptions::new().read(true).write(true).open(TERMINAL);
    let mut terminal = opened.map_err(|_| {
        let what = "a password is needed, and there is no terminal to type it at";
        let hint =
            "--passphrase-file names a file with it; a new key can have none: --no-passphrase";
        ErrorReport::new(ErrorKind::Invalid, what, hint)
    })?;
    let line = || -> io::Result<String> {
        terminal.write_all(question.as_bytes())?;
        let quiet = Quiet::enter(terminal.try_clone()?)?;
        let line = line(&mut terminal);
        drop(quiet);
        terminal.write_all(b"\n")?;
        line
    };
    let mut line = line;
    line().map_err(|e| match e.kind() {
        io::ErrorKind::Interrupted => {
            ErrorReport::new(ErrorKind::Invalid, "no password was typed", "nothing was changed")
        }
        _ => on_file("read a password from", TERMINAL.as_ref(), &e),
    })
}

/// The terminal without echo, for as long as this lives. Keys come one by one, and Ctrl-C as a key: a signal would
/// leave the terminal silent.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn enter(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that hung up cannot be restored, and there is nobody left to tell.
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

fn line(terminal: &mut File) -> io::Result<String> {
    let mut typed = Vec::new();
    loop {
        let mut key = [0];
        match (terminal.read(&mut key)?, key[0]) {
            (0, _) | (_, b'\x03' | b'\x04') => return Err(io::ErrorKind::Interrupted.into()),
            (_, b'\r' | b'\n') => return Ok(String::from_utf8_lossy(&typed).into_owned()),
            // One character of UTF-8 may be several bytes.
            (_, b'\x08' | b'\x7f') => while typed.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
            (_, b'\x15') => typed.clear(),
            (_, byte) if typed.len() < LONGEST => typed.push(byte),
            _ => {}
        }
    }
}
