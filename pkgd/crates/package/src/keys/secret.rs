//! Secret keys: files of minisign, with password or without, and of signify without.

use blake2::Blake2b256;
use blake2::Digest as _;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::Sha512;

use super::KeyError;
use super::boxes::{self, take};
use super::password::{Cost, HIDDEN};
use super::public::{ED25519, PublicKey};

/// Key derivation of a signify file.
const SIGNIFY_KDF: [u8; 2] = *b"BK";
/// Key derivation of a minisign file with password, and without.
const MINISIGN_SCRYPT: [u8; 2] = *b"Sc";
const MINISIGN_PLAIN: [u8; 2] = [0, 0];
/// Checksum of a minisign file.
const MINISIGN_CHECKSUM: [u8; 2] = *b"B2";

/// An Ed25519 secret key. Its memory is cleared when it is dropped; it is never shown by `Debug`.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretKey of {:?}", self.public)
    }
}

impl SecretKey {
    /// The key that follows from a seed of 32 random bytes; its number is the start of its id.
    ///
    /// # Errors
    /// The key would be weak. No random seed gives one.
    pub fn from_seed(seed: &[u8; 32], comment: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let bytes = key.verifying_key().to_bytes();
        let id = PublicKey::new(&bytes, [0; 8], "")?.id();
        let number = id.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Self { public: PublicKey::new(&bytes, number, comment)?, key })
    }

    /// Reads a secret key file of minisign or signify that has no password.
    ///
    /// # Errors
    /// It is none, has a password, or is damaged.
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        Self::from_protected_file(text, None)
    }

    /// Reads a secret key file of minisign, with its password if it has one, or of signify. A password takes
    /// 1 GiB of memory and some seconds, so that guessing does too.
    ///
    /// # Errors
    /// It is none, is damaged, has a password and none was given, or another one.
    pub fn from_protected_file(text: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let lines = boxes::lines(text)?;
        let comment = boxes::comment(lines.first())?;
        match boxes::decode::<158>(lines.get(1)) {
            Ok(bytes) => Self::from_minisign(&bytes, &comment, password),
            Err(_) => Self::from_signify(&boxes::decode(lines.get(1))?, &comment),
        }
    }

    fn from_minisign(
        bytes: &[u8; 158],
        comment: &str,
        password: Option<&str>,
    ) -> Result<Self, KeyError> {
        let mut rest = &bytes[..];
        let (algorithm, kdf, sum) = (take(&mut rest), take(&mut rest), take::<2>(&mut rest));
        if algorithm != ED25519 || sum != MINISIGN_CHECKSUM {
            return Err(KeyError::Format("its algorithm is not Ed25519"));
        }
        let salt = take(&mut rest);
        let [operations, memory] = [take(&mut rest), take(&mut rest)].map(u64::from_le_bytes);
        let mut secret: [u8; HIDDEN] = take(&mut rest);
        match (kdf, password) {
            (MINISIGN_PLAIN, _) => {}
            (MINISIGN_SCRYPT, None) => return Err(KeyError::Encrypted),
            (MINISIGN_SCRYPT, Some(password)) => {
                Cost { salt, operations, memory }.cover(password, &mut secret)?;
            }
            _ => return Err(KeyError::Format("its key derivation is not known")),
        }
        let mut rest = &secret[..];
        let (number, pair, told) =
            (take::<8>(&mut rest), take::<64>(&mut rest), take::<32>(&mut rest));
        // minisign 0.11 leaves the checksum of a key without password empty; others fill it in.
        let fits = told == checksum(&number, &pair);
        if kdf == MINISIGN_SCRYPT && !fits {
            return Err(KeyError::WrongPassword);
        }
        if !fits && told != [0; 32] {
            return Err(KeyError::Corrupt);
        }
        Self::from_pair(&pair, number, comment)
    }

    fn from_signify(bytes: &[u8; 104], comment: &str) -> Result<Self, KeyError> {
        let mut rest = &bytes[..];
        if take::<2>(&mut rest) != ED25519 || take::<2>(&mut rest) != SIGNIFY_KDF {
            return Err(KeyError::Format("its algorithm is not Ed25519"));
        }
        if take::<4>(&mut rest) != [0; 4] {
            return Err(KeyError::EncryptedSignify);
        }
        let _salt: [u8; 16] = take(&mut rest);
        let (sum, number, pair) = (take::<8>(&mut rest), take(&mut rest), take::<64>(&mut rest));
        if !Sha512::digest(pair).starts_with(&sum) {
            return Err(KeyError::Corrupt);
        }
        Self::from_pair(&pair, number, comment)
    }

    fn from_pair(pair: &[u8; 64], number: [u8; 8], comment: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_keypair_bytes(pair).map_err(|_| KeyError::Corrupt)?;
        Ok(Self { public: PublicKey::new(&key.verifying_key().to_bytes(), number, comment)?, key })
    }

    /// A secret key file as `minisign -G -W` writes it.
    pub fn to_minisign(&self) -> String {
        let pair = self.key.to_keypair_bytes();
        let head = [&ED25519[..], &MINISIGN_PLAIN, &MINISIGN_CHECKSUM, &[0; 48]].concat();
        let bytes = [&head[..], &self.public.number(), &pair, &[0; 32]].concat();
        self.file(&bytes)
    }

    /// A secret key file as `minisign -G` writes it, under a password. `salt` is random. As dear as reading it.
    ///
    /// # Errors
    /// None that a salt could bring about; scrypt's are passed on.
    pub fn to_protected_minisign(
        &self,
        password: &str,
        salt: [u8; 32],
    ) -> Result<String, KeyError> {
        let (number, pair) = (self.public.number(), self.key.to_keypair_bytes());
        let plain = [&number[..], &pair, &checksum(&number, &pair)].concat();
        let mut secret = take(&mut &plain[..]);
        let cost = Cost::usual(salt);
        cost.cover(password, &mut secret)?;
        let head = [&ED25519[..], &MINISIGN_SCRYPT, &MINISIGN_CHECKSUM, &salt].concat();
        let limits = [cost.operations.to_le_bytes(), cost.memory.to_le_bytes()].concat();
        Ok(self.file(&[head, limits, secret.to_vec()].concat()))
    }

    /// A secret key file as `signify -G -n` writes it.
    pub fn to_signify(&self) -> String {
        let pair = self.key.to_keypair_bytes();
        let sum = Sha512::digest(pair);
        let head = [&ED25519[..], &SIGNIFY_KDF, &[0; 20], &sum[..8]].concat();
        self.file(&[&head[..], &self.public.number(), &pair].concat())
    }

    fn file(&self, bytes: &[u8]) -> String {
        format!("{}{}\n{}\n", boxes::UNTRUSTED, self.public.comment(), boxes::encode(bytes))
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. The caller puts a domain in front that says what kind of message it is.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// minisign's checksum over the number and the key pair.
fn checksum(number: &[u8; 8], pair: &[u8; 64]) -> [u8; 32] {
    let sum = Blake2b256::new().chain_update(ED25519).chain_update(number).chain_update(pair);
    sum.finalize().into()
}
