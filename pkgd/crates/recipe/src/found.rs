//! What stands in a recipes' folder without being a file that is read.

use core::fmt;
use std::collections::BTreeMap;

/// The largest file that is read, in bytes; recipes, scripts and patches are kilobytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Something that a recipe could name, and cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// A symbolic link: it would lead out of the folder.
    Link,
    /// A folder.
    Folder,
    /// A pipe, a socket or a device.
    Special,
    /// A file of so many bytes, more than [`MAX_FILE`].
    Large(u64),
    /// A file of a folder that holds more than a recipe's may, or deeper ones.
    Beyond,
}

/// By path below the recipes' folder.
pub(crate) type Odds = BTreeMap<String, Odd>;

impl fmt::Display for Odd {
    /// What follows the file's name in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("is a symbolic link, and links are not followed"),
            Self::Folder => f.write_str("is a folder"),
            Self::Special => f.write_str("is no regular file"),
            Self::Large(bytes) => write!(f, "has {bytes} bytes, more than {MAX_FILE}"),
            Self::Beyond => f.write_str("is in a folder that holds too much to be read"),
        }
    }
}
