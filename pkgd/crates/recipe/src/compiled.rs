//! The recipe index: all recipes in one file, for the initramfs.
//!
//! | offset | bytes | content |
//! | --- | --- | --- |
//! | 0 | 8 | magic `MINOSRX\0` |
//! | 8 | 4 | format, little-endian: 6 |
//! | 12 | 8 | length of the body in bytes, little-endian |
//! | 20 | n | body: postcard of (list of recipes sorted by step, lock) |
//! | 20 + n | 32 | SHA-256 of everything before |
//!
//! Nothing follows. The same recipes give the same bytes.

use core::fmt;

use minos_model::Digest;

use crate::lock::SourcesLock;
use crate::recipe::Recipe;
use crate::set::RecipeSet;

const MAGIC: &[u8; 8] = b"MINOSRX\0";
const FORMAT: u32 = 7;
const HEAD: usize = 20;
const CHECKSUM: usize = 32;

/// What the body holds; written by reference, read by value.
type Body = (Vec<Recipe>, SourcesLock);

/// Why bytes are not a recipe index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompiledError {
    /// They do not start like one.
    NotAnIndex,
    /// It is of another format than this program's.
    Format(u32),
    /// There are fewer or more bytes than the head says.
    Length {
        /// Bytes expected in all.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The checksum does not fit.
    Checksum,
    /// The body does not decode, although its checksum fits.
    Body,
    /// The body is not what [`RecipeSet::compile`] writes for these recipes: out of order, something twice, or a
    /// value in another encoding than its shortest.
    NotCanonical,
}

impl fmt::Display for CompiledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("recipe index: ")?;
        match self {
            Self::NotAnIndex => f.write_str("the file is not one"),
            Self::Format(found) => write!(f, "format {found}, this program reads {FORMAT}"),
            Self::Length { expected, found } => {
                write!(f, "{found} bytes where {expected} are expected: cut short or added to")
            }
            Self::Checksum => f.write_str("wrong checksum: the file was damaged"),
            Self::Body => f.write_str("made by another version of the program"),
            Self::NotCanonical => f.write_str("not in the form in which this program writes it"),
        }?;
        f.write_str("; make it again from the recipes of this program's version")
    }
}

impl std::error::Error for CompiledError {}

impl RecipeSet {
    /// The set as a recipe index. Whether its recipes are free of errors is for the caller to see
    /// to: the set does not hold what the linter found.
    pub fn compile(&self) -> Vec<u8> {
        let recipes: Vec<&Recipe> = self.iter().collect();
        // Writing to memory with derived encoders: postcard has no way to fail here.
        let body = postcard::to_allocvec(&(recipes, &self.lock)).unwrap_or_default();
        let mut out = Vec::with_capacity(HEAD + body.len() + CHECKSUM);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(&body);
        let checksum = Digest::of(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Reads a recipe index.
    ///
    /// # Errors
    /// Anything but the whole, undamaged output of [`Self::compile`] of the same format.
    pub fn from_compiled(bytes: &[u8]) -> Result<Self, CompiledError> {
        let body = check(bytes)?;
        let decoded = postcard::take_from_bytes::<Body>(body);
        match decoded {
            Ok(((recipes, lock), [])) => {
                let set = Self::from_recipes(recipes, lock);
                // Task keys are made of what was read: one set of recipes has one index.
                if set.compile() == bytes { Ok(set) } else { Err(CompiledError::NotCanonical) }
            }
            Ok(_) | Err(_) => Err(CompiledError::Body),
        }
    }
}

/// Checks head and checksum; the body.
fn check(bytes: &[u8]) -> Result<&[u8], CompiledError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(CompiledError::NotAnIndex)?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(CompiledError::NotAnIndex)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(CompiledError::Format(format));
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(CompiledError::NotAnIndex)?;
    let length = u64::from_le_bytes(*length);
    let expected = length.saturating_add((HEAD + CHECKSUM) as u64);
    let found = bytes.len() as u64;
    let (body, checksum) = match rest.split_last_chunk::<CHECKSUM>() {
        Some(split) if expected == found => split,
        _ => return Err(CompiledError::Length { expected, found }),
    };
    let covered = &bytes[..bytes.len() - CHECKSUM];
    if Digest::of(covered).as_bytes() == checksum { Ok(body) } else { Err(CompiledError::Checksum) }
}
