//! The text around keys and signatures that minisign and signify share: a comment line, a line of base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;

/// The longest key or signature file that is read, in bytes.
pub(super) const MAX_FILE: usize = 8 << 10;
/// What starts the first line.
pub(super) const UNTRUSTED: &str = "untrusted comment: ";

/// The lines of a file: with final newline or without, with `\r\n` as some editors leave it.
pub(super) fn lines(text: &str) -> Result<Vec<&str>, KeyError> {
    if text.len() > MAX_FILE {
        return Err(KeyError::Format("it is longer than 8 KiB"));
    }
    Ok(text.lines().collect())
}

/// The comment of the first line.
pub(super) fn comment(line: Option<&&str>) -> Result<String, KeyError> {
    let comment = line.and_then(|line| line.strip_prefix(UNTRUSTED));
    comment
        .map(str::to_owned)
        .ok_or(KeyError::Format("it does not start with 'untrusted comment: '"))
}

/// The bytes of a line of base64, which must be exactly `N`.
pub(super) fn decode<const N: usize>(line: Option<&&str>) -> Result<[u8; N], KeyError> {
    let line = line.ok_or(KeyError::Format("a line is missing"))?;
    let bytes = STANDARD.decode(line).map_err(|_| KeyError::Format("a line is not base64"))?;
    bytes.try_into().map_err(|_| KeyError::Format("a line has another length than it should"))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A comment without anything that would end its line or trouble a terminal.
pub(super) fn clean(comment: &str) -> String {
    comment.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Takes the first `N` bytes off. The caller's array is long enough by its type.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((first, rest)) = bytes.split_first_chunk() else { return [0; N] };
    *bytes = rest;
    *first
}
