//! The manifest of an output: every path with what it is, in one canonical text.
//!
//! An output is named by the SHA-256 of its manifest's text, so the text is defined byte by byte
//! (`docs/formats/manifest.md`). One line a path, sorted by path bytes, no path twice:
//!
//! ```text
//! minos-manifest 1
//! d 755 0 0 usr
//! f 644 0 0 5 2cf24dba…9824 usr/greeting
//! l 0 0 ../lib usr/lib64
//! w usr/gone
//! ```
//!
//! Paths are relative, without leading `/` or `.`; bytes outside `!`..`~`, and `%`, are written `%XX`.
//! Times are left out: capture sets every file of an output to the same time.

use core::fmt;
use core::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The first line of a manifest: format name and version.
pub const HEADER: &str = "minos-manifest 1";

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A directory that hides whatever the layers below have at its path (overlayfs opaque).
    Opaque,
    /// A regular file: its length in bytes and the digest of its content.
    File {
        /// Length in bytes.
        size: u64,
        /// SHA-256 of the content.
        digest: Digest,
    },
    /// A symbolic link and its target, as stored (bytes, not resolved).
    Symlink {
        /// The target's bytes.
        target: Vec<u8>,
    },
    /// A second name of a regular file that stands at an earlier path of the manifest.
    Hardlink {
        /// The first path, relative, in manifest order.
        to: Vec<u8>,
    },
    /// The path existed in a lower layer and was deleted (overlayfs whiteout).
    Whiteout,
}

/// One path of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The path relative to the root, without leading `/`.
    pub path: Vec<u8>,
    /// Permission bits including setuid, setgid and sticky; 0 for links and whiteouts.
    pub mode: u32,
    /// Owner as seen inside the step.
    pub uid: u32,
    /// Group as seen inside the step.
    pub gid: u32,
    /// What it is.
    pub kind: Kind,
}

/// The sorted list of everything in an output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    entries: Vec<Entry>,
}

/// Why a manifest's text is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "manifest line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Sorts `entries` by path. The paths must be distinct; a tree walk gives nothing else.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// All entries, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The name of the output: the digest of the canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }

    /// Sum of the lengths of regular files in bytes; a hard link counts nothing.
    pub fn size(&self) -> u64 {
        let len = |e: &Entry| if let Kind::File { size, .. } = e.kind { size } else { 0 };
        self.entries.iter().map(len).sum()
    }

    /// Reads the canonical text. Anything that [`Manifest`]'s `Display` would not write is refused.
    ///
    /// # Errors
    /// The first line that is wrong and why.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut lines = text.split_inclusive('\n').enumerate();
        if lines.next().map(|(_, l)| l.trim_end_matches('\n')) != Some(HEADER) {
            return Err(ManifestError { line: 1, what: "the header is not 'minos-manifest 1'" });
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in lines {
            let at = |what| ManifestError { line: index + 1, what };
            let line = line.strip_suffix('\n').ok_or_else(|| at("it does not end in a newline"))?;
            let entry = parse_line(line).ok_or_else(|| at("it is not a manifest entry"))?;
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(at("paths are not sorted or one stands twice"));
            }
            entries.push(entry);
        }
        let manifest = Self { entries };
        if manifest.to_string() != text {
            return Err(ManifestError { line: 1, what: "the text is not in canonical form" });
        }
        Ok(manifest)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for Entry { path, mode, uid, gid, kind } in &self.entries {
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
        }
        Ok(())
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let entry = match next()? {
        letter @ ("d" | "o") => {
            let (mode, uid, gid) = (octal(next()?)?, decimal(next()?)?, decimal(next()?)?);
            let kind = if letter == "d" { Kind::Directory } else { Kind::Opaque };
            Entry { mode, uid, gid, kind, path: unescape(next()?)? }
        }
        "f" => {
            let (mode, uid, gid) = (octal(next()?)?, decimal(next()?)?, decimal(next()?)?);
            let (size, digest) = (next()?.parse().ok()?, next()?.parse().ok()?);
            Entry { mode, uid, gid, kind: Kind::File { size, digest }, path: unescape(next()?)? }
        }
        "l" => {
            let (uid, gid) = (decimal(next()?)?, decimal(next()?)?);
            let kind = Kind::Symlink { target: unescape(next()?)? };
            Entry { mode: 0, uid, gid, kind, path: unescape(next()?)? }
        }
        "h" => {
            let kind = Kind::Hardlink { to: unescape(next()?)? };
            Entry { mode: 0, uid: 0, gid: 0, kind, path: unescape(next()?)? }
        }
        "w" => Entry { mode: 0, uid: 0, gid: 0, kind: Kind::Whiteout, path: unescape(next()?)? },
        _ => return None,
    };
    let relative = !entry.path.is_empty()
        && entry.path.split(|b| *b == b'/').all(|c| !c.is_empty() && c != b"." && c != b"..");
    (words.next().is_none() && relative).then_some(entry)
}

fn decimal(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &b in bytes {
        if b.is_ascii_graphic() && b != b'%' {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(if b == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(high << 4 | low).ok()?
        } else {
            b
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::{Entry, Kind, Manifest};
    use crate::digest::Digest;

    fn entry(path: &str, kind: Kind) -> Entry {
        let mode = if matches!(kind, Kind::Directory | Kind::File { .. }) { 0o755 } else { 0 };
        Entry { path: path.into(), mode, uid: 0, gid: 0, kind }
    }

    #[test]
    fn text_is_as_documented() {
        let file = Kind::File { size: 5, digest: Digest::of(b"hello") };
        let manifest = Manifest::new(vec![
            entry("usr/gone", Kind::Whiteout),
            entry("usr/a b", file),
            entry("usr", Kind::Directory),
            entry("usr/lib64", Kind::Symlink { target: b"lib".to_vec() }),
        ]);
        let hello = Digest::of(b"hello");
        let text = format!(
            "minos-manifest 1\nd 755 0 0 usr\nf 755 0 0 5 {hello} usr/a%20b\nw usr/gone\nl 0 0 lib usr/lib64\n"
        );
        assert_eq!(manifest.to_string(), text);
        assert_eq!(Manifest::parse(&text), Ok(manifest));
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let head = "minos-manifest 1\n";
        for bad in [
            "",
            "minos-manifest 2\n",
            "x",
            &format!("{head}d 755 0 0 b\nd 755 0 0 a\n"),
            &format!("{head}d 755 0 0 a\nd 755 0 0 a\n"),
            &format!("{head}d 0755 0 0 a\n"),
            &format!("{head}d 755 0 0 /a\n"),
            &format!("{head}d 755 0 0 a/../b\n"),
            &format!("{head}d 755 0 0 a extra\n"),
            &format!("{head}d 755 0 0 %61\n"),
            &format!("{head}d 755 0 0 a"),
            &format!("{head}d 99999 0 0 a\n"),
            &format!("{head}q a\n"),
        ] {
            assert!(Manifest::parse(bad).is_err(), "{bad:?}");
        }
    }

    fn component() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>().prop_filter("byte", |b| *b != 0 && *b != b'/'), 1..12)
            .prop_filter("dots", |c| c != b"." && c != b"..")
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Directory),
            Just(Kind::Opaque),
            Just(Kind::Whiteout),
            any::<(u64, [u8; 32])>()
                .prop_map(|(size, d)| Kind::File { size, digest: Digest::from_bytes(d) }),
            prop::collection::vec(any::<u8>(), 1..20).prop_map(|target| Kind::Symlink { target }),
        ]
    }

    proptest! {
        #[test]
        fn any_tree_round_trips(paths in prop::collection::btree_map(
            prop::collection::vec(component(), 1..4).prop_map(|c| c.join(&b'/')),
            (kind(), 0u32..0o10000, any::<(u32, u32)>()), 0..20))
        {
            let entries = paths.into_iter().map(|(path, (kind, mode, (uid, gid)))| match kind {
                Kind::Directory | Kind::Opaque | Kind::File { .. } => {
                    Entry { path, mode, uid, gid, kind }
                }
                Kind::Symlink { .. } => Entry { path, mode: 0, uid, gid, kind },
                _ => Entry { path, mode: 0, uid: 0, gid: 0, kind },
            });
            let manifest = Manifest::new(entries.collect());
            prop_assert_eq!(Manifest::parse(&manifest.to_string()), Ok(manifest));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Manifest::parse(&text);
        }
    }
}
