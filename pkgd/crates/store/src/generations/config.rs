//! Config files across generations: what was edited is merged, never simply overwritten.
//!
//! Three versions meet: *base* is what the package of the current generation has, *theirs* what the
//! package of the next one has, *ours* what stands in the current root. Edits of a generation are
//! recorded as its own files when it is left, so that going back to it brings them back.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use minos_model::Digest;

use super::{Own, OwnKind};
use crate::fs::{Attributes, FileType, Fs, leads_elsewhere};
use crate::objects::{self, ObjectId, put_bytes};
use crate::packages::Node;
use crate::transaction::SystemError;

/// The longest config file that is merged and taken along, in bytes: three of them are in memory at once.
const MAX_FILE: u64 = 16 << 20;

/// Config files of a set of packages, by path.
pub(crate) type ConfigMap = BTreeMap<Vec<u8>, (ObjectId, u64)>;

/// What became of a config file that was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigOutcome {
    /// The edits and the package's changes were merged.
    Merged,
    /// They touch the same lines: the edited file stays, the package's stands beside it as `PATH.new`.
    Conflict,
    /// Its package goes; the edits stay with the generation that is left.
    LeftBehind,
}

/// Edited config files and what became of them, by path.
pub(crate) type Outcomes = Vec<(Vec<u8>, ConfigOutcome)>;

/// What stands at `path` below `root`, as a node with all its attributes. The content of a file comes
/// with it.
pub(crate) fn look(
    fs: &dyn Fs,
    root: &Path,
    path: &[u8],
) -> Result<Option<(Node, Vec<u8>)>, SystemError> {
    let path = root.join(OsStr::from_bytes(path));
    let stat = match fs.stat(&path) {
        Err(e) if leads_elsewhere(&e) => None,
        found => found.map_err(|e| SystemError::io("look at", &path, e))?,
    };
    let Some(stat) = stat else { return Ok(None) };
    match stat.kind {
        FileType::Regular if stat.size > MAX_FILE => {
            let why = "a config file of more than 16 MiB cannot be taken along";
            let error = io::Error::new(io::ErrorKind::FileTooLarge, why);
            Err(SystemError::io("keep what was edited in", path, error))
        }
        FileType::Regular => {
            let bytes = objects::read(fs, &path).map_err(|e| SystemError::io("read", &path, e))?;
            let xattrs =
                fs.xattrs(&path).map_err(|e| SystemError::io("read attributes of", &path, e))?;
            let attributes = Attributes { mode: stat.mode, uid: stat.uid, gid: stat.gid, xattrs };
            let object = ObjectId { digest: Digest::of(&bytes), attributes };
            Ok(Some((Node::File { object, size: bytes.len() as u64 }, bytes)))
        }
        FileType::Symlink => {
            let target = fs.read_link(&path).map_err(|e| SystemError::io("read", &path, e))?;
            Ok(Some((Node::Symlink { target, uid: stat.uid, gid: stat.gid }, Vec::new())))
        }
        // Nothing that could be merged, or carried: as if it were not there.
        FileType::Directory | FileType::Other => Ok(None),
    }
}

/// Makes sure that an object with this content is there.
pub(super) fn save(fs: &dyn Fs, object: &ObjectId, bytes: &[u8]) -> Result<(), SystemError> {
    let path = object.path();
    match fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))? {
        Some(_) => Ok(()),
        None => put_bytes(fs, &path, bytes, &object.attributes),
    }
}

/// Whether a folder above `path` has been replaced by a link: what stands behind it is nobody's edit, and nobody has
/// deleted the file.
pub(crate) fn moved(fs: &dyn Fs, root: &Path, path: &[u8]) -> Result<bool, SystemError> {
    let mut folder = root.join(OsStr::from_bytes(path));
    while folder.pop() && folder != root {
        match fs.stat(&folder) {
            Ok(Some(stat)) => return Ok(stat.kind == FileType::Symlink),
            Err(e) if !leads_elsewhere(&e) => return Err(SystemError::io("look at", folder, e)),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(false)
}

/// The own files of the generation at `root`, with its config files as they are edited at this moment.
pub(crate) fn capture(
    fs: &dyn Fs,
    root: &Path,
    config: &ConfigMap,
    own: &Own,
) -> Result<Own, SystemError> {
    let mut now = own.clone();
    for (path, (object, size)) in config {
        if moved(fs, root, path)? {
            continue;
        }
        let shipped = Node::File { object: object.clone(), size: *size };
        match look(fs, root, path)? {
            None => now.set(path, OwnKind::Config, None),
            Some((node, _)) if node == shipped => now.remove(path),
            Some((node, bytes)) => {
                if let Some(object) = node.object() {
                    save(fs, object, &bytes)?;
                }
                now.set(path, OwnKind::Config, Some(node));
            }
        }
    }
    Ok(now)
}

/// The generation that is left: its packages' config files, its own files and its root.
pub(crate) struct Left<'a> {
    pub(crate) config: &'a ConfigMap,
    pub(crate) own: &'a Own,
    pub(crate) root: Option<&'a Path>,
}

/// The own files of the next generation whose packages have `config`, and what became of edited files.
/// What triggers made comes along; it is theirs to make it anew.
pub(crate) fn merge(
    fs: &dyn Fs,
    left: &Left<'_>,
    config: &ConfigMap,
) -> Result<(Own, Outcomes), SystemError> {
    let mut next = Own::default();
    let mut outcomes = Outcomes::new();
    for (path, theirs) in config {
        if let Some(outcome) = merge_one(fs, left, path, theirs, &mut next)? {
            outcomes.push((path.clone(), outcome));
        }
    }
    for (path, kind, node) in left.own.iter() {
        let carried = match kind {
            OwnKind::Trigger => true,
            // It goes with the file that it stands beside.
            OwnKind::New => {
                let beside = path.strip_suffix(b".new").unwrap_or(path);
                config.contains_key(beside) && still_there(fs, left, path)?
            }
            // The user's own, which no package has had.
            OwnKind::Config if !left.config.contains_key(path) => true,
            OwnKind::Config => {
                if !config.contains_key(path) {
                    outcomes.push((path.to_vec(), ConfigOutcome::LeftBehind));
                }
                false
            }
        };
        if carried && next.get(path).is_none() && !config.contains_key(path) {
            next.set(path, kind, node.cloned());
        }
    }
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((next, outcomes))
}

fn still_there(fs: &dyn Fs, left: &Left<'_>, path: &[u8]) -> Result<bool, SystemError> {
    let Some(root) = left.root else { return Ok(false) };
    Ok(look(fs, root, path)?.is_some())
}

fn merge_one(
    fs: &dyn Fs,
    left: &Left<'_>,
    path: &[u8],
    theirs: &(ObjectId, u64),
    next: &mut Own,
) -> Result<Option<ConfigOutcome>, SystemError> {
    let file =
        |(object, size): &(ObjectId, u64)| Node::File { object: object.clone(), size: *size };
    let base = left.config.get(path).map(file);
    let theirs = file(theirs);
    let ours = match (left.own.get(path), &base, left.root) {
        (Some((OwnKind::Config, node)), ..) => node.clone(),
        (_, Some(base), _) => Some(base.clone()),
        // A file that somebody made where the package now brings one.
        (_, None, Some(root)) => match look(fs, root, path)? {
            Some((node, bytes)) => {
                if let Some(object) = node.object() {
                    save(fs, object, &bytes)?;
                }
                Some(node)
            }
            None => return Ok(None),
        },
        (_, None, None) => return Ok(None),
    };
    if ours == base || ours.as_ref() == Some(&theirs) {
        return Ok(None);
    }
    if base.as_ref() == Some(&theirs) {
        next.set(path, OwnKind::Config, ours);
        return Ok(None);
    }
    if let Some(merged) = try_merge(fs, base.as_ref(), ours.as_ref(), &theirs)? {
        if merged == theirs {
            return Ok(None);
        }
        next.set(path, OwnKind::Config, Some(merged));
        return Ok(Some(ConfigOutcome::Merged));
    }
    next.set(path, OwnKind::Config, ours);
    next.set(&[path, b".new"].concat(), OwnKind::New, Some(theirs));
    Ok(Some(ConfigOutcome::Conflict))
}

/// The merged file, if all three are files and their changes do not touch each other.
fn try_merge(
    fs: &dyn Fs,
    base: Option<&Node>,
    ours: Option<&Node>,
    theirs: &Node,
) -> Result<Option<Node>, SystemError> {
    let objects = (base.and_then(Node::object), ours.and_then(Node::object), theirs.object());
    let (Some(base), Some(ours), Some(theirs)) = objects else { return Ok(None) };
    let edited = ours.attributes != base.attributes;
    let attributes = if edited { &ours.attributes } else { &theirs.attributes };
    let read = |object: &ObjectId| {
        let path = object.path();
        objects::read(fs, &path).map_err(|e| SystemError::io("read", path, e))
    };
    let bytes = if ours.digest == base.digest {
        read(theirs)?
    } else if theirs.digest == base.digest || theirs.digest == ours.digest {
        read(ours)?
    } else {
        let texts = [read(base)?, read(ours)?, read(theirs)?];
        // Where the file was still a link of its object, as before a file's place made it a config file, who edited it
        // wrote into the object: what was changed cannot be told any more.
        if Digest::of(&texts[0]) != base.digest {
            return Ok(None);
        }
        let [base, ours, theirs] = &texts;
        if texts.iter().any(|text| text.contains(&0)) {
            return Ok(None);
        }
        match diffy::merge_bytes(base, ours, theirs) {
            Ok(merged) => merged,
            Err(_) => return Ok(None),
        }
    };
    let object = ObjectId { digest: Digest::of(&bytes), attributes: attributes.clone() };
    save(fs, &object, &bytes)?;
    Ok(Some(Node::File { object, size: bytes.len() as u64 }))
}
