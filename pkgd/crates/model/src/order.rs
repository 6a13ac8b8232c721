//! The order of upstream versions (`docs/formats/versions.md`).
//!
//! Two texts are compared in turns: the longest run without a digit, byte by byte by [`weight`], then the
//! longest run of digits, as a number of any length. The idea and the place of `~` are those of deb-version(7);
//! `_` is ours. What is alike in this way but not the same text (`1.0` and `1.00`) is ordered by its bytes, so
//! that only equal texts are equal.

use core::cmp::Ordering;

/// Compares two upstream versions. Total: `Equal` only for the same bytes.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut a, mut b) = (left, right);
    while !a.is_empty() || !b.is_empty() {
        let (word_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (word_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        let (number_a, next_a) = split(rest_a, |byte| byte.is_ascii_digit());
        let (number_b, next_b) = split(rest_b, |byte| byte.is_ascii_digit());
        let order = words(word_a, word_b).then_with(|| numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    left.cmp(right)
}

/// The longest prefix whose bytes are all `of` the kind, and the rest.
fn split(text: &[u8], of: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !of(byte)).unwrap_or(text.len()))
}

fn words(a: &[u8], b: &[u8]) -> Ordering {
    let weights = (0..a.len().max(b.len())).map(|i| (weight(a.get(i)), weight(b.get(i))));
    weights.map(|(a, b)| a.cmp(&b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// `~` before the end of the run, the end before letters, letters before separators, `+ _ .` in this order.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(b'+') => 257,
        Some(b'_') => 258,
        Some(b'.') => 259,
        Some(letter) => 1 + u16::from(*letter),
    }
}

/// Numbers of any length: without leading zeros, the longer one is the greater one. No digits count as 0.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |digits| split(digits, |byte| *byte == b'0').1;
    let (a, b) = (strip(a), strip(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
