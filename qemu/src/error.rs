//! What can go wrong between a wish for a machine and a machine that runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a machine could not be started or spoken to.
#[derive(Debug)]
pub enum Error {
    /// The description of the machine contradicts itself; the text says what to change.
    Machine(String),
    /// A file or socket failed.
    Io {
        /// What was tried: a verb phrase.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// Another machine runs in this directory.
    Busy {
        /// The directory.
        dir: PathBuf,
        /// Its QEMU, where the pid file says so.
        pid: Option<u32>,
    },
    /// No machine runs in this directory.
    NotRunning(PathBuf),
    /// QEMU is not installed or cannot be executed.
    NoQemu {
        /// The program tried.
        program: String,
        /// Why not.
        why: io::Error,
    },
    /// QEMU ended before the machine ran.
    QemuFailed {
        /// What it wrote to standard error.
        stderr: String,
    },
    /// QEMU refused a command.
    Refused {
        /// The command.
        command: String,
        /// QEMU's own words.
        why: String,
    },
    /// QEMU did not answer, or its monitor connection broke.
    Monitor {
        /// The command.
        command: String,
        /// What happened instead of an answer.
        why: String,
    },
    /// KVM was demanded and is not there.
    NoKvm(crate::accel::NoKvm),
}

impl Error {
    /// For `map_err` on an operation on `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |why| Self::Io { doing, path, why }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(what) => f.write_str(what),
            Self::Io { doing, path, why } => write!(f, "cannot {doing} {}: {why}", path.display()),
            Self::Busy { dir, pid } => {
                write!(f, "a machine already runs in {}", dir.display())?;
                if let Some(pid) = pid {
                    write!(f, " (QEMU has pid {pid})")?;
                }
                f.write_str("\nhint: end it with `minos-qemu powerdown`, or choose another --dir")
            }
            Self::NotRunning(dir) => write!(
                f,
                "no machine runs in {}\nhint: start one with `minos-qemu run`, or name its --dir",
                dir.display()
            ),
            Self::NoQemu { program, why } => write!(
                f,
                "cannot run {program}: {why}\nhint: install QEMU (Debian: apt install qemu-system-x86)"
            ),
            Self::QemuFailed { stderr } if stderr.trim().is_empty() => {
                f.write_str("QEMU ended before the machine ran, without a word")
            }
            Self::QemuFailed { stderr } => {
                write!(f, "QEMU ended before the machine ran:\n{}", stderr.trim_end())
            }
            Self::Refused { command, why } => write!(f, "QEMU refused {command}: {why}"),
            Self::Monitor { command, why } => write!(f, "no answer from QEMU to {command}: {why}"),
            Self::NoKvm(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::accel::NoKvm> for Error {
    fn from(e: crate::accel::NoKvm) -> Self {
        Self::NoKvm(e)
    }
}
