//! Files that no generation owns: accounts, keys, names of the machine. They follow the machine from
//! root to root, so that a rollback does not bring an old password back.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::roots::remove_tree;
use crate::fs::{Attributes, FileType, Fs, Stat, leads_elsewhere};
use crate::objects::{self, put_bytes};
use crate::transaction::SystemError;

/// The name of a kept file while it is written beside its place.
const NEXT: &str = ".minos-kept";

/// The kept paths, taken apart for fast questions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keep {
    exact: HashSet<Vec<u8>>,
    /// Each with the `/` at its end.
    folders: Vec<Vec<u8>>,
}

impl Keep {
    /// Paths relative to the root; one that ends in `/` stands for everything below.
    pub(crate) fn new(paths: &[String]) -> Self {
        let bytes = paths.iter().map(|path| path.as_bytes().to_vec());
        let (folders, exact): (Vec<_>, Vec<_>) = bytes.partition(|path| path.ends_with(b"/"));
        Self { exact: exact.into_iter().collect(), folders }
    }

    /// Whether the file at `path` is kept.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.exact.contains(path) || self.folders.iter().any(|folder| path.starts_with(folder))
    }

    /// Brings every kept file of `from` into `to`, and returns the paths of what `to` has and `from` has not.
    pub(crate) fn carry(
        &self,
        fs: &dyn Fs,
        from: &Path,
        to: &Path,
    ) -> Result<Vec<Vec<u8>>, SystemError> {
        let folders = self.folders.iter().map(|f| f.strip_suffix(b"/").unwrap_or(f));
        let mut paths: Vec<&[u8]> = self.exact.iter().map(Vec::as_slice).chain(folders).collect();
        paths.sort_unstable();
        let mut only = Vec::new();
        for path in paths {
            let name = OsStr::from_bytes(path);
            if look(fs, &from.join(name))?.is_some() {
                mirror(fs, &from.join(name), &to.join(name))?;
            } else if look(fs, &to.join(name))?.is_some() {
                only.push(path.to_vec());
            }
        }
        Ok(only)
    }
}

fn look(fs: &dyn Fs, path: &Path) -> Result<Option<Stat>, SystemError> {
    match fs.stat(path) {
        // A kept file below a folder that the other root does not have, or has as something else.
        Err(e) if leads_elsewhere(&e) => Ok(None),
        found => found.map_err(|e| SystemError::io("look at", path, e)),
    }
}

/// Makes `to` what `from` is. Folders above `to` that are missing mean that nothing there is wanted.
fn mirror(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), SystemError> {
    let Some(stat) = look(fs, from)? else { return Ok(()) };
    let parent = to.parent().unwrap_or(Path::new(""));
    if look(fs, parent)?.is_none_or(|stat| stat.kind != FileType::Directory) {
        return Ok(());
    }
    match stat.kind {
        FileType::Directory => mirror_folder(fs, from, to, &stat),
        FileType::Regular => mirror_file(fs, from, to, &stat),
        FileType::Symlink => {
            let target = fs.read_link(from).map_err(|e| SystemError::io("read", from, e))?;
            remove_tree(fs, to)?;
            fs.symlink(&target, to, stat.uid, stat.gid)
                .map_err(|e| SystemError::io("create", to, e))
        }
        FileType::Other => Ok(()),
    }
}

fn attributes(fs: &dyn Fs, path: &Path, stat: &Stat) -> Result<Attributes, SystemError> {
    let xattrs = fs.xattrs(path).map_err(|e| SystemError::io("read attributes of", path, e))?;
    Ok(Attributes { mode: stat.mode, uid: stat.uid, gid: stat.gid, xattrs })
}

fn mirror_folder(fs: &dyn Fs, from: &Path, to: &Path, stat: &Stat) -> Result<(), SystemError> {
    let attributes = attributes(fs, from, stat)?;
    if look(fs, to)?.is_some_and(|stat| stat.kind == FileType::Directory) {
        fs.set(to, &attributes).map_err(|e| SystemError::io("set the mode of", to, e))?;
    } else {
        remove_tree(fs, to)?;
        fs.mkdir(to, &attributes).map_err(|e| SystemError::io("create", to, e))?;
    }
    let list = |path: &Path| fs.list(path).map_err(|e| SystemError::io("list", path, e));
    let wanted = list(from)?;
    for (name, _) in list(to)? {
        if wanted.binary_search_by(|(n, _)| n.cmp(&name)).is_err() {
            remove_tree(fs, &to.join(OsStr::from_bytes(&name)))?;
        }
    }
    wanted.iter().try_for_each(|(name, _)| {
        let name = OsStr::from_bytes(name);
        mirror(fs, &from.join(name), &to.join(name))
    })
}

fn mirror_file(fs: &dyn Fs, from: &Path, to: &Path, stat: &Stat) -> Result<(), SystemError> {
    let attributes = attributes(fs, from, stat)?;
    let read = |path: &Path| objects::read(fs, path).map_err(|e| SystemError::io("read", path, e));
    let bytes = read(from)?;
    if let Some(there) = look(fs, to)?
        && there.kind == FileType::Regular
        && (there.mode, there.uid, there.gid) == (stat.mode, stat.uid, stat.gid)
        && there.size == stat.size
        && self::attributes(fs, to, &there)?.xattrs == attributes.xattrs
        && read(to)? == bytes
    {
        return Ok(());
    }
    // By a rename, so that a root that is booted after a kill has the old file or the new one.
    let next = to.with_file_name(NEXT);
    remove_tree(fs, &next)?;
    put_bytes(fs, &next, &bytes, &attributes)?;
    if look(fs, to)?.is_some_and(|stat| stat.kind == FileType::Directory) {
        remove_tree(fs, to)?;
    }
    fs.rename(&next, to).map_err(|e| SystemError::io("move into place", to, e))
}
