//! What is wrong with bytes that are no index.

use core::fmt;

/// Why bytes are not an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexError {
    /// The first bytes are not those of an index.
    Magic,
    /// The length in the header is not that of the bytes.
    Length {
        /// What the header says.
        said: usize,
        /// How many bytes there are.
        found: usize,
    },
    /// The checksum does not fit.
    Checksum,
    /// A section or a reference in it is wrong.
    Section {
        /// Which.
        section: &'static str,
        /// What about it.
        why: &'static str,
    },
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("this is not a package index (version 1)"),
            Self::Length { said, found } => {
                write!(f, "the index is cut off or too long: {found} bytes, its header says {said}")
            }
            Self::Checksum => f.write_str("the index is damaged: its checksum is wrong"),
            Self::Section { section, why } => write!(f, "the index is damaged: {section}: {why}"),
        }?;
        f.write_str("; make it again with `pkgctl repo sync`")
    }
}

impl std::error::Error for IndexError {}
