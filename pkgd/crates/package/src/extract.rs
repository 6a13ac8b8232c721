//! The raw stream of a package by offsets, for a process that knows nothing else of it.

use std::io::{Read, Seek, SeekFrom};

use minos_model::Digest;
use serde::{Deserialize, Serialize};

use crate::checked::read_part;
use crate::content::Stream;
use crate::error::{Error, Part};
use crate::header::MAX_INDEX;
use crate::index::{self, Frame};

/// Where the index and the frames of a package lie, in bytes of its file; as its verified header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Where the index starts.
    pub index_offset: u64,
    /// Bytes of the index, at most [`MAX_INDEX`]. The content starts behind it.
    pub index: u64,
    /// SHA-256 of the index.
    pub index_digest: Digest,
    /// Bytes of the content.
    pub content: u64,
    /// Bytes of the raw stream.
    pub raw: u64,
}

/// Reads the raw stream. Frames are hashed before they are decompressed; hashes of contents are the caller's.
pub struct Extract<R> {
    stream: Stream<R>,
    raw: u64,
}

impl<R: Read + Seek> Extract<R> {
    /// Reads and checks the index.
    ///
    /// # Errors
    /// I/O, an index of another hash, or one that is malformed.
    pub fn open(mut file: R, layout: &Layout) -> Result<Self, Error> {
        let at = SeekFrom::Start(layout.index_offset);
        file.seek(at).map_err(Error::io("read the index"))?;
        let frames = frames(&mut file, layout)?;
        let offset = layout.index_offset.saturating_add(layout.index);
        Ok(Self { stream: Stream::new(file, offset, &frames)?, raw: layout.raw })
    }

    /// The raw bytes from `offset` to the end of their frame; empty at the end of the raw stream only.
    ///
    /// # Errors
    /// I/O, or a frame that is damaged or malformed.
    pub fn at(&mut self, offset: u64) -> Result<&[u8], Error> {
        if offset >= self.raw { Ok(&[]) } else { self.stream.at(offset) }
    }
}

/// Reads and checks the index that comes next.
fn frames(file: &mut impl Read, layout: &Layout) -> Result<Vec<Frame>, Error> {
    if layout.index > MAX_INDEX {
        return Err(Error::TooLong(Part::Index, layout.index));
    }
    let bytes = read_part(file, layout.index, "read the index")?;
    if Digest::of(&bytes) != layout.index_digest {
        return Err(Error::Damaged(Part::Index));
    }
    index::parse(&bytes, layout.content, layout.raw)
}

/// Whether what comes next are index and frames as they were signed, to their last byte. Nothing is decompressed. For
/// what was fetched apart from what stands in front of it.
///
/// # Errors
/// I/O, an index of another hash, or a frame that is.
pub fn check_rest(file: &mut impl Read, layout: &Layout) -> Result<(), Error> {
    for (number, frame) in frames(file, layout)?.iter().enumerate() {
        let bytes = read_part(file, frame.compressed.into(), "read a frame")?;
        if Digest::of(&bytes) != frame.digest {
            return Err(Error::Damaged(Part::Frame(number)));
        }
    }
    Ok(())
}
