//! The index of a repository, signed as a whole: which packages it has now, since when that holds and how long.
//!
//! Every package is signed by itself; that says nothing about which of them are offered today. Who stands between
//! could keep the one with the repair back, or give an old folder for the new one, all of it validly signed. The
//! index says so: it has a time, it ends, and it names each package by the digest of its manifest. The bytes are
//! those of `docs/formats/repository.md`.

use core::fmt;

use minos_model::{Digest, Name};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::trust::TrustError;
use crate::keys::{KeyId, SecretKey};
use crate::reader::Policy;
use crate::sign::{self, ENTRY_LEN, Entry};

/// The file in the repository's folder.
pub const FILE: &str = "repository.mri";
/// The mark, made as that of packages.
pub const MAGIC: [u8; 8] = *b"\x89MRI\r\n\x1a\n";
/// The format this crate reads and writes.
pub const FORMAT: u32 = 1;
/// The longest index in bytes, with all that belongs to it: some 500,000 packages.
pub const MAX_LEN: u64 = 64 << 20;
/// The most packages.
pub const MAX_PACKAGES: usize = 1 << 20;
/// The latest time an index may name, in seconds since the Unix epoch: the end of the year 9999.
pub const LATEST: u64 = 253_402_300_799;

/// Bytes in front of the signatures.
const HEAD: usize = 20;
/// The longest signature block: 16 signatures.
const MAX_SIGNATURES: usize = 16 * ENTRY_LEN;
/// Stands in front of what is signed: no signature of anything else is one.
const DOMAIN: &[u8] = b"minos repository v1\n";

/// What a repository offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// The name its publisher gave it: the index of one repository is not that of another.
    pub name: Name,
    /// When it was made, in seconds since the Unix epoch. Each index of a repository has a later one.
    pub created: u64,
    /// Until when it may be used, likewise.
    pub expires: u64,
    /// The packages, sorted by file, none twice.
    pub packages: Vec<Listed>,
}

/// A package of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listed {
    /// The name of its file in the folder.
    pub file: String,
    /// Its identity: the digest of its manifest.
    pub id: Digest,
    /// The length of the file in bytes.
    pub size: u64,
}

/// Why bytes are not the index of a repository, or not one to be used. The caller puts the path in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryError {
    /// They do not start like one.
    NotAnIndex,
    /// It is of a format this program does not know.
    Format(u32),
    /// There are fewer or more bytes than the head tells.
    Length {
        /// Bytes the head tells.
        told: u64,
        /// Bytes there are.
        found: u64,
    },
    /// It is longer than any may be.
    TooLong(u64),
    /// It is not what the format says.
    Malformed(&'static str),
    /// The signatures do not suffice.
    Trust(TrustError),
}

impl fmt::Display for RepositoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnIndex => {
                f.write_str("not the index of a repository: it does not start as one")
            }
            Self::Format(found) => {
                write!(
                    f,
                    "an index of format {found}; this program reads format {FORMAT}: use a newer one"
                )
            }
            Self::Length { told, found } => {
                write!(
                    f,
                    "the head tells {told} bytes, there are {found}: cut off or extended, fetch it again"
                )
            }
            Self::TooLong(found) => {
                write!(f, "{found} bytes are more than an index may have: do not use it")
            }
            Self::Malformed(why) => write!(f, "{why}: do not use it, tell who published it"),
            Self::Trust(TrustError::BadSignature(id)) => {
                write!(
                    f,
                    "the signature of trusted key {id} is wrong: the index was changed, do not use it"
                )
            }
            Self::Trust(TrustError::TooFew { needed, good, unknown, revoked })
                if unknown.is_empty() && revoked.is_empty() =>
            {
                let good = good.len();
                write!(
                    f,
                    "signed by {good} of {needed} trusted keys; ask for an index that its publisher has signed"
                )
            }
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RepositoryError {}

/// The bytes of an index, signed with each key.
///
/// # Errors
/// It is not in order, has more packages or signatures than one may have, or ends before it begins.
pub fn write(repository: &Repository, keys: &[SecretKey]) -> Result<Vec<u8>, RepositoryError> {
    check(repository)?;
    let failed = |_| RepositoryError::Malformed("it has no bytes");
    let body = postcard::to_allocvec(repository).map_err(failed)?;
    let message = message(&body);
    let mut entries: Vec<Entry> = keys
        .iter()
        .map(|key| Entry { key: key.public().id(), signature: key.sign(&message) })
        .collect();
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    let signatures = sign::to_bytes(&entries);
    let total = (HEAD + signatures.len() + body.len()) as u64;
    if signatures.len() > MAX_SIGNATURES || total > MAX_LEN {
        return Err(RepositoryError::TooLong(total));
    }
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
    let head = [&MAGIC[..], &FORMAT.to_le_bytes(), &length(&signatures), &length(&body)].concat();
    Ok([head, signatures, body].concat())
}

/// Reads an index whose signatures suffice; and the keys that signed it. Nothing is parsed before it is verified.
///
/// # Errors
/// [`RepositoryError`]. Whether it has expired is for the caller to see to: this crate has no clock.
pub fn read(
    bytes: &[u8],
    policy: &Policy<'_>,
) -> Result<(Repository, Vec<KeyId>), RepositoryError> {
    let (signatures, body) = parts(bytes)?;
    let malformed = |error| match error {
        Error::Malformed(_, why) => RepositoryError::Malformed(why),
        _ => RepositoryError::Malformed("no signatures"),
    };
    let entries = sign::parse(signatures).map_err(malformed)?;
    let signers = match policy {
        Policy::Unverified => Vec::new(),
        Policy::Signed { trust, threshold } => {
            let list = entries.iter().map(|entry| (entry.key, &entry.signature));
            trust.check(&message(body), list, *threshold).map_err(RepositoryError::Trust)?
        }
    };
    let repository: Repository = postcard::from_bytes(body)
        .map_err(|_| RepositoryError::Malformed("its list of packages cannot be read"))?;
    check(&repository)?;
    // One list has one encoding: the shortest, with nothing behind it.
    match postcard::to_allocvec(&repository) {
        Ok(again) if again == body => Ok((repository, signers)),
        _ => Err(RepositoryError::Malformed("its list of packages is not in canonical form")),
    }
}

/// Signatures and body.
fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), RepositoryError> {
    let found = bytes.len() as u64;
    let rest = bytes.strip_prefix(&MAGIC).ok_or(RepositoryError::NotAnIndex)?;
    let (head, rest) = rest.split_first_chunk::<12>().ok_or(RepositoryError::NotAnIndex)?;
    let number = |at: usize| {
        let field = head.get(at..at + 4).and_then(|field| field.first_chunk());
        field.map_or(u32::MAX, |field| u32::from_le_bytes(*field))
    };
    match number(0) {
        FORMAT => {}
        other => return Err(RepositoryError::Format(other)),
    }
    if found > MAX_LEN {
        return Err(RepositoryError::TooLong(found));
    }
    let (signatures, body) = (number(4), number(8));
    let told = HEAD as u64 + u64::from(signatures) + u64::from(body);
    if told != found {
        return Err(RepositoryError::Length { told, found });
    }
    if signatures as usize > MAX_SIGNATURES {
        return Err(RepositoryError::Malformed("more than 16 signatures"));
    }
    rest.split_at_checked(signatures as usize).ok_or(RepositoryError::Length { told, found })
}

/// What is signed.
fn message(body: &[u8]) -> Vec<u8> {
    [DOMAIN, &FORMAT.to_le_bytes(), Digest::of(body).as_bytes()].concat()
}

fn check(repository: &Repository) -> Result<(), RepositoryError> {
    let Repository { created, expires, packages, .. } = repository;
    let in_order = |pair: &[Listed]| matches!(pair, [a, b] if a.file < b.file);
    let wrong = if created >= expires || *expires > LATEST {
        "it ends before it begins, or in no year of four digits"
    } else if packages.len() > MAX_PACKAGES {
        "it has more packages than one may have"
    } else if !packages.iter().all(|package| is_file_name(&package.file)) {
        "a package's file has a name that no package has"
    } else if !packages.windows(2).all(in_order) {
        "its packages are not sorted by file, or one stands twice"
    } else {
        return Ok(());
    };
    Err(RepositoryError::Malformed(wrong))
}

/// Whether a package's file may have this name: one part, of characters that no program reads as anything else.
pub fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:~^".contains(c);
    name.len() <= 255
        && name.ends_with(".mpk")
        && !name.starts_with(['.', '-'])
        && name.chars().all(plain)
}
