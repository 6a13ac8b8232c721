//! The directories that take what the box writes, opened once and for all.
//!
//! pkgd may be killed while the helper makes the box. Its successor then puts fresh directories in the place of
//! these, and starts the phase again in them: looked up by name once more, they would be those of the
//! successor, and two boxes would write into one tree.

use super::leashed;
use crate::error::{Context, Failure, Stage};
use crate::spec::Spec;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, mkdirat};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// An upper's directory, and where it was when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The directory.
    pub dir: OwnedFd,
    /// Its path, for errors.
    pub path: PathBuf,
}

/// Opens the upper of `/build`, then that of `/` if it has one, and makes the directories in them that overlayfs
/// wants. What is opened while pkgd lives is its own; if it is gone by then, nothing is made.
pub fn open_all(spec: &Spec, control: &UnixStream) -> Result<Vec<Opened>, Failure> {
    let uppers = [&spec.build.upper].into_iter().chain(&spec.upper);
    let opened = uppers.map(|upper| open_one(&upper.dir)).collect::<Result<Vec<_>, _>>()?;
    if !leashed(control) {
        return Err(Failure::new(Stage::Prepare, "pkgd is gone"));
    }
    opened.iter().try_for_each(furnish)?;
    Ok(opened)
}

fn open_one(path: &Path) -> Result<Opened, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(path, flags, Mode::empty()).on(Stage::Prepare, path)?;
    Ok(Opened { dir, path: path.to_owned() })
}

fn furnish(upper: &Opened) -> Result<(), Failure> {
    match mkdirat(upper.dir.as_fd(), "upper", Mode::from_bits_truncate(0o755)) {
        // The caller may have put something there to start with.
        Err(Errno::EEXIST) => {}
        other => other.on(Stage::Prepare, upper.path.join("upper"))?,
    }
    // A used one would be refused by overlayfs ("volatile") in harder words.
    mkdirat(upper.dir.as_fd(), "work", Mode::from_bits_truncate(0o700))
        .on(Stage::Prepare, upper.path.join("work"))
}
