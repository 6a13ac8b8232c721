//! Putting a root together: what changes is linked, what is edited is copied, the rest is left alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::config::ConfigMap;
use super::roots::remove_tree;
use super::{FileChange, Keep, Own};
use crate::error::StoreError;
use crate::fs::{Attributes, FileType, Fs, is_gone};
use crate::objects::{CHUNK, ObjectId};
use crate::packages::{Node, PathRow};
use crate::transaction::{SystemError, parallel};

/// What makes the copies of a root: own files and config files.
#[derive(Clone, Copy)]
pub(crate) struct Copies<'a> {
    pub(crate) own: &'a Own,
    pub(crate) config: &'a ConfigMap,
}

impl Copies<'_> {
    fn has(&self, path: &[u8]) -> bool {
        self.config.contains_key(path) || self.own.get(path).is_some()
    }

    /// Every path with what stands there; an own file goes before the package's config file.
    fn nodes(&self) -> BTreeMap<&[u8], Option<Node>> {
        let config = self.config.iter().map(|(path, (object, size))| {
            let node = Node::File { object: object.clone(), size: *size };
            (path.as_slice(), Some(node))
        });
        let mut nodes: BTreeMap<&[u8], Option<Node>> = config.collect();
        nodes.extend(self.own.iter().map(|(path, _, node)| (path, node.cloned())));
        nodes
    }
}

/// Says what the packages of the new root have at a path.
pub(crate) type View<'a> = dyn FnMut(&[u8]) -> Result<Option<PathRow>, StoreError> + 'a;

/// A root under construction.
pub(crate) struct Stage<'a> {
    pub(crate) fs: &'a dyn Fs,
    pub(crate) keep: &'a Keep,
    pub(crate) root: PathBuf,
    pub(crate) threads: usize,
}

impl Stage<'_> {
    fn at(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// Makes the root of `from` (with `files` still as they were) that of `to`. `view` says what the
    /// new packages have at a path; it is asked about directories that one package gives up.
    pub(crate) fn update(
        &self,
        files: &BTreeMap<&[u8], FileChange<'_>>,
        from: Option<Copies<'_>>,
        to: Copies<'_>,
        view: &mut View<'_>,
    ) -> Result<(), SystemError> {
        if let Some(from) = from {
            self.remove_copies(from)?;
        }
        let is_copy = |path: &[u8]| {
            self.keep.has(path) || to.has(path) || from.is_some_and(|from| from.has(path))
        };
        for (path, file) in files.iter().rev() {
            self.take_away(path, file, view)?;
        }
        // What is a copy in the new root comes with the copies, below.
        let coming = files.iter().filter(|(path, _)| !to.has(path));
        let nodes: Vec<Placed<'_>> =
            coming.filter_map(|(path, file)| Some((*path, file.new?, is_copy(path)))).collect();
        place_all(self.fs, &self.root, &nodes, self.threads)?;
        for (path, node) in to.nodes() {
            if let Some(node) = node {
                place(self.fs, &self.at(path), &node, true)?;
            }
        }
        Ok(())
    }

    fn remove_copies(&self, from: Copies<'_>) -> Result<(), SystemError> {
        for (path, node) in from.nodes().iter().rev() {
            let path = self.at(path);
            let done = match node {
                Some(Node::Directory(_)) => self.fs.rmdir(&path),
                _ => self.fs.unlink(&path),
            };
            match done {
                Err(e) if is_gone(&e) || e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(e) => return Err(SystemError::io("delete", path, e)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn take_away(
        &self,
        path: &[u8],
        file: &FileChange<'_>,
        view: &mut View<'_>,
    ) -> Result<(), SystemError> {
        let Some(old) = file.old else { return Ok(()) };
        let stays = old.is_directory()
            && match file.new {
                Some(node) => node.is_directory(),
                None => matches!(view(path)?, Some(PathRow::Directory { .. })),
            };
        if stays {
            return Ok(());
        }
        let path = self.at(path);
        let done = if old.is_directory() { self.fs.rmdir(&path) } else { self.fs.unlink(&path) };
        match done {
            Ok(()) => Ok(()),
            Err(e) if is_gone(&e) => Ok(()),
            // Someone put another thing there, or files of their own into it.
            Err(_) => remove_tree(self.fs, &path),
        }
    }
}

/// Path, node, and whether it is to be a copy.
pub(crate) type Placed<'a> = (&'a [u8], &'a Node, bool);

/// Nodes that a thread takes at once: neighbours, so that it stays in a folder.
const BATCH: usize = 128;

/// Puts nodes, sorted by path, below `root`: directories in their order, then the rest on so many
/// threads.
pub(crate) fn place_all(
    fs: &dyn Fs,
    root: &Path,
    nodes: &[Placed<'_>],
    threads: usize,
) -> Result<(), SystemError> {
    let at = |path: &[u8]| root.join(OsStr::from_bytes(path));
    let (folders, rest): (Vec<&Placed<'_>>, Vec<_>) =
        nodes.iter().partition(|(_, node, _)| node.is_directory());
    folders.into_iter().try_for_each(|(path, node, copy)| place(fs, &at(path), node, *copy))?;
    let batches: Vec<_> = rest.chunks(BATCH).collect();
    let next = AtomicUsize::new(0);
    parallel(threads.min(batches.len()), &|| {
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            batch.iter().try_for_each(|(path, node, copy)| place(fs, &at(path), node, *copy))?;
        }
        Ok(())
    })
}

/// Puts `node` at `path`, in the place of whatever stands there.
pub(crate) fn place(fs: &dyn Fs, path: &Path, node: &Node, copy: bool) -> Result<(), SystemError> {
    match try_place(fs, path, node, copy) {
        Err(SystemError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    if let Node::Directory(attributes) = node
        && is_directory(fs, path)?
    {
        return fs.set(path, attributes).map_err(|e| SystemError::io("set the mode of", path, e));
    }
    remove_tree(fs, path)?;
    try_place(fs, path, node, copy)
}

fn is_directory(fs: &dyn Fs, path: &Path) -> Result<bool, SystemError> {
    let stat = fs.stat(path).map_err(|e| SystemError::io("look at", path, e))?;
    Ok(stat.is_some_and(|stat| stat.kind == FileType::Directory))
}

fn try_place(fs: &dyn Fs, path: &Path, node: &Node, copy: bool) -> Result<(), SystemError> {
    let error = |e| SystemError::io("create", path, e);
    match node {
        Node::Directory(attributes) => fs.mkdir(path, attributes).map_err(error),
        Node::Symlink { target, uid, gid } => fs.symlink(target, path, *uid, *gid).map_err(error),
        Node::File { object, .. } if copy => copy_object(fs, object, &object.attributes, path),
        Node::File { object, .. } => match fs.link(&object.path(), path) {
            // ext4 takes 65,000 names to an inode; the files of which there are so many are tiny.
            Err(e) if e.kind() == io::ErrorKind::TooManyLinks => {
                copy_object(fs, object, &object.attributes, path)
            }
            done => done.map_err(|e| SystemError::io("link an object to", path, e)),
        },
    }
}

/// Writes a file of its own with an object's content.
pub(crate) fn copy_object(
    fs: &dyn Fs,
    object: &ObjectId,
    attributes: &Attributes,
    path: &Path,
) -> Result<(), SystemError> {
    let source = object.path();
    let mut content = fs.open(&source).map_err(|e| SystemError::io("open", &source, e))?;
    let error = |e| SystemError::io("create", path, e);
    let mut file = fs.create(path).map_err(error)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return file.finish(attributes).map_err(error),
            Ok(n) => file.write_all(buffer.get(..n).unwrap_or_default()).map_err(error)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(SystemError::io("read", source, e)),
        }
    }
}
