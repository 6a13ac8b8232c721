//! Turns what install left into an output: a clean tree and its manifest.
//!
//! All processes of the step are dead when this runs, so nothing moves underneath it; still every path
//! is walked by directory descriptors and no link is followed, since the tree was made by a script.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use minos_model::{Entry, Failure, FailureClass, Hasher, Kind, Manifest, Phase, Xattr};
use minos_sandbox::tree::{Dir, Kind as FileKind, Stat};

use crate::clobber::{Clobber, clobbers};
use crate::task::Task;

/// The `user.` attributes overlayfs keeps in an upper tree.
const OVERLAY: &str = "user.overlay.";
/// The one of them that has a meaning for later layers: nothing below shows through.
const OPAQUE: &str = "user.overlay.opaque";

/// How many directories an output may have below one another: many more than any package, and few enough that no
/// walk over the tree, ours or another's, runs out of stack or descriptors.
const DEPTH: usize = 256;

/// A finished step, not yet committed.
#[derive(Debug)]
pub struct Captured {
    /// The tree to be renamed into the store.
    pub tree: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// What of it stands in the place of something of an input.
    pub clobbers: Vec<Clobber>,
}

/// Why a tree cannot become an output.
enum Refusal {
    Io(PathBuf, io::Error),
    Found(String, &'static str),
    /// Nobody waits for it any more.
    Cancelled,
}

/// Walks `tree`, puts its times and attributes in order and makes the manifest.
///
/// Doing it twice gives the same result, so a kill in the middle costs nothing.
///
/// # Errors
/// [`FailureClass::Output`] names the first thing an output must not carry, and how to declare it;
/// [`FailureClass::State`] a file or a layer below that cannot be read.
pub fn capture(tree: &Path, task: &Task) -> Result<Captured, Failure> {
    let manifest = manifest(tree, task).map_err(|refusal| failure(&refusal))?;
    // Not the seed, whose files are there to be replaced.
    let clobbers = clobbers(tree, &manifest, &task.inputs);
    let clobbers = clobbers.map_err(|(path, e)| failure(&Refusal::Io(path, e)))?;
    Ok(Captured { tree: tree.to_owned(), manifest, clobbers })
}

fn manifest(tree: &Path, task: &Task) -> Result<Manifest, Refusal> {
    let open = |path: &Path| Dir::open(path).map_err(|e| Refusal::Io(path.to_owned(), e));
    let lower = task.layers().map(|layer| Ok((layer, open(layer)?)));
    let mut walk = Walk {
        task,
        lower: lower.collect::<Result<_, _>>()?,
        entries: Vec::new(),
        inodes: HashMap::new(),
    };
    walk.directory(&open(tree)?, Path::new(""))?;
    let manifest = Manifest::new(walk.hard_links());
    if manifest.entries().is_empty() {
        return Err(Refusal::Found(
            "the output is empty: install wrote nothing outside the build tree".to_owned(),
            "check the install script's prefix and DESTDIR",
        ));
    }
    top(tree, task.epoch)?;
    Ok(manifest)
}

/// Puts the tree's own directory in order, last, since the walk touches it. It has no line in the manifest,
/// so nothing may be told by it; stacked, it would lend the root of a later step its mode.
fn top(tree: &Path, epoch: i64) -> Result<(), Refusal> {
    let on = |e| Refusal::Io(tree.to_owned(), e);
    let (Some(parent), Some(name)) = (tree.parent(), tree.file_name()) else {
        return Err(on(io::ErrorKind::InvalidInput.into()));
    };
    let parent = Dir::open(parent).map_err(on)?;
    for attribute in parent.xattr_names(name).map_err(on)? {
        if !attribute.as_bytes().starts_with(OVERLAY.as_bytes()) {
            return Err(undeclared(Path::new(""), &attribute));
        }
        parent.remove_xattr(name, &attribute).map_err(on)?;
    }
    parent.chown(name, 0, 0).map_err(on)?;
    parent.chmod(name, 0o755).map_err(on)?;
    parent.set_mtime(name, epoch, 0).map_err(on)
}

fn undeclared(path: &Path, attribute: &OsStr) -> Refusal {
    Refusal::Found(
        format!("/{} carries the extended attribute {}", path.display(), attribute.display()),
        "name the file in the recipe's [install] xattrs if that is wanted; links and the root have none",
    )
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
        Refusal::Cancelled => return cancelled(),
    };
    Failure { class, phase: Some(Phase::Install), what, hint: hint.to_owned() }
}

/// Never shown: the caller knows that it cancelled.
pub fn cancelled() -> Failure {
    Failure {
        class: FailureClass::Signal,
        phase: None,
        what: "cancelled".to_owned(),
        hint: String::new(),
    }
}

struct Walk<'a> {
    task: &'a Task,
    /// The layers below, to tell a replaced directory from a new one.
    lower: Vec<(&'a Path, Dir)>,
    entries: Vec<(Entry, Option<(u64, u64)>)>,
    /// Digest of each regular file with several names, by device and inode.
    inodes: HashMap<(u64, u64), Kind>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, path: &Path) -> Result<(), Refusal> {
        if path.components().count() > DEPTH {
            return Err(Refusal::Found(
                format!("/{}... is more than {DEPTH} directories deep", head(path).display()),
                "remove it in the install script",
            ));
        }
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
            let (kind, xattrs) = self.attributes(dir, &name, &path, kind)?;
            self.check_mode(&stat, &kind, &path)?;
            if kind != Kind::Whiteout {
                dir.set_mtime(&name, self.task.epoch, 0).map_err(on)?;
            }
            let links = (stat.nlink > 1 && matches!(kind, Kind::File { .. }))
                .then_some((stat.dev, stat.ino));
            self.entries.push((entry(&path, &stat, kind, xattrs), links));
        }
        Ok(())
    }

    fn file(&mut self, dir: &Dir, name: &OsStr, stat: &Stat, path: &Path) -> Result<Kind, Refusal> {
        let key = (stat.dev, stat.ino);
        if let Some(kind) = self.inodes.get(&key) {
            return Ok(kind.clone());
        }
        let on = |e| Refusal::Io(path.to_owned(), e);
        let mut file = dir.open_file(name).map_err(on)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        let mut size = 0;
        let kind = loop {
            // A file of holes takes no room and no end.
            if self.task.cancel.requested() {
                return Err(Refusal::Cancelled);
            }
            match file.read(&mut buffer) {
                Ok(0) => break Kind::File { size, digest: hasher.finish() },
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    size += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(on(e)),
            }
        };
        if stat.nlink > 1 {
            self.inodes.insert(key, kind.clone());
        }
        Ok(kind)
    }

    /// Strips what overlayfs left, keeps a meaningful opaque mark and what is declared, refuses the rest.
    fn attributes(
        &self,
        dir: &Dir,
        name: &OsStr,
        path: &Path,
        mut kind: Kind,
    ) -> Result<(Kind, Vec<Xattr>), Refusal> {
        let on = |e| Refusal::Io(path.to_owned(), e);
        let mut kept = Vec::new();
        if kind == Kind::Whiteout {
            return Ok((kind, kept));
        }
        let link = matches!(kind, Kind::Symlink { .. });
        for attribute in dir.xattr_names(name).map_err(on)? {
            if attribute == OPAQUE && kind == Kind::Directory && self.replaces(path)? {
                kind = Kind::Opaque;
            } else if attribute.as_bytes().starts_with(OVERLAY.as_bytes()) {
                dir.remove_xattr(name, &attribute).map_err(on)?;
            } else if link || !listed(&self.task.allowed.xattrs, path) {
                return Err(undeclared(path, &attribute));
            } else {
                let value = dir.xattr(name, &attribute).map_err(on)?;
                kept.push(Xattr { name: attribute.into_vec(), value });
            }
        }
        Ok((kind, kept))
    }

    /// Whether a layer below has a directory at `path`, so that an opaque mark hides something.
    /// overlayfs also marks brand-new directories opaque to save itself look-ups; stacked on another
    /// output with the same directory, such a mark would hide that one's files.
    fn replaces(&self, path: &Path) -> Result<bool, Refusal> {
        for (layer, dir) in &self.lower {
            if dir.has_dir(path).map_err(|e| Refusal::Io(layer.join(path), e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn special(&self, kind: FileKind, path: &Path) -> Refusal {
        let what = match kind {
            // Cannot be: inside a user namespace mknod is refused.
            FileKind::CharDevice | FileKind::BlockDevice => "device node",
            FileKind::Fifo => "named pipe",
            FileKind::Socket => "socket",
            _ => "special file",
        };
        Refusal::Found(
            format!("/{} is a {what}", path.display()),
            "an output holds files, directories and links; remove it in the install script",
        )
    }

    fn check_mode(&self, stat: &Stat, kind: &Kind, path: &Path) -> Result<(), Refusal> {
        // On a directory, setgid lends its group to all that is made in it later.
        let bears = matches!(kind, Kind::File { .. } | Kind::Directory | Kind::Opaque);
        if bears && stat.mode & 0o6000 != 0 && !listed(&self.task.allowed.setuid, path) {
            return Err(Refusal::Found(
                format!("/{} is setuid or setgid (mode {:o})", path.display(), stat.mode & 0o7777),
                "name the path in the recipe's [install] setuid if that is wanted",
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
                    xattrs: Vec::new(),
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

/// The beginning of a path that is too long to be shown.
fn head(path: &Path) -> PathBuf {
    path.components().take(4).collect()
}

fn listed(list: &[String], path: &Path) -> bool {
    list.iter().any(|allowed| Path::new(allowed.trim_start_matches('/')) == path)
}

fn entry(path: &Path, stat: &Stat, kind: Kind, xattrs: Vec<Xattr>) -> Entry {
    let path = path.as_os_str().as_bytes().to_vec();
    let (mode, uid, gid) = match kind {
        Kind::Directory | Kind::Opaque | Kind::File { .. } => {
            (stat.mode & 0o7777, stat.uid, stat.gid)
        }
        Kind::Symlink { .. } => (0, stat.uid, stat.gid),
        Kind::Hardlink { .. } | Kind::Whiteout => (0, 0, 0),
    };
    Entry { path, mode, uid, gid, kind, xattrs }
}
