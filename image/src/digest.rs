//! SHA-256 of files and of lists of inputs.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A running SHA-256.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds one named input, framed by its lengths, so that no two lists of inputs can collide by
    /// moving bytes from one field to the next.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The SHA-256 of a byte string.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.hex()
}

/// The SHA-256 of a file's content.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hasher.hex()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// True for 64 lower-case hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors() {
        // FIPS 180-2, appendix B.1, and the empty message.
        assert_eq!(
            of_bytes(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            of_bytes(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn a_file_hashes_as_its_bytes() -> Result<()> {
        let dir = tempfile::tempdir().map_err(Error::io("create", "tempdir"))?;
        let path = dir.path().join("f");
        let bytes = vec![7; (1 << 16) + 3];
        std::fs::write(&path, &bytes).map_err(Error::io("write", &path))?;
        assert_eq!(of_file(&path)?, of_bytes(&bytes));
        Ok(())
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let digest = |fields: &[(&str, &[u8])]| {
            let mut hasher = Hasher::default();
            fields.iter().for_each(|(name, value)| hasher.field(name, value));
            hasher.hex()
        };
        assert_ne!(digest(&[("a", b"bc")]), digest(&[("ab", b"c")]));
        assert_ne!(digest(&[("a", b""), ("b", b"")]), digest(&[("a", b"b")]));
    }

    #[test]
    fn hex_is_strict() {
        assert!(is_sha256(&of_bytes(b"x")));
        assert!(!is_sha256(&of_bytes(b"x").to_uppercase()));
        assert!(!is_sha256("abc"));
    }
}
