//! Package files part by part, right or wrong: what a hostile program would write.

use minos_model::Digest;
use minos_model::package::{PackageFields, PackageFile};
use minos_package::header::Header;
use minos_package::index::{self, Frame};
use minos_package::{SecretKey, sign};

/// The parts of a package file. Header, hashes and signature are made right for whatever they are.
#[derive(Clone)]
pub struct Raw {
    pub manifest: Vec<u8>,
    pub index: Vec<u8>,
    pub content: Vec<u8>,
    pub block: Option<Vec<u8>>,
}

impl Raw {
    /// A package of these fields, which need not be valid, with all contents in one frame.
    pub fn new(fields: &PackageFields, contents: &[u8]) -> Self {
        let manifest = postcard::to_allocvec(fields).expect("encodes");
        let mut raw = Self { manifest, index: Vec::new(), content: Vec::new(), block: None };
        if !contents.is_empty() {
            raw.frames(&[(frame(contents), contents.len())]);
        }
        raw
    }

    /// A package of these files, which have no content.
    pub fn of(files: Vec<PackageFile>) -> Self {
        Self::new(&PackageFields { files, ..super::empty() }, &[])
    }

    /// Sets the content: compressed bytes, and how many raw bytes the index tells.
    pub fn frames(&mut self, frames: &[(Vec<u8>, usize)]) {
        let record =
            |(bytes, raw): &(Vec<u8>, usize)| Frame::of(bytes, u32::try_from(*raw).expect("small"));
        self.index = index::to_bytes(&frames.iter().map(record).collect::<Vec<_>>());
        self.content = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    }

    pub fn header(&self) -> Header {
        Header {
            signatures: self
                .block
                .as_ref()
                .map_or(0, |block| u32::try_from(block.len()).expect("small")),
            manifest: self.manifest.len() as u64,
            index: self.index.len() as u64,
            content: self.content.len() as u64,
            manifest_digest: Digest::of(&self.manifest),
            index_digest: Digest::of(&self.index),
        }
    }

    pub fn signed(mut self, keys: &[SecretKey]) -> Self {
        self.block = Some(sign::to_bytes(&sign::sign(&self.header(), Vec::new(), keys)));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let block = self.block.as_deref().unwrap_or_default();
        [&self.header().to_bytes()[..], block, &self.manifest, &self.index, &self.content].concat()
    }
}

/// One zstd frame.
pub fn frame(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 3).expect("compresses")
}
