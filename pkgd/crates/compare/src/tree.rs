//! Two manifests side by side.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use minos_model::{Entry, Kind as Thing, Manifest};
use minos_sandbox::tree::Dir;

use crate::content::look;
use crate::error::CompareError;
use crate::report::{Gather, Kind, Report};

/// Files larger than this are not looked into: both have to be in memory.
pub const MOST_BYTES: u64 = 64 << 20;

/// One of the two.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The captured tree.
    pub tree: &'a Path,
    /// Its manifest.
    pub manifest: &'a Manifest,
}

/// Everything in which `second` differs from `first`. Equal manifests are equal trees; nothing is read then.
///
/// # Errors
/// A file of either tree that differs by its manifest cannot be read.
pub fn compare(first: Side<'_>, second: Side<'_>) -> Result<Report, CompareError> {
    let mut gather = Gather::default();
    let (mut left, mut right) = (first.manifest.entries().iter(), second.manifest.entries().iter());
    let (mut a, mut b) = (left.next(), right.next());
    while let Some(path) = a.into_iter().chain(b).map(|entry| &entry.path).min() {
        let one = a.filter(|entry| entry.path == *path);
        let other = b.filter(|entry| entry.path == *path);
        let found = match (one, other) {
            (Some(one), Some(other)) => both((one, first.tree), (other, second.tree))?,
            (Some(one), None) => vec![(Kind::OnlyFirst, noun(&one.kind).to_owned())],
            (_, Some(other)) => vec![(Kind::OnlySecond, noun(&other.kind).to_owned())],
            (None, None) => Vec::new(),
        };
        gather.path(path, found);
        // Not by `one` and `other`: they borrow what moves on here.
        (a, b) = (
            if one.is_some() { left.next() } else { a },
            if other.is_some() { right.next() } else { b },
        );
    }
    Ok(gather.finish())
}

type Found = Vec<(Kind, String)>;

/// What differs at a path that both have.
fn both(
    (one, first): (&Entry, &Path),
    (other, second): (&Entry, &Path),
) -> Result<Found, CompareError> {
    let mut found = Vec::new();
    match (&one.kind, &other.kind) {
        (a, b) if a == b => {}
        (Thing::File { size: a, .. }, Thing::File { size: b, .. }) => {
            found.extend(contents((first, *a), (second, *b), &one.path)?);
        }
        (Thing::Symlink { target: a }, Thing::Symlink { target: b }) => {
            found.push((Kind::Link, format!("to {}, then to {}", shown(a), shown(b))));
        }
        (Thing::Hardlink { .. }, Thing::Hardlink { .. } | Thing::File { .. })
        | (Thing::File { .. }, Thing::Hardlink { .. }) => {
            found
                .push((Kind::Link, format!("{}, then {}", target(&one.kind), target(&other.kind))));
            // Modes and owners stand at the first name alone.
            return Ok(found);
        }
        (a, b) => {
            found.push((Kind::Type, format!("{}, then {}", noun(a), noun(b))));
            return Ok(found);
        }
    }
    if one.mode != other.mode {
        found.push((Kind::Mode, format!("{:o}, then {:o}", one.mode, other.mode)));
    }
    if (one.uid, one.gid) != (other.uid, other.gid) {
        let what = format!("{}:{}, then {}:{}", one.uid, one.gid, other.uid, other.gid);
        found.push((Kind::Owner, what));
    }
    let lacks = |here: &Entry, there: &Entry| {
        here.xattrs.iter().find(|x| !there.xattrs.contains(x)).cloned()
    };
    if let Some(attribute) = lacks(one, other).or_else(|| lacks(other, one)) {
        found.push((Kind::Attribute, shown(&attribute.name)));
    }
    Ok(found)
}

/// What differs between two files whose digests differ.
fn contents(
    (first, a): (&Path, u64),
    (second, b): (&Path, u64),
    path: &[u8],
) -> Result<Option<(Kind, String)>, CompareError> {
    if a.max(b) > MOST_BYTES {
        let what = format!("{a} bytes, then {b}: too large to be looked into");
        return Ok(Some((Kind::Binary, what)));
    }
    let found = look(path, &read(first, path)?, &read(second, path)?);
    Ok(Some((found.kind, found.what)))
}

/// Reads a file of a tree that a script made: no link is followed on the way.
fn read(tree: &Path, path: &[u8]) -> Result<Vec<u8>, CompareError> {
    let relative = Path::new(OsStr::from_bytes(path));
    let bytes = || -> io::Result<Vec<u8>> {
        let name = relative.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = relative.parent().filter(|parent| !parent.as_os_str().is_empty());
        let root = Dir::open(tree)?;
        let file = match parent {
            Some(parent) => root.open_dir(parent)?.open_file(name)?,
            None => root.open_file(name)?,
        };
        let mut bytes = Vec::new();
        // Whatever the manifest says of its length.
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    bytes().map_err(|error| CompareError { path: tree.join(relative), error })
}

fn noun(kind: &Thing) -> &'static str {
    match kind {
        Thing::Directory => "a directory",
        Thing::Opaque => "a directory that hides those below it",
        Thing::File { .. } => "a file",
        Thing::Symlink { .. } => "a symbolic link",
        Thing::Hardlink { .. } => "a hard link",
        Thing::Whiteout => "a deletion",
    }
}

fn target(kind: &Thing) -> String {
    match kind {
        Thing::Hardlink { to } => format!("a hard link of {}", shown(to)),
        _ => "a file of its own".to_owned(),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
