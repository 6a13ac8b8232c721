//! How a tree of files looks without opening one, for where the kernel would not tell that it changed.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{MAX_DEPTH, is_hidden};

/// How many seconds old the newest change must be before a stamp is believed. The kernel counts these times in ticks
/// of some milliseconds, on some file systems in whole seconds: a file may change twice within one.
const SETTLED_S: i64 = 2;

/// How a tree of files looks without opening one: names, inodes, sizes and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The sum over all entries, so that the order in which a folder lists them does not matter.
    sum: u64,
    /// The newest change, in seconds since the Unix epoch.
    newest: i64,
}

impl Stamp {
    /// The stamp of what stands at `path`. `None` if it changed so lately that it may change again unseen, or
    /// cannot be looked at: whoever reads it is told why.
    pub fn settled(path: &Path) -> Option<Self> {
        let mut stamp = Self { sum: 0, newest: i64::MIN };
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            stamp.folder(path, 0, MAX_DEPTH).ok()?;
        } else {
            stamp.add(0, &metadata);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let age = i64::try_from(now).ok()?.checked_sub(stamp.newest)?;
        (age > SETTLED_S).then_some(stamp)
    }

    /// Adds what is in `dir`; `place` stands for its path below the top. Folders count by what they list: their own sizes and
    /// times change with every hidden file.
    fn folder(&mut self, dir: &Path, place: u64, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_hidden(&name) {
                continue;
            }
            let mut hash = DefaultHasher::new();
            (place, name.as_bytes()).hash(&mut hash);
            let here = hash.finish();
            if !entry.file_type()?.is_dir() {
                self.add(here, &entry.metadata()?);
            } else if depth > 0 {
                self.folder(&entry.path(), here, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Adds the file at `place`.
    fn add(&mut self, place: u64, metadata: &Metadata) {
        let mut hash = DefaultHasher::new();
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let file = (metadata.dev(), metadata.ino(), metadata.mode(), metadata.size());
        (place, file, modified, changed).hash(&mut hash);
        self.newest = self.newest.max(metadata.ctime());
        self.sum = self.sum.wrapping_add(hash.finish());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::{MAX_DEPTH, Stamp};

    #[test]
    fn what_is_old_is_told_apart_by_names_sizes_and_times() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("demo/a")).unwrap();
        fs::write(dir.path().join("demo/a/install.sh"), "x").unwrap();
        assert!(Stamp::settled(dir.path()).is_none(), "it may change again unseen");
        let (mut stamp, file) = (Stamp { sum: 0, newest: 0 }, dir.path().join("demo/a/install.sh"));
        let look = |stamp: &mut Stamp| {
            (stamp.sum, stamp.newest) = (0, 0);
            stamp.folder(dir.path(), 0, MAX_DEPTH).unwrap();
            stamp.sum
        };
        let first = look(&mut stamp);
        fs::write(dir.path().join("demo/a/.install.sh.swp"), "x").unwrap();
        assert_eq!(look(&mut stamp), first, "an editor's hidden file");
        let past = SystemTime::now() - Duration::from_secs(100);
        File::options().write(true).open(&file).unwrap().set_modified(past).unwrap();
        let second = look(&mut stamp);
        assert_ne!(second, first, "another time");
        fs::write(dir.path().join("demo/a/more.sh"), "").unwrap();
        assert_ne!(look(&mut stamp), second, "a file more");
    }
}
