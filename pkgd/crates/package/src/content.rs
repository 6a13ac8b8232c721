//! The content: frames are read, verified and decompressed as far as they are needed.

use std::io::{self, Read, Seek, SeekFrom};

use minos_model::Digest;
use zstd::zstd_safe;

use crate::error::{Error, Part};
use crate::index::{Frame, Unique};

/// What an extraction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Contents handed out.
    pub contents: u64,
    /// Contents that the caller had already.
    pub skipped: u64,
    /// Frames read and decompressed.
    pub frames: u64,
    /// Bytes read from the file.
    pub compressed: u64,
    /// Bytes after decompression.
    pub raw: u64,
}

/// The raw stream with one frame of it in memory.
pub(crate) struct Stream<R> {
    file: R,
    frames: Vec<Placed>,
    decoder: zstd::bulk::Decompressor<'static>,
    /// Compressed bytes of the frame read last.
    packed: Vec<u8>,
    /// The frame in memory, and its raw bytes.
    loaded: Option<usize>,
    raw: Vec<u8>,
    pub(crate) stats: Stats,
}

/// A frame with where it starts: in the file, and in the raw stream.
struct Placed {
    frame: Frame,
    at: u64,
    offset: u64,
}

impl<R: Read + Seek> Stream<R> {
    pub(crate) fn new(file: R, content_offset: u64, frames: &[Frame]) -> Result<Self, Error> {
        let (mut at, mut offset) = (content_offset, 0);
        let place = |frame: &Frame| {
            let placed = Placed { frame: *frame, at, offset };
            at += u64::from(frame.compressed);
            offset += u64::from(frame.raw);
            placed
        };
        Ok(Self {
            file,
            frames: frames.iter().map(place).collect(),
            decoder: zstd::bulk::Decompressor::new().map_err(Error::io("start zstd"))?,
            packed: Vec::new(),
            loaded: None,
            raw: Vec::new(),
            stats: Stats::default(),
        })
    }

    /// The raw bytes from `offset` to the end of their frame. Not empty where the stream has bytes at `offset`.
    pub(crate) fn at(&mut self, offset: u64) -> Result<&[u8], Error> {
        let number =
            self.frames.partition_point(|placed| placed.offset <= offset).saturating_sub(1);
        self.load(number)?;
        let start = self.frames.get(number).map_or(0, |placed| offset - placed.offset);
        Ok(usize::try_from(start).ok().and_then(|start| self.raw.get(start..)).unwrap_or_default())
    }

    fn load(&mut self, number: usize) -> Result<(), Error> {
        let Some(placed) = self.frames.get(number) else { return Ok(()) };
        if self.loaded == Some(number) {
            return Ok(());
        }
        self.loaded = None;
        let frame = placed.frame;
        self.file.seek(SeekFrom::Start(placed.at)).map_err(Error::io("read a frame"))?;
        self.packed.resize(frame.compressed as usize, 0);
        self.file.read_exact(&mut self.packed).map_err(Error::io("read a frame"))?;
        if Digest::of(&self.packed) != frame.digest {
            return Err(Error::Damaged(Part::Frame(number)));
        }
        decompress(&mut self.decoder, &self.packed, frame.raw, &mut self.raw)
            .map_err(|why| Error::Malformed(Part::Frame(number), why))?;
        self.stats.frames += 1;
        self.stats.compressed += u64::from(frame.compressed);
        self.stats.raw += u64::from(frame.raw);
        self.loaded = Some(number);
        Ok(())
    }

    /// A reader of one content. The bytes are as signed, but their hash is the caller's to check.
    pub(crate) fn content(&mut self, unique: &Unique) -> Content<'_, R> {
        Content { stream: self, offset: unique.offset, left: unique.size, failed: None }
    }
}

/// Decompresses exactly one frame of exactly `raw` bytes: no second frame, no skippable frame, nothing behind it.
fn decompress(
    decoder: &mut zstd::bulk::Decompressor<'_>,
    packed: &[u8],
    raw: u32,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    if zstd_safe::find_frame_compressed_size(packed) != Ok(packed.len()) {
        return Err("it is not exactly one zstd frame");
    }
    // A skippable frame tells 0, and no frame of the index is as short.
    if !matches!(zstd_safe::get_frame_content_size(packed), Ok(Some(size)) if size == u64::from(raw))
    {
        return Err("its header does not tell the length that the index tells");
    }
    out.clear();
    out.reserve_exact(raw as usize);
    match decoder.decompress_to_buffer(packed, out) {
        Ok(length) if length == raw as usize => Ok(()),
        _ => Err("it cannot be decompressed to the length that the index tells"),
    }
}

/// One content as a reader; at its end it gives `Ok(0)`.
pub(crate) struct Content<'a, R> {
    stream: &'a mut Stream<R>,
    offset: u64,
    left: u64,
    /// The error behind an `io::Error` that was given out.
    pub(crate) failed: Option<Error>,
}

impl<R: Read + Seek> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let bytes = match self.stream.at(self.offset) {
            Ok(bytes) => bytes,
            Err(error) => {
                let told = io::Error::new(io::ErrorKind::InvalidData, error.to_string());
                self.failed = Some(error);
                return Err(told);
            }
        };
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = bytes.len().min(buffer.len()).min(left);
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
