//! What a package provides beside its name.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::serde_as_text;
use crate::version::Version;

/// The longest name of a capability, in bytes.
pub const MAX_CAPABILITY: usize = 255;

/// The kind of a capability: the word before the colon. Ordered as the words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapabilityKind {
    /// `cap:NAME`: something several packages may provide side by side.
    Cap,
    /// `cmd:awk`: a command in the search path.
    Cmd,
    /// `file:/usr/share/zoneinfo`: an absolute path.
    File,
    /// `pkgconfig:zlib`: a `.pc` file.
    Pkgconfig,
    /// `role:NAME`: a part only one installed package can play (`role:init`). The only exclusive kind.
    Role,
    /// `soname:libz.so.1(x86_64)`, `soname:libc.so.6(x86_64)(GLIBC_2.34)`: a shared library for a machine, and a
    /// symbol version of it.
    Soname,
}

impl CapabilityKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Cap, Self::Cmd, Self::File, Self::Pkgconfig, Self::Role, Self::Soname];

    /// The word before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Role => "role",
            Self::Soname => "soname",
            Self::Pkgconfig => "pkgconfig",
            Self::Cmd => "cmd",
            Self::File => "file",
        }
    }

    /// Whether two installed packages can never provide the same name of this kind.
    pub fn is_exclusive(self) -> bool {
        self == Self::Role
    }
}

/// A capability without version: `kind:name`. What a requirement asks for.
///
/// The name is 1 to 255 printable ASCII characters without space and ``< > = ! ^ ~ * ,``; of a `file` it starts
/// with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityName {
    kind: CapabilityKind,
    name: String,
}

impl CapabilityName {
    /// The capability `kind:name`.
    ///
    /// # Errors
    /// The name has a character that none may have, is empty or too long.
    pub fn new(kind: CapabilityKind, name: &str) -> Result<Self, CapabilityError> {
        let allowed = |b: u8| b.is_ascii_graphic() && !b"<>=!^~*,".contains(&b);
        let fits = (1..=MAX_CAPABILITY).contains(&name.len()) && name.bytes().all(allowed);
        if fits && (kind != CapabilityKind::File || name.starts_with('/')) {
            Ok(Self { kind, name: name.to_owned() })
        } else {
            Err(CapabilityError::new(&format!("{}:{name}", kind.as_str())))
        }
    }

    /// Its kind.
    pub fn kind(&self) -> CapabilityKind {
        self.kind
    }

    /// What stands behind the colon.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for CapabilityName {
    type Err = CapabilityError;

    fn from_str(s: &str) -> Result<Self, CapabilityError> {
        let (word, name) = s.split_once(':').ok_or_else(|| CapabilityError::new(s))?;
        let kind = CapabilityKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        Self::new(kind.ok_or_else(|| CapabilityError::new(s))?, name)
    }
}

impl fmt::Display for CapabilityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.kind.as_str(), self.name))
    }
}

/// A capability as a package provides it: `kind:name` or `kind:name=VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// Kind and name.
    pub id: CapabilityName,
    /// In which version. Without one it meets only requirements that ask for none.
    pub version: Option<Version>,
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(s: &str) -> Result<Self, CapabilityError> {
        let (id, version) = s.split_once('=').map_or((s, None), |(id, v)| (id, Some(v)));
        let version = version.map(str::parse).transpose().map_err(|_| CapabilityError::new(s))?;
        Ok(Self { id: id.parse()?, version })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            None => self.id.fmt(f),
            Some(version) => f.pad(&format!("{}={version}", self.id)),
        }
    }
}

/// The text is not a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityError(String);

impl CapabilityError {
    fn new(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a capability: write KIND:NAME or KIND:NAME=VERSION, KIND one of cap, role, soname, \
             pkgconfig, cmd, file",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for CapabilityError {}

serde_as_text!(CapabilityName);
serde_as_text!(Capability);
