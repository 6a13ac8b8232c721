//! Verifying: the current root against what its generation says, file by file.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use minos_model::Name;

use crate::fs::{Attributes, FileType, Stat, is_gone};
use crate::generations::{GenerationRow, Own, OwnKind, root_path};
use crate::objects::{self, CHUNK};
use crate::packages::{Node, Tree, Trees};
use crate::transaction::{System, SystemError, parallel};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Kind, mode, owner, size, target of every path, and what is there too much.
    Metadata,
    /// Also every byte and attribute of a file that is no link of its object: it was changed, or its object was mended
    /// since.
    Links,
    /// Also every byte and every extended attribute.
    Content,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing stands there.
    Missing,
    /// Something of another kind stands there.
    Kind,
    /// The permission bits differ.
    Mode,
    /// Owner or group differ.
    Owner,
    /// The length differs.
    Size,
    /// The bytes differ.
    Content,
    /// The link points elsewhere.
    Target,
    /// Extended attributes differ.
    Xattrs,
    /// Nobody brought it.
    Extra,
}

/// A path that is not as its generation says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The path, relative to the root.
    pub path: Vec<u8>,
    /// What is wrong, the first thing found.
    pub fault: Fault,
    /// Whose it is; `None` for what nobody brought or what a trigger made.
    pub package: Option<Name>,
}

/// What [`System::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many paths were looked at.
    pub paths: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// What is wrong, sorted by path.
    pub findings: Vec<Finding>,
    /// Config files that were edited since the generation was made, which is no fault; sorted.
    pub edited: Vec<Vec<u8>>,
}

/// What should stand at a path.
#[derive(Clone)]
pub(crate) struct Expected<'a> {
    pub(crate) node: std::borrow::Cow<'a, Node>,
    pub(crate) package: Option<&'a Name>,
    /// A file that users edit.
    pub(crate) config: bool,
    /// A file that users take away when they are done with it.
    pub(crate) optional: bool,
}

/// A directory's names and what should stand there.
type Folder<'a> = BTreeMap<&'a [u8], Expected<'a>>;

impl System<'_> {
    /// Looks at every path of the current root and compares it with its generation.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`] when nothing is installed; something cannot be read.
    pub fn verify(&self, depth: Depth) -> Result<Verified, SystemError> {
        self.verify_of(&[], depth)
    }

    /// As [`System::verify`], at the paths of these packages alone; none takes all that is there. What nobody brought is
    /// of no package, and is not looked for then.
    ///
    /// # Errors
    /// As for [`System::verify`].
    pub fn verify_of(&self, names: &[Name], depth: Depth) -> Result<Verified, SystemError> {
        let current = self.current()?.ok_or(SystemError::NoGeneration { number: 0 })?;
        let mut trees = self.trees();
        if names.is_empty() {
            return self.verify_row(&current, &mut trees, depth);
        }
        let mut list = Vec::new();
        for member in &current.members {
            if names.contains(&trees.row(member.package)?.name) {
                list.push(trees.tree(member.package)?);
            }
        }
        let mut own = self.own_of(current.number)?;
        let is_others = |path: &[u8]| list.iter().all(|tree| tree.get(path).is_none());
        let others: Vec<Vec<u8>> =
            own.iter().map(|(path, ..)| path.to_vec()).filter(|path| is_others(path)).collect();
        others.iter().for_each(|path| own.remove(path));
        self.verify_trees(&root_path(current.number), (&list, &own), false, depth)
    }

    /// Looks at every path of the root of any generation, whichever is the current one.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`] when there is none with this number; something cannot be read. A root that is not
    /// there is no error: all of its paths are missing.
    pub fn verify_generation(&self, number: u64, depth: Depth) -> Result<Verified, SystemError> {
        self.verify_row(&self.generation(number)?, &mut self.trees(), depth)
    }

    pub(crate) fn verify_row(
        &self,
        row: &GenerationRow,
        trees: &mut Trees<'_>,
        depth: Depth,
    ) -> Result<Verified, SystemError> {
        let own = self.own_of(row.number)?;
        let mut list = Vec::with_capacity(row.members.len());
        for member in &row.members {
            list.push(trees.tree(member.package)?);
        }
        self.verify_trees(&root_path(row.number), (&list, &own), true, depth)
    }

    /// Looks at what should stand below `root`; where that is `all` that should, also for what is there beside it.
    fn verify_trees(
        &self,
        root: &Path,
        (list, own): (&[Arc<Tree>], &Own),
        all: bool,
        depth: Depth,
    ) -> Result<Verified, SystemError> {
        let folders = folders(list, own);
        let order: Vec<_> = folders.iter().collect();
        let (next, report) = (AtomicUsize::new(0), Mutex::new(Verified::default()));
        parallel(self.options.threads, &|| {
            let mut worker = Worker {
                system: self,
                depth,
                root,
                all,
                buffer: Vec::new(),
                found: Verified::default(),
            };
            while let Some((folder, names)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                worker.folder(folder, names)?;
            }
            let died = |_| SystemError::Damaged { what: "a thread died".to_owned() };
            report.lock().map_err(died)?.absorb(worker.found);
            Ok(())
        })?;
        let died = |_| SystemError::Damaged { what: "a thread died".to_owned() };
        let mut report = report.into_inner().map_err(died)?;
        report.findings.sort();
        report.edited.sort();
        Ok(report)
    }
}

/// What should stand where, by folder. The root itself is the folder of the empty path.
pub(crate) fn folders<'a>(trees: &'a [Arc<Tree>], own: &'a Own) -> HashMap<&'a [u8], Folder<'a>> {
    let mut folders: HashMap<&[u8], Folder<'_>> = HashMap::new();
    folders.entry(b"").or_default();
    let mut add = |path: &'a [u8], expected: Option<Expected<'a>>| {
        let slash = path.iter().rposition(|b| *b == b'/');
        let folder = slash.and_then(|at| path.get(..at)).unwrap_or_default();
        let name = slash.map_or(path, |at| path.get(at + 1..).unwrap_or_default());
        match expected {
            None => drop(folders.entry(folder).or_default().remove(name)),
            Some(expected) => {
                if expected.node.is_directory() {
                    folders.entry(path).or_default();
                }
                folders.entry(folder).or_default().insert(name, expected);
            }
        }
    };
    for tree in trees {
        for (path, node) in tree.iter() {
            let is_config = tree.is_config(path, node);
            let node = std::borrow::Cow::Borrowed(node);
            add(
                path,
                Some(Expected {
                    node,
                    package: Some(tree.name()),
                    config: is_config,
                    optional: false,
                }),
            );
        }
    }
    for (path, kind, node) in own.iter() {
        let of_package = || trees.iter().any(|tree| tree.get(path).is_some());
        let config = kind != OwnKind::Trigger;
        let optional = kind == OwnKind::New || (kind == OwnKind::Config && !of_package());
        let node = node.map(std::borrow::Cow::Borrowed);
        add(path, node.map(|node| Expected { node, package: None, config, optional }));
    }
    folders
}

impl Verified {
    fn absorb(&mut self, other: Self) {
        self.paths += other.paths;
        self.bytes += other.bytes;
        self.findings.extend(other.findings);
        self.edited.extend(other.edited);
    }
}

struct Worker<'a> {
    system: &'a System<'a>,
    depth: Depth,
    root: &'a Path,
    /// What is there beside what should be is told too.
    all: bool,
    buffer: Vec<u8>,
    found: Verified,
}

impl Worker<'_> {
    fn folder(&mut self, folder: &[u8], names: &Folder<'_>) -> Result<(), SystemError> {
        let at = self.root.join(OsStr::from_bytes(folder));
        if self.all {
            self.extra(&at, folder, names)?;
        }
        for (name, expected) in names {
            let path = join(folder, name);
            self.found.paths += 1;
            if self.system.keep.has(&path) {
                continue;
            }
            match self.fault(&at.join(OsStr::from_bytes(name)), expected)? {
                None => {}
                Some(Fault::Missing) if expected.optional => {}
                Some(fault) if expected.config && fault != Fault::Missing => {
                    self.found.edited.push(path);
                }
                Some(fault) => {
                    let package = expected.package.cloned();
                    self.found.findings.push(Finding { path, fault, package });
                }
            }
        }
        Ok(())
    }

    /// What stands in a folder and should not.
    fn extra(&mut self, at: &Path, folder: &[u8], names: &Folder<'_>) -> Result<(), SystemError> {
        let there = match self.system.fs.list(at) {
            Ok(there) => there,
            // Its own entry tells.
            Err(e) if is_gone(&e) => Vec::new(),
            Err(e) => return Err(SystemError::io("list", at, e)),
        };
        for (name, _) in there {
            let path = join(folder, &name);
            if !names.contains_key(name.as_slice()) && !self.system.keeps(&path) {
                self.found.findings.push(Finding { path, fault: Fault::Extra, package: None });
            }
        }
        Ok(())
    }

    fn fault(
        &mut self,
        path: &Path,
        expected: &Expected<'_>,
    ) -> Result<Option<Fault>, SystemError> {
        let fs = self.system.fs;
        let stat = match fs.stat(path) {
            Err(e) if is_gone(&e) => None,
            found => found.map_err(|e| SystemError::io("look at", path, e))?,
        };
        let Some(stat) = stat else { return Ok(Some(Fault::Missing)) };
        let node = &*expected.node;
        if let Some(fault) = metadata_fault(&stat, node) {
            return Ok(Some(fault));
        }
        if let Node::Symlink { target, .. } = node {
            let found = fs.read_link(path).map_err(|e| SystemError::io("read", path, e))?;
            return Ok((found != *target).then_some(Fault::Target));
        }
        // An edited file is worth its bytes in any mode: there are few of them.
        let read = expected.config
            || match self.depth {
                Depth::Metadata => false,
                Depth::Links => !self.is_linked(&stat, node)?,
                Depth::Content => true,
            };
        if read { self.content_fault(path, node) } else { Ok(None) }
    }

    /// Whether it is the object itself that stands there. Only of regular files there is one.
    fn is_linked(&self, stat: &Stat, node: &Node) -> Result<bool, SystemError> {
        let Some(object) = node.object() else { return Ok(true) };
        let path = object.path();
        let there = self.system.fs.stat(&path).map_err(|e| SystemError::io("look at", path, e))?;
        Ok(there.is_some_and(|there| there.inode == stat.inode))
    }

    fn content_fault(&mut self, path: &Path, node: &Node) -> Result<Option<Fault>, SystemError> {
        let fs = self.system.fs;
        if let Node::File { object, size } = node {
            self.buffer.resize(CHUNK, 0);
            let found = objects::hash(fs, path, &mut self.buffer);
            self.found.bytes += size;
            if found.map_err(|e| SystemError::io("read", path, e))? != object.digest {
                return Ok(Some(Fault::Content));
            }
        }
        let Some(attributes) = attributes(node) else { return Ok(None) };
        let found = fs.xattrs(path).map_err(|e| SystemError::io("read attributes of", path, e))?;
        Ok((found != attributes.xattrs).then_some(Fault::Xattrs))
    }
}

fn attributes(node: &Node) -> Option<&Attributes> {
    match node {
        Node::Directory(attributes) => Some(attributes),
        Node::File { object, .. } => Some(&object.attributes),
        Node::Symlink { .. } => None,
    }
}

/// What a stat tells against `node`.
pub(crate) fn metadata_fault(stat: &Stat, node: &Node) -> Option<Fault> {
    let (kind, owner) = match node {
        Node::Directory(a) => (FileType::Directory, (a.uid, a.gid)),
        Node::File { object, .. } => {
            (FileType::Regular, (object.attributes.uid, object.attributes.gid))
        }
        Node::Symlink { uid, gid, .. } => (FileType::Symlink, (*uid, *gid)),
    };
    if stat.kind != kind {
        return Some(Fault::Kind);
    }
    if attributes(node).is_some_and(|a| a.mode != stat.mode) {
        return Some(Fault::Mode);
    }
    if (stat.uid, stat.gid) != owner {
        return Some(Fault::Owner);
    }
    matches!(node, Node::File { size, .. } if *size != stat.size).then_some(Fault::Size)
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

impl System<'_> {
    /// Whether a path is kept, or is a folder on the way to one.
    pub(crate) fn keeps(&self, path: &[u8]) -> bool {
        let below = |keep: &String| {
            keep.as_bytes().strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.keep.has(path) || self.options.keep.iter().any(below)
    }

    /// Where the files of the current root stand.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`] when nothing is installed.
    pub fn root(&self) -> Result<PathBuf, SystemError> {
        let current = self.store.read()?.current_generation()?;
        let number = current.ok_or(SystemError::NoGeneration { number: 0 })?;
        Ok(self.store.layout.root().join(root_path(number)))
    }
}
