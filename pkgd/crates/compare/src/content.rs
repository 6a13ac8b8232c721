//! Which format two files have, and in which way they differ.

use crate::report::Kind;
use crate::{archive, elf, gzip, python, text};

/// How two contents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// What exactly, in one line.
    pub what: String,
}

impl Found {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}

/// Says how `first` differs from `second`, two contents of the file `path` that are not equal. Takes any
/// bytes. What only seems to be of a format is told as text or bytes.
pub fn look(path: &[u8], first: &[u8], second: &[u8]) -> Found {
    elf::look(first, second)
        .or_else(|| archive::look(first, second))
        .or_else(|| gzip::look(first, second))
        .or_else(|| python::look(path, first, second))
        .or_else(|| text::look(first, second))
        .unwrap_or_else(|| bytes(first, second))
}

/// Bytes without a meaning.
fn bytes(first: &[u8], second: &[u8]) -> Found {
    let at = first.iter().zip(second).position(|(a, b)| a != b);
    let at = at.unwrap_or(first.len().min(second.len()));
    let what = if first.len() == second.len() {
        let count = first.iter().zip(second).filter(|(a, b)| a != b).count();
        format!("{count} of {} bytes, the first at {at:#x}", first.len())
    } else {
        format!("{} bytes, then {}; the first difference at {at:#x}", first.len(), second.len())
    };
    Found::new(Kind::Binary, what)
}

#[cfg(test)]
mod tests {
    use super::{Kind, look};

    #[test]
    fn bytes_without_a_format() {
        let found = look(b"x", b"\0\x01\x02", b"\0\x09\x08");
        assert_eq!(found.kind, Kind::Binary);
        assert_eq!(found.what, "2 of 3 bytes, the first at 0x1");
        let found = look(b"x", b"\0\x01", b"\0\x01\x02");
        assert_eq!(found.what, "2 bytes, then 3; the first difference at 0x2");
    }
}
