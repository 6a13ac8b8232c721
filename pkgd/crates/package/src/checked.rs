//! A package whose manifest can be believed, before anything else of it is looked at.
//!
//! All of this is safe Rust over bytes that a trusted key has signed: a daemon can do it itself and leave the index,
//! the decompression and the contents ([`crate::extract`]) to a process without rights.

use std::io::{self, Read, Seek, SeekFrom};

use minos_model::Digest;
use minos_model::package::PackageManifest;

use crate::error::Error;
use crate::extract::Layout;
use crate::header::{HEADER_LEN, Header};
use crate::index::{self, Unique};
use crate::keys::KeyId;
use crate::reader::{Policy, decode_manifest};
use crate::sign;

/// Header, signatures and manifest of a package: steps 1 to 3 of `docs/formats/mpk.md`, "The order of a reader".
#[derive(Debug)]
pub struct Checked {
    pub(crate) header: Header,
    pub(crate) signatures: Vec<sign::Entry>,
    pub(crate) signers: Vec<KeyId>,
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) manifest: PackageManifest,
}

impl Checked {
    /// Reads and checks a package up to its manifest. `file` then stands where the index begins.
    ///
    /// # Errors
    /// I/O; not a package; cut off or extended; not signed as `policy` wants; a manifest that is damaged or not in
    /// canonical form.
    pub fn open(file: &mut (impl Read + Seek), policy: &Policy<'_>) -> Result<Self, Error> {
        let found = file.seek(SeekFrom::End(0)).map_err(Error::io("read the package"))?;
        file.seek(SeekFrom::Start(0)).map_err(Error::io("read the package"))?;
        let header = read_header(file, found)?;
        if header.total() != found {
            return Err(Error::Length { told: header.total(), found });
        }
        let block = read_part(file, u64::from(header.signatures), "read the signatures")?;
        let signatures = sign::parse(&block)?;
        let signers = check_signatures(&header, &signatures, policy)?;
        let manifest_bytes = read_part(file, header.manifest, "read the manifest")?;
        let manifest = decode_manifest(&manifest_bytes, header.manifest_digest)?;
        Ok(Self { header, signatures, signers, manifest_bytes, manifest })
    }

    /// The identity of the package: the digest of its manifest.
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

    /// The trusted keys whose signatures were checked; none under [`Policy::Unverified`].
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// The contents in the order of the raw stream.
    ///
    /// # Errors
    /// The manifest gives one content two sizes.
    pub fn uniques(&self) -> Result<Vec<Unique>, Error> {
        index::uniques(&self.manifest)
    }

    /// Where index and frames lie, and what the index must hash to: all that is needed to read the raw stream.
    /// `raw` is the length of that stream: the sizes of [`Checked::uniques`].
    pub fn layout(&self, raw: u64) -> Layout {
        Layout {
            index_offset: self.header.content_offset() - self.header.index,
            index: self.header.index,
            index_digest: self.header.index_digest,
            content: self.header.content,
            raw,
        }
    }
}

fn read_header(file: &mut impl Read, found: u64) -> Result<Header, Error> {
    let mut bytes = [0; HEADER_LEN];
    match file.read_exact(&mut bytes) {
        Ok(()) => Header::parse(&bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && found < HEADER_LEN as u64 => {
            Err(Error::NotAPackage)
        }
        Err(error) => Err(Error::io("read the header")(error)),
    }
}

/// Reads `length` bytes; memory grows with what is there, not with what is told.
pub(crate) fn read_part(
    file: &mut impl Read,
    length: u64,
    doing: &'static str,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let found = file.take(length).read_to_end(&mut bytes).map_err(Error::io(doing))? as u64;
    if found < length {
        return Err(Error::Length { told: length, found });
    }
    Ok(bytes)
}

fn check_signatures(
    header: &Header,
    signatures: &[sign::Entry],
    policy: &Policy<'_>,
) -> Result<Vec<KeyId>, Error> {
    match policy {
        Policy::Unverified => Ok(Vec::new()),
        Policy::Signed { trust, threshold } => {
            let entries = signatures.iter().map(|entry| (entry.key, &entry.signature));
            Ok(trust.check(&sign::message(header), entries, *threshold)?)
        }
    }
}
