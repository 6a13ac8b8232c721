//! Package names and step identifiers.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::triplet::Triplet;

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

impl NameError {
    /// At most 80 characters of `text` are quoted.
    pub(crate) fn new(text: &str, why: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), why }
    }
}

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
            Err(why) => Err(NameError::new(s, why)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One node of the build graph: a package, or one pass of it, for this machine or for another. Written `gcc`,
/// `gcc:pass1` or `gcc:pass1@aarch64-lfs-linux-gnu`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    name: Name,
    pass: Option<Name>,
    target: Option<Triplet>,
}

impl StepId {
    /// The step of `name` in `pass`; `None` is the package's only or final pass.
    pub fn new(name: Name, pass: Option<Name>) -> Self {
        Self { name, pass, target: None }
    }

    /// The same step for that machine; `None` is the native one.
    #[must_use]
    pub fn on(&self, target: Option<Triplet>) -> Self {
        Self { target, ..self.clone() }
    }

    /// The package.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The pass, where the package is built more than once.
    pub fn pass(&self) -> Option<&Name> {
        self.pass.as_ref()
    }

    /// The machine that it is for; `None` is the native one.
    pub fn target(&self) -> Option<Triplet> {
        self.target
    }

    /// The identifier as a file name: `gcc-pass1`. Not unique on its own (`a-b` and `a:b` collide);
    /// pair it with a digest or a number.
    pub fn file_stem(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

/// One text for one step: `gcc@x86_64-lfs-linux-gnu` is refused, since that is `gcc`.
impl FromStr for StepId {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let (step, target) = match s.split_once('@') {
            None => (s, None),
            Some((step, target)) => (step, Some(target.parse()?)),
        };
        let (name, pass) = match step.split_once(':') {
            None => (step.parse()?, None),
            Some((name, pass)) => (name.parse()?, Some(pass.parse()?)),
        };
        Ok(Self { name, pass, target })
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pass.is_none() && self.target.is_none() {
            return f.pad(&self.name.0);
        }
        let mut text = self.name.0.clone();
        let parts =
            [(":", self.pass.as_ref().map(Name::as_str)), ("@", self.target.map(Triplet::as_str))];
        for (sign, part) in parts {
            if let Some(part) = part {
                text.push_str(sign);
                text.push_str(part);
            }
        }
        f.pad(&text)
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
    use crate::Triplet;

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
    fn a_step_for_another_machine_is_another_step() {
        let native: StepId = "gcc:pass1".parse().unwrap();
        for triplet in Triplet::ALL {
            let step = native.on(Some(triplet));
            assert_eq!(step.to_string(), format!("gcc:pass1@{triplet}"));
            assert_eq!(step.to_string().parse(), Ok(step.clone()));
            assert_eq!(step.file_stem(), format!("gcc-pass1@{triplet}"));
            assert_eq!((step.target(), step.on(None)), (Some(triplet), native.clone()));
            assert_ne!(step, native);
        }
        let named = format!("gcc:pass1@{}", Triplet::NATIVE).parse::<StepId>();
        assert!(named.is_err(), "a second text for a step: {named:?}");
        assert_eq!(
            format!("{:>40}|", "m4@riscv64-lfs-linux-gnu".parse::<StepId>().unwrap()).len(),
            41
        );
    }

    #[test]
    fn bad_names_say_why() {
        let long = "a".repeat(65);
        for bad in ["", "-x", "Gcc", "a b", "a/b", "../a", ".", "é", &long] {
            let error = bad.parse::<Name>().unwrap_err().to_string();
            assert!(error.contains("not a valid name"), "{error}");
        }
        for bad in ["gcc:", ":pass1", "a:b:c", "gcc@", "@", "gcc@arm", "gcc@pass1:x", "gcc@@x"] {
            assert!(bad.parse::<StepId>().is_err(), "{bad}");
        }
    }
}
