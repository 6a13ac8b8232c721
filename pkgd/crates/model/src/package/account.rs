//! Users and groups as packages name them.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::serde_as_text;

/// The name of a user or group: 1 to 31 of `a-z 0-9 _ -`, starting with a letter or `_` (as useradd(8) has it).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not the name of a user or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountError(String);

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.escape_debug();
        write!(
            f,
            "'{text}' is not a user or group: write 1 to 31 of a-z 0-9 _ -, starting with a letter or _"
        )
    }
}

impl std::error::Error for AccountError {}

impl FromStr for AccountName {
    type Err = AccountError;

    fn from_str(s: &str) -> Result<Self, AccountError> {
        let starts = s.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        if starts && s.len() <= 31 && s.bytes().all(allowed) {
            Ok(Self(s.to_owned()))
        } else {
            Err(AccountError(s.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(AccountName);

/// Owner or group of a file: a number, or a name that the package itself declares among its actions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    /// The number, 0 to 65535.
    Id(u16),
    /// The name; its number is chosen when the package is installed.
    Name(AccountName),
}

impl Account {
    /// Number 0.
    pub const ROOT: Self = Self::Id(0);
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}
