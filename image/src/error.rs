//! Everything that can go wrong while making an image, each with its next step.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::kernel::config::Lost;
use crate::sources::Tried;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What failed, on which file, why, and (in its `Display`) what to do next.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused something.
    Io {
        /// What we were doing: a verb phrase such as "read" or "create directory".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A host program is not installed.
    ToolMissing {
        /// The program's name.
        tool: String,
        /// The Debian package that carries it.
        package: &'static str,
    },
    /// A host program ended with an error.
    CommandFailed {
        /// Program and first arguments.
        command: String,
        /// Its exit status in words.
        status: String,
        /// Its full output, where it was kept.
        log: Option<PathBuf>,
        /// The last lines of that output.
        tail: String,
    },
    /// A file of ours does not say what it should.
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in it and why.
        why: String,
    },
    /// A file that has to be there is not.
    Missing {
        /// What it is.
        what: String,
        /// Where it should be.
        path: PathBuf,
        /// How to get it.
        next: String,
    },
    /// Wanted kernel symbols did not survive `olddefconfig`.
    ConfigLost {
        /// Each of them.
        lost: Vec<Lost>,
        /// The configuration that was the result.
        config: PathBuf,
    },
    /// No kernel source we accept is on offer.
    NoKernelSource {
        /// The lock file.
        lock: PathBuf,
        /// The versions it accepts.
        locked: Vec<String>,
        /// The versions apt offers.
        offered: Vec<String>,
        /// Why our own view of Debian's archive could not be asked.
        unread: Option<Box<Error>>,
    },
    /// A file's SHA-256 is not the expected one.
    Mismatch {
        /// What was being obtained.
        what: String,
        /// Where it came from.
        from: String,
        /// The SHA-256 that was locked.
        expected: String,
        /// The SHA-256 it has.
        got: String,
        /// Where the refused file was put for inspection.
        kept: PathBuf,
    },
    /// Locked sources were found nowhere.
    SourcesNotFound {
        /// The name of each, with the places tried.
        missing: Vec<(String, Tried)>,
    },
    /// A file is in the way.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The host's apt configuration names no Debian mirror.
    NoMirror {
        /// The files that were read.
        looked: Vec<PathBuf>,
    },
    /// Recipes have errors.
    Recipes {
        /// The folder of the recipes.
        dir: PathBuf,
        /// Each finding: file, line, what, and what to do.
        lints: Vec<String>,
    },
    /// A request cannot be carried out as given.
    Request {
        /// Why, and what would be accepted.
        why: String,
    },
}

impl Error {
    /// Wraps an I/O error; for use with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// A malformed file.
    pub fn parse(path: impl AsRef<Path>, why: impl Into<String>) -> Error {
        Error::Parse { path: path.as_ref().to_path_buf(), why: why.into() }
    }

    /// A request that makes no sense as given.
    pub fn request(why: impl Into<String>) -> Error {
        Error::Request { why: why.into() }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, source } => write_io(f, action, path, source),
            Error::ToolMissing { tool, package } => {
                write!(f, "`{tool}` is not installed\n  next: apt-get install {package}")
            }
            Error::CommandFailed { command, status, log, tail } => {
                write_command(f, command, status, log.as_deref(), tail)
            }
            Error::Parse { path, why } => write!(f, "{}: {why}", path.display()),
            Error::Missing { what, path, next } => {
                write!(f, "{what} is missing: {}\n  next: {next}", path.display())
            }
            Error::ConfigLost { lost, config } => write_lost(f, lost, config),
            Error::NoKernelSource { lock, locked, offered, unread } => {
                write_no_kernel(f, lock, locked, offered)?;
                unread
                    .as_ref()
                    .map_or(Ok(()), |why| write!(f, "\n  the archive was not asked: {why}"))
            }
            Error::Mismatch { what, from, expected, got, kept } => write!(
                f,
                "{what}: wrong content from {from}\n  SHA-256 wanted {expected}\n  SHA-256 got    \
                 {got}\n  the file was refused and kept as {}\n  next: compare it with a copy you \
                 trust; change the lock only if upstream announced the change",
                kept.display()
            ),
            Error::SourcesNotFound { missing } => write_not_found(f, missing),
            Error::Exists { path } => write!(
                f,
                "{} exists already and may hold work\n  next: --force overwrites it",
                path.display()
            ),
            Error::NoMirror { looked } => write_no_mirror(f, looked),
            Error::Recipes { dir, lints } => {
                write!(f, "{}: {} error(s)", dir.display(), lints.len())?;
                lints.iter().try_for_each(|lint| write!(f, "\n  {lint}"))
            }
            Error::Request { why } => f.write_str(why),
        }
    }
}

fn write_io(f: &mut fmt::Formatter<'_>, action: &str, path: &Path, why: &io::Error) -> fmt::Result {
    write!(f, "cannot {action} {}: {why}", path.display())?;
    match why.kind() {
        io::ErrorKind::StorageFull => write!(f, "\n  next: free some space on that file system"),
        io::ErrorKind::PermissionDenied => write!(f, "\n  next: run as the owner, or as root"),
        _ => Ok(()),
    }
}

fn write_command(
    f: &mut fmt::Formatter<'_>,
    command: &str,
    status: &str,
    log: Option<&Path>,
    tail: &str,
) -> fmt::Result {
    write!(f, "`{command}` failed: {status}")?;
    for line in tail.lines() {
        write!(f, "\n  | {line}")?;
    }
    match log {
        Some(log) => write!(f, "\n  next: the whole output is in {}", log.display()),
        None => Ok(()),
    }
}

fn write_lost(f: &mut fmt::Formatter<'_>, lost: &[Lost], config: &Path) -> fmt::Result {
    write!(f, "{} kernel symbol(s) did not survive olddefconfig:", lost.len())?;
    for one in lost {
        write!(f, "\n  {one}")?;
    }
    write!(
        f,
        "\n  next: look the symbol's dependencies up in the kernel's Kconfig files; the \
         configuration as it came out is {}",
        config.display()
    )
}

fn write_no_kernel(
    f: &mut fmt::Formatter<'_>,
    lock: &Path,
    locked: &[String],
    offered: &[String],
) -> fmt::Result {
    write!(f, "no kernel source of {} is on offer any more", lock.display())?;
    write!(f, "\n  locked:  {}", locked.join(", "))?;
    let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    write!(f, "\n  offered: {offered}")?;
    write!(
        f,
        "\n  next: security suites drop old versions. `minos-image kernel --accept-newer` takes \
         the newest\n  one apt vouches for and adds it to the lock; `--deb FILE` uses a locked \
         package you still have"
    )
}

fn write_not_found(f: &mut fmt::Formatter<'_>, missing: &[(String, Tried)]) -> fmt::Result {
    for (name, tried) in missing {
        writeln!(f, "source {name}: found nowhere")?;
        for (place, answer) in tried {
            writeln!(f, "  {place}: {answer}")?;
        }
    }
    write!(f, "  next: put the files into a folder and name it with --from DIR")
}

fn write_no_mirror(f: &mut fmt::Formatter<'_>, looked: &[PathBuf]) -> fmt::Result {
    f.write_str("the host's apt configuration names no Debian mirror (read:")?;
    for path in looked {
        write!(f, " {}", path.display())?;
    }
    f.write_str(")\n  next: name one with --mirror URL")
}
