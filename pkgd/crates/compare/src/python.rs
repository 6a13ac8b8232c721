//! Compiled Python (PEP 552): a head of 16 bytes, then the marshalled code.

use crate::content::Found;
use crate::report::Kind;

/// Bytes in front of the code.
const HEAD: usize = 16;

/// `None` if the name does not end in `.pyc` or either has no such head.
pub(crate) fn look(path: &[u8], first: &[u8], second: &[u8]) -> Option<Found> {
    let (a, b) = (path.ends_with(b".pyc").then(|| Head::of(first))??, Head::of(second)?);
    let mut parts = Vec::new();
    if a.magic != b.magic {
        parts.push("made by another version of Python".to_owned());
    }
    if a.flags != b.flags {
        parts.push(format!("{}, then {}", kind(a.flags), kind(b.flags)));
    } else if a.flags & 1 == 1 && a.rest != b.rest {
        parts.push("hash of the source".to_owned());
    } else if a.flags & 1 == 0 {
        if a.number(0) != b.number(0) {
            parts.push(format!("time of the source {}, then {}", a.number(0), b.number(0)));
        }
        if a.number(4) != b.number(4) {
            parts.push(format!("length of the source {}, then {}", a.number(4), b.number(4)));
        }
    }
    if first.get(HEAD..) != second.get(HEAD..) {
        parts.push("code".to_owned());
    }
    Some(Found::new(Kind::Python, parts.join("; ")))
}

fn kind(flags: u32) -> &'static str {
    match flags {
        0 => "checked by time",
        1 => "never checked",
        3 => "checked by hash",
        _ => "unknown flags",
    }
}

struct Head {
    magic: [u8; 2],
    flags: u32,
    rest: [u8; 8],
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEAD>()?;
        let [a, b, b'\r', b'\n', f0, f1, f2, f3, rest @ ..] = *head else { return None };
        Some(Self { magic: [a, b], flags: u32::from_le_bytes([f0, f1, f2, f3]), rest })
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self.rest.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::look;

    fn pyc(flags: u32, time: u32, code: &[u8]) -> Vec<u8> {
        let flags = flags.to_le_bytes();
        [&[0xcb, 0x0d, b'\r', b'\n'][..], &flags, &time.to_le_bytes(), &[9, 0, 0, 0], code].concat()
    }

    fn what(a: &[u8], b: &[u8]) -> Option<String> {
        look(b"m.pyc", a, b).map(|found| found.what)
    }

    #[test]
    fn head_and_code_are_told_apart() {
        let first = pyc(0, 5, b"code");
        let told = |second: &[u8]| what(&first, second).unwrap();
        assert_eq!(told(&pyc(0, 7, b"code")), "time of the source 5, then 7");
        assert_eq!(told(&pyc(0, 5, b"other")), "code");
        assert_eq!(told(&pyc(0, 7, b"")), "time of the source 5, then 7; code");
        assert_eq!(told(&pyc(3, 5, b"code")), "checked by time, then checked by hash");
        assert_eq!(what(&pyc(1, 1, b""), &pyc(1, 2, b"")).unwrap(), "hash of the source");
        let mut other = first.clone();
        other[0] = 0;
        assert_eq!(told(&other), "made by another version of Python");
        assert_eq!(look(b"m.txt", &first, &other), None);
        assert_eq!(what(&first, b"short"), None);
    }
}
