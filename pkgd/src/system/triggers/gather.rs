//! What a trigger left in the upper layer of its box.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use minos_sandbox::tree::{Dir, Kind, Stat};
use minos_store::fs::Attributes;
use minos_store::{Made, MadeNode};

use super::table::Call;

/// The largest file that a trigger may make, in bytes; it is held in memory on its way into the store.
pub const MAX_FILE: u64 = 64 << 20;
/// How many files and folders a trigger may leave.
const MAX_MADE: usize = 10_000;
/// How deep a trigger may nest folders.
const MAX_DEPTH: usize = 32;

/// Attributes that overlayfs leaves.
const OVERLAY: &[u8] = b"user.overlay.";

/// Lists what is in `upper`, folders before what is in them.
///
/// # Errors
/// Something that `call` may not write, or that no generation can hold; I/O. In words.
pub fn gather(call: &Call, lower: &Dir, upper: &Dir) -> Result<Vec<Made>, String> {
    let mut walk = Walk { call, lower, made: Vec::new() };
    walk.folder(upper, &[], 0)?;
    Ok(walk.made)
}

struct Walk<'a> {
    call: &'a Call,
    lower: &'a Dir,
    made: Vec<Made>,
}

impl Walk<'_> {
    fn folder(&mut self, dir: &Dir, at: &[u8], depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH || self.made.len() > MAX_MADE {
            return Err("it made more files, or deeper folders, than a trigger may".to_owned());
        }
        for entry in dir.entries().map_err(|e| on(at, &e))? {
            let path = join(at, entry.name.as_bytes());
            let stat = dir.stat(&entry.name).map_err(|e| on(&path, &e))?;
            if stat.kind == Kind::Dir {
                self.directory(dir, &entry.name, &stat, path, depth)?;
            } else if self.call.may_write(&path) {
                let node = node(dir, &entry.name, &stat).map_err(|e| on(&path, &e))?;
                self.made.push(Made { path, node });
            } else {
                return Err(outside(&path));
            }
        }
        Ok(())
    }

    /// A folder: one that the root has too is there because of what is in it.
    fn directory(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
        path: Vec<u8>,
        depth: usize,
    ) -> Result<(), String> {
        let below = dir.open_dir(name).map_err(|e| on(&path, &e))?;
        let known = self.lower.has_dir(OsStr::from_bytes(&path)).map_err(|e| on(&path, &e))?;
        let (may, leads) = (self.call.may_write(&path), self.call.leads_to(&path));
        if known && is_opaque(dir, name).map_err(|e| on(&path, &e))? {
            return Err(format!("it replaced the folder /{}", path.escape_ascii()));
        }
        let place = self.made.len();
        self.folder(&below, &path, depth + 1)?;
        let filled = self.made.len() > place;
        if !known && (may || (leads && filled)) {
            let attributes = attributes(dir, name, stat).map_err(|e| on(&path, &e))?;
            self.made.insert(place, Made { path, node: MadeNode::Directory(attributes) });
        } else if !known && !leads {
            return Err(outside(&path));
        }
        Ok(())
    }
}

fn node(dir: &Dir, name: &OsStr, stat: &Stat) -> io::Result<MadeNode> {
    if stat.is_whiteout() {
        return Ok(MadeNode::Removed);
    }
    match stat.kind {
        Kind::Link => Ok(MadeNode::Symlink { target: dir.read_link(name)?.into_vec() }),
        Kind::File if stat.size <= MAX_FILE => {
            let mut content = Vec::new();
            dir.open_file(name)?.take(MAX_FILE).read_to_end(&mut content)?;
            Ok(MadeNode::File { attributes: attributes(dir, name, stat)?, content })
        }
        Kind::File => Err(io::Error::other("it is longer than a trigger may make a file")),
        _ => Err(io::Error::other("it is neither a file nor a folder nor a link")),
    }
}

fn attributes(dir: &Dir, name: &OsStr, stat: &Stat) -> io::Result<Attributes> {
    let mut xattrs = Vec::new();
    for attribute in dir.xattr_names(name)? {
        if attribute.as_bytes().starts_with(OVERLAY) {
            continue;
        }
        let value = dir.xattr(name, &attribute)?;
        let text = attribute.into_string().map_err(|_| io::Error::other("an attribute's name"))?;
        xattrs.push((text, value));
    }
    let mode = u16::try_from(stat.mode & 0o7777).unwrap_or_default();
    Ok(Attributes { mode, uid: stat.uid, gid: stat.gid, xattrs })
}

fn is_opaque(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    Ok(dir.xattr_names(name)?.iter().any(|attribute| attribute == "user.overlay.opaque"))
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn on(path: &[u8], error: &io::Error) -> String {
    format!("what it left at /{}: {error}", path.escape_ascii())
}

fn outside(path: &[u8]) -> String {
    format!("it wrote /{}, which it may not", path.escape_ascii())
}
