//! What one file is and which texts it has.

use std::io::{self, Read};
use std::ops::Range;

use minos_package::{Loading, Shebang, debug_sections, loading, shebang};

use crate::needles::{Hit, Needles};

/// Larger ELF files are not looked into, in bytes: they have to be in memory. Their being so large is a finding.
pub const MOST_ELF: u64 = 256 << 20;
/// So much of a file is read to see what it is, in bytes.
const HEAD: u64 = 4096;
/// How static libraries begin, and the length of the head of each member.
const ARCHIVE: &[u8] = b"!<arch>\n";
const MEMBER_HEAD: usize = 60;
/// How compressed files begin: gzip, xz, zstd, bzip2, lz4, zip.
const COMPRESSED: [&[u8]; 6] =
    [b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh", b"\x04\x22\x4d\x18", b"PK\x03\x04"];

/// What a file is, as far as starting it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A program or library.
    Elf(Loading),
    /// It says so, and cannot be read as one; in words.
    BadElf(String),
    /// Executable, and run by something else; `None` where its first line does not say by what.
    Script(Option<Shebang>),
    /// Its contents cannot be seen.
    Compressed,
    /// Any other.
    Other,
}

/// What was seen of a file.
pub(crate) struct Looked {
    pub(crate) thing: Thing,
    pub(crate) hits: Vec<Hit>,
    pub(crate) bytes: u64,
}

/// Reads a file to its end; `path` is where it stands, for what is excused there.
///
/// # Errors
/// Those of the reader.
pub(crate) fn look(
    path: &str,
    mut reader: impl Read,
    executable: bool,
    needles: &Needles,
) -> io::Result<Looked> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"\x7fELF") {
        return elf(path, head, reader, needles);
    }
    if head.starts_with(ARCHIVE) {
        return archive(path, head, reader, needles);
    }
    let thing = if head.starts_with(b"#!") && executable {
        Thing::Script(shebang(&head))
    } else if COMPRESSED.iter().any(|magic| head.starts_with(magic)) {
        Thing::Compressed
    } else {
        Thing::Other
    };
    let (hits, bytes) = needles.stream(path, head, reader)?;
    Ok(Looked { thing, hits, bytes })
}

fn elf(path: &str, mut bytes: Vec<u8>, reader: impl Read, needles: &Needles) -> io::Result<Looked> {
    reader.take(MOST_ELF).read_to_end(&mut bytes)?;
    let thing = if bytes.len() as u64 > MOST_ELF {
        Thing::BadElf(format!("it is larger than {MOST_ELF} bytes and was not looked into"))
    } else {
        match loading(&bytes) {
            Ok(Some(found)) => Thing::Elf(found),
            Ok(None) => Thing::Other,
            Err(why) => Thing::BadElf(why),
        }
    };
    let hits = needles.search(path, &bytes, &debug_sections(&bytes));
    Ok(Looked { thing, hits, bytes: bytes.len() as u64 })
}

/// A static library: what only debuggers read is told apart in its members too. One that is too large for that is
/// looked through as any other file.
fn archive(
    path: &str,
    mut bytes: Vec<u8>,
    mut reader: impl Read,
    needles: &Needles,
) -> io::Result<Looked> {
    reader.by_ref().take(MOST_ELF).read_to_end(&mut bytes)?;
    let (hits, bytes) = if bytes.len() as u64 > MOST_ELF {
        needles.stream(path, bytes, reader)?
    } else {
        (needles.search(path, &bytes, &members_debug(&bytes)), bytes.len() as u64)
    };
    Ok(Looked { thing: Thing::Other, hits, bytes })
}

/// The places of debug information in an archive (ar(5)). Ends where a member's head cannot be read.
fn members_debug(archive: &[u8]) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut at = ARCHIVE.len();
    while let Some(head) = archive.get(at..at.saturating_add(MEMBER_HEAD)) {
        let size = str::from_utf8(&head[48..58]).ok().and_then(|text| text.trim_end().parse().ok());
        let start = at + MEMBER_HEAD;
        let Some(end) = size.and_then(|size: usize| start.checked_add(size)) else { break };
        let Some(member) = archive.get(start..end) else { break };
        let shift = start as u64;
        let sections = debug_sections(member).into_iter();
        // A section cannot reach into the next member.
        let limit = |place: u64| place.min(member.len() as u64) + shift;
        found.extend(sections.map(|range| limit(range.start)..limit(range.end)));
        at = end + end % 2;
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::{ARCHIVE, Thing, look};
    use crate::needles::{Needles, Places};

    fn thing(bytes: &[u8], executable: bool) -> Thing {
        let needles = Needles::new(&Places::default(), true);
        let looked = look("", Cursor::new(bytes), executable, &needles).unwrap();
        assert_eq!(looked.bytes, bytes.len() as u64);
        looked.thing
    }

    #[test]
    fn files_are_told_apart_by_how_they_begin() {
        assert!(matches!(thing(b"#!/bin/sh\n", true), Thing::Script(Some(_))));
        assert_eq!(thing(b"#!\n", true), Thing::Script(None));
        assert_eq!(thing(b"#!/bin/sh\n", false), Thing::Other);
        assert_eq!(thing(b"\x1f\x8b\x08rest", false), Thing::Compressed);
        assert!(matches!(thing(b"\x7fELF and no more", true), Thing::BadElf(_)));
        assert_eq!(thing(b"", true), Thing::Other);
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(matches!(thing(&own, true), Thing::Elf(found) if found.machine.1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any bytes behind the magic, and any byte of a real head changed.
        #[test]
        fn no_bytes_make_it_panic(
            tail in prop::collection::vec(any::<u8>(), 0..300),
            changes in prop::collection::vec((0usize..5000, any::<u8>()), 0..8),
        ) {
            thing(&[b"\x7fELF\x02\x01\x01", &tail[..]].concat(), true);
            thing(&[ARCHIVE, &tail[..]].concat(), true);
            let mut real = std::fs::read("/proc/self/exe").unwrap();
            real.truncate(100_000);
            for (at, byte) in changes {
                real[at] = byte;
            }
            thing(&real, true);
        }
    }
}
