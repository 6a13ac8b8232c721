//! Small files of pkgd's own beside the database: written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use minos_proto::ErrorReport;

use super::errors::on_file;

/// Makes a folder that only root may look into, where it is missing.
pub fn folder(path: &Path) -> Result<(), ErrorReport> {
    let made = DirBuilder::new().mode(0o700).create(path);
    match made {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(on_file("create", path, &e)),
        _ => Ok(()),
    }
}

/// Held while a file is replaced: two that replace the same one have the same name for what comes next.
static REPLACING: Mutex<()> = Mutex::new(());

/// Puts `bytes` in the place of `path`; durable when it returns.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ErrorReport> {
    let _turn = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let next = path.with_extension("next");
    let write = || -> io::Result<()> {
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(mode).open(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        sync_folder(path)
    };
    write().map_err(|e| on_file("write", path, &e))
}

/// Gives a file that was written as `next` the name `path`; durable when it returns.
pub fn place(next: &Path, path: &Path) -> Result<(), ErrorReport> {
    let placed = File::open(next).and_then(|file| file.sync_all());
    let placed = placed.and_then(|()| fs::rename(next, path)).and_then(|()| sync_folder(path));
    placed.map_err(|e| on_file("write", path, &e))
}

/// Makes a change of the names in the folder of `path` durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What stands in a file; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, ErrorReport> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(on_file("read", path, &e)),
    }
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], ErrorReport> {
    let (path, mut bytes) = (Path::new("/dev/urandom"), [0; N]);
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|e| on_file("read", path, &e))
}

/// The names in a folder, sorted; none where there is no folder. Names that are not UTF-8 are passed over.
pub fn names(path: &Path) -> Result<Vec<String>, ErrorReport> {
    let list = match fs::read_dir(path) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(on_file("read", path, &e)),
    };
    let names: io::Result<Vec<_>> = list.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(|e| on_file("read", path, &e))?;
    let mut names: Vec<String> = names.into_iter().filter_map(|n| n.into_string().ok()).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Each truncated what the other was about to put in place, or found it gone.
    #[test]
    fn two_may_replace_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        thread::scope(|scope| {
            for byte in [b'a', b'b', b'c'] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace(path, &[byte; 4096], 0o600).unwrap();
                        let read = read(path).unwrap().unwrap();
                        assert!(read.len() == 4096 && read.iter().all(|b| *b == read[0]));
                    }
                });
            }
        });
        assert_eq!(names(folder.path()).unwrap(), ["list"]);
    }
}
