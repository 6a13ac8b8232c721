//! Names of files as text: they may hold any byte, and a line of text may not.

use core::fmt::Write as _;

/// Bytes as printable ASCII: what is outside `!`..`~`, and `%`, becomes `%XX`.
pub(crate) fn escape(bytes: &[u8]) -> String {
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

/// The bytes of such a text; `None` where a `%` is not followed by two hexadecimal digits.
pub(crate) fn unescape(text: &str) -> Option<Vec<u8>> {
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
