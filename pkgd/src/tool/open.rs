//! Small files, read whole, and new ones, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use minos_proto::ErrorReport;

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
