//! The manifest of a folder that somebody put together by hand.
//!
//! Not [`minos_exec::capture`]: that one takes what a sandbox left, with its owners, and puts it in order. Here the
//! folder is the caller's: it is only read, and all in it belongs to root, whoever the caller is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use minos_model::{Entry, Hasher, Kind, Manifest};
use minos_proto::{ErrorKind, ErrorReport};
use minos_sandbox::tree::{Dir, Kind as FileKind, Stat};

use super::answer::on_file;

/// Bytes read at once to be hashed.
const CHUNK: usize = 128 << 10;

/// All that stands below `root`. Links are not followed; times and extended attributes do not count.
///
/// # Errors
/// Something cannot be read, or is a device, a pipe or a socket.
pub fn manifest(root: &Path) -> Result<Manifest, ErrorReport> {
    let dir = Dir::open(root).map_err(|e| on_file("read", root, &e))?;
    let mut walk = Walk { root, entries: BTreeMap::new() };
    walk.directory(&dir, &[])?;
    Ok(Manifest::new(walk.linked()))
}

struct Walk<'a> {
    root: &'a Path,
    /// By path, with what tells names of the same file.
    entries: BTreeMap<Vec<u8>, (Entry, Stat)>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, above: &[u8]) -> Result<(), ErrorReport> {
        for entry in dir.entries().map_err(|e| self.failed(above, &e))? {
            let mut path = above.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name.as_bytes());
            self.entry(dir, &entry.name, path)?;
        }
        Ok(())
    }

    fn entry(&mut self, dir: &Dir, name: &OsStr, path: Vec<u8>) -> Result<(), ErrorReport> {
        let failed = |e: io::Error| self.failed(&path, &e);
        let stat = dir.stat(name).map_err(failed)?;
        let kind = match stat.kind {
            FileKind::Dir => Kind::Directory,
            FileKind::File => hash(dir, name).map_err(failed)?,
            FileKind::Link => {
                Kind::Symlink { target: dir.read_link(name).map_err(failed)?.as_bytes().to_vec() }
            }
            FileKind::CharDevice | FileKind::BlockDevice | FileKind::Fifo | FileKind::Socket => {
                let what = format!("'{}' is no file, folder or link", self.shown(&path));
                let hint = "no package can have it: take it away";
                return Err(ErrorReport::new(ErrorKind::Invalid, what, hint));
            }
        };
        let mode = if matches!(kind, Kind::Symlink { .. }) { 0 } else { stat.mode };
        let below = matches!(kind, Kind::Directory).then(|| dir.open_dir(name)).transpose();
        let below = below.map_err(failed)?;
        let entry = Entry { path: path.clone(), mode, uid: 0, gid: 0, kind, xattrs: Vec::new() };
        self.entries.insert(path.clone(), (entry, stat));
        below.map_or(Ok(()), |below| self.directory(&below, &path))
    }

    /// The entries sorted by path, every further name of a file as a link to its first.
    fn linked(self) -> Vec<Entry> {
        let mut first: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
        let mut entries = Vec::with_capacity(self.entries.len());
        for (mut entry, stat) in self.entries.into_values() {
            if matches!(entry.kind, Kind::File { .. }) && stat.nlink > 1 {
                match first.get(&(stat.dev, stat.ino)) {
                    Some(to) => {
                        entry.kind = Kind::Hardlink { to: to.clone() };
                        entry.mode = 0;
                    }
                    None => {
                        first.insert((stat.dev, stat.ino), entry.path.clone());
                    }
                }
            }
            entries.push(entry);
        }
        entries
    }

    fn shown(&self, path: &[u8]) -> String {
        self.root.join(OsStr::from_bytes(path)).display().to_string()
    }

    fn failed(&self, path: &[u8], error: &io::Error) -> ErrorReport {
        on_file("read", &self.root.join(OsStr::from_bytes(path)), error)
    }
}

fn hash(dir: &Dir, name: &OsStr) -> io::Result<Kind> {
    let mut file = dir.open_file(name)?;
    let (mut hasher, mut size) = (Hasher::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Kind::File { size, digest: hasher.finish() }),
            n => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}
