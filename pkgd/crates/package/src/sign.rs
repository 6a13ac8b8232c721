//! Signatures of a package: what is signed, and the block that carries them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::error::{Error, Part};
use crate::header::{HEADER_LEN, Header};
use crate::keys::{KeyId, SecretKey};

/// Stands in front of every message that a package's signature is about: no signature of anything else is one.
pub const DOMAIN: &[u8] = b"minos package v1\n";
/// Bytes of one entry: key id, signature.
pub const ENTRY_LEN: usize = KeyId::LEN + 64;

/// One signature and the key that is said to have made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key's id.
    pub key: KeyId,
    /// The Ed25519 signature.
    pub signature: [u8; 64],
}

/// The message: domain, then the header without the length of the signature block.
pub fn message(header: &Header) -> Vec<u8> {
    let unsigned = Header { signatures: 0, ..*header };
    [DOMAIN, &unsigned.to_bytes()].concat()
}

/// Reads a signature block: entries sorted by key id, none twice.
///
/// # Errors
/// It is not whole entries, or not in order.
pub fn parse(block: &[u8]) -> Result<Vec<Entry>, Error> {
    let (entries, rest) = block.as_chunks::<ENTRY_LEN>();
    let entry = |bytes: &[u8; ENTRY_LEN]| {
        let (key, signature) = bytes.split_first_chunk()?;
        Some(Entry { key: KeyId::from_bytes(*key), signature: *signature.first_chunk()? })
    };
    let list: Option<Vec<Entry>> = entries.iter().map(entry).collect();
    let list = list.filter(|_| rest.is_empty());
    let list =
        list.ok_or(Error::Malformed(Part::Signatures, "not a whole number of signatures"))?;
    if list.windows(2).all(|pair| matches!(pair, [a, b] if a.key < b.key)) {
        return Ok(list);
    }
    Err(Error::Malformed(Part::Signatures, "not sorted by key, or a key stands twice"))
}

/// The block of these signatures.
pub fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|e| e.key.as_bytes().iter().chain(&e.signature).copied()).collect()
}

/// Signs the header with each key; a key that has signed already signs anew. Sorted as the block wants it.
pub fn sign(header: &Header, mut entries: Vec<Entry>, keys: &[SecretKey]) -> Vec<Entry> {
    let message = message(header);
    for key in keys {
        let id = key.public().id();
        entries.retain(|entry| entry.key != id);
        entries.push(Entry { key: id, signature: key.sign(&message) });
    }
    entries.sort_by_key(|entry| entry.key);
    entries
}

/// Copies a package and adds signatures; nothing else changes. The package is read as it is: whoever signs has
/// verified it before.
///
/// # Errors
/// The header or signature block is not that of a package, there would be more than 16 signatures, or I/O fails.
pub fn add_signatures(
    package: &mut (impl Read + Seek),
    out: &mut impl Write,
    keys: &[SecretKey],
) -> Result<(), Error> {
    let reading = || Error::io("read the package");
    let writing = || Error::io("write the package");
    package.seek(SeekFrom::Start(0)).map_err(reading())?;
    let mut bytes = [0; HEADER_LEN];
    package.read_exact(&mut bytes).map_err(reading())?;
    let mut header = Header::parse(&bytes)?;
    let mut block = vec![0; header.signatures as usize];
    package.read_exact(&mut block).map_err(reading())?;
    let block = to_bytes(&sign(&header, parse(&block)?, keys));
    let rest = header.total() - header.manifest_offset();
    header.signatures = u32::try_from(block.len()).unwrap_or(u32::MAX);
    header.check()?;
    out.write_all(&header.to_bytes()).map_err(writing())?;
    out.write_all(&block).map_err(writing())?;
    let copied = io::copy(&mut package.take(rest), out).map_err(Error::io("copy the package"))?;
    if copied != rest {
        return Err(Error::Length { told: rest, found: copied });
    }
    Ok(())
}
