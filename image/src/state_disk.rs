//! The state disk: an empty ext4 file system that MinOS keeps everything in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::tool::Run;
use crate::{Artefact, Error, How, Layout, Result, cache};

use minos_disk::ext4::{BLOCK, arguments};
pub use minos_disk::ext4::{LABEL, MINIMUM};

/// A random one, made once: the same for every state disk, so that two are the same bytes.
const UUID: &str = "5f0a1c86-6d1f-4c1b-9a5e-3d1c7c0b7a01";
/// Seed of the directory hash, random and made once, for the same reason.
const HASH_SEED: &str = "c2a9f1de-7f0b-4d5c-8b35-0f6f6ad0e5b2";
const EPOCH: &str = "1740787200";

/// An empty state disk.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where; `out/state.img` when not given.
    pub path: Option<PathBuf>,
    /// Its size in bytes, rounded down to a block.
    pub bytes: u64,
    /// Overwrite a file that is there.
    pub force: bool,
}

/// Makes the disk as a sparse file. A file that is there may hold somebody's builds: it is left
/// alone unless forced.
pub fn make(layout: &Layout, request: &Request) -> Result<Artefact> {
    let path = request.path.clone().unwrap_or_else(|| layout.out("state.img"));
    check_size(request.bytes)?;
    if path.exists() && !request.force {
        return Err(Error::Exists { path });
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
    }
    let fresh = cache::Fresh::of(&path);
    let file = File::create(fresh.path()).map_err(Error::io("create", fresh.path()))?;
    file.set_len(request.bytes).map_err(Error::io("set the size of", fresh.path()))?;
    format(fresh.path(), 0, request.bytes)?;
    fresh.place()?;
    Artefact::unhashed(LABEL, &path, How::Made)
}

/// Refuses what mke2fs would make a file system of, but not a useful one.
pub fn check_size(bytes: u64) -> Result<()> {
    if bytes >= MINIMUM {
        return Ok(());
    }
    let why = format!("a state disk of {bytes} bytes is too small; at least {} MiB", MINIMUM >> 20);
    Err(Error::request(why))
}

/// Formats `bytes` bytes from `offset` in a zeroed file.
pub fn format(path: &Path, offset: u64, bytes: u64) -> Result<()> {
    // The file is a hole: nothing needs zeroing, neither now nor by the kernel later.
    let extended = format!(
        "offset={offset},hash_seed={HASH_SEED},root_owner=0:0,nodiscard,\
         lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1"
    );
    Run::new("mke2fs")?
        // An empty configuration knows no types; the features below are what makes it ext4.
        .env("MKE2FS_CONFIG", "/dev/null")
        .env("E2FSPROGS_FAKE_TIME", EPOCH)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .args(arguments(bytes))
        .args(["-U", UUID, "-E", &extended])
        .arg(path)
        .arg((bytes / BLOCK).to_string())
        .output()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::digest;
    use std::os::unix::fs::MetadataExt;

    fn layout(dir: &Path) -> Layout {
        Layout::new(dir.into(), dir.join("out"), Cache::new(dir.join("cache")))
    }

    fn request(bytes: u64, force: bool) -> Request {
        Request { path: None, bytes, force }
    }

    #[test]
    fn twice_the_same_bytes_and_sparse() {
        let dir = tempfile::tempdir().unwrap();
        let make = |force| make(&layout(dir.path()), &request(256 << 20, force)).unwrap();
        let first = make(false);
        let digest_of = |a: &Artefact| digest::of_file(&a.path).unwrap();
        let before = digest_of(&first);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let again = make(true);
        assert_eq!(before, digest_of(&again));
        assert_eq!(again.bytes, 256 << 20);
        let allocated = fs::metadata(&again.path).unwrap().blocks() * 512;
        assert!(allocated < 4 << 20, "{allocated} bytes are allocated");
    }

    #[test]
    fn it_has_its_label_and_is_clean() {
        let dir = tempfile::tempdir().unwrap();
        let made = make(&layout(dir.path()), &request(MINIMUM, false)).unwrap();
        let check = Run::new("e2fsck").unwrap().args(["-f", "-n"]).arg(&made.path).output();
        assert!(check.unwrap().contains(LABEL));
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/state.img");
        fs::create_dir(dir.path().join("out")).unwrap();
        fs::write(&path, "work").unwrap();
        let refused = make(&layout(dir.path()), &request(MINIMUM, false)).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"work");
        assert!(make(&layout(dir.path()), &request(MINIMUM - 1, true)).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"work");
    }
}
