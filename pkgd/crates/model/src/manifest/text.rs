//! The text of a manifest: written, and read back strictly.

use core::fmt;
use std::collections::HashMap;

use crate::escape::{escape, unescape};

use super::{Entry, HEADER, Kind, Manifest, ManifestError, Xattr};

impl Manifest {
    /// Reads the canonical text. Anything that [`Manifest`]'s `Display` would not write is refused, and
    /// so is what no tree can be: a path below something that is no directory, a hard link to anything
    /// but an earlier regular file, a NUL in a name. Whoever unpacks by it needs no checks of their own.
    ///
    /// # Errors
    /// The first line that is wrong and why.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut lines = text.split_inclusive('\n').enumerate();
        if lines.next().map(|(_, l)| l.trim_end_matches('\n')) != Some(HEADER) {
            return Err(ManifestError { line: 1, what: "the header is not 'minos-manifest 1'" });
        }
        let mut reader = Reader::default();
        for (index, line) in lines {
            let at = |what| ManifestError { line: index + 1, what };
            let line = line.strip_suffix('\n').ok_or_else(|| at("it does not end in a newline"))?;
            reader.line(line).map_err(at)?;
        }
        let manifest = Self { entries: reader.entries };
        if manifest.to_string() != text {
            return Err(ManifestError { line: 1, what: "the text is not in canonical form" });
        }
        Ok(manifest)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for Entry { path, mode, uid, gid, kind, xattrs } in &self.entries {
            let path = escape(path);
            match kind {
                Kind::Directory => writeln!(f, "d {mode:o} {uid} {gid} {path}")?,
                Kind::Opaque => writeln!(f, "o {mode:o} {uid} {gid} {path}")?,
                Kind::File { size, digest } => {
                    writeln!(f, "f {mode:o} {uid} {gid} {size} {digest} {path}")?;
                }
                Kind::Symlink { target } => writeln!(f, "l {uid} {gid} {} {path}", escape(target))?,
                Kind::Hardlink { to } => writeln!(f, "h {} {path}", escape(to))?,
                Kind::Whiteout => writeln!(f, "w {path}")?,
            }
            for Xattr { name, value } in xattrs {
                writeln!(f, "x {} ={} {path}", escape(name), escape(value))?;
            }
        }
        Ok(())
    }
}

/// What a path is to the lines after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Directory,
    File,
    Other,
}

/// Reads line by line and knows what came before.
#[derive(Default)]
struct Reader {
    entries: Vec<Entry>,
    /// Directories and files so far, by path.
    seen: HashMap<Vec<u8>, Role>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(rest) = line.strip_prefix("x ") {
            return self.xattr(rest);
        }
        let entry = parse_line(line).ok_or("it is not a manifest entry")?;
        if self.entries.last().is_some_and(|last| last.path >= entry.path) {
            return Err("paths are not sorted or one stands twice");
        }
        let parent = entry.path.iter().rposition(|b| *b == b'/').map(|at| &entry.path[..at]);
        if parent.is_some_and(|parent| self.role(parent) != Role::Directory) {
            return Err("what stands above the path is not a directory of the manifest");
        }
        let role = match &entry.kind {
            Kind::Directory | Kind::Opaque => Role::Directory,
            Kind::File { .. } => Role::File,
            Kind::Hardlink { to } if self.role(to) != Role::File => {
                return Err("the hard link does not name an earlier regular file");
            }
            Kind::Hardlink { .. } | Kind::Symlink { .. } | Kind::Whiteout => Role::Other,
        };
        self.seen.insert(entry.path.clone(), role);
        self.entries.push(entry);
        Ok(())
    }

    fn role(&self, path: &[u8]) -> Role {
        self.seen.get(path).copied().unwrap_or(Role::Other)
    }

    /// An attribute of the entry just read.
    fn xattr(&mut self, words: &str) -> Result<(), &'static str> {
        let (xattr, path) = parse_xattr(words).ok_or("it is not an extended attribute")?;
        let entry = self.entries.last_mut().filter(|entry| entry.path == path);
        let entry = entry.ok_or("an attribute does not follow the line of its path")?;
        if !matches!(entry.kind, Kind::Directory | Kind::Opaque | Kind::File { .. }) {
            return Err("only files and directories have attributes");
        }
        if entry.xattrs.last().is_some_and(|last| last.name >= xattr.name) {
            return Err("attributes are not sorted or one stands twice");
        }
        entry.xattrs.push(xattr);
        Ok(())
    }
}

fn parse_xattr(words: &str) -> Option<(Xattr, Vec<u8>)> {
    let mut words = words.split(' ');
    let (name, value, path) = (words.next()?, words.next()?.strip_prefix('=')?, words.next()?);
    let xattr = Xattr { name: name_bytes(name)?, value: unescape(value)? };
    words.next().is_none().then_some((xattr, name_bytes(path)?))
}

/// A line that is no attribute. Its words come in this order, each only where it has a meaning: letter,
/// mode, owner, group, what the kind needs, path.
fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let letter = next()?;
    let mode = if matches!(letter, "d" | "o" | "f") { octal(next()?)? } else { 0 };
    let owned = !matches!(letter, "h" | "w");
    let (uid, gid) = if owned { (decimal(next()?)?, decimal(next()?)?) } else { (0, 0) };
    let kind = match letter {
        "d" => Kind::Directory,
        "o" => Kind::Opaque,
        "f" => Kind::File { size: next()?.parse().ok()?, digest: next()?.parse().ok()? },
        "l" => Kind::Symlink { target: name_bytes(next()?)? },
        "h" => Kind::Hardlink { to: name_bytes(next()?)? },
        "w" => Kind::Whiteout,
        _ => return None,
    };
    let entry = Entry { path: name_bytes(next()?)?, mode, uid, gid, kind, xattrs: Vec::new() };
    let relative = !entry.path.is_empty()
        && entry.path.split(|b| *b == b'/').all(|c| !c.is_empty() && c != b"." && c != b"..");
    (words.next().is_none() && relative).then_some(entry)
}

/// The bytes of a name, which the kernel ends at the first NUL: what is written behind one would be
/// checked here and used nowhere.
fn name_bytes(text: &str) -> Option<Vec<u8>> {
    unescape(text).filter(|bytes| !bytes.is_empty() && !bytes.contains(&0))
}

fn decimal(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}
