//! Public keys and their ids.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};
use minos_model::Hasher;

use super::KeyError;
use super::boxes;

/// The algorithm's mark in the files.
pub(super) const ED25519: [u8; 2] = *b"Ed";

/// The id of a public key: the first 16 bytes of SHA-256 over `minos key v1\n` and the key's 32 bytes. It follows
/// from the key, so nobody can choose one. Text: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// Bytes of an id.
    pub const LEN: usize = 16;

    /// Wraps the bytes of an id.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn of(key: &[u8; 32]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(b"minos key v1\n");
        hasher.update(key);
        let digest = hasher.finish();
        Self(digest.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(s: &str) -> Result<Self, KeyError> {
        let error = KeyError::Format("a key id has 32 hexadecimal digits");
        let lower = s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if s.len() != 2 * Self::LEN || !lower {
            return Err(error);
        }
        let number = u128::from_str_radix(s, 16).map_err(|_| error)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// An Ed25519 public key with the number and comment of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    number: [u8; 8],
    comment: String,
}

impl PublicKey {
    /// The key of 32 bytes with the number by which signature files name it.
    ///
    /// # Errors
    /// The bytes are no key, or a weak one.
    pub fn new(key: &[u8; 32], number: [u8; 8], comment: &str) -> Result<Self, KeyError> {
        let key =
            VerifyingKey::from_bytes(key).map_err(|_| KeyError::Format("it is no Ed25519 key"))?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { key, number, comment: boxes::clean(comment) })
    }

    /// Reads a public key file of minisign or signify; both have the same format.
    ///
    /// # Errors
    /// It is none, or its key is weak.
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        let lines = boxes::lines(text)?;
        let comment = boxes::comment(lines.first())?;
        let bytes: [u8; 42] = boxes::decode(lines.get(1))?;
        if lines.len() > 2 {
            return Err(KeyError::Format("it has more than two lines"));
        }
        let mut rest = &bytes[..];
        if boxes::take::<2>(&mut rest) != ED25519 {
            return Err(KeyError::Format("its algorithm is not Ed25519"));
        }
        let number = boxes::take(&mut rest);
        Self::new(&boxes::take(&mut rest), number, &comment)
    }

    /// The public key file that minisign and signify read.
    pub fn to_file(&self) -> String {
        let bytes = [&ED25519[..], &self.number, self.key.as_bytes()].concat();
        format!("{}{}\n{}\n", boxes::UNTRUSTED, self.comment, boxes::encode(&bytes))
    }

    /// The id that follows from the key.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.key.as_bytes())
    }

    /// The number by which signature files of minisign and signify name the key: chosen by who made it.
    pub fn number(&self) -> [u8; 8] {
        self.number
    }

    /// The number as minisign prints it: up to 16 upper-case hexadecimal digits, last byte first, without zeros in
    /// front.
    pub fn number_text(&self) -> String {
        number_text(self.number)
    }

    /// The comment: whatever stands in the file. Nothing vouches for it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether `signature` was made by this key over `message`. Strict: no small-order point, no second encoding
    /// of the same signature.
    ///
    /// # Errors
    /// It was not.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).map_err(|_| KeyError::BadSignature)
    }
}

pub(super) fn number_text(number: [u8; 8]) -> String {
    format!("{:X}", u64::from_le_bytes(number))
}
