//! Signatures that stand in a file beside what they sign: `.minisig` of minisign, `.sig` of signify.

use blake2::{Blake2b512, Digest as _};

use super::KeyError;
use super::boxes::{self, take};
use super::public::{ED25519, PublicKey, number_text};
use super::secret::SecretKey;

/// minisign's mark for a signature over the BLAKE2b-512 of the file.
const PREHASHED: [u8; 2] = *b"ED";
/// What starts the third line of minisign's files.
const TRUSTED: &str = "trusted comment: ";

/// A signature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    prehashed: bool,
    number: [u8; 8],
    signature: [u8; 64],
    comment: String,
    /// minisign: a comment that is signed together with the signature.
    trusted: Option<(String, [u8; 64])>,
}

impl Detached {
    /// Reads a signature file. One with two lines is signify's, one with four minisign's.
    ///
    /// # Errors
    /// It is neither.
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        let lines = boxes::lines(text)?;
        let comment = boxes::comment(lines.first())?;
        let bytes: [u8; 74] = boxes::decode(lines.get(1))?;
        let mut rest = &bytes[..];
        let prehashed = match take(&mut rest) {
            ED25519 => false,
            PREHASHED => true,
            _ => return Err(KeyError::Format("its algorithm is not Ed25519")),
        };
        let (number, signature) = (take(&mut rest), take(&mut rest));
        let trusted = match (lines.get(2), lines.len()) {
            (None, 2) if !prehashed => None,
            (Some(line), 4) => {
                let text = line.strip_prefix(TRUSTED);
                let text =
                    text.ok_or(KeyError::Format("its third line is not a trusted comment"))?;
                Some((text.to_owned(), boxes::decode(lines.get(3))?))
            }
            _ => return Err(KeyError::Format("it has another number of lines than it should")),
        };
        Ok(Self { prehashed, number, signature, comment, trusted })
    }

    /// Signs as `minisign -S` does: over the BLAKE2b-512 of `data`, with a trusted comment.
    pub fn minisign(key: &SecretKey, data: &[u8], trusted: &str) -> Self {
        let signature = key.sign(&Blake2b512::digest(data));
        let trusted = boxes::clean(trusted);
        let global = key.sign(&[&signature[..], trusted.as_bytes()].concat());
        let number = key.public().number();
        let comment = format!("signature by key {}", key.public().number_text());
        Self { prehashed: true, number, signature, comment, trusted: Some((trusted, global)) }
    }

    /// Signs as `signify -S` does: over `data` itself.
    pub fn signify(key: &SecretKey, data: &[u8]) -> Self {
        let number = key.public().number();
        let comment = format!("signature by key {}", key.public().number_text());
        Self { prehashed: false, number, signature: key.sign(data), comment, trusted: None }
    }

    /// The file that minisign or signify reads.
    pub fn to_file(&self) -> String {
        let mark = if self.prehashed { PREHASHED } else { ED25519 };
        let bytes = [&mark[..], &self.number, &self.signature].concat();
        let head = format!("{}{}\n{}\n", boxes::UNTRUSTED, self.comment, boxes::encode(&bytes));
        match &self.trusted {
            None => head,
            Some((text, global)) => format!("{head}{TRUSTED}{text}\n{}\n", boxes::encode(global)),
        }
    }

    /// The number of the key that is said to have signed.
    pub fn number(&self) -> [u8; 8] {
        self.number
    }

    /// The comment that is signed too. Nothing vouches for it before [`Detached::verify`].
    pub fn trusted_comment(&self) -> Option<&str> {
        self.trusted.as_ref().map(|(text, _)| text.as_str())
    }

    /// Whether `key` signed `data`, and the trusted comment if there is one.
    ///
    /// # Errors
    /// Another key, other data, or another comment.
    pub fn verify(&self, key: &PublicKey, data: &[u8]) -> Result<(), KeyError> {
        if self.number != key.number() {
            let [expected, found] = [key.number(), self.number].map(number_text);
            return Err(KeyError::OtherKey { expected, found });
        }
        if self.prehashed {
            key.verify(&Blake2b512::digest(data), &self.signature)?;
        } else {
            key.verify(data, &self.signature)?;
        }
        match &self.trusted {
            None => Ok(()),
            Some((text, global)) => {
                key.verify(&[&self.signature[..], text.as_bytes()].concat(), global)
            }
        }
    }
}
