//! Which files of its inputs an output has its own in the place of.
//!
//! Nothing is taken out of the output because of it, not even what is the same: what a step leaves must not depend
//! on what lay below it by chance, or early cut-off would hand a tree with gaps to a stack without that input. It is
//! told, since a system cannot have both: two packages with one path are refused when they are installed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use minos_model::{Entry, Kind, Manifest};
use minos_sandbox::tree::{Dir, Kind as FileKind, Stat};

/// Bytes read at once to be compared.
const CHUNK: usize = 128 << 10;

/// What an output took the place of in one of its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clobber {
    /// The input: its place in [`crate::Task::inputs`].
    pub layer: usize,
    /// How many paths.
    pub paths: usize,
    /// How many of them are as they were: content, mode and owner, or target.
    pub same: usize,
    /// The first of them, folder by folder; one that is not the same where there is one.
    pub first: PathBuf,
}

/// Compares an output with the inputs that lie below it, the topmost first. A file counts against the topmost input
/// that has it; directories are shared by all, but for those that hide what is below.
///
/// # Errors
/// The path that cannot be read.
pub fn clobbers(
    tree: &Path,
    manifest: &Manifest,
    inputs: &[PathBuf],
) -> Result<Vec<Clobber>, (PathBuf, io::Error)> {
    let open = |path: &Path| Dir::open(path).map_err(|e| (path.to_owned(), e));
    let own = open(tree)?;
    let mut found: BTreeMap<usize, Clobber> = BTreeMap::new();
    let mut left = by_folder(manifest);
    for (layer, path) in inputs.iter().enumerate() {
        let input = open(path)?;
        for (folder, entries) in &mut left {
            let on = |e| (path.join(folder), e);
            if entries.is_empty() {
                continue;
            }
            // Most inputs have nothing there: one look spares those at each file.
            if !folder.as_os_str().is_empty() && !input.has_dir(folder).map_err(on)? {
                continue;
            }
            let dirs = Pair::open(&own, &input, folder).map_err(on)?;
            let mut rest = Vec::new();
            for entry in entries.drain(..) {
                match dirs.meets(entry).map_err(on)? {
                    Meets::Nothing => rest.push(entry),
                    Meets::Gone => {}
                    Meets::File { same } => add(&mut found, layer, entry, same),
                }
            }
            *entries = rest;
        }
    }
    Ok(found.into_values().collect())
}

/// What is no shared directory, by the folder it stands in.
fn by_folder(manifest: &Manifest) -> BTreeMap<&Path, Vec<&Entry>> {
    let mut folders: BTreeMap<&Path, Vec<&Entry>> = BTreeMap::new();
    for entry in manifest.entries().iter().filter(|entry| entry.kind != Kind::Directory) {
        let folder = path_of(entry).parent().unwrap_or(Path::new(""));
        folders.entry(folder).or_default().push(entry);
    }
    folders
}

fn path_of(entry: &Entry) -> &Path {
    Path::new(OsStr::from_bytes(&entry.path))
}

fn add(found: &mut BTreeMap<usize, Clobber>, layer: usize, entry: &Entry, same: bool) {
    let first = || path_of(entry).to_owned();
    let new = || Clobber { layer, paths: 0, same: 0, first: first() };
    let clobber = found.entry(layer).or_insert_with(new);
    if !same && clobber.paths == clobber.same {
        clobber.first = first();
    }
    clobber.paths += 1;
    clobber.same += usize::from(same);
}

/// What an entry of the output meets in an input.
enum Meets {
    Nothing,
    /// The input has deleted it: what is further below does not show.
    Gone,
    File {
        same: bool,
    },
}

/// The same folder of the output and of an input; the folder of the root has no name.
struct Pair {
    own: Dir,
    input: Dir,
}

impl Pair {
    fn open(own: &Dir, input: &Dir, folder: &Path) -> io::Result<Self> {
        let below = |dir: &Dir| match folder.as_os_str().is_empty() {
            true => dir.open_dir("."),
            false => dir.open_dir(folder),
        };
        Ok(Self { own: below(own)?, input: below(input)? })
    }

    fn meets(&self, entry: &Entry) -> io::Result<Meets> {
        let name = path_of(entry).file_name().unwrap_or_default();
        let there = match self.input.stat(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Meets::Nothing),
            stat => stat?,
        };
        if there.is_whiteout() {
            return Ok(Meets::Gone);
        }
        Ok(Meets::File { same: self.is_same(name, &there)? })
    }

    fn is_same(&self, name: &OsStr, there: &Stat) -> io::Result<bool> {
        let own = self.own.stat(name)?;
        let shape = |stat: &Stat| (stat.kind, stat.mode, stat.uid, stat.gid, stat.size);
        if shape(&own) != shape(there) {
            return Ok(false);
        }
        match own.kind {
            FileKind::File => same_bytes(self.own.open_file(name)?, self.input.open_file(name)?),
            FileKind::Link => Ok(self.own.read_link(name)? == self.input.read_link(name)?),
            // A directory that hides the one below is not that one.
            _ => Ok(false),
        }
    }
}

/// Two files of the same length.
fn same_bytes(mut a: File, mut b: File) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = a.read(&mut left)?;
        let (left, right) = (&left[..read], &mut right[..read]);
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(right)?;
        if left != right {
            return Ok(false);
        }
    }
}
