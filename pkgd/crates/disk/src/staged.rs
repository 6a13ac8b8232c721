//! Writes to a disk that are kept in memory first, so that they can be made in an order of ours.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;

/// Bytes to be written, and where.
pub type Piece = (u64, Vec<u8>);
/// Pieces in groups, each of which is to be durable before the next is begun.
pub type Stages = [Vec<Piece>; 3];

/// A disk, and what was written to it since, which is in memory alone.
#[derive(Debug)]
pub struct Staged<D> {
    disk: D,
    at: u64,
    pieces: Vec<Piece>,
}

impl<D> Staged<D> {
    /// Nothing was written yet.
    pub const fn new(disk: D) -> Self {
        Self { disk, at: 0, pieces: Vec::new() }
    }

    /// What was written, in the order in which a table may be changed: first the copy at the end of the disk, then the
    /// entries at its beginning, last their header, which has the checksum of the entries. With each stage on the disk
    /// before the next, one of the two copies is whole at any time, whatever of a stage came to the disk.
    pub fn stages(self, middle: u64, sector: u64) -> Stages {
        let mut stages: Stages = Default::default();
        for piece in self.pieces {
            let stage = match piece.0 {
                at if at >= middle => 0,
                at if at >= 2 * sector => 1,
                _ => 2,
            };
            stages[stage].push(piece);
        }
        stages
    }
}

/// Writes the stages, each of them durable before the next.
///
/// # Errors
/// The disk does not take it.
pub fn apply(file: &File, stages: &Stages) -> io::Result<()> {
    for stage in stages {
        stage.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))?;
        file.sync_all()?;
    }
    Ok(())
}

impl<D: Read + Seek> Read for Staged<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.seek(SeekFrom::Start(self.at))?;
        let read = self.disk.read(buffer)?;
        for (from, bytes) in &self.pieces {
            let (start, end) = (self.at, self.at + read as u64);
            let (from, to) = (*from, from + bytes.len() as u64);
            for at in from.max(start)..to.min(end) {
                // Both are within their ranges by the bounds of the loop.
                let new = usize::try_from(at - from).ok().and_then(|i| bytes.get(i));
                let old = usize::try_from(at - start).ok().and_then(|i| buffer.get_mut(i));
                if let (Some(new), Some(old)) = (new, old) {
                    *old = *new;
                }
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl<D> Write for Staged<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pieces.push((self.at, bytes.to_vec()));
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<D: Seek> Seek for Staged<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(_) => self.disk.seek(to)?,
            SeekFrom::Current(by) => {
                self.at.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?
            }
        };
        Ok(self.at)
    }
}
