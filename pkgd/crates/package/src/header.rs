//! The fixed header: where the parts are and what their hashes are.

use minos_model::Digest;

use crate::error::{Error, Part};

/// The mark: not text, not valid UTF-8, and it does not survive a transfer that changes line ends (as PNG's).
pub const MAGIC: [u8; 8] = *b"\x89MPK\r\n\x1a\n";
/// The format this crate reads and writes.
pub const FORMAT: u32 = 1;
/// Length of the header in bytes.
pub const HEADER_LEN: usize = 104;
/// The longest signature block: 16 signatures.
pub const MAX_SIGNATURES: u32 = 16 * crate::sign::ENTRY_LEN as u32;
/// The longest manifest in bytes.
pub const MAX_MANIFEST: u64 = 128 << 20;
/// The longest index in bytes.
pub const MAX_INDEX: u64 = 64 << 20;
/// The longest content in bytes, compressed.
pub const MAX_CONTENT: u64 = 1 << 40;

/// The header, checked against the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the signature block. The only field that is not signed: signatures may be added.
    pub signatures: u32,
    /// Bytes of the manifest.
    pub manifest: u64,
    /// Bytes of the index.
    pub index: u64,
    /// Bytes of all frames.
    pub content: u64,
    /// SHA-256 of the manifest: the identity of the package.
    pub manifest_digest: Digest,
    /// SHA-256 of the index.
    pub index_digest: Digest,
}

impl Header {
    /// Reads the first [`HEADER_LEN`] bytes.
    ///
    /// # Errors
    /// Another mark or format, or a part longer than a package may have.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, Error> {
        let mut fields = Fields(bytes);
        if fields.take::<8>() != MAGIC {
            return Err(Error::NotAPackage);
        }
        match fields.u32() {
            FORMAT => {}
            other => return Err(Error::Format(other)),
        }
        let header = Self {
            signatures: fields.u32(),
            manifest: fields.u64(),
            index: fields.u64(),
            content: fields.u64(),
            manifest_digest: Digest::from_bytes(fields.take()),
            index_digest: Digest::from_bytes(fields.take()),
        };
        header.check()?;
        Ok(header)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let limit = |part, length, max| {
            if length > max { Err(Error::TooLong(part, length)) } else { Ok(()) }
        };
        limit(Part::Signatures, u64::from(self.signatures), u64::from(MAX_SIGNATURES))?;
        limit(Part::Manifest, self.manifest, MAX_MANIFEST)?;
        limit(Part::Index, self.index, MAX_INDEX)?;
        limit(Part::Content, self.content, MAX_CONTENT)
    }

    /// The bytes of the header.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let fields: [&[u8]; 8] = [
            &MAGIC,
            &FORMAT.to_le_bytes(),
            &self.signatures.to_le_bytes(),
            &self.manifest.to_le_bytes(),
            &self.index.to_le_bytes(),
            &self.content.to_le_bytes(),
            self.manifest_digest.as_bytes(),
            self.index_digest.as_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        out
    }

    /// Where the manifest starts.
    pub fn manifest_offset(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.signatures)
    }

    /// Where the content starts.
    pub fn content_offset(&self) -> u64 {
        self.manifest_offset() + self.manifest + self.index
    }

    /// The length of the whole file in bytes. Cannot overflow: all parts are limited.
    pub fn total(&self) -> u64 {
        self.content_offset() + self.content
    }
}

/// Takes fields from the front. What is behind the end reads as zero; the array's length makes that impossible.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
