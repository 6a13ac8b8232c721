//! Directories that tell whether their owner lives.
//!
//! Several pkgd may run on one host and share its cgroups and its `/run`, also from pid namespaces of their own, in
//! which numbers of processes mean other processes, or none. So an owner holds a lock (flock(2)) on its
//! directory for as long as it lives; the kernel drops it with the last process that has it open. Whoever
//! gets the lock has found a dead one's, and may remove it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Owners with the same process id that can have a directory in one place at the same time.
const NAMESAKES: u32 = 64;

/// A directory of this process, which is not removed when this is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    lock: File,
}

impl Claim {
    /// Makes a directory, which nobody else may enter, named after `pid`; under another number where a namesake
    /// lives. `remove` takes a parent and a directory of a dead owner in it.
    pub fn take(
        parent: &Path,
        prefix: &str,
        pid: u32,
        remove: fn(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        for n in 0..NAMESAKES {
            let path = parent.join(format!("{prefix}{pid}.{n}"));
            remove_dead(parent, &path, remove);
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            if let Some(lock) = lock(&path) {
                return Ok(Self { path, lock });
            }
        }
        let what = format!("all names {prefix}{pid}.* are in use");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of this name in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Another descriptor of it. The claim lasts as long as any is open.
    pub fn handle(&self) -> io::Result<File> {
        self.lock.try_clone()
    }
}

/// Removes the directories of dead owners whose name begins with `prefix`.
pub fn sweep(parent: &Path, prefix: &str, remove: fn(&Path, &Path) -> io::Result<()>) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    let found = entries.flatten().filter(|entry| ours(&entry.file_name()));
    found.for_each(|entry| remove_dead(parent, &entry.path(), remove));
}

fn remove_dead(parent: &Path, path: &Path, remove: fn(&Path, &Path) -> io::Result<()>) {
    // Held until it is gone: another sweep would remove it as well, and then what took its name.
    if let Some(_held) = lock(path) {
        // What cannot be removed is met again by the next sweep.
        let _ = remove(parent, path);
    }
}

/// Locks a directory; `None` when its owner lives, or a sweep was faster.
fn lock(path: &Path) -> Option<File> {
    let dir = File::open(path).ok()?;
    dir.try_lock().ok()?;
    // Between the opening and the lock it may have been removed: then the name leads nowhere, or elsewhere.
    let same = fs::metadata(path).ok()?.ino() == dir.metadata().ok()?.ino();
    same.then_some(dir)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::Path;

    use super::{Claim, sweep};

    fn remove(_: &Path, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    /// Whether the owner lived was asked of `/proc/PID`, which in another pid namespace is another process or none.
    #[test]
    fn the_lock_tells_the_living_from_the_dead_and_the_number_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let take = || Claim::take(dir.path(), "box-", u32::MAX, remove).unwrap();
        let (living, namesake) = (take(), take());
        assert_ne!(living.path(), namesake.path());
        let dead = dir.path().join(format!("box-{}.0", std::process::id()));
        let foreign = dir.path().join("somebody");
        fs::create_dir(&dead).and_then(|()| fs::create_dir(&foreign)).unwrap();
        sweep(dir.path(), "box-", remove);
        let there = [living.path(), namesake.path(), &dead, &foreign].map(Path::exists);
        assert_eq!(there, [true, true, false, true]);
        let path = living.path().to_owned();
        let handle = living.handle().unwrap();
        drop(living);
        sweep(dir.path(), "box-", remove);
        assert!(path.exists(), "somebody still has it open");
        drop(handle);
        sweep(dir.path(), "box-", remove);
        assert_eq!([&path, namesake.path()].map(Path::exists), [false, true]);
    }

    /// A sweep let go of the lock of a dead one before it removed it: another did so first, somebody took the
    /// name, and lost what was just made.
    #[test]
    fn a_sweep_at_any_moment_takes_nothing_from_the_living() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let sweeper =
                scope.spawn(|| (0..5_000).for_each(|_| sweep(dir.path(), "box-", remove)));
            while !sweeper.is_finished() {
                let made = Claim::take(dir.path(), "box-", 7, remove).unwrap();
                assert!(made.path().exists(), "{}", made.path().display());
                fs::remove_dir(made.path()).unwrap();
            }
        });
    }
}
