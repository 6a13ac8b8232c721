//! Small files, read whole, and new ones, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use minos_model::Hasher;
use minos_proto::ErrorReport;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::answer::on_file;

/// No key, signature or package.toml is longer, in bytes.
const LONGEST_TEXT: u64 = 1 << 20;

/// Opens a file to read.
pub fn file(path: &Path) -> Result<File, ErrorReport> {
    File::open(path).map_err(|e| on_file("read", path, &e))
}

/// The text of a small file. What is not UTF-8 becomes U+FFFD; no format read here has any.
pub fn text(path: &Path) -> Result<String, ErrorReport> {
    let mut bytes = Vec::new();
    let read = file(path)?.take(LONGEST_TEXT + 1).read_to_end(&mut bytes);
    match read {
        Ok(n) if n as u64 > LONGEST_TEXT => {
            Err(on_file("read", path, &io::Error::other("it is longer than 1 MiB")))
        }
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) => Err(on_file("read", path, &e)),
    }
}

/// Makes a file that was not there.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ErrorReport> {
    let write = || {
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| on_file("write", path, &e))
}

/// Puts what `write` makes in the place of `path`: all of it or nothing.
///
/// # Errors
/// Those of `write`; the folder cannot be written.
pub fn replace<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, ErrorReport>,
) -> Result<T, ErrorReport> {
    let next = beside(path);
    let failed = |e: io::Error| on_file("write", path, &e);
    let mut open = OpenOptions::new();
    let open = open.read(true).write(true).create_new(true).mode(0o644).open(&next);
    let mut file = open.map_err(|e| on_file("create", &next, &e))?;
    let done = write(&mut file).and_then(|made| {
        file.sync_all().and_then(|()| fs::rename(&next, path)).map_err(failed)?;
        Ok(made)
    });
    if done.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&next);
    }
    done
}

/// Makes a file in `folder` that gets its name when it is written: all of it or nothing. A file that has that name
/// is left alone: with the same bytes it is as good as the new one, with others it is in the way.
///
/// # Errors
/// Those of `write`; the folder cannot be written; another file has the name.
pub fn make<T>(
    folder: &Path,
    write: impl FnOnce(&mut File) -> Result<T, ErrorReport>,
    name: impl FnOnce(&T) -> String,
) -> Result<(PathBuf, T), ErrorReport> {
    let (next, mut file) = unnamed(folder).map_err(|e| on_file("create a file in", folder, &e))?;
    let done = write(&mut file).and_then(|made| {
        let path = folder.join(name(&made));
        let named = file.sync_all().and_then(|()| name_it(&next, &path));
        named.map(|()| (path.clone(), made)).map_err(|e| on_file("write", &path, &e))
    });
    // Only what has its name by now is not there any more. The error that matters is the first one.
    let _ = fs::remove_file(&next);
    done
}

/// A new file whose name nobody has.
fn unnamed(folder: &Path) -> io::Result<(PathBuf, File)> {
    // What a killed process of the same number left is in nobody's way.
    let mut numbers = 0u32..;
    loop {
        let number = numbers.next().unwrap_or_default();
        let path = folder.join(format!(".{}-{number}.next", std::process::id()));
        let mut open = OpenOptions::new();
        match open.read(true).write(true).create_new(true).mode(0o644).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (path, file)),
        }
    }
}

/// Gives a file its name, unless another file has it.
fn name_it(next: &Path, path: &Path) -> io::Result<()> {
    let named = match renameat2(AT_FDCWD, next, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE) {
        // Network file systems cannot do this, but have links, which replace nothing either.
        Err(Errno::EINVAL) => fs::hard_link(next, path),
        named => named.map_err(io::Error::from),
    };
    match named {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_same(next, path)? => Ok(()),
        named => named,
    }
}

/// Whether both have the same bytes. What is no file has none.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (first, second) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    let alike = second.is_file() && first.len() == second.len();
    Ok(alike && digest(one)? == digest(other)?)
}

fn digest(path: &Path) -> io::Result<minos_model::Digest> {
    let mut hasher = Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}

/// A name beside `path` that no other process takes.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.next", std::process::id()));
    path.with_file_name(name)
}

/// The folder a path stands in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use minos_proto::{ErrorKind, ErrorReport};

    use super::make;
    use crate::tool::answer::bad_file;

    fn written(folder: &Path, bytes: &[u8]) -> Result<(), ErrorReport> {
        let write = |file: &mut fs::File| {
            file.write_all(bytes).expect("written");
            Ok(())
        };
        make(folder, write, |()| "x.mpk".to_owned()).map(drop)
    }

    /// `pkgctl pack` put what it made in the place of whatever had the name, and of `NAME.mpk` besides.
    #[test]
    fn what_is_made_takes_the_place_of_nothing() {
        let room = tempfile::tempdir().expect("a folder");
        let (folder, path) = (room.path(), room.path().join("x.mpk"));
        written(folder, b"first").expect("nothing is there");
        written(folder, b"first").expect("the same is there");
        for other in [&b"other"[..], b"longer than it"] {
            let refused = written(folder, other).expect_err("another is there");
            assert_eq!(refused.kind, ErrorKind::Conflict);
            assert!(refused.what.contains("x.mpk"), "{}", refused.what);
        }
        assert_eq!(fs::read(&path).expect("it is left"), b"first");
        // A link is no package, wherever it leads.
        fs::rename(&path, folder.join("real")).expect("moved");
        std::os::unix::fs::symlink("real", &path).expect("a link");
        assert_eq!(written(folder, b"first").expect_err("a link").kind, ErrorKind::Conflict);
        let failed = |_: &mut fs::File| Err::<(), _>(bad_file(folder, &"no", ""));
        make(folder, failed, |()| "y".to_owned()).expect_err("it cannot be made");
        let names = fs::read_dir(folder).expect("a folder").map(|e| e.expect("a name").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["real", "x.mpk"], "nothing is left of what was not made");
    }
}
