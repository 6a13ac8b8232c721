//! A check sum for every block of the database, verified whenever redb reads it from the disk.
//!
//! redb trusts what it reads: with a flipped bit in an inner page it panics or finds other rows, and
//! its own sums are only verified by a walk over the whole file. The sums stand behind the journal
//! in `state.log`, eight bytes for each 4 KiB block: the first bytes of a SHA-256 over the block's
//! number and content, zero for a block never written. Damage so becomes an error at the first read.
//!
//! The order is blocks first, then sums, both before a sync returns: redb never overwrites a block that
//! the last durable commit can see, so a block whose sum was lost in a power cut is never read.
//!
//! redb's header is the exception: it is written in place. It lies in one sector, so after a power cut
//! it is either the old or the new one; the sums of both are kept, and the new one's is on the disk
//! before the header is written. The length of the database is kept as well, so that a file cut short
//! is seen; a file is made shorter only after the shorter length is on the disk.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use minos_model::Hasher;
use redb::StorageBackend;

/// Bytes of a block: redb's page size.
const BLOCK: u64 = 4096;
/// Bytes of a sum.
const SUM: usize = 8;
/// Bytes of redb's header, rounded up to a sector.
const HEADER: usize = 512;
/// In front of the sums: the length of the database, and the sums of two headers. So the sum of block
/// `n` stands at place `n + 2`; block 0, the header's, has none.
const HEADERS: Range<usize> = 1..3;
const SHIFT: usize = 2;
/// Sums written at once.
const CHUNK: usize = 512;

/// The database's medium with a check on every read.
#[derive(Debug)]
pub(crate) struct Guard<D> {
    data: D,
    log: Arc<dyn StorageBackend>,
    /// Where the sums begin in `log`.
    base: u64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    /// One for each block; blocks behind the end have none.
    values: Vec<[u8; SUM]>,
    /// Chunks that differ from what was written last.
    dirty: BTreeSet<usize>,
    /// The header on the medium may not be on the disk: it was written since the last sync, or by a
    /// process that was killed before it synced.
    header_unsynced: bool,
    /// The same of the whole medium.
    unsynced: bool,
}

impl<D: StorageBackend> Guard<D> {
    /// Guards `data` with the sums that stand in `log` from `base` on.
    pub(crate) fn new(data: D, log: Arc<dyn StorageBackend>, base: u64) -> io::Result<Self> {
        let length = usize::try_from(log.len()?.saturating_sub(base)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        log.read(base, &mut bytes)?;
        let (values, _) = bytes.as_chunks::<SUM>();
        let values = values.to_vec();
        let sums = Sums { values, dirty: BTreeSet::new(), header_unsynced: true, unsynced: true };
        let (found, stored) = (data.len()?, sums.length());
        if found < stored {
            return Err(damaged(format!("it is cut short: {found} bytes of {stored}")));
        }
        Ok(Self { data, log, base, sums: Mutex::new(sums) })
    }

    fn sums(&self) -> io::Result<MutexGuard<'_, Sums>> {
        self.sums.lock().map_err(|_| io::Error::other("a thread died while it wrote the database"))
    }

    /// The whole blocks that `length` bytes at `offset` lie in.
    fn blocks(&self, offset: u64, length: usize) -> io::Result<(u64, Vec<u8>)> {
        let start = offset / BLOCK * BLOCK;
        let end = (offset + length as u64).next_multiple_of(BLOCK).min(self.data.len()?);
        let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.data.read(start, &mut bytes)?;
        Ok((start, bytes))
    }

    fn verify(&self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let sums = self.sums()?;
        for (number, block) in (start / BLOCK..).zip(bytes.chunks(BLOCK as usize)).filter(guarded) {
            let stored = place(number).ok().and_then(|at| sums.values.get(at));
            let good = match stored.copied().unwrap_or_default() {
                [0, 0, 0, 0, 0, 0, 0, 0] => block.iter().all(|byte| *byte == 0),
                stored => stored == sum(number, block),
            };
            if !good {
                let what = format!("block {number} does not match its check sum in state.log");
                return Err(damaged(what));
            }
        }
        Ok(())
    }

    /// The first sector as it is on the medium.
    fn header(&self) -> io::Result<[u8; HEADER]> {
        let mut header = [0; HEADER];
        if self.data.len()? >= HEADER as u64 {
            self.data.read(0, &mut header)?;
        }
        Ok(header)
    }

    fn verify_header(&self) -> io::Result<()> {
        let sums = self.sums()?;
        let known = sums.values.get(HEADERS).unwrap_or_default();
        if known.iter().all(|sum| *sum == [0; SUM]) || known.contains(&sum(0, &self.header()?)) {
            return Ok(());
        }
        Err(damaged("the header does not match its check sum in state.log".to_owned()))
    }

    /// Whether the medium has this header already. redb writes it twice while it opens a database that was
    /// not closed, unchanged, and each time would cost three syncs.
    fn has_header(&self, offset: u64, data: &[u8]) -> io::Result<bool> {
        let header = self.header()?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let there = header.get(from..from + data.len()).is_some_and(|there| there == data);
        Ok(there && self.known(&header)?)
    }

    /// Whether this is one of the headers that may stand on the medium.
    fn known(&self, header: &[u8]) -> io::Result<bool> {
        let sums = self.sums()?;
        Ok(sums.values.get(HEADERS).unwrap_or_default().contains(&sum(0, header)))
    }

    /// Makes the sum of the header that `data` is about to make durable.
    fn announce_header(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.sums()?.header_unsynced {
            self.data.sync_data()?;
        }
        let mut header = self.header()?;
        let present = sum(0, &header);
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let length = data.len().min(HEADER - from);
        header[from..from + length].copy_from_slice(&data[..length]);
        self.sums()?.set_headers(present, sum(0, &header));
        self.write_sums()
    }

    /// Writes and syncs the sums that changed.
    fn write_sums(&self) -> io::Result<()> {
        let mut sums = self.sums()?;
        if sums.dirty.is_empty() {
            return Ok(());
        }
        let end = self.base + (sums.values.len() * SUM) as u64;
        if self.log.len()? < end {
            self.log.set_len(end)?;
        }
        while let Some(chunk) = sums.dirty.first().copied() {
            let range = chunk * CHUNK..sums.values.len().min((chunk + 1) * CHUNK);
            let bytes = sums.values.get(range).unwrap_or_default().as_flattened();
            self.log.write(self.base + (chunk * CHUNK * SUM) as u64, bytes)?;
            sums.dirty.remove(&chunk);
        }
        self.log.sync_data()
    }
}

/// Where the sum of a block stands.
fn place(number: u64) -> io::Result<usize> {
    Ok(usize::try_from(number).map_err(io::Error::other)? + SHIFT)
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Block 0 is the header's.
fn guarded(block: &(u64, &[u8])) -> bool {
    block.0 > 0
}

fn sum(number: u64, block: &[u8]) -> [u8; SUM] {
    let mut hasher = Hasher::new();
    hasher.field(&number.to_le_bytes());
    hasher.field(block);
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finish().as_bytes();
    [a, b, c, d, e, f, g, h]
}

impl Sums {
    fn set(&mut self, number: u64, block: &[u8]) -> io::Result<()> {
        self.put(place(number)?, sum(number, block));
        Ok(())
    }

    fn put(&mut self, at: usize, value: [u8; SUM]) {
        if self.values.len() <= at {
            let before = self.values.len() / CHUNK;
            self.values.resize(at + 1, [0; SUM]);
            self.dirty.extend(before..at / CHUNK);
        }
        if self.values[at] != value {
            self.values[at] = value;
            self.dirty.insert(at / CHUNK);
        }
    }

    /// Knows exactly two headers: the one on the disk and the one about to be written. Not "the last
    /// two announced": one whose write a power cut swallowed must not push out the one on the disk.
    fn set_headers(&mut self, present: [u8; SUM], next: [u8; SUM]) {
        self.put(HEADERS.start, present);
        self.put(HEADERS.start + 1, next);
        self.header_unsynced = true;
    }

    /// Length of the database in bytes.
    fn length(&self) -> u64 {
        self.values.first().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn set_length(&mut self, length: u64) {
        self.put(0, length.to_le_bytes());
    }

    /// Forgets the sums at `blocks`, which no longer exist.
    fn clear(&mut self, blocks: Range<usize>) {
        let end = blocks.end.min(self.values.len());
        (blocks.start.max(HEADERS.end)..end).for_each(|at| self.put(at, [0; SUM]));
    }
}

impl<D: StorageBackend> StorageBackend for Guard<D> {
    fn len(&self) -> io::Result<u64> {
        self.data.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset < HEADER as u64 {
            self.verify_header()?;
        }
        if offset.is_multiple_of(BLOCK) && (out.len() as u64).is_multiple_of(BLOCK) {
            self.data.read(offset, out)?;
            return self.verify(offset, out);
        }
        if offset + out.len() as u64 > BLOCK {
            let (start, bytes) = self.blocks(offset, out.len())?;
            self.verify(start, &bytes)?;
        }
        self.data.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let first = place(length.div_ceil(BLOCK))?;
        let mut sums = self.sums()?;
        sums.clear(first..usize::MAX);
        let shorter = length < sums.length();
        if shorter {
            sums.set_length(length);
        }
        drop(sums);
        if shorter {
            self.write_sums()?;
        }
        let done = self.data.set_len(length);
        self.sums()?.unsynced = true;
        done
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset < HEADER as u64 {
            if self.has_header(offset, data)? {
                return Ok(());
            }
            self.announce_header(offset, data)?;
        }
        let done = self.data.write(offset, data);
        self.sums()?.unsynced = true;
        done?;
        if offset.is_multiple_of(BLOCK) && (data.len() as u64).is_multiple_of(BLOCK) {
            let mut sums = self.sums()?;
            let mut blocks = (offset / BLOCK..).zip(data.chunks(BLOCK as usize)).filter(guarded);
            return blocks.try_for_each(|(number, block)| sums.set(number, block));
        }
        let (start, bytes) = self.blocks(offset, data.len())?;
        let mut sums = self.sums()?;
        let mut blocks = (start / BLOCK..).zip(bytes.chunks(BLOCK as usize)).filter(guarded);
        blocks.try_for_each(|(number, block)| sums.set(number, block))
    }

    fn sync_data(&self) -> io::Result<()> {
        let length = self.data.len()?;
        // Forgotten first: what is written meanwhile waits for the next sync.
        if core::mem::take(&mut self.sums()?.unsynced)
            && let Err(e) = self.data.sync_data()
        {
            self.sums()?.unsynced = true;
            return Err(e);
        }
        let mut sums = self.sums()?;
        sums.header_unsynced = false;
        sums.set_length(length);
        drop(sums);
        self.write_sums()
    }

    fn close(&self) -> io::Result<()> {
        self.data.close()
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    const BASE: u64 = 100;

    fn guard(log: &Arc<dyn StorageBackend>, blocks: &[u8]) -> Guard<InMemoryBackend> {
        let data = InMemoryBackend::new();
        data.set_len(blocks.len() as u64).unwrap();
        data.write(0, blocks).unwrap();
        Guard::new(data, Arc::clone(log), BASE).unwrap()
    }

    /// A log with the sums of four blocks, the last one never written, and the blocks.
    fn synced() -> (Arc<dyn StorageBackend>, Vec<u8>) {
        let log: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        log.set_len(BASE).unwrap();
        let guard = guard(&log, &[0; 4 * 4096]);
        guard.write(0, &[9; 320]).unwrap();
        guard.write(4096, &[1; 2 * 4096]).unwrap();
        guard.write(4096 + 10, &[2; 4096]).unwrap();
        guard.sync_data().unwrap();
        let mut bytes = vec![0; 4 * 4096];
        guard.read(0, &mut bytes).unwrap();
        (log, bytes)
    }

    #[test]
    fn what_was_written_is_read_again_in_any_piece() {
        let (log, bytes) = synced();
        let guard = guard(&log, &bytes);
        for range in [0..320, 4096..8192, 5000..5001, 300..9000, 0..bytes.len()] {
            let mut out = vec![0; range.len()];
            guard.read(range.start as u64, &mut out).unwrap();
            assert_eq!(out, bytes[range]);
        }
    }

    #[test]
    fn flipped_bit_is_an_error_wherever_the_block_is_touched() {
        let (log, bytes) = synced();
        for at in [0, 511, 4096, 8191, 8192, 3 * 4096 + 5] {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            let guard = guard(&log, &bad);
            let block = at / 4096 * 4096;
            for range in [block..block + 4096, block + 7..block + 8, 0..bytes.len()] {
                let error = guard.read(range.start as u64, &mut vec![0; range.len()]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}, {range:?}");
            }
        }
    }

    #[test]
    fn file_cut_short_is_refused_and_a_shortened_one_is_not() {
        let (log, bytes) = synced();
        for length in [0, 4096, bytes.len() - 1] {
            let data = InMemoryBackend::new();
            data.set_len(length as u64).unwrap();
            let error = Guard::new(data, Arc::clone(&log), BASE).unwrap_err();
            assert!(error.to_string().contains("cut short"), "{error}");
        }
        guard(&log, &bytes).set_len(8192).unwrap();
        guard(&log, &bytes[..8192]).read(4096, &mut [0; 4096]).unwrap();
    }

    /// Power goes between the announcement of a header and its write, three times in a row.
    #[test]
    fn header_on_the_disk_is_known_however_often_its_successor_is_lost() {
        let (log, bytes) = synced();
        for n in 0..3 {
            let guard = guard(&log, &bytes);
            guard.announce_header(0, &[n; 320]).unwrap();
            guard.read(0, &mut [0; 320]).unwrap();
        }
        guard(&log, &bytes).read(0, &mut [0; 320]).unwrap();
    }

    #[test]
    fn exchanged_blocks_are_seen() {
        let (log, mut bytes) = synced();
        let (left, right) = bytes.split_at_mut(8192);
        left[4096..].swap_with_slice(&mut right[..4096]);
        let guard = guard(&log, &bytes);
        assert!(guard.read(4096, &mut [0; 4096]).is_err());
    }

    #[test]
    fn block_cut_off_and_grown_again_is_empty() {
        let (log, bytes) = synced();
        let guard = guard(&log, &bytes);
        guard.set_len(2 * 4096).unwrap();
        guard.set_len(4 * 4096).unwrap();
        guard.read(0, &mut vec![0; 4 * 4096]).unwrap();
    }
}
