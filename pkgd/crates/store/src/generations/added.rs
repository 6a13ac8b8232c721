//! What users and services have put into `/etc` themselves: it comes along into the next generation, like their edits.
//!
//! Such a file is an own file of kind [`OwnKind::Config`] at a path that no package has as a config file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::config::{look, save};
use super::{ConfigMap, Own, OwnKind};
use crate::fs::{Attributes, FileType, Fs};
use crate::packages::Node;
use crate::transaction::SystemError;

/// The folder whose files come along.
const FOLDER: &[u8] = b"etc";
/// The longest file that does, in bytes. What is longer is no configuration.
const MAX_FILE: u64 = 1 << 20;
/// How many paths do, at most.
const MAX_PATHS: usize = 4096;

/// Whether an own file is the edit of a package's config file. What else is of kind [`OwnKind::Config`] was added.
pub(crate) fn is_edit(path: &[u8], kind: OwnKind, config: &ConfigMap) -> bool {
    kind == OwnKind::Config && config.contains_key(path)
}

impl Own {
    /// Without what was added: another machine has its own.
    pub(crate) fn without_added(&self, config: &ConfigMap) -> Self {
        let mut rest = self.clone();
        for (path, kind, _) in self.iter() {
            if kind == OwnKind::Config && !is_edit(path, kind, config) {
                rest.remove(path);
            }
        }
        rest
    }
}

/// Puts into `own` what stands in `/etc` below `root` and is not `known`: of no package, no trigger, and not kept.
/// What was added before and is gone is taken out of it.
pub(crate) fn capture_added(
    fs: &dyn Fs,
    root: &Path,
    config: &ConfigMap,
    known: &mut dyn FnMut(&[u8]) -> Result<bool, SystemError>,
    own: &mut Own,
) -> Result<(), SystemError> {
    *own = own.without_added(config);
    let mut folders = vec![FOLDER.to_vec()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        let at = root.join(OsStr::from_bytes(&folder));
        let entries = match fs.list(&at).map_err(|e| SystemError::io("list", at, e)) {
            Err(error) if error.is_about_shape() => continue,
            entries => entries?,
        };
        for (name, kind) in entries {
            let path = [&folder, b"/".as_slice(), &name].concat();
            if kind == FileType::Directory {
                folders.push(path.clone());
            }
            if own.get(&path).is_some() || known(&path)? || found == MAX_PATHS {
                continue;
            }
            match node(fs, root, &path, kind) {
                // What is mounted there is no part of the root.
                Err(error) if error.is_about_shape() => {}
                Ok(None) => {}
                Ok(node) => {
                    own.set(&path, OwnKind::Config, node);
                    found += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// What stands at `path`, if it comes along. The content of a file is kept with it.
fn node(
    fs: &dyn Fs,
    root: &Path,
    path: &[u8],
    kind: FileType,
) -> Result<Option<Node>, SystemError> {
    let at = root.join(OsStr::from_bytes(path));
    let stat = fs.stat(&at).map_err(|e| SystemError::io("look at", &at, e))?;
    match (kind, stat) {
        (FileType::Directory, Some(stat)) => {
            let xattrs =
                fs.xattrs(&at).map_err(|e| SystemError::io("read attributes of", &at, e))?;
            let (mode, uid, gid) = (stat.mode, stat.uid, stat.gid);
            Ok(Some(Node::Directory(Attributes { mode, uid, gid, xattrs })))
        }
        (FileType::Regular | FileType::Symlink, Some(stat)) if stat.size <= MAX_FILE => {
            let Some((node, bytes)) = look(fs, root, path)? else { return Ok(None) };
            if let Some(object) = node.object() {
                save(fs, object, &bytes)?;
            }
            Ok(Some(node))
        }
        _ => Ok(None),
    }
}
