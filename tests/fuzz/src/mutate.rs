//! Changes at random, but always the same ones: one seed, one run.

use crate::parts::Shape;

/// Pseudo-random numbers (SplitMix64, by S. Vigna).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0..limit`; 0 where that is empty.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }
}

/// Values that parsers trip over: ends of number ranges, varints that are too long, ways out of a folder, escapes,
/// texts that mean something else to somebody else.
const EDGES: [&[u8]; 22] = [
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x80\x00",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"../",
    b"/",
    b"%2F",
    b"\n",
    b"\"\"\"",
    b"[[",
    b"=",
    b"18446744073709551616",
    b"~",
    b"$(reboot);'",
    b"\x1b[2J",
    b"\xe2\x80\xae",
];

/// Longest input that is made, in bytes.
const MAX: usize = 1 << 18;

/// One to four changes of `seed`, with pieces of `other`: half of the time as plain bytes, half of the time in one
/// part of it, with lengths and check sums made right again.
pub fn mutate(random: &mut Random, shape: &Shape, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = match (shape.open)(seed) {
        Some(mut parts) if random.below(2) == 0 => {
            let donor = (shape.open)(other).unwrap_or_default();
            for _ in 0..=random.below(4) {
                change_parts(random, &mut parts, &donor);
            }
            (shape.close)(&parts)
        }
        _ => {
            let mut bytes = seed.to_vec();
            for _ in 0..=random.below(4) {
                change_bytes(random, &mut bytes, other);
            }
            bytes
        }
    };
    out.truncate(MAX);
    out
}

fn change_parts(random: &mut Random, parts: &mut Vec<Vec<u8>>, donor: &[Vec<u8>]) {
    let at = random.below(parts.len());
    let other = donor.get(random.below(donor.len())).cloned().unwrap_or_default();
    match random.below(8) {
        0 if !parts.is_empty() => drop(parts.remove(at)),
        1 if !parts.is_empty() => parts.insert(at, parts[at].clone()),
        2 if !parts.is_empty() => {
            let to = random.below(parts.len());
            parts.swap(at, to);
        }
        3 => parts.insert(at, other),
        _ => {
            if let Some(part) = parts.get_mut(at) {
                change_bytes(random, part, &other);
            }
        }
    }
}

/// A flipped bit, an edge value, a number one more or less, a cut, a piece doubled, a piece of another seed.
fn change_bytes(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(16)).min(bytes.len());
    let from = random.below(other.len());
    let piece = &other[from..(from + random.below(32)).min(other.len())];
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => {
            let piece = bytes[at..end].to_vec();
            let times = 1 + random.below(4) * random.below(64);
            bytes.splice(at..at, piece.repeat(times));
        }
        2 => drop(bytes.drain(at..end)),
        3 => drop(bytes.splice(at..end, piece.iter().copied())),
        4 => drop(bytes.splice(at..end, EDGES[random.below(EDGES.len())].iter().copied())),
        5 => drop(bytes.splice(at..at, EDGES[random.below(EDGES.len())].iter().copied())),
        6 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(if random.below(2) == 0 { 1 } else { 0xff });
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}
