//! Turns what install left into an output: a clean tree and its manifest.
//!
//! All processes of the step are dead when this runs, so nothing moves underneath it; still every path
//! is walked by directory descriptors and no link is followed, since the tree was made by a script.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use minos_model::{Entry, Failure, FailureClass, Hasher, Kind, Manifest, Metrics, Phase};
use minos_sandbox::tree::{Dir, Kind as FileKind, Stat};

use crate::task::Task;

/// The `user.` attributes overlayfs keeps in an upper tree.
const OVERLAY: &str = "user.overlay.";
/// The one of them that has a meaning for later layers: nothing below shows through.
const OPAQUE: &str = "user.overlay.opaque";

/// A finished step, not yet committed.
#[derive(Debug)]
pub struct Captured {
    /// The tree to be renamed into the store.
    pub tree: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// What the step cost.
    pub metrics: Metrics,
}

/// Why a tree cannot become an output.
enum Refusal {
    Io(PathBuf, io::Error),
    Found(String, &'static str),
}

/// Walks `tree`, puts its times and attributes in order and makes the manifest.
///
/// Doing it twice gives the same result, so a kill in the middle costs nothing.
///
/// # Errors
/// [`FailureClass::Output`] names the first thing an output must not carry, and how to declare it.
pub fn capture(tree: &Path, task: &Task, metrics: Metrics) -> Result<Captured, Failure> {
    let mut walk = Walk {
        task,
        lower: task.layers.iter().filter_map(|layer| Dir::open(layer).ok()).collect(),
        entries: Vec::new(),
        inodes: HashMap::new(),
    };
    let walked = Dir::open(tree)
        .map_err(|e| Refusal::Io(tree.to_owned(), e))
        .and_then(|root| walk.directory(&root, Path::new("")));
    walked.map_err(|refusal| failure(&refusal))?;
    let manifest = Manifest::new(walk.hard_links());
    if manifest.entries().is_empty() {
        return Err(failure(&Refusal::Found(
            "the output is empty: install wrote nothing outside the build tree".to_owned(),
            "check the install script's prefix and DESTDIR",
        )));
    }
    Ok(Captured { tree: tree.to_owned(), manifest, metrics })
}

fn failure(refusal: &Refusal) -> Failure {
    let (class, what, hint) = match refusal {
        Refusal::Io(path, e) if e.kind() == io::ErrorKind::StorageFull => {
            (FailureClass::DiskFull, format!("{}: {e}", path.display()), "free some space")
        }
        Refusal::Io(path, e) => {
            (FailureClass::State, format!("{}: {e}", path.display()), "check the file system")
        }
        Refusal::Found(what, hint) => (FailureClass::Output, what.clone(), *hint),
    };
    Failure { class, phase: Some(Phase::Install), what, hint: hint.to_owned() }
}

struct Walk<'a> {
    task: &'a Task,
    /// The layers below, to tell a replaced directory from a new one.
    lower: Vec<Dir>,
    entries: Vec<(Entry, Option<(u64, u64)>)>,
    /// Digest of each regular file with several names, by device and inode.
    inodes: HashMap<(u64, u64), Kind>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, path: &Path) -> Result<(), Refusal> {
        let entries = dir.entries().map_err(|e| Refusal::Io(path.to_owned(), e))?;
        for name in entries.into_iter().map(|entry| entry.name) {
            let path = path.join(&name);
            let on = |e| Refusal::Io(path.clone(), e);
            let stat = dir.stat(&name).map_err(on)?;
            let kind = match stat.kind {
                _ if stat.is_whiteout() => Kind::Whiteout,
                FileKind::Dir => {
                    let below = dir.open_dir(&name).map_err(on)?;
                    self.directory(&below, &path)?;
                    Kind::Directory
                }
                FileKind::File => self.file(dir, &name, &stat, &path)?,
                FileKind::Link => {
                    let target = dir.read_link(&name).map_err(on)?;
                    Kind::Symlink { target: target.into_vec() }
                }
                other => return Err(self.special(other, &path)),
            };
            let kind = self.attributes(dir, &name, &path, kind)?;
            self.check_mode(&stat, &kind, &path)?;
            if kind != Kind::Whiteout {
                dir.set_mtime(&name, self.task.epoch, 0).map_err(on)?;
            }
            let links = (stat.nlink > 1 && matches!(kind, Kind::File { .. }))
                .then_some((stat.dev, stat.ino));
            self.entries.push((entry(&path, &stat, kind), links));
        }
        Ok(())
    }

    fn file(
        &mut self,
        dir: &Dir,
        name: &std::ffi::OsStr,
        stat: &Stat,
        path: &Path,
    ) -> Result<Kind, Refusal> {
        let key = (stat.dev, stat.ino);
        if let Some(kind) = self.inodes.get(&key) {
            return Ok(kind.clone());
        }
        let hashed = dir.open_file(name).and_then(|mut file| {
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 128 << 10];
            let mut size = 0;
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(Kind::File { size, digest: hasher.finish() }),
                    Ok(n) => {
                        hasher.update(&buffer[..n]);
                        size += n as u64;
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        });
        let kind = hashed.map_err(|e| Refusal::Io(path.to_owned(), e))?;
        if stat.nlink > 1 {
            self.inodes.insert(key, kind.clone());
        }
        Ok(kind)
    }

    /// Strips what overlayfs left, keeps a meaningful opaque mark, refuses everything undeclared.
    fn attributes(
        &self,
        dir: &Dir,
        name: &std::ffi::OsStr,
        path: &Path,
        kind: Kind,
    ) -> Result<Kind, Refusal> {
        let on = |e| Refusal::Io(path.to_owned(), e);
        let mut kind = kind;
        if kind == Kind::Whiteout {
            return Ok(kind);
        }
        for attribute in dir.xattr_names(name).map_err(on)? {
            let attribute = attribute.to_string_lossy().into_owned();
            if attribute == OPAQUE && kind == Kind::Directory && self.replaces(path) {
                kind = Kind::Opaque;
            } else if attribute.starts_with(OVERLAY) {
                dir.remove_xattr(name, attribute.as_ref()).map_err(on)?;
            } else if !listed(&self.task.allowed.xattrs, path) {
                return Err(Refusal::Found(
                    format!("/{} carries the extended attribute {attribute}", path.display()),
                    "name the file in the recipe's [install] xattrs if that is wanted",
                ));
            }
        }
        Ok(kind)
    }

    /// Whether a layer below has a directory at `path`, so that an opaque mark hides something.
    /// overlayfs also marks brand-new directories opaque to save itself look-ups; stacked on another
    /// output with the same directory, such a mark would hide that one's files.
    fn replaces(&self, path: &Path) -> bool {
        self.lower.iter().any(|layer| layer.open_dir(path).is_ok())
    }

    fn special(&self, kind: FileKind, path: &Path) -> Refusal {
        let what = match kind {
            FileKind::CharDevice | FileKind::BlockDevice => "device node",
            FileKind::Fifo => "named pipe",
            FileKind::Socket => "socket",
            _ => "special file",
        };
        // Inside a user namespace mknod is refused, so even a declared device cannot arrive here.
        Refusal::Found(
            format!("/{} is a {what}", path.display()),
            "an output holds files, directories and links; remove it in the install script",
        )
    }

    fn check_mode(&self, stat: &Stat, kind: &Kind, path: &Path) -> Result<(), Refusal> {
        let special = stat.mode & 0o6000 != 0 && matches!(kind, Kind::File { .. });
        if special && !listed(&self.task.allowed.setuid, path) {
            return Err(Refusal::Found(
                format!("/{} is setuid or setgid (mode {:o})", path.display(), stat.mode & 0o7777),
                "name the file in the recipe's [install] setuid if that is wanted",
            ));
        }
        Ok(())
    }

    /// The first path in manifest order keeps the content, every later name of it becomes a link.
    fn hard_links(mut self) -> Vec<Entry> {
        self.entries.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let mut first: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
        let linked = self.entries.into_iter().map(|(entry, inode)| {
            let Some(inode) = inode else { return entry };
            match first.get(&inode) {
                Some(to) => Entry {
                    kind: Kind::Hardlink { to: to.clone() },
                    mode: 0,
                    uid: 0,
                    gid: 0,
                    ..entry
                },
                None => {
                    first.insert(inode, entry.path.clone());
                    entry
                }
            }
        });
        linked.collect()
    }
}

fn listed(list: &[String], path: &Path) -> bool {
    list.iter().any(|allowed| Path::new(allowed.trim_start_matches('/')) == path)
}

fn entry(path: &Path, stat: &Stat, kind: Kind) -> Entry {
    let path = path.as_os_str().as_bytes().to_vec();
    let (mode, uid, gid) = match kind {
        Kind::Directory | Kind::Opaque | Kind::File { .. } => {
            (stat.mode & 0o7777, stat.uid, stat.gid)
        }
        Kind::Symlink { .. } => (0, stat.uid, stat.gid),
        Kind::Hardlink { .. } | Kind::Whiteout => (0, 0, 0),
    };
    Entry { path, mode, uid, gid, kind }
}
