//! Little-endian 32-bit words in a byte slice.

/// The word at `index`; 0 outside, which [`super::Table::parse`] has excluded for every index it hands out.
pub fn word(bytes: &[u8], index: usize) -> u32 {
    let start = index.wrapping_mul(4);
    match bytes.get(start..start.wrapping_add(4)) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// All words of `bytes`, whose length is a multiple of 4.
pub fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk))
}

/// The words `start..end` of `bytes`; none if that is outside.
pub fn slice(bytes: &[u8], start: u32, end: u32) -> &[u8] {
    bytes.get(start as usize * 4..end as usize * 4).unwrap_or_default()
}

/// Appends one word.
pub fn push(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_le_bytes());
}
