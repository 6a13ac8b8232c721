//! Ed25519 keys, the files they are kept in, signatures beside a file, and whom one trusts
//! (`docs/formats/keys.md`).
//!
//! Files of `minisign` and of `signify` are read and written. Randomness is passed in.

mod boxes;
pub mod detached;
mod password;
pub mod public;
pub mod secret;
pub mod trust;

use core::fmt;

pub use detached::Detached;
pub use public::{KeyId, PublicKey};
pub use secret::SecretKey;
pub use trust::TrustStore;

/// Why a key or signature file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// It is not what was expected at all.
    Format(&'static str),
    /// The key is one of the few for which anybody can make signatures.
    Weak,
    /// The secret key is protected by a password, and none was given.
    Encrypted,
    /// The secret key of signify is protected by a password: bcrypt's key derivation is not known here.
    EncryptedSignify,
    /// The password is not the one of the key, or the key is damaged.
    WrongPassword,
    /// The secret key's checksum or its public half does not fit.
    Corrupt,
    /// The signature was not made by this key for this text.
    BadSignature,
    /// The signature tells the number of another key.
    OtherKey {
        /// The number of the key at hand.
        expected: String,
        /// The number in the signature.
        found: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(what) => write!(f, "not a key or signature file: {what}"),
            Self::Weak => f.write_str("a weak key, for which anybody can make signatures: do not trust its owner"),
            Self::Encrypted => f.write_str("the secret key has a password: give it, or make a key without one (minisign -G -W, signify -G -n)"),
            Self::EncryptedSignify => f.write_str(
                "a signify key with a password cannot be read: make one without (signify -G -n), or one of minisign",
            ),
            Self::WrongPassword => f.write_str("that is not the password of the key"),
            Self::Corrupt => f.write_str("the secret key is damaged: take it from a backup"),
            Self::BadSignature => f.write_str("the signature is not by this key for this text: it was changed"),
            Self::OtherKey { expected, found } => {
                write!(f, "the signature is by key {found}, not by {expected}")
            }
        }
    }
}

impl std::error::Error for KeyError {}
