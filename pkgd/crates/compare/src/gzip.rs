//! gzip (RFC 1952): a head with time and name, compressed bytes, check sum and length of the contents.

use crate::content::Found;
use crate::report::Kind;

/// Flags of the head.
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

/// `None` if either is no gzip file.
pub(crate) fn look(first: &[u8], second: &[u8]) -> Option<Found> {
    let (a, b) = (Member::of(first)?, Member::of(second)?);
    let mut parts = Vec::new();
    if a.time != b.time {
        parts.push(format!("time in the head {}, then {}", a.time, b.time));
    }
    if a.name != b.name {
        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        parts.push(format!("name in the head {:?}, then {:?}", shown(a.name), shown(b.name)));
    }
    if a.rest != b.rest {
        parts.push("other fields of the head".to_owned());
    }
    if a.body != b.body {
        // The trailer stands for the contents: CRC-32 and length.
        parts.push(
            if a.trailer() == b.trailer() { "compressed otherwise" } else { "contents" }.to_owned(),
        );
    }
    Some(Found::new(Kind::Gzip, parts.join("; ")))
}

struct Member<'a> {
    time: u32,
    name: &'a [u8],
    /// Flags and hints of the head, the extra field, and the comment.
    rest: [&'a [u8]; 4],
    body: &'a [u8],
}

impl<'a> Member<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<10>()?;
        let [0x1f, 0x8b, 8, flags, t0, t1, t2, t3, ..] = *head else { return None };
        let mut extra: &[u8] = &[];
        if flags & FEXTRA != 0 {
            let (length, after) = rest.split_first_chunk::<2>()?;
            (extra, rest) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
        }
        let name = if flags & FNAME != 0 { text(&mut rest)? } else { &[] };
        let comment = if flags & FCOMMENT != 0 { text(&mut rest)? } else { &[] };
        if flags & FHCRC != 0 {
            // A sum over the head: it says nothing that the head does not.
            rest = rest.get(2..)?;
        }
        let fixed = bytes.get(3..4)?;
        let hints = bytes.get(8..10)?;
        let time = u32::from_le_bytes([t0, t1, t2, t3]);
        Some(Self { time, name, rest: [fixed, hints, extra, comment], body: rest })
    }

    fn trailer(&self) -> Option<&[u8; 8]> {
        self.body.last_chunk()
    }
}

/// Takes a text up to its NUL.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (text, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..)?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::look;

    fn gzip(time: u32, name: &str, body: &[u8]) -> Vec<u8> {
        let flags = if name.is_empty() { 0 } else { super::FNAME };
        let mut out = vec![0x1f, 0x8b, 8, flags];
        out.extend(time.to_le_bytes());
        out.extend([0, 3]);
        if !name.is_empty() {
            out.extend(name.as_bytes());
            out.push(0);
        }
        [&out, body].concat()
    }

    #[test]
    fn head_compression_and_contents_are_told_apart() {
        let first = gzip(1, "a", b"....12345678");
        let told = |second: &[u8]| look(&first, second).unwrap().what;
        assert_eq!(told(&gzip(2, "a", b"....12345678")), "time in the head 1, then 2");
        assert_eq!(told(&gzip(1, "b", b"....12345678")), r#"name in the head "a", then "b""#);
        assert_eq!(told(&gzip(1, "a", b"::12345678")), "compressed otherwise");
        assert_eq!(told(&gzip(1, "a", b"....1234567X")), "contents");
        let bare = told(&gzip(1, "", b"....12345678"));
        assert_eq!(bare, r#"name in the head "a", then ""; other fields of the head"#);
        assert_eq!(look(&first, b"\x1f\x8b\x08"), None);
        assert_eq!(look(&first, &gzip(1, "never ends", b"")[..15]), None);
    }
}
