//! A tree beside its manifest, byte by byte.
//!
//! The tree was made by a script: it is walked by descriptors, and no link of it is followed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use minos_model::{Digest, Entry, Hasher, Kind, Manifest, Xattr};
use minos_sandbox::tree::{Dir, Kind as FileKind, Stat};

/// Bytes read at once to be hashed.
const CHUNK: usize = 128 << 10;
/// What overlayfs notes for itself. Capture takes no account of it, but for the mark below.
const OVERLAY: &[u8] = b"user.overlay.";
/// The mark of a folder that hides what the layers below have.
const OPAQUE: &[u8] = b"user.overlay.opaque";

/// Whether `tree` is what `manifest` says, and nothing besides. Times do not count: no manifest has them.
///
/// # Errors
/// The first thing that is not, or that cannot be read, in words.
pub fn check(tree: &Path, manifest: &Manifest, tick: &mut dyn FnMut()) -> Result<(), String> {
    let dir = Dir::open(tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    let entries = manifest.entries().iter().map(|entry| (entry.path.as_slice(), entry)).collect();
    let mut walk = Walk { tree, left: entries, inodes: HashMap::new(), tick };
    walk.directory(&dir, Path::new(""))?;
    match walk.left.keys().next() {
        Some(path) => Err(walk.wrong(Path::new(OsStr::from_bytes(path)), "is not there")),
        None => Ok(()),
    }
}

struct Walk<'a> {
    tree: &'a Path,
    /// What has not been met yet.
    left: BTreeMap<&'a [u8], &'a Entry>,
    /// The paths at which files with several names were met first, by device and inode, as the manifest has it.
    inodes: HashMap<(u64, u64), Vec<u8>>,
    tick: &'a mut dyn FnMut(),
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, path: &Path) -> Result<(), String> {
        for found in dir.entries().map_err(|e| self.wrong(path, &e.to_string()))? {
            let path = path.join(&found.name);
            let Some(entry) = self.left.remove(path.as_os_str().as_bytes()) else {
                return Err(self.wrong(&path, "is no part of the output"));
            };
            let unreadable = |e: io::Error| self.wrong(&path, &e.to_string());
            let stat = dir.stat(&found.name).map_err(unreadable)?;
            let fault = self.entry(dir, &found.name, &stat, entry);
            match fault.map_err(|e| self.wrong(&path, &e.to_string()))? {
                Some(fault) => return Err(self.wrong(&path, fault)),
                None if stat.kind == FileKind::Dir => {
                    let below = dir.open_dir(&found.name);
                    let below = below.map_err(|e| self.wrong(&path, &e.to_string()))?;
                    self.directory(&below, &path)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What of one path is not as `entry` has it, if anything.
    fn entry(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
        entry: &Entry,
    ) -> io::Result<Option<&'static str>> {
        (self.tick)();
        let same = match (&entry.kind, stat.kind) {
            (Kind::Whiteout, _) => return Ok((!stat.is_whiteout()).then_some("is not what it was")),
            (Kind::Directory | Kind::Opaque, FileKind::Dir) => true,
            (Kind::File { size, digest }, FileKind::File) => {
                self.file(dir, name, stat, entry, *size, digest)?
            }
            (Kind::Hardlink { to }, FileKind::File) => {
                let first = self.inodes.get(&(stat.dev, stat.ino));
                return Ok((first != Some(to)).then_some("is no longer a name of the same file"));
            }
            (Kind::Symlink { target }, FileKind::Link) => {
                dir.read_link(name)?.into_vec() == *target
            }
            _ => false,
        };
        Ok(match same {
            false => Some("is not what it was"),
            true if (stat.uid, stat.gid) != (entry.uid, entry.gid) => Some("has another owner"),
            true if stat.kind != FileKind::Link && stat.mode != entry.mode => {
                Some("has another mode")
            }
            true => self.attributes(dir, name, entry)?,
        })
    }

    fn file(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
        entry: &Entry,
        size: u64,
        digest: &Digest,
    ) -> io::Result<bool> {
        let inode = (stat.dev, stat.ino);
        if stat.size != size || self.inodes.contains_key(&inode) {
            return Ok(false);
        }
        if stat.nlink > 1 {
            self.inodes.insert(inode, entry.path.clone());
        }
        Ok(self.hash(dir, name)? == *digest)
    }

    fn hash(&mut self, dir: &Dir, name: &OsStr) -> io::Result<Digest> {
        let mut file = dir.open_file(name)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            (self.tick)();
        }
    }

    fn attributes(
        &self,
        dir: &Dir,
        name: &OsStr,
        entry: &Entry,
    ) -> io::Result<Option<&'static str>> {
        let mut opaque = false;
        let mut found = Vec::new();
        for attribute in dir.xattr_names(name)? {
            opaque |= attribute.as_bytes() == OPAQUE;
            if !attribute.as_bytes().starts_with(OVERLAY) {
                let value = dir.xattr(name, &attribute)?;
                found.push(Xattr { name: attribute.into_vec(), value });
            }
        }
        found.sort();
        let same = found == entry.xattrs && opaque == (entry.kind == Kind::Opaque);
        Ok((!same).then_some("has other extended attributes"))
    }

    fn wrong(&self, path: &Path, what: &str) -> String {
        let path: PathBuf = self.tree.join(path);
        format!("{} {what}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use minos_model::{Digest, Entry, Kind, Manifest};

    use super::check;

    /// A tree with a folder, a file of two names and a link, and its manifest.
    fn sample(tree: &Path) -> Manifest {
        fs::create_dir(tree.join("etc")).unwrap();
        fs::write(tree.join("etc/a"), "good").unwrap();
        fs::hard_link(tree.join("etc/a"), tree.join("etc/b")).unwrap();
        symlink("a", tree.join("etc/link")).unwrap();
        let entry = |path: &str, kind: Kind| {
            let meta = fs::symlink_metadata(tree.join(path)).unwrap();
            let (bears, owned) = match kind {
                Kind::Hardlink { .. } => (false, false),
                Kind::Symlink { .. } => (false, true),
                _ => (true, true),
            };
            Entry {
                path: path.into(),
                mode: if bears { meta.mode() & 0o7777 } else { 0 },
                uid: if owned { meta.uid() } else { 0 },
                gid: if owned { meta.gid() } else { 0 },
                kind,
                xattrs: Vec::new(),
            }
        };
        Manifest::new(vec![
            entry("etc", Kind::Directory),
            entry("etc/a", Kind::File { size: 4, digest: Digest::of(b"good") }),
            entry("etc/b", Kind::Hardlink { to: b"etc/a".to_vec() }),
            entry("etc/link", Kind::Symlink { target: b"a".to_vec() }),
        ])
    }

    /// What is said of the sample after `change`.
    fn after(change: impl FnOnce(&Path)) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let manifest = sample(dir.path());
        change(dir.path());
        let mut ticks = 0;
        let found = check(dir.path(), &manifest, &mut || ticks += 1);
        assert!(ticks > 0, "a client must not think pkgd dead");
        found
    }

    #[test]
    fn a_tree_that_nobody_touched_is_what_its_manifest_says() {
        assert_eq!(after(|_| ()), Ok(()));
    }

    /// Kind and size alone found few of these, and no other byte.
    #[test]
    fn every_kind_of_damage_is_named() {
        type Change = fn(&Path);
        let changes: [(Change, &str); 8] = [
            (|tree| fs::remove_file(tree.join("etc/link")).unwrap(), "etc/link is not there"),
            (|tree| fs::write(tree.join("etc/a"), "more").unwrap(), "etc/a is not what it was"),
            (|tree| fs::write(tree.join("etc/a"), "longer").unwrap(), "etc/a is not what it was"),
            (|tree| fs::write(tree.join("new"), "").unwrap(), "new is no part of the output"),
            (
                |tree| {
                    fs::remove_file(tree.join("etc/b")).unwrap();
                    fs::write(tree.join("etc/b"), "good").unwrap();
                },
                "etc/b is no longer a name of the same file",
            ),
            (
                |tree| {
                    fs::remove_file(tree.join("etc/link")).unwrap();
                    symlink("b", tree.join("etc/link")).unwrap();
                },
                "etc/link is not what it was",
            ),
            (
                |tree| {
                    fs::set_permissions(tree.join("etc/a"), Permissions::from_mode(0o4711))
                        .unwrap();
                },
                "etc/a has another mode",
            ),
            (
                |tree| {
                    fs::remove_dir_all(tree.join("etc")).unwrap();
                    symlink("/etc", tree.join("etc")).unwrap();
                },
                "etc is not what it was",
            ),
        ];
        for (change, says) in changes {
            let found = after(change).unwrap_err();
            assert!(found.ends_with(says), "{found}: not {says}");
        }
    }
}
