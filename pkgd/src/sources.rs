//! Finds the sources of a step, verifies them every time, and hands the step the very bytes that were
//! verified.
//!
//! A path that was hashed proves nothing about what stands there when a box is made, and each phase is a box
//! of its own. So a step never sees the folders of the user: it gets a private copy, and the copy is what is
//! hashed. Only files on a file system that cannot change (the sources image of the appliance) are used in
//! place. The folders themselves are the word of whoever started pkgd, and trusted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use minos_model::{Digest, Failure, FailureClass, Hasher, Phase};
use minos_recipe::{Recipe, Source};
use nix::sys::statfs::{FsType, fstatfs};

/// File systems nobody can write to, by the magic numbers of `linux/magic.h`: squashfs, EROFS, ISO 9660.
const UNCHANGING: [FsType; 3] = [FsType(0x7371_7368), FsType(0xE0F5_E1E2), FsType(0x9660)];

/// Where to look, and where and how to put what was found.
pub struct Shelf<'a> {
    /// Folders in the order they are looked at. A file may lie directly in one or, as the fetcher lays it
    /// down, in a folder named by its digest.
    pub folders: &'a [PathBuf],
    /// The recipes they are for, which say in `sources.lock` where they come from.
    pub recipes: &'a Path,
    /// Takes the copies; made if missing, for root alone. Belongs to one step.
    pub private: &'a Path,
    /// The time of last change a copy gets, seconds since 1970: that of the original would be an input that
    /// no key knows of.
    pub epoch: i64,
}

/// Why one candidate will not do.
enum Refusal {
    /// There is nothing at its path.
    Absent,
    /// There is something, but not what was locked.
    Bad(String),
    /// The copy could not be made, and no other candidate's could.
    State(Failure),
}

impl Shelf<'_> {
    /// Gives each source of `recipe`, by file name, as a path that keeps its content. All places are tried:
    /// a bad file in the first does not hide a good one in the second.
    ///
    /// # Errors
    /// The first source that is nowhere in order: missing, or with every bad file that was found and what is
    /// wrong with it. [`FailureClass::State`] or [`FailureClass::DiskFull`] when a copy cannot be written.
    pub fn provide(&self, recipe: &Recipe) -> Result<Vec<(String, PathBuf)>, Failure> {
        let each = recipe.sources.iter();
        each.map(|source| Ok((source.file.clone(), self.one(source)?))).collect()
    }

    fn one(&self, source: &Source) -> Result<PathBuf, Failure> {
        let mut bad = Vec::new();
        for path in candidates(self.folders, &source.file, &source.sha256) {
            match self.take(&path, source) {
                Ok(place) => return Ok(place),
                Err(Refusal::Absent) => {}
                Err(Refusal::Bad(what)) => bad.push(what),
                Err(Refusal::State(failure)) => return Err(failure),
            }
        }
        if bad.is_empty() {
            return Err(self.missing(&source.file));
        }
        let hint = format!("fetch it again with '{}', then retry the job", self.fetch());
        Err(failure(bad.join("; "), hint))
    }

    fn missing(&self, file: &str) -> Failure {
        let places: Vec<_> = self.folders.iter().map(|f| f.display().to_string()).collect();
        let what = format!("{file} is in none of: {}", places.join(", "));
        let fetch = self.fetch();
        let hint = format!("put it there, or fetch it with '{fetch}', then retry the job");
        failure(what, hint)
    }

    /// The command that fetches what these recipes lock. Without `--lock` it fetches what those of MinOS do.
    fn fetch(&self) -> String {
        let lock = self.recipes.join("sources.lock");
        let lock =
            if lock.is_file() { format!(" --lock {}", lock.display()) } else { String::new() };
        format!("minos-image fetch-sources{lock}")
    }

    fn take(&self, path: &Path, source: &Source) -> Result<PathBuf, Refusal> {
        let mut original = open(path)?;
        if fstatfs(&original).is_ok_and(|fs| UNCHANGING.contains(&fs.filesystem_type())) {
            check(path, &mut original, source)?;
            return std::path::absolute(path).map_err(|e| unreadable(path, &e));
        }
        let place = self.private.join(&source.file);
        let copied = self.copy(&original, &place, source.bytes);
        check(path, &mut copied.map_err(|e| state(&place, &e))?, source)?;
        Ok(place)
    }

    /// One byte more than there should be is enough to tell that a file is too long. The kernel copies, on
    /// file systems that can by sharing the blocks.
    fn copy(&self, original: &File, place: &Path, bytes: u64) -> io::Result<File> {
        DirBuilder::new().mode(0o700).recursive(true).create(self.private)?;
        // What an earlier attempt left may still be open somewhere.
        match fs::remove_file(place) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut copy = options.read(true).write(true).create_new(true).mode(0o644).open(place)?;
        io::copy(&mut original.take(bytes.saturating_add(1)), &mut copy)?;
        let since = Duration::from_secs(u64::try_from(self.epoch).unwrap_or(0));
        copy.set_modified(UNIX_EPOCH + since)?;
        copy.rewind()?;
        Ok(copy)
    }
}

fn candidates(folders: &[PathBuf], file: &str, digest: &Digest) -> impl Iterator<Item = PathBuf> {
    folders.iter().flat_map(move |dir| [dir.join(file), dir.join(digest.to_string()).join(file)])
}

/// A pipe by that name must not make a worker wait for its writer.
fn open(path: &Path) -> Result<File, Refusal> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|e| match e.kind() {
        NotFound | NotADirectory => Refusal::Absent,
        _ => unreadable(path, &e),
    })?;
    match file.metadata() {
        Ok(meta) if meta.is_file() => Ok(file),
        Ok(_) => Err(Refusal::Bad(format!("{} is no regular file", path.display()))),
        Err(e) => Err(unreadable(path, &e)),
    }
}

/// Hashes `file`, which is or stands for `path`, from its beginning.
fn check(path: &Path, file: &mut File, source: &Source) -> Result<(), Refusal> {
    let mut hasher = Hasher::new();
    let size = io::copy(file, &mut hasher).map_err(|e| unreadable(path, &e))?;
    let digest = hasher.finish();
    let path = path.display();
    if size < source.bytes {
        let locked = source.bytes;
        return Err(Refusal::Bad(format!("{path} is truncated: {size} of {locked} bytes")));
    }
    if size > source.bytes {
        let locked = source.bytes;
        return Err(Refusal::Bad(format!("{path} is longer than the locked {locked} bytes")));
    }
    if digest != source.sha256 {
        let (found, locked) = (digest.short(), source.sha256.short());
        let what = format!("{path} has the wrong content: SHA-256 {found}, locked is {locked}");
        return Err(Refusal::Bad(what));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    Refusal::Bad(format!("{} cannot be read: {error}", path.display()))
}

fn state(place: &Path, error: &io::Error) -> Refusal {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Refusal::State(Failure {
        class: if full { FailureClass::DiskFull } else { FailureClass::State },
        phase: Some(Phase::Unpack),
        what: format!("a private copy cannot be made at {}: {error}", place.display()),
        hint: match full {
            true => "free space on the state's file system, then retry the job",
            false => "check the disks of the state and of the sources, then retry the job",
        }
        .to_owned(),
    })
}

fn failure(what: String, hint: String) -> Failure {
    Failure { class: FailureClass::Source, phase: Some(Phase::Unpack), what, hint }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, UNIX_EPOCH};

    use minos_model::{Digest, Failure, FailureClass};
    use minos_recipe::{Role, Source};
    use tempfile::TempDir;

    use super::{Shelf, candidates};

    /// Two folders for `a.tar`, which should say "hello", and a place for copies.
    struct Rig {
        dir: TempDir,
        folders: [PathBuf; 2],
    }

    impl Rig {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let folders = ["one", "two"].map(|name| dir.path().join(name));
            folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
            Self { dir, folders }
        }

        fn put(&self, folder: usize, text: &str) {
            fs::write(self.folders[folder].join("a.tar"), text).unwrap();
        }

        fn take(&self) -> Result<PathBuf, Failure> {
            let source = Source {
                file: "a.tar".to_owned(),
                sha256: Digest::of(b"hello"),
                bytes: 5,
                role: Role::Main,
                strip: 1,
                into: None,
            };
            let private = self.dir.path().join("private");
            let recipes = self.dir.path();
            Shelf { folders: &self.folders, recipes, private: &private, epoch: 1000 }.one(&source)
        }

        fn refused(&self) -> String {
            let failure = self.take().unwrap_err();
            assert_eq!(failure.class, FailureClass::Source);
            failure.what
        }
    }

    #[test]
    fn each_way_of_being_wrong_is_named() {
        let rig = Rig::new();
        assert!(rig.refused().contains("in none of"));
        for (text, says) in [
            ("hel", "truncated: 3 of 5"),
            ("hellO", "wrong content"),
            ("hello!", "longer than the locked 5"),
            ("hello, and much more", "longer than the locked 5"),
        ] {
            rig.put(0, text);
            let what = rig.refused();
            assert!(what.contains(says) && what.contains("one/a.tar"), "{what}");
        }
    }

    /// A bad file in the first folder hid the good one in the second.
    #[test]
    fn a_good_file_is_found_behind_a_bad_one() {
        let rig = Rig::new();
        rig.put(0, "hellO");
        rig.put(1, "hello");
        assert_eq!(fs::read(rig.take().unwrap()).unwrap(), b"hello");
    }

    #[test]
    fn every_bad_file_is_reported() {
        let rig = Rig::new();
        rig.put(0, "hellO");
        rig.put(1, "he");
        let what = rig.refused();
        assert!(what.contains("one/a.tar has the wrong content"), "{what}");
        assert!(what.contains("two/a.tar is truncated"), "{what}");
    }

    /// It was hashed by its path and bound into each phase by its path: whoever could write the folder could
    /// put anything there in between.
    #[test]
    fn what_was_verified_is_what_is_given() {
        let rig = Rig::new();
        rig.put(0, "hello");
        let place = rig.take().unwrap();
        rig.put(0, "evil!");
        assert_eq!(fs::read(&place).unwrap(), b"hello");
        let modified = fs::metadata(&place).unwrap().modified().unwrap();
        assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(1000));
    }

    #[test]
    fn the_copy_of_an_earlier_attempt_is_replaced() {
        let rig = Rig::new();
        rig.put(0, "hello");
        fs::write(rig.take().unwrap(), "half").unwrap();
        assert_eq!(fs::read(rig.take().unwrap()).unwrap(), b"hello");
    }

    #[test]
    fn what_is_no_file_does_not_hang_or_pass() {
        let rig = Rig::new();
        let path = rig.folders[0].join("a.tar");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(rig.refused().contains("no regular file"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(rig.refused().contains("no regular file"));
        rig.put(1, "hello");
        assert!(rig.take().is_ok());
    }

    #[test]
    fn both_layouts_are_looked_at() {
        let digest = Digest::of(b"x");
        let places: Vec<_> = candidates(&["/a".into()], "f", &digest).collect();
        assert_eq!(
            places,
            [PathBuf::from("/a/f"), Path::new("/a").join(digest.to_string()).join("f")]
        );
    }
}
