//! Opens a package: verify, then parse, then give out contents.

use std::collections::HashMap;
use std::io::{self, Read, Seek, Write};

use minos_model::package::{PackageFields, PackageManifest};
use minos_model::{Digest, Hasher};

use crate::checked::{Checked, read_part};
use crate::content::{Content, Stats, Stream};
use crate::error::{Error, Part};
use crate::header::Header;
use crate::index::{self, Frame, Unique};
use crate::keys::{KeyId, TrustStore};
use crate::sign;

/// Whose packages are opened.
#[derive(Debug, Clone, Copy)]
pub enum Policy<'a> {
    /// Anybody's, also unsigned ones. Hashes are checked all the same: for looking at a package, and for packages
    /// that came by a way that was verified (an index with the package's digest).
    Unverified,
    /// Only what this many distinct trusted keys have signed.
    Signed {
        /// The keys.
        trust: &'a TrustStore,
        /// How many must have signed, at least 1.
        threshold: usize,
    },
}

/// An open package.
pub struct Reader<R> {
    header: Header,
    signatures: Vec<sign::Entry>,
    signers: Vec<KeyId>,
    manifest_bytes: Vec<u8>,
    manifest: PackageManifest,
    frames: Vec<Frame>,
    uniques: Vec<Unique>,
    by_digest: HashMap<Digest, usize>,
    stream: Stream<R>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a package. Header, signatures, manifest and index are checked; the content is when it is read.
    ///
    /// # Errors
    /// I/O; not a package; damaged, cut off or extended; not signed as `policy` wants; not in canonical form.
    pub fn open(mut file: R, policy: &Policy<'_>) -> Result<Self, Error> {
        let checked = Checked::open(&mut file, policy)?;
        let uniques = checked.uniques()?;
        let Checked { header, signatures, signers, manifest_bytes, manifest } = checked;
        let index_bytes = read_part(&mut file, header.index, "read the index")?;
        if Digest::of(&index_bytes) != header.index_digest {
            return Err(Error::Damaged(Part::Index));
        }
        let raw = uniques.iter().map(|unique| unique.size).sum();
        let frames = index::parse(&index_bytes, header.content, raw)?;
        let stream = Stream::new(file, header.content_offset(), &frames)?;
        let by_digest = uniques.iter().enumerate().map(|(i, unique)| (unique.digest, i)).collect();
        Ok(Self {
            header,
            signatures,
            signers,
            manifest_bytes,
            manifest,
            frames,
            uniques,
            by_digest,
            stream,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The identity of the package: the digest of its manifest. Signatures and compression do not change it.
    pub fn id(&self) -> Digest {
        self.header.manifest_digest
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &PackageManifest {
        &self.manifest
    }

    /// The manifest as it stands in the file.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// The keys that are said to have signed. Only [`Reader::signers`] are known to.
    pub fn claimed_signers(&self) -> impl Iterator<Item = KeyId> {
        self.signatures.iter().map(|entry| entry.key)
    }

    /// The trusted keys whose signatures were checked; none under [`Policy::Unverified`].
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// The frames of the content.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The contents with their sizes, in the order of the content.
    pub fn contents(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.uniques.iter().map(|unique| (unique.digest, unique.size))
    }

    /// Writes one content to `out`. Only the frames it lies in are read.
    ///
    /// # Errors
    /// No file has it, a frame is damaged, the content is not what the manifest says, or I/O. Then `out` may have
    /// got a part of it.
    pub fn read_content(&mut self, digest: &Digest, out: &mut dyn Write) -> Result<(), Error> {
        let unique = self.by_digest.get(digest).and_then(|index| self.uniques.get(*index)).copied();
        let unique = unique.ok_or(Error::NoSuchContent(*digest))?;
        let mut copy = |_: Digest, from: &mut dyn Read| io::copy(from, out).map(drop);
        give(&mut self.stream, &unique, true, &mut copy)
    }

    /// Hands every content that `skip` does not refuse to `each`, in the order of the content. Frames of which
    /// nothing is wanted are neither read nor decompressed. The reader fails at its end where the hash is wrong.
    ///
    /// # Errors
    /// As [`Reader::read_content`], and any error of `each`.
    pub fn for_each_unique(
        &mut self,
        skip: &mut dyn FnMut(&Digest) -> bool,
        each: &mut dyn FnMut(Digest, &mut dyn Read) -> io::Result<()>,
    ) -> Result<Stats, Error> {
        self.run(true, skip, each)
    }

    /// The same without the check of each content's hash, for a caller that hashes what it writes and compares (an
    /// object store does so anyway; hashing twice is what extraction costs most). Frames are verified all the same.
    ///
    /// # Errors
    /// As [`Reader::for_each_unique`], but for a wrong hash.
    pub fn for_each_unique_unhashed(
        &mut self,
        skip: &mut dyn FnMut(&Digest) -> bool,
        each: &mut dyn FnMut(Digest, &mut dyn Read) -> io::Result<()>,
    ) -> Result<Stats, Error> {
        self.run(false, skip, each)
    }

    /// Checks every frame and every content.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn verify(&mut self) -> Result<Stats, Error> {
        let mut sink = |_: Digest, from: &mut dyn Read| io::copy(from, &mut io::sink()).map(drop);
        self.run(true, &mut |_| false, &mut sink)
    }

    fn run(
        &mut self,
        hash: bool,
        skip: &mut dyn FnMut(&Digest) -> bool,
        each: &mut dyn FnMut(Digest, &mut dyn Read) -> io::Result<()>,
    ) -> Result<Stats, Error> {
        self.stream.stats = Stats::default();
        for unique in &self.uniques {
            if skip(&unique.digest) {
                self.stream.stats.skipped += 1;
            } else {
                give(&mut self.stream, unique, hash, each)?;
                self.stream.stats.contents += 1;
            }
        }
        Ok(self.stream.stats)
    }
}

/// Hands one content to `each`, reads what it left, and checks the hash. The length is right: frames and files add up.
fn give<R: Read + Seek>(
    stream: &mut Stream<R>,
    unique: &Unique,
    hash: bool,
    each: &mut dyn FnMut(Digest, &mut dyn Read) -> io::Result<()>,
) -> Result<(), Error> {
    let mut reader = Hashing {
        content: stream.content(unique),
        hasher: hash.then(Hasher::new),
        expected: unique.digest,
        wrong: false,
    };
    let mut outcome = each(unique.digest, &mut reader);
    if outcome.is_ok() {
        outcome = io::copy(&mut reader, &mut io::sink()).map(drop);
    }
    if let Some(error) = reader.content.failed.take() {
        return Err(error);
    }
    if reader.wrong {
        return Err(Error::Content(unique.digest));
    }
    outcome.map_err(Error::io("write a content of the package"))
}

/// Hashes what passes and fails at the end if it is not the expected content.
struct Hashing<'a, R> {
    content: Content<'a, R>,
    hasher: Option<Hasher>,
    expected: Digest,
    wrong: bool,
}

impl<R: Read + Seek> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.content.read(buffer)?;
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
            return Ok(count);
        }
        if self.hasher.take().is_some_and(|hasher| hasher.finish() != self.expected) {
            self.wrong = true;
        }
        if self.wrong {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the content has another hash"));
        }
        Ok(0)
    }
}

/// Decodes a manifest whose digest is known, and refuses any other encoding of the same values.
///
/// # Errors
/// Other bytes than `digest` names, not a manifest, or not in canonical form.
pub fn decode_manifest(bytes: &[u8], digest: Digest) -> Result<PackageManifest, Error> {
    if Digest::of(bytes) != digest {
        return Err(Error::Damaged(Part::Manifest));
    }
    let malformed = |why| Error::Malformed(Part::Manifest, why);
    // Fields first and rules then: postcard would swallow which rule is broken.
    let fields: PackageFields = postcard::from_bytes(bytes)
        .map_err(|_| malformed("it is not the manifest of a package"))?;
    let manifest = PackageManifest::new(fields)?;
    match postcard::to_allocvec(&manifest) {
        Ok(again) if again == bytes => Ok(manifest),
        _ => Err(malformed("it is not in canonical form")),
    }
}
