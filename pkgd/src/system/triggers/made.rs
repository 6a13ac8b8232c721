//! What a trigger left in its upper tree, as entries for the store.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use minos_sandbox::tree::{Dir, Kind, Stat};
use minos_store::fs::Attributes;
use minos_store::{Made, MadeNode};

use super::boxed::MOST_BYTES;
use super::table::{Trigger, is_below};

/// The `user.` attributes that overlayfs keeps for itself.
const OVERLAY: &str = "user.overlay.";
/// How overlayfs marks a directory that hides the one below it.
const OPAQUE: &str = "user.overlay.opaque";
/// Entries that a trigger may leave, and bytes of all its files: they are held in memory.
const MOST_ENTRIES: usize = 20_000;

/// Reads the upper tree of `trigger` at `upper`. `lower` has the layers that lay below it.
///
/// # Errors
/// It left something outside of what it may make, something no package may have, or too much.
pub fn collect(trigger: &Trigger, upper: &Path, lower: &[PathBuf]) -> Result<Vec<Made>, String> {
    let failed = |e: io::Error| format!("{}: what it made cannot be read: {e}", trigger.name);
    let lower = lower.iter().map(|layer| Dir::open(layer)).collect::<io::Result<Vec<_>>>();
    let lower = lower.map_err(failed)?;
    let root = Dir::open(upper).map_err(failed)?;
    let mut walk = Walk { trigger, lower, made: Vec::new(), bytes: 0 };
    walk.directory(&root, &mut Vec::new()).map_err(|stop| match stop {
        Stop::Io(path, e) => {
            format!("{}: /{} cannot be read: {e}", trigger.name, String::from_utf8_lossy(&path))
        }
        Stop::Refused(path, why) => {
            format!("{}: it left /{}, {why}", trigger.name, String::from_utf8_lossy(&path))
        }
    })?;
    Ok(walk.made)
}

enum Stop {
    Io(Vec<u8>, io::Error),
    Refused(Vec<u8>, &'static str),
}

struct Walk<'a> {
    trigger: &'a Trigger,
    lower: Vec<Dir>,
    made: Vec<Made>,
    bytes: u64,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Dir, path: &mut Vec<u8>) -> Result<(), Stop> {
        let entries = dir.entries().map_err(|e| Stop::Io(path.clone(), e))?;
        for entry in entries {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name.as_bytes());
            self.entry(dir, &entry.name, path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, dir: &Dir, name: &OsStr, path: &mut Vec<u8>) -> Result<(), Stop> {
        let on = |e| Stop::Io(path.clone(), e);
        let refused = |why| Err(Stop::Refused(path.clone(), why));
        let stat = dir.stat(name).map_err(on)?;
        if stat.kind == Kind::Dir {
            let hides = dir.xattr(name, OPAQUE.as_ref()).is_ok();
            if self.is_directory_below(path).map_err(on)? {
                // Copied up on the way to what was written in it. Its own attributes stay those of the packages.
                if hides {
                    return refused("a directory in the place of another");
                }
                return self.directory(&dir.open_dir(name).map_err(on)?, path);
            }
            if self.is_way(path) {
                self.add(path, MadeNode::Directory(attributes(dir, name, &stat).map_err(on)?))?;
                return self.directory(&dir.open_dir(name).map_err(on)?, path);
            }
        }
        if !self.trigger.may_make(path) {
            return refused("which is not its to make");
        }
        let node = match stat.kind {
            _ if stat.is_whiteout() => MadeNode::Removed,
            Kind::File => self.file(dir, name, path, &stat)?,
            Kind::Link => {
                MadeNode::Symlink { target: dir.read_link(name).map_err(on)?.as_bytes().to_vec() }
            }
            _ => return refused("which is neither file, directory nor link"),
        };
        self.add(path, node)
    }

    fn file(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        path: &[u8],
        stat: &Stat,
    ) -> Result<MadeNode, Stop> {
        let on = |e| Stop::Io(path.to_vec(), e);
        self.bytes = self.bytes.saturating_add(stat.size);
        if self.bytes > MOST_BYTES {
            return Err(Stop::Refused(path.to_vec(), "and with it more than 64 MiB"));
        }
        let mut content = Vec::new();
        let file = dir.open_file(name).map_err(on)?;
        file.take(stat.size).read_to_end(&mut content).map_err(on)?;
        Ok(MadeNode::File { attributes: attributes(dir, name, stat).map_err(on)?, content })
    }

    fn add(&mut self, path: &[u8], node: MadeNode) -> Result<(), Stop> {
        if self.made.len() >= MOST_ENTRIES {
            return Err(Stop::Refused(path.to_vec(), "and with it more than 20,000 entries"));
        }
        self.made.push(Made { path: path.to_vec(), node });
        Ok(())
    }

    /// Whether a new directory at `path` is one that the trigger may make, or leads to such a place.
    fn is_way(&self, path: &[u8]) -> bool {
        let leads = |made: &&str| {
            std::str::from_utf8(path).is_ok_and(|directory| is_below(made.as_bytes(), directory))
        };
        self.trigger.may_make(path) || self.trigger.makes.iter().any(leads)
    }

    /// Whether a layer below has a directory at `path`. Triggers do not take away what others made.
    fn is_directory_below(&self, path: &[u8]) -> io::Result<bool> {
        let path = Path::new(OsStr::from_bytes(path));
        for layer in &self.lower {
            if layer.has_dir(path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn attributes(dir: &Dir, name: &OsStr, stat: &Stat) -> io::Result<Attributes> {
    let mut xattrs = Vec::new();
    for attribute in dir.xattr_names(name)? {
        let Some(text) = attribute.to_str().filter(|text| !text.starts_with(OVERLAY)) else {
            continue;
        };
        xattrs.push((text.to_owned(), dir.xattr(name, &attribute)?));
    }
    // The low twelve bits: it fits.
    let mode = u16::try_from(stat.mode & 0o7777).unwrap_or(0o600);
    Ok(Attributes { mode, uid: stat.uid, gid: stat.gid, xattrs })
}
