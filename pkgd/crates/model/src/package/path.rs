//! Paths inside a package.

use crate::escape::{escape, unescape};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest path in bytes (`PATH_MAX` of Linux without the final NUL).
pub const MAX_PATH: usize = 4095;
/// The longest component in bytes (`NAME_MAX` of Linux).
pub const MAX_COMPONENT: usize = 255;

/// A path below the root: bytes, relative, `/` between components, none of them empty, `.` or `..`, and no
/// control characters. There is no rule about case or Unicode: paths are equal if their bytes are.
///
/// Text form: bytes outside `!`..`~`, and `%`, are written `%XX`, as in the manifest of an output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath(Vec<u8>);

/// Folders that something is mounted on wherever a system runs: what a package has in one is never seen.
const MOUNTED: [&[u8]; 5] = [b"dev", b"proc", b"run", b"state", b"sys"];
/// Folders in which the machine's administrator has the last word over what packages say.
const ADMINISTRATORS: [&[u8]; 2] = [b"etc/minos/checks", b"etc/minos/services"];

/// The bytes are not a path of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    path: String,
    why: &'static str,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a path of a package: {}", self.path, self.why)
    }
}

impl std::error::Error for PathError {}

impl PackagePath {
    /// Takes bytes as a path.
    ///
    /// # Errors
    /// They break a rule of the type.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PathError> {
        match check(&bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(why) => Err(PathError { path: escape(bytes.get(..80).unwrap_or(&bytes)), why }),
        }
    }

    /// The bytes, without a leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Why no package should bring anything to this path, if so. The folders themselves are anybody's. Packages that have
    /// such a path are read all the same: they may be installed since before there was this rule.
    pub fn misplaced(&self) -> Option<&'static str> {
        let below = |folder: &&[u8]| {
            self.0.strip_prefix(*folder).is_some_and(|rest| rest.starts_with(b"/"))
        };
        if MOUNTED.iter().any(below) {
            return Some("it would be hidden behind what is mounted there when the system runs");
        }
        ADMINISTRATORS.iter().any(below).then_some(
            "it is for the administrator alone; packages have /usr/lib/minos/services and checks",
        )
    }

    /// The path of the directory it stands in; `None` at the top.
    pub fn parent(&self) -> Option<&[u8]> {
        let slash = self.0.iter().rposition(|b| *b == b'/')?;
        self.0.get(..slash)
    }

    /// The last component.
    pub fn file_name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        self.0.get(start..).unwrap_or_default()
    }
}

fn check(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.is_empty() || bytes.len() > MAX_PATH {
        return Err("it must have 1 to 4095 bytes");
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err("control characters are not allowed");
    }
    for component in bytes.split(|b| *b == b'/') {
        match component {
            b"" => return Err("it must be relative, without '//' and without a '/' at its end"),
            b"." | b".." => return Err("'.' and '..' are not allowed"),
            long if long.len() > MAX_COMPONENT => {
                return Err("a component has more than 255 bytes");
            }
            _ => {}
        }
    }
    Ok(())
}

impl FromStr for PackagePath {
    type Err = PathError;

    fn from_str(s: &str) -> Result<Self, PathError> {
        let short = || PathError {
            path: escape(s.as_bytes()),
            why: "a % is followed by two hexadecimal digits",
        };
        let path = Self::new(unescape(s).ok_or_else(short)?)?;
        if path.to_string() == s { Ok(path) } else { Err(short()) }
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl Serialize for PackagePath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for PackagePath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return String::deserialize(d)?.parse().map_err(de::Error::custom);
        }
        Self::new(d.deserialize_byte_buf(Bytes)?).map_err(de::Error::custom)
    }
}

/// Bytes that are no path, for serde: in one piece for machines, escaped as a path is for people.
pub(super) mod raw {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::escape::{escape, unescape};

    pub(in crate::package) fn serialize<S: Serializer>(
        bytes: &[u8],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(&escape(bytes))
        } else {
            s.serialize_bytes(bytes)
        }
    }

    pub(in crate::package) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<u8>, D::Error> {
        if !d.is_human_readable() {
            return d.deserialize_byte_buf(super::Bytes);
        }
        let text = String::deserialize(d)?;
        unescape(&text)
            .ok_or_else(|| de::Error::custom("a % is followed by two hexadecimal digits"))
    }
}

/// Takes bytes in one piece: a sequence of `u8` would be decoded one by one.
struct Bytes;

impl de::Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}
