//! The initramfs: `init`, `pkgd`, `pkgctl`, the recipe index and the mount points, zstd over newc.
//!
//! The same inputs give the same bytes; `docs/formats/initramfs.md` has the layout.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cpio::Writer;
use crate::{Artefact, Error, How, Layout, Result};

/// zstd level: 0.3 s for our few megabytes, and the kernel unpacks all levels equally fast.
const LEVEL: i32 = 19;
/// The time stamp of every entry: that of their content is in the content.
const EPOCH: u32 = 0;
/// Empty directories: mount points, and what programs expect to exist.
const DIRECTORIES: [(&str, u32); 13] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("seed", 0o755),
    ("sources", 0o755),
    ("state", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/share", 0o755),
    ("usr/share/minos", 0o755),
];

/// The files to pack.
#[derive(Debug, Clone)]
pub struct Request {
    /// PID 1.
    pub init: PathBuf,
    /// The daemon.
    pub pkgd: PathBuf,
    /// The command line program and console shell.
    pub pkgctl: PathBuf,
    /// The compiled recipes.
    pub recipes: PathBuf,
    /// The version of MinOS, for `/etc/os-release`.
    pub version: String,
}

impl Request {
    /// The usual names in a folder of programs, and this crate's version, which is the tree's.
    pub fn of(programs: &Path, recipes: &Path) -> Self {
        Request {
            init: programs.join("init"),
            pkgd: programs.join("pkgd"),
            pkgctl: programs.join("pkgctl"),
            recipes: recipes.to_path_buf(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Makes `out/initramfs.zst`.
pub fn make(layout: &Layout, request: &Request) -> Result<Artefact> {
    let to = layout.out("initramfs.zst");
    let parent = layout.out("");
    fs::create_dir_all(&parent).map_err(Error::io("create directory", &parent))?;
    let archive = archive(request)?;
    let packed = compress(&archive).map_err(Error::io("compress", &to))?;
    let fresh = crate::cache::Fresh::of(&to);
    fs::write(fresh.path(), packed).map_err(Error::io("write", &to))?;
    fresh.place()?;
    Artefact::of("initramfs", &to, How::Made)
}

/// The uncompressed archive.
pub fn archive(request: &Request) -> Result<Vec<u8>> {
    let files = [
        ("init", 0o755, read(&request.init, "init")?),
        ("bin/pkgd", 0o755, read(&request.pkgd, "pkgd")?),
        ("bin/pkgctl", 0o755, read(&request.pkgctl, "pkgctl")?),
        ("usr/share/minos/recipes.idx", 0o644, read(&request.recipes, "the recipe index")?),
        ("etc/os-release", 0o644, os_release(&request.version).into_bytes()),
    ];
    write(&files).map_err(Error::io("write", "the archive in memory"))
}

fn write(files: &[(&str, u32, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut cpio = Writer::new(Vec::new(), EPOCH);
    for (name, permissions) in DIRECTORIES {
        cpio.directory(name, permissions)?;
    }
    // The kernel opens it for PID 1 before anybody has mounted devtmpfs.
    cpio.device("dev/console", 0o600, (5, 1))?;
    for (name, permissions, data) in files {
        cpio.file(name, *permissions, data)?;
    }
    cpio.finish()
}

/// One frame, one thread, with checksum: the bytes depend on input and zstd version alone.
fn compress(archive: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(archive.len() as u64))?;
    encoder.write_all(archive)?;
    encoder.finish()
}

/// A file that has to be there; `what` is what a message calls it.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::Missing {
            what: what.to_owned(),
            path: path.to_path_buf(),
            next: "cargo build --release, or name the file with its option".to_owned(),
        }),
        other => other.map_err(Error::io("read", path)),
    }
}

/// See os-release(5).
fn os_release(version: &str) -> String {
    format!("NAME=MinOS\nID=minos\nVERSION_ID={version}\nPRETTY_NAME=\"MinOS {version}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    fn request(dir: &Path) -> Request {
        let file = |name: &str| {
            let path = dir.join(name);
            fs::write(&path, name.repeat(1000)).unwrap();
            path
        };
        Request {
            init: file("init"),
            pkgd: file("pkgd"),
            pkgctl: file("pkgctl"),
            recipes: file("recipes"),
            version: "1.2.3".into(),
        }
    }

    fn layout(dir: &Path) -> Layout {
        Layout::new(dir.into(), dir.join("out"), Cache::new(dir.join("cache")))
    }

    #[test]
    fn twice_the_same_bytes_wherever_the_inputs_lie() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let make = |dir: &Path| make(&layout(dir), &request(dir)).unwrap();
        let first = make(one.path());
        let again = make(one.path());
        let elsewhere = make(two.path());
        assert_eq!(first.sha256, again.sha256);
        assert_eq!(first.sha256, elsewhere.sha256);
    }

    #[test]
    fn any_input_changes_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(dir.path());
        let before = archive(&request).unwrap();
        fs::write(&request.recipes, "other").unwrap();
        assert_ne!(before, archive(&request).unwrap());
    }

    #[test]
    fn it_unpacks_to_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(dir.path());
        let made = make(&layout(dir.path()), &request).unwrap();
        let packed = fs::read(made.path).unwrap();
        assert_eq!(zstd::decode_all(&packed[..]).unwrap(), archive(&request).unwrap());
    }

    #[test]
    fn a_missing_binary_is_named_with_the_next_step() {
        let dir = tempfile::tempdir().unwrap();
        let request = Request { pkgd: dir.path().join("none"), ..request(dir.path()) };
        let text = make(&layout(dir.path()), &request).unwrap_err().to_string();
        assert!(text.contains("pkgd is missing") && text.contains("cargo build"), "{text}");
    }
}
