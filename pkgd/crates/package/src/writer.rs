//! Makes a package: the same manifest and contents give the same bytes.

use std::io::{self, Read, Seek, SeekFrom, Write};

use minos_model::package::{PackageFile, PackageManifest};
use minos_model::{Digest, Hasher};
use zstd::zstd_safe::CParameter;

use crate::error::{Error, Part};
use crate::header::Header;
use crate::index::{self, Frame, RECORD_LEN};
use crate::keys::SecretKey;
use crate::sign;

/// How a package is written. The identity of the package does not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of zstd, 1 to 19.
    pub level: i32,
    /// Raw bytes of a frame, 1 to 16 MiB.
    pub frame: u32,
}

impl Default for Options {
    /// Level 9 and frames of 256 KiB: measured in `docs/decisions/0014-package-file.md`.
    fn default() -> Self {
        Self { level: 9, frame: 256 << 10 }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The identity of the package: the digest of its manifest.
    pub id: Digest,
    /// Bytes of the file.
    pub length: u64,
    /// Bytes of the contents, each counted once.
    pub raw: u64,
    /// Frames.
    pub frames: usize,
}

/// Gives the content of a file of the manifest.
pub type Source<'a> = dyn FnMut(&PackageFile) -> io::Result<Box<dyn Read>> + 'a;

/// Writes a package to `out`, signed by `keys`. `source` is asked once for each distinct content, in the order of
/// the manifest.
///
/// # Errors
/// A content is not what the manifest says (the tree was changed meanwhile), a part grows beyond its limit, I/O.
pub fn write(
    manifest: &PackageManifest,
    source: &mut Source<'_>,
    keys: &[SecretKey],
    options: &Options,
    out: &mut (impl Write + Seek),
) -> Result<Written, Error> {
    let uniques = index::uniques(manifest)?;
    let lengths = index::layout(uniques.iter().map(|unique| unique.size), options.frame);
    let manifest_bytes = postcard::to_allocvec(manifest)
        .map_err(|_| Error::Malformed(Part::Manifest, "it cannot be encoded"))?;
    let signatures = keys.len() * sign::ENTRY_LEN;
    let mut header = Header {
        signatures: u32::try_from(signatures).unwrap_or(u32::MAX),
        manifest: manifest_bytes.len() as u64,
        index: (lengths.len() * RECORD_LEN) as u64,
        content: 0,
        manifest_digest: Digest::of(&manifest_bytes),
        index_digest: Digest::of(&[]),
    };
    header.check()?;
    // Contents first: their hashes stand in front of them. The length of all that is in front is known already.
    out.seek(SeekFrom::Start(header.content_offset())).map_err(writing())?;
    let mut frames = FrameWriter::new(out, options.level, lengths)?;
    for unique in &uniques {
        let file = manifest.files.get(unique.file).ok_or(Error::NoSuchContent(unique.digest))?;
        frames
            .content(unique, &mut *source(file).map_err(Error::io("open a file of the tree"))?)?;
    }
    let frames = frames.records;
    let index = index::to_bytes(&frames);
    header.content = frames.iter().map(|frame| u64::from(frame.compressed)).sum();
    header.index_digest = Digest::of(&index);
    header.check()?;
    let block = sign::to_bytes(&sign::sign(&header, Vec::new(), keys));
    if block.len() != signatures {
        return Err(Error::Malformed(
            Part::Signatures,
            "a key stands twice among those to sign with",
        ));
    }
    out.seek(SeekFrom::Start(0)).map_err(writing())?;
    for part in [&header.to_bytes()[..], &block, &manifest_bytes, &index] {
        out.write_all(part).map_err(writing())?;
    }
    out.seek(SeekFrom::End(0)).map_err(writing())?;
    let raw = uniques.iter().map(|unique| unique.size).sum();
    Ok(Written { id: header.manifest_digest, length: header.total(), raw, frames: frames.len() })
}

fn writing() -> impl FnOnce(io::Error) -> Error {
    Error::io("write the package")
}

/// Cuts the stream of contents into frames of the lengths laid out before.
struct FrameWriter<'a, W> {
    out: &'a mut W,
    compressor: zstd::bulk::Compressor<'static>,
    lengths: std::vec::IntoIter<u32>,
    /// Length of the frame being filled, and what is in it.
    length: u32,
    raw: Vec<u8>,
    records: Vec<Frame>,
}

impl<'a, W: Write> FrameWriter<'a, W> {
    fn new(out: &'a mut W, level: i32, lengths: Vec<u32>) -> Result<Self, Error> {
        let starting = || Error::io("start zstd");
        let mut compressor = zstd::bulk::Compressor::new(level.clamp(1, 19)).map_err(starting())?;
        // The frame says its length and nothing it need not say; hashes are in the index.
        compressor.set_parameter(CParameter::ContentSizeFlag(true)).map_err(starting())?;
        compressor.set_parameter(CParameter::ChecksumFlag(false)).map_err(starting())?;
        let mut lengths = lengths.into_iter();
        let length = lengths.next().unwrap_or(0);
        Ok(Self { out, compressor, lengths, length, raw: Vec::new(), records: Vec::new() })
    }

    fn content(&mut self, unique: &index::Unique, from: &mut dyn Read) -> Result<(), Error> {
        let mut hasher = Hasher::new();
        let mut left = unique.size;
        while left > 0 {
            let room = u64::from(self.length).saturating_sub(self.raw.len() as u64).min(left);
            let start = self.raw.len();
            let got = from
                .take(room)
                .read_to_end(&mut self.raw)
                .map_err(Error::io("read a file of the tree"))?;
            if got as u64 != room || room == 0 {
                return Err(Error::Content(unique.digest));
            }
            hasher.update(self.raw.get(start..).unwrap_or_default());
            left -= room;
            if self.raw.len() as u64 == u64::from(self.length) {
                self.close()?;
            }
        }
        let behind = from.read(&mut [0]).map_err(Error::io("read a file of the tree"))?;
        if behind > 0 || hasher.finish() != unique.digest {
            return Err(Error::Content(unique.digest));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let packed = self.compressor.compress(&self.raw).map_err(Error::io("compress a frame"))?;
        self.out.write_all(&packed).map_err(writing())?;
        self.records.push(Frame::of(&packed, self.length));
        self.raw.clear();
        self.length = self.lengths.next().unwrap_or(0);
        Ok(())
    }
}
