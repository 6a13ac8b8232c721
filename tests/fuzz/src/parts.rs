//! Files taken apart and put together again with right lengths and check sums.

use minos_model::Digest;
use minos_package::header::{HEADER_LEN, Header};
use minos_package::index::{Frame, RECORD_LEN, to_bytes};
use minos_package::sign::ENTRY_LEN;

/// How the bytes of a target are taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The parts; `None` where the bytes do not look like it.
    pub open: fn(&[u8]) -> Option<Vec<Vec<u8>>>,
    /// Bytes of any parts.
    pub close: fn(&[Vec<u8>]) -> Vec<u8>,
}

/// Bytes without parts.
pub const BYTES: Shape =
    Shape { open: |bytes| Some(vec![bytes.to_vec()]), close: |parts| parts.concat() };

/// Two contents: the length of the first (4 bytes), then both.
pub const PAIR: Shape = Shape {
    open: |bytes| {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (first, second) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(vec![first.to_vec(), second.to_vec()])
    },
    close: |parts| {
        let (first, rest) = parts.split_first().map_or((&[][..], &[][..]), |(a, b)| (&a[..], b));
        let length = u32::try_from(first.len()).unwrap_or(u32::MAX).to_le_bytes();
        [&length[..], first, &rest.concat()].concat()
    },
};

/// Text: a part is a line.
pub const LINES: Shape = Shape {
    open: |bytes| Some(bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect()),
    close: |parts| parts.join(&b'\n'),
};

/// A file that ends in the SHA-256 of everything before (plans, generation records).
pub const SUMMED: Shape = Shape {
    open: |bytes| Some(vec![bytes.get(..bytes.len().checked_sub(32)?)?.to_vec()]),
    close: |parts| {
        let mut out = parts.concat();
        out.extend_from_slice(Digest::of(&out).as_bytes());
        out
    },
};

/// A package: signatures, manifest, then of each frame how many raw bytes are told (4 bytes) and its bytes.
pub const PACKAGE: Shape = Shape { open: open_package, close: close_package };

/// The signed index of a repository: signatures, list of packages.
pub const REPOSITORY: Shape = Shape { open: open_repository, close: close_repository };

/// Mark and format.
const REPOSITORY_HEAD: usize = 12;

fn open_repository(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (_, rest) = bytes.split_at_checked(REPOSITORY_HEAD)?;
    let (signatures, rest) = rest.split_first_chunk::<4>()?;
    let rest = rest.get(4..)?;
    let at = usize::try_from(u32::from_le_bytes(*signatures)).ok()?;
    let (signatures, body) = rest.split_at_checked(at)?;
    Some(vec![signatures.to_vec(), body.to_vec()])
}

fn close_repository(parts: &[Vec<u8>]) -> Vec<u8> {
    let part = |n: usize| parts.get(n).map(Vec::as_slice).unwrap_or_default();
    let length = |n: usize| u32::try_from(part(n).len()).unwrap_or(u32::MAX).to_le_bytes();
    let mark = minos_package::repository::MAGIC;
    let format = minos_package::repository::FORMAT.to_le_bytes();
    [&mark[..], &format, &length(0), &length(1), part(0), part(1)].concat()
}

fn open_package(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let header = Header::parse(bytes.first_chunk::<HEADER_LEN>()?).ok()?;
    let mut rest = bytes.get(HEADER_LEN..)?;
    let mut take = |length: u64| {
        let (head, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = tail;
        Some(head.to_vec())
    };
    let mut parts = vec![take(header.signatures.into())?, take(header.manifest)?];
    let index = take(header.index)?;
    for record in index.as_chunks::<RECORD_LEN>().0 {
        let (length, raw) = record.split_first_chunk::<4>()?;
        let bytes = take(u32::from_le_bytes(*length).into())?;
        parts.push([&raw[..4], &bytes].concat());
    }
    Some(parts)
}

fn close_package(parts: &[Vec<u8>]) -> Vec<u8> {
    let part = |n: usize| parts.get(n).map(Vec::as_slice).unwrap_or_default();
    let (mut index, mut content) = (Vec::new(), Vec::new());
    for frame in parts.iter().skip(2) {
        let (raw, bytes) = frame.split_first_chunk::<4>().unwrap_or((&[0; 4], frame));
        index.extend(to_bytes(&[Frame::of(bytes, u32::from_le_bytes(*raw))]));
        content.extend_from_slice(bytes);
    }
    let header = Header {
        signatures: u32::try_from(part(0).len()).unwrap_or(u32::MAX),
        manifest: part(1).len() as u64,
        index: index.len() as u64,
        content: content.len() as u64,
        manifest_digest: Digest::of(part(1)),
        index_digest: Digest::of(&index),
    };
    [&header.to_bytes()[..], part(0), part(1), &index, &content].concat()
}

/// Signatures of a package as they stand in it, for seeds.
pub fn signatures_of(package: &[u8]) -> Option<Vec<u8>> {
    let block = open_package(package)?.swap_remove(0);
    block.len().is_multiple_of(ENTRY_LEN).then_some(block)
}

/// Frames of the protocol: a part is a tag and a payload.
pub const FRAMES: Shape = Shape {
    open: |bytes| {
        let mut reader =
            minos_proto::frame::Reader::resyncing(bytes, minos_proto::frame::MAX_PAYLOAD);
        let mut parts = Vec::new();
        while let Ok(frame) = reader.next_frame() {
            parts.push([&[frame.tag as u8], &frame.payload[..]].concat());
        }
        Some(parts).filter(|parts| !parts.is_empty())
    },
    close: |parts| parts.iter().flat_map(|part| seal_frame(part)).collect(),
};

/// A frame by its page (`docs/formats/frames.md`), with a tag and a payload that need not be valid.
fn seal_frame(part: &[u8]) -> Vec<u8> {
    let (tag, payload) = part.split_first().unwrap_or((&0, &[]));
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let step = |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
    let check =
        [&[*tag][..], &length].concat().iter().fold(0, |crc: u8, b| (0..8).fold(crc ^ b, step));
    let head = [&[*tag, check][..], &length].concat();
    let sum = crc32fast::hash(&[&head, payload].concat()).to_le_bytes();
    [&minos_proto::frame::MAGIC[..], &head, &sum, payload].concat()
}

/// The index of packages: a part is a section (`docs/formats/index.md`).
pub const INDEX: Shape = Shape { open: open_index, close: close_index };

fn open_index(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let word =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = word(16)?.min(64);
    let mut at = 20 + 4 * count;
    let mut parts = Vec::new();
    for section in 0..count {
        let end = at.checked_add(word(20 + 4 * section)?)?;
        parts.push(bytes.get(at..end)?.to_vec());
        at = end;
    }
    Some(parts)
}

fn close_index(parts: &[Vec<u8>]) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let padded: Vec<Vec<u8>> = parts
        .iter()
        .map(|part| [&part[..], &[0; 3][..part.len().next_multiple_of(4) - part.len()]].concat())
        .collect();
    let mut body = number(padded.len()).to_vec();
    padded.iter().for_each(|part| body.extend(number(part.len())));
    padded.iter().for_each(|part| body.extend_from_slice(part));
    let sum = crc32fast::hash(&body).to_le_bytes();
    [&minos_solve::index::MAGIC[..], &number(body.len() + 16), &sum, &body].concat()
}

/// The recipe index: head, one part for its body, check sum (`minos_recipe::compiled`).
pub const RECIPE_INDEX: Shape = Shape {
    open: |bytes| Some(vec![bytes.get(20..bytes.len().checked_sub(32)?)?.to_vec()]),
    close: |parts| {
        let body = parts.concat();
        let head = [&b"MINOSRX\0"[..], &7_u32.to_le_bytes(), &(body.len() as u64).to_le_bytes()];
        let mut out = [&head.concat(), &body[..]].concat();
        out.extend_from_slice(Digest::of(&out).as_bytes());
        out
    },
};
