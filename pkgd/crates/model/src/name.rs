//! Package names and step identifiers.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// A package name: 1 to 64 of `a-z 0-9 + - . _`, starting with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    text: String,
    why: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a valid name: {}", self.text.escape_debug(), self.why)
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => return Err("it is empty"),
        Some(b) if !(b.is_ascii_lowercase() || b.is_ascii_digit()) => {
            return Err("it must start with a lower-case letter or a digit");
        }
        Some(_) => {}
    }
    if bytes.len() > MAX_NAME {
        return Err("it is longer than 64 bytes");
    }
    let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-._".contains(b);
    if bytes.iter().all(allowed) { Ok(()) } else { Err("only a-z 0-9 + - . _ are allowed") }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        match check(s) {
            Ok(()) => Ok(Self(s.to_owned())),
            Err(why) => Err(NameError { text: s.chars().take(80).collect(), why }),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One node of the build graph: a package, or one pass of it. Written `gcc` or `gcc:pass1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    name: Name,
    pass: Option<Name>,
}

impl StepId {
    /// The step of `name` in `pass`; `None` is the package's only or final pass.
    pub fn new(name: Name, pass: Option<Name>) -> Self {
        Self { name, pass }
    }

    /// The package.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The pass, where the package is built more than once.
    pub fn pass(&self) -> Option<&Name> {
        self.pass.as_ref()
    }

    /// The identifier as a file name: `gcc-pass1`. Not unique on its own (`a-b` and `a:b` collide);
    /// pair it with a digest or a number.
    pub fn file_stem(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl FromStr for StepId {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        Ok(match s.split_once(':') {
            None => Self { name: s.parse()?, pass: None },
            Some((name, pass)) => Self { name: name.parse()?, pass: Some(pass.parse()?) },
        })
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pass {
            None => f.pad(&self.name.0),
            Some(pass) => f.pad(&format!("{}:{}", self.name.0, pass.0)),
        }
    }
}

/// Serde by the text form, so that nothing unchecked comes in through a file or a socket.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
serde_as_text!(Name);
serde_as_text!(StepId);
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::{Name, StepId};

    #[test]
    fn good_names_round_trip() {
        for good in ["m4", "libstdc++", "gcc", "xml-parser", "7zip", "a.b_c"] {
            assert_eq!(good.parse::<Name>().map(|n| n.to_string()).as_deref(), Ok(good));
        }
        let step: StepId = "gcc:pass1".parse().unwrap();
        assert_eq!(step.to_string(), "gcc:pass1");
        assert_eq!(step.file_stem(), "gcc-pass1");
        assert_eq!(step.pass().map(Name::as_str), Some("pass1"));
    }

    #[test]
    fn bad_names_say_why() {
        let long = "a".repeat(65);
        for bad in ["", "-x", "Gcc", "a b", "a/b", "../a", ".", "é", &long] {
            let error = bad.parse::<Name>().unwrap_err().to_string();
            assert!(error.contains("not a valid name"), "{error}");
        }
        for bad in ["gcc:", ":pass1", "a:b:c"] {
            assert!(bad.parse::<StepId>().is_err(), "{bad}");
        }
    }
}
