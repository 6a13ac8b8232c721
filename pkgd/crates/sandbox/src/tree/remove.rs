//! Removal of whole trees.

use super::{Dir, Kind};
use std::ffi::{OsStr, OsString};
use std::io;

/// How deep we go with one descriptor per level. What is deeper is moved up to the top first, so that
/// neither the stack nor the descriptors run out on a tree a million levels deep.
const DEPTH: usize = 48;
/// How often a directory is read again when others still put names into it.
const ROUNDS: usize = 100;

impl Dir {
    /// Removes `name` and everything below it. What has gone already is no error, and neither is a
    /// directory that nobody may read.
    ///
    /// # Errors
    /// Those of `unlinkat(2)` and `openat2(2)`; `ENOTEMPTY` if somebody keeps on filling the tree.
    pub fn remove_tree(&self, name: &OsStr) -> io::Result<()> {
        for _ in 0..ROUNDS {
            match self.open_dir(name) {
                Ok(top) => Sweep { top: &top, moved: 0 }.run()?,
                Err(e) if gone(&e) => return Ok(()),
                Err(e) if !no_directory(&e) => return Err(e),
                Err(_) => {}
            }
            if self.unlink(name)? {
                return Ok(());
            }
        }
        Err(busy(name))
    }

    /// Removes everything in this directory, but not itself.
    ///
    /// # Errors
    /// As [`Dir::remove_tree`].
    pub fn clear(&self) -> io::Result<()> {
        Sweep { top: self, moved: 0 }.run()
    }

    /// Removes one name, whatever it is by now; false if it is a directory with something in it.
    fn unlink(&self, name: &OsStr) -> io::Result<bool> {
        let removed = self.remove_file(name).or_else(|error| {
            // Linux says EISDIR, POSIX EPERM.
            let dir = matches!(error.raw_os_error(), Some(libc::EISDIR | libc::EPERM));
            if dir { self.remove_dir(name) } else { Err(error) }
        });
        match removed {
            Err(e) if gone(&e) => Ok(true),
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOTEMPTY | libc::ENOTDIR)) => {
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }
}

/// One removal: the directory at its top, and how many directories have been moved up to it.
struct Sweep<'a> {
    top: &'a Dir,
    moved: u64,
}

impl Sweep<'_> {
    /// Empties the top until nothing is left, including what was moved up.
    fn run(&mut self) -> io::Result<()> {
        for _ in 0..ROUNDS {
            loop {
                let before = self.moved;
                self.empty(self.top, 0)?;
                if self.moved == before {
                    break;
                }
            }
            if self.top.entries()?.is_empty() {
                return Ok(());
            }
        }
        Err(busy(OsStr::new(".")))
    }

    fn empty(&mut self, dir: &Dir, depth: usize) -> io::Result<()> {
        for entry in dir.entries()? {
            if entry.kind == Kind::Dir {
                self.empty_child(dir, &entry.name, depth)?;
            }
            // A name that was swapped, filled or moved up meanwhile is met again in the next round.
            dir.unlink(&entry.name)?;
        }
        Ok(())
    }

    fn empty_child(&mut self, dir: &Dir, name: &OsStr, depth: usize) -> io::Result<()> {
        if depth == DEPTH {
            self.moved += 1;
            let to = OsString::from(format!(".removing-{}-{}", std::process::id(), self.moved));
            return match dir.rename(name, self.top, &to) {
                // The step may have taken that name; the next number will do.
                Err(e) if gone(&e) || e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            };
        }
        match dir.open_dir(name) {
            Ok(child) => self.empty(&child, depth + 1),
            Err(e) if gone(&e) || no_directory(&e) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// What opening a name as a directory says if it is, or has just become, something else.
fn no_directory(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP))
}

fn busy(name: &OsStr) -> io::Error {
    let text = format!("{}: somebody keeps on writing into it", name.display());
    io::Error::new(io::ErrorKind::DirectoryNotEmpty, text)
}
