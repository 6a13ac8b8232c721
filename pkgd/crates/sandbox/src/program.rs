//! How a worker is started and heard: this very binary under another name, killed when it is let go of, its words made plain.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What is started as worker.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its name, argument 0.
    pub name: OsString,
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct Started(pub Child);

impl Program {
    /// This very binary under the name of a worker.
    pub fn itself(name: &str) -> Self {
        Self { path: "/proc/self/exe".into(), name: name.into() }
    }

    /// Starts it, with no environment and in a process group of its own.
    ///
    /// # Errors
    /// The machine refuses, or this process is such a worker itself.
    pub fn start(&self, stdin: OwnedFd, stdout: Stdio) -> io::Result<Started> {
        if is_named(&self.name) {
            return Err(io::Error::other("the program forgot run_if_worker()"));
        }
        let child = Command::new(&self.path)
            .arg0(&self.name)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Started(child))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has nothing to lose. Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_named(name: &OsStr) -> bool {
    std::env::args_os().next().is_some_and(|own| own == *name)
}

/// Serves and does not return, if this process was started under this name; otherwise does nothing. An error of `serve`
/// is one of its streams: nobody listens any more.
pub fn serve_if_named(name: &str, serve: impl FnOnce() -> io::Result<()>) {
    if is_named(name.as_ref()) {
        leave(if serve().is_ok() { 0 } else { 1 });
    }
}

#[allow(clippy::exit)] // a worker has no caller to return to
fn leave(code: i32) -> ! {
    std::process::exit(code)
}

/// What a worker says, for people. It may be an attacker's text: nothing that moves a cursor or turns the direction of
/// writing.
pub fn plain_words(bytes: &[u8]) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    String::from_utf8_lossy(bytes).chars().map(plain).collect()
}
