//! The machine a package is for.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::serde_as_text;

/// A machine as `uname -m` writes it (`x86_64`, `aarch64`), or `noarch`: 1 to 16 of `a-z 0-9 _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch(String);

impl Arch {
    /// For every machine.
    pub const NOARCH: &'static str = "noarch";

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchError(String);

impl fmt::Display for ArchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a machine: write noarch, x86_64, aarch64, ...",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for ArchError {}

impl FromStr for Arch {
    type Err = ArchError;

    fn from_str(s: &str) -> Result<Self, ArchError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if (1..=16).contains(&s.len()) && s.bytes().all(allowed) {
            Ok(Self(s.to_owned()))
        } else {
            Err(ArchError(s.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(Arch);
