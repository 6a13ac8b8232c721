//! Merges the outputs a step depends on into one tree of hard links, as overlayfs would show them.
//!
//! An overlay of several layers costs every look-up and every open; a tree that one layer holds alone is
//! shown in the box without it (`minos_sandbox::Spec::plain`). Files keep their inodes: the tree is
//! only ever looked at through read-only mounts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use minos_sandbox::tree::{Dir, Kind, Stat};

/// More entries than this on top of a seed are left to the overlay: linking them would cost a small step more
/// than the overlay does. About 10 µs an entry.
const MOST_ENTRIES: usize = 8_000;
/// The same for a root without a seed. All its tools and headers would be looked up in dozens of layers, and
/// its steps are long.
const MOST_ENTRIES_ALONE: usize = 200_000;
/// How overlayfs marks a directory that hides those below it.
const OPAQUE: &str = "user.overlay.opaque";

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Flat {
    /// One tree; `marked` if marks of overlayfs in it hide parts of the base.
    Tree {
        /// See above.
        marked: bool,
    },
    /// Too large, or on another file system: the layers are to be used as they are.
    Refused,
}

/// Merges `layers` (the topmost first) into the new directory `target`. `base` is the tree that will lie
/// below, if any: marks that hide nothing of it are left out. Directories get the time `epoch`.
///
/// # Errors
/// The path below `target` and the system's error.
pub fn flatten(
    layers: &[PathBuf],
    base: Option<&Path>,
    target: &Path,
    epoch: i64,
) -> Result<Flat, (PathBuf, io::Error)> {
    let open = |path: &PathBuf| Dir::open(path).map_err(|e| (path.clone(), e));
    let layers = layers.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let at = |e| (target.to_owned(), e);
    DirBuilder::new().mode(0o755).create(target).map_err(at)?;
    let left = if base.is_some() { MOST_ENTRIES } else { MOST_ENTRIES_ALONE };
    let mut merge = Merge { epoch, left, marked: false };
    let out = Dir::open(target).map_err(at)?;
    let base = base.map(|base| open(&base.to_owned())).transpose()?;
    match merge.directory(&layers, base.as_ref(), &out, target) {
        Ok(()) => Ok(Flat::Tree { marked: merge.marked }),
        Err(Stop::Refused) => Ok(Flat::Refused),
        Err(Stop::Failed(path, e)) => Err((path, e)),
    }
}

enum Stop {
    Refused,
    Failed(PathBuf, io::Error),
}

struct Merge {
    epoch: i64,
    left: usize,
    marked: bool,
}

impl Merge {
    fn directory(
        &mut self,
        layers: &[Dir],
        base: Option<&Dir>,
        out: &Dir,
        path: &Path,
    ) -> Result<(), Stop> {
        for (name, holders) in names(layers).map_err(|e| Stop::Failed(path.to_owned(), e))? {
            self.left = self.left.checked_sub(1).ok_or(Stop::Refused)?;
            let path = path.join(&name);
            let hides = base.is_some_and(|base| base.stat(&name).is_ok());
            let top = &layers[holders[0]];
            let on = |e| Stop::Failed(path.clone(), e);
            let stat = top.stat(&name).map_err(on)?;
            if stat.kind == Kind::Dir {
                let holders: Vec<&Dir> = holders.iter().map(|n| &layers[*n]).collect();
                self.merged(&holders, base, out, (&name, &stat, &path))?;
            } else if !stat.is_whiteout() || hides {
                self.marked |= stat.is_whiteout();
                top.link(&name, out, &name).map_err(|e| link_error(&path, e))?;
            }
        }
        Ok(())
    }

    /// A directory: those of all layers down to the first that hides the rest.
    fn merged(
        &mut self,
        holders: &[&Dir],
        base: Option<&Dir>,
        out: &Dir,
        (name, stat, path): (&OsStr, &Stat, &Path),
    ) -> Result<(), Stop> {
        let on = |e| Stop::Failed(path.to_owned(), e);
        let mut parts = Vec::new();
        let mut hidden = false;
        for holder in holders {
            if holder.stat(name).map_err(on)?.kind != Kind::Dir {
                hidden = true;
                break;
            }
            parts.push(holder.open_dir(name).map_err(on)?);
            if holder.xattr(name, OPAQUE.as_ref()).is_ok() {
                hidden = true;
                break;
            }
        }
        let below = base.and_then(|base| base.open_dir(name).ok());
        let made = out.make_dir(name).map_err(on)?;
        self.directory(&parts, below.as_ref().filter(|_| !hidden), &made, path)?;
        if hidden && below.is_some() {
            out.set_xattr(name, OPAQUE.as_ref(), b"y").map_err(on)?;
            self.marked = true;
        }
        out.chown(name, stat.uid, stat.gid).map_err(on)?;
        out.chmod(name, stat.mode).map_err(on)?;
        out.set_mtime(name, self.epoch, 0).map_err(on)
    }
}

/// Every name with the layers that hold it, the topmost first.
fn names(layers: &[Dir]) -> io::Result<BTreeMap<OsString, Vec<usize>>> {
    let mut names: BTreeMap<OsString, Vec<usize>> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        for entry in layer.entries()? {
            names.entry(entry.name).or_default().push(index);
        }
    }
    Ok(names)
}

fn link_error(path: &Path, error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::CrossesDevices | io::ErrorKind::TooManyLinks => Stop::Refused,
        _ => Stop::Failed(path.to_owned(), error),
    }
}
