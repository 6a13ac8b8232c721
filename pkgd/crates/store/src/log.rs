//! Logs of attempts: one compressed file each, never overwritten, readable while it is written.
//!
//! A log is a sequence of blocks. Each block is a zstd *skippable* frame of 16 bytes that tells the
//! lengths, followed by one zstd frame:
//! ```text
//! 0  4  50 2A 4D 18   magic of a skippable frame (RFC 8878, 3.1.2)
//! 4  4  8             length of what follows in the skippable frame, little-endian
//! 8  4  length of the zstd frame in bytes, little-endian
//! 12 4  length of its content in bytes, little-endian
//! 16 n  the zstd frame: level 3, with content check sum
//! ```
//! So `zstd -dc` prints the whole log, a reader finds any offset by hopping from block to block, and
//! a block that was cut off by a kill or a power cut is left out without harm to those before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::error::StoreError;

const MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const HEADER: usize = 16;
const LEVEL: i32 = 3;
/// A block is written at the latest when it holds this many bytes of log. Larger ones compress
/// little better and are what a kill can lose.
const BLOCK: usize = 64 * 1024;
/// A block is written at the latest this long after its first byte came, in milliseconds, provided
/// that [`LogWriter::append`] or [`LogWriter::flush_due`] is called.
const FLUSH_MS: u64 = 500;

/// Writes the log of one attempt.
pub struct LogWriter {
    file: File,
    path: PathBuf,
    compressor: Compressor<'static>,
    pending: Vec<u8>,
    pending_since_ms: u64,
    written: u64,
    limit: u64,
    truncated: bool,
}

impl core::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LogWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl LogWriter {
    /// Makes the log at `path` ([`crate::Layout::log`]), with its folder. At most `limit` bytes of
    /// log are kept; then one line says so and the rest is dropped.
    ///
    /// # Errors
    /// [`StoreError::Io`], also when the file exists: a log is never overwritten.
    pub fn create(path: impl Into<PathBuf>, limit: u64) -> Result<Self, StoreError> {
        let path = path.into();
        let make = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            OpenOptions::new().write(true).create_new(true).open(&path)
        };
        let file = make().map_err(|e| StoreError::io("create the log", &path, e))?;
        let compressor = || {
            let mut compressor = Compressor::new(LEVEL)?;
            compressor.set_parameter(CParameter::ChecksumFlag(true))?;
            Ok(compressor)
        };
        let compressor = compressor().map_err(|e| StoreError::io("compress", &path, e))?;
        Ok(Self {
            file,
            path,
            compressor,
            pending: Vec::new(),
            pending_since_ms: 0,
            written: 0,
            limit,
            truncated: false,
        })
    }

    /// Adds bytes; `now_ms` may be any clock that does not go back.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a block cannot be written.
    pub fn append(&mut self, mut bytes: &[u8], now_ms: u64) -> Result<(), StoreError> {
        if self.truncated {
            return Ok(());
        }
        let room = usize::try_from(self.limit.saturating_sub(self.bytes())).unwrap_or(usize::MAX);
        let over = bytes.len() > room;
        bytes = &bytes[..bytes.len().min(room)];
        if self.pending.is_empty() {
            self.pending_since_ms = now_ms;
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == BLOCK {
                self.flush()?;
                self.pending_since_ms = now_ms;
            }
        }
        if over {
            self.truncated = true;
            let mark = format!("\n[minos: the log reached its limit of {} bytes]\n", self.limit);
            self.pending.extend_from_slice(mark.as_bytes());
            return self.flush();
        }
        self.flush_due(now_ms)
    }

    /// Writes what waits when it has waited long enough. Call it a few times a second.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn flush_due(&mut self, now_ms: u64) -> Result<(), StoreError> {
        if now_ms.saturating_sub(self.pending_since_ms) < FLUSH_MS {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what waits: it then survives the death of this process (not a power cut).
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let write = |log: &mut Self| {
            let frame = log.compressor.compress(&log.pending)?;
            let lengths = [8, frame.len(), log.pending.len()];
            let mut block = MAGIC.to_vec();
            for length in lengths {
                let length = u32::try_from(length).map_err(io::Error::other)?;
                block.extend_from_slice(&length.to_le_bytes());
            }
            block.extend_from_slice(&frame);
            log.file.write_all(&block)
        };
        write(self).map_err(|e| StoreError::io("write the log", &self.path, e))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Bytes of log so far, uncompressed.
    pub fn bytes(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Whether the limit was reached and bytes were dropped.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Writes and syncs all, and returns the length of the uncompressed log in bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn finish(mut self) -> Result<u64, StoreError> {
        self.flush()?;
        self.file.sync_data().map_err(|e| StoreError::io("sync the log", &self.path, e))?;
        Ok(self.written)
    }
}

/// Lengths of one block and where its frame begins in the file.
#[derive(Debug, Clone, Copy)]
struct Block {
    frame_at: u64,
    frame_len: u32,
    content_len: u32,
}

/// Reads a log, also one that is still written or was cut off.
#[derive(Debug)]
pub struct LogReader {
    file: File,
    path: PathBuf,
    /// The block found last and the log offset of its first byte: reading on starts there.
    at: (u64, u64),
}

impl LogReader {
    /// Opens the log at `path`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path, at: (0, 0) }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::NotFound { what: format!("log '{}'", path.display()) })
            }
            Err(e) => Err(StoreError::io("open the log", path, e)),
        }
    }

    /// At most `max` bytes of the uncompressed log from `offset`; empty at the end of what is written
    /// so far. A damaged block ends the log for the reader.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_at(&mut self, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::new();
        let read = self.fill(offset, max, &mut out);
        read.map_err(|e| StoreError::io("read the log", &self.path, e))?;
        Ok(out)
    }

    /// Length in bytes of the uncompressed log as far as it is written and whole.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn len(&mut self) -> Result<u64, StoreError> {
        let mut walk = || {
            let (mut file_at, mut log_at) = (0, 0);
            while let Some(block) = self.block(file_at)? {
                if self.content(block)?.is_none() {
                    break;
                }
                file_at = block.frame_at + u64::from(block.frame_len);
                log_at += u64::from(block.content_len);
            }
            Ok(log_at)
        };
        walk().map_err(|e| StoreError::io("read the log", &self.path, e))
    }

    /// Whether nothing of the log can be read.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn is_empty(&mut self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    fn fill(&mut self, offset: u64, max: usize, out: &mut Vec<u8>) -> io::Result<()> {
        if offset < self.at.1 {
            self.at = (0, 0);
        }
        while out.len() < max {
            let (file_at, log_at) = self.at;
            let Some(block) = self.block(file_at)? else { break };
            let end = log_at + u64::from(block.content_len);
            let wanted = offset + out.len() as u64;
            if wanted < end {
                let Some(content) = self.content(block)? else { break };
                let from = usize::try_from(wanted - log_at).map_err(io::Error::other)?;
                let piece = &content[from..];
                out.extend_from_slice(&piece[..piece.len().min(max - out.len())]);
            }
            if offset + (out.len() as u64) < end {
                break;
            }
            self.at = (block.frame_at + u64::from(block.frame_len), end);
        }
        Ok(())
    }

    /// The block whose header stands at `at`; `None` when there is none, or none that is whole.
    fn block(&mut self, at: u64) -> io::Result<Option<Block>> {
        let mut header = [0; HEADER];
        self.file.seek(SeekFrom::Start(at))?;
        match self.file.read_exact(&mut header) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let number = |from: usize| {
            u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]])
        };
        let block =
            Block { frame_at: at + HEADER as u64, frame_len: number(8), content_len: number(12) };
        // A block holds at most BLOCK bytes and the mark of a truncated log; what claims more, or
        // nothing, is damaged, and nothing is allocated for it.
        let sane = header[..4] == MAGIC
            && number(4) == 8
            && (1..=2 * BLOCK as u32).contains(&block.content_len)
            && (1..=2 * BLOCK as u32).contains(&block.frame_len);
        let there = block.frame_at + u64::from(block.frame_len) <= self.file.metadata()?.len();
        Ok((sane && there).then_some(block))
    }

    fn content(&mut self, block: Block) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; block.frame_len as usize];
        self.file.seek(SeekFrom::Start(block.frame_at))?;
        self.file.read_exact(&mut frame)?;
        let content = Decompressor::new()?.decompress(&frame, block.content_len as usize).ok();
        Ok(content.filter(|bytes| bytes.len() == block.content_len as usize))
    }
}
