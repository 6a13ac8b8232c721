//! The index of frames, and how the unique contents of a package lie in them.

use std::collections::HashSet;

use minos_model::Digest;
use minos_model::package::PackageManifest;

use crate::error::{Error, Part};

/// Bytes of one record: compressed length, raw length, SHA-256 of the compressed bytes.
pub const RECORD_LEN: usize = 40;
/// The longest frame in bytes of raw content.
pub const MAX_FRAME: u32 = 16 << 20;

/// One frame of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Bytes in the file.
    pub compressed: u32,
    /// Bytes after decompression, 1 to [`MAX_FRAME`].
    pub raw: u32,
    /// SHA-256 of the bytes in the file.
    pub digest: Digest,
}

impl Frame {
    /// The record of a compressed frame.
    pub fn of(bytes: &[u8], raw: u32) -> Self {
        let compressed = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { compressed, raw, digest: Digest::of(bytes) }
    }
}

/// Reads an index. Every sequence of whole records within the limits is canonical.
///
/// # Errors
/// Not whole records, a length outside its limits, or sums other than the header and the manifest tell.
pub fn parse(bytes: &[u8], content: u64, raw: u64) -> Result<Vec<Frame>, Error> {
    let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
    let malformed = |why| Error::Malformed(Part::Index, why);
    if !rest.is_empty() {
        return Err(malformed("not a whole number of records"));
    }
    let frames: Option<Vec<Frame>> = records.iter().map(record).collect();
    let frames = frames.ok_or_else(|| malformed("a frame's length is outside its limits"))?;
    if frames.iter().map(|f| u64::from(f.compressed)).sum::<u64>() != content {
        return Err(malformed("the frames do not fill the content"));
    }
    if frames.iter().map(|f| u64::from(f.raw)).sum::<u64>() != raw {
        return Err(malformed("the frames hold more or less than the files"));
    }
    Ok(frames)
}

fn record(bytes: &[u8; RECORD_LEN]) -> Option<Frame> {
    let (compressed, rest) = bytes.split_first_chunk()?;
    let (raw, digest) = rest.split_first_chunk()?;
    let (compressed, raw) = (u32::from_le_bytes(*compressed), u32::from_le_bytes(*raw));
    let frame = Frame { compressed, raw, digest: Digest::from_bytes(*digest.first_chunk()?) };
    // zstd stores what it cannot compress: a frame is never much longer than what is in it.
    let bound = u64::from(raw) + u64::from(raw) / 128 + 512;
    ((1..=MAX_FRAME).contains(&raw) && (1..=bound).contains(&u64::from(compressed)))
        .then_some(frame)
}

/// The index's bytes.
pub fn to_bytes(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.len() * RECORD_LEN);
    for frame in frames {
        out.extend_from_slice(&frame.compressed.to_le_bytes());
        out.extend_from_slice(&frame.raw.to_le_bytes());
        out.extend_from_slice(frame.digest.as_bytes());
    }
    out
}

/// One content of the package: where it lies in the raw stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unique {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it starts in the raw stream.
    pub offset: u64,
    /// The first file of the manifest that has it.
    pub file: usize,
}

/// The contents in the order of the stream: each once, where the manifest first names it.
///
/// # Errors
/// Two files with the same digest have different sizes.
pub fn uniques(manifest: &PackageManifest) -> Result<Vec<Unique>, Error> {
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    let mut offset = 0;
    for (file, (size, digest)) in contents(manifest) {
        if seen.insert((digest, size)) {
            list.push(Unique { digest, size, offset, file });
            offset += size;
        }
    }
    let digests: HashSet<Digest> = list.iter().map(|unique| unique.digest).collect();
    if digests.len() < list.len() {
        return Err(Error::Malformed(Part::Manifest, "one content has two sizes"));
    }
    Ok(list)
}

fn contents(manifest: &PackageManifest) -> impl Iterator<Item = (usize, (u64, Digest))> {
    manifest.files.iter().enumerate().filter_map(|(index, file)| Some((index, file.content()?)))
}

/// Lengths of the frames for contents of these sizes: files stay whole where they fit. A frame ends before a file
/// that would take it beyond `target`; a file longer than `target` begins a frame and is cut every `target` bytes,
/// and what is left of it shares its frame with the files behind it.
pub fn layout(sizes: impl Iterator<Item = u64>, target: u32) -> Vec<u32> {
    let target = u64::from(target.clamp(1, MAX_FRAME));
    let mut frames = Vec::new();
    let mut open = 0;
    let mut close = |bytes: u64| {
        if let Some(bytes) = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0) {
            frames.push(bytes);
        }
    };
    for size in sizes {
        if open + size > target {
            close(open);
            open = 0;
        }
        let mut left = size;
        while open + left > target {
            close(target);
            left -= target;
        }
        open += left;
    }
    close(open);
    frames
}
