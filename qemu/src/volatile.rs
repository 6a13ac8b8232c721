//! A disk with a write cache that can lose power.
//!
//! Killing QEMU is *not* a power cut: what the guest wrote without a flush is already in the host's
//! page cache and survives. A real disk may lose all of it, or, since a cache writes back in any
//! order, any part of it. So a volatile disk keeps writes in memory, by sector, until the guest
//! flushes (or writes with FUA), and only then lets them reach the image. A cut throws the memory
//! away, or keeps a random half of it: the two cases a file system and a database must survive.
//!
//! [`crate::nbd`] serves such a disk to QEMU. The rejected alternative, QEMU's `blklogwrites` with a
//! replay of its log, needs a copy of the image before each start and a log without bound.
//! The host's own power is not at stake, so nothing here syncs the image.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::Error;

/// The unit a disk writes without tearing, in bytes.
pub const SECTOR: usize = 512;
/// How much is kept back at most, in sectors (64 MiB): a cache is finite, and what overflows is
/// written back early, as a disk may do at any time.
const CAPACITY: usize = (64 << 20) / SECTOR;

/// What happens to unflushed writes when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Survivors {
    /// All are lost.
    #[default]
    None,
    /// Each sector survives with a chance of one half, drawn from this seed: what a cache leaves
    /// behind that was writing back in its own order.
    Random(u64),
}

/// A moment at which the power goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutAt {
    /// Before the n-th write, counted from 1.
    Write(u64),
    /// Before the n-th flush, counted from 1.
    Flush(u64),
}

/// A fault that lasts until it is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Works.
    #[default]
    None,
    /// Writes fail for want of space (`ENOSPC`), as on a thin-provisioned disk whose host is full;
    /// reads go on. A guest on virtio-blk sees `EIO`: that interface has one error for everything.
    Full,
    /// Everything fails (`EIO`), as on a disk that fell off its bus.
    Gone,
}

/// Why a request did not succeed.
#[derive(Debug)]
pub enum Denied {
    /// It fails with this error number.
    Errno(i32),
    /// The power is off: there is no answer.
    PowerOff,
    /// The power has just been cut by [`CutAt`]: there is no answer either.
    JustCut,
}

impl From<io::Error> for Denied {
    fn from(e: io::Error) -> Self {
        Self::Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// The disk: an image, and what has not reached it yet.
#[derive(Debug)]
pub struct Volatile {
    image: File,
    size: u64,
    dirty: BTreeMap<u64, [u8; SECTOR]>,
    writes: u64,
    flushes: u64,
    cut_at: Option<(CutAt, Survivors)>,
    fault: Fault,
    off: bool,
}

impl Volatile {
    /// Opens a raw image.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Machine`] when its size is not a multiple of [`SECTOR`] or another
    /// machine serves it.
    pub fn open(image: &Path) -> Result<Self, Error> {
        let opened = OpenOptions::new().read(true).write(true).open(image);
        let file = opened.map_err(Error::io("open", image))?;
        file.try_lock().map_err(|_| {
            Error::Machine(format!("{} is in use by another machine", image.display()))
        })?;
        let size = file.metadata().map_err(Error::io("read the size of", image))?.len();
        if !size.is_multiple_of(SECTOR as u64) {
            return Err(Error::Machine(format!(
                "{}: {size} bytes are no multiple of {SECTOR}; extend the image with truncate",
                image.display()
            )));
        }
        Ok(Self {
            image: file,
            size,
            dirty: BTreeMap::new(),
            writes: 0,
            flushes: 0,
            cut_at: None,
            fault: Fault::None,
            off: false,
        })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes and flushes asked for so far; the base for a [`CutAt`] in a later run.
    pub fn requests(&self) -> (u64, u64) {
        (self.writes, self.flushes)
    }

    /// Bytes that a cut would lose now.
    pub fn unflushed(&self) -> u64 {
        (self.dirty.len() * SECTOR) as u64
    }

    /// Plans a cut.
    pub fn cut_at(&mut self, when: CutAt, survivors: Survivors) {
        self.cut_at = Some((when, survivors));
    }

    /// Sets or lifts a fault.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = fault;
    }

    /// Cuts the power: unflushed writes are lost but for the survivors, and no request is answered
    /// any more. Returns the number of bytes lost.
    ///
    /// # Errors
    /// When a survivor cannot be written to the image.
    pub fn cut(&mut self, survivors: Survivors) -> io::Result<u64> {
        self.off = true;
        let before = self.dirty.len();
        let kept = match survivors {
            Survivors::None => 0,
            Survivors::Random(seed) => {
                let mut draw = Draw(seed);
                self.dirty.retain(|_, _| draw.coin());
                self.write_back()?
            }
        };
        self.dirty.clear();
        Ok(((before - kept) * SECTOR) as u64)
    }

    /// Ends the disk with its machine, once QEMU is dead: what it wrote reaches the image unless the power
    /// was cut, and the image is free for the next machine, whatever still holds this one.
    pub fn close(&mut self) {
        if !self.off {
            // There is nobody left to tell: the next machine reads what is there.
            let _ = self.write_back();
        }
        self.off = true;
        self.dirty.clear();
        // An image that cannot be unlocked stays "in use", which its next opener says.
        let _ = self.image.unlock();
    }

    /// Reads `into.len()` bytes.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Denied> {
        self.admit(false)?;
        self.check(offset, into.len())?;
        self.image.read_exact_at(into, offset)?;
        let first = offset / SECTOR as u64;
        let end = (offset + into.len() as u64).div_ceil(SECTOR as u64);
        for (sector, data) in self.dirty.range(first..end) {
            overlap(*sector, offset, into.len(), |at, within, n| {
                into[at..at + n].copy_from_slice(&data[within..within + n]);
            });
        }
        Ok(())
    }

    /// Writes; with `fua` ("force unit access") the write survives a cut once this has returned.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn write(&mut self, offset: u64, from: &[u8], fua: bool) -> Result<(), Denied> {
        self.admit(true)?;
        self.check(offset, from.len())?;
        self.writes += 1;
        self.cut_if(CutAt::Write(self.writes))?;
        let first = offset / SECTOR as u64;
        let end = (offset + from.len() as u64).div_ceil(SECTOR as u64);
        for sector in first..end {
            let mut data = self.sector(sector, offset, from.len())?;
            overlap(sector, offset, from.len(), |at, within, n| {
                data[within..within + n].copy_from_slice(&from[at..at + n]);
            });
            self.dirty.insert(sector, data);
            if fua {
                self.put(sector)?;
            }
        }
        if self.dirty.len() > CAPACITY {
            self.write_back()?;
        }
        Ok(())
    }

    /// Lets everything written so far reach the image.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn flush(&mut self) -> Result<(), Denied> {
        self.admit(true)?;
        self.flushes += 1;
        self.cut_if(CutAt::Flush(self.flushes))?;
        self.write_back()?;
        Ok(())
    }

    fn admit(&self, writes: bool) -> Result<(), Denied> {
        match self.fault {
            _ if self.off => Err(Denied::PowerOff),
            Fault::Gone => Err(Denied::Errno(libc::EIO)),
            Fault::Full if writes => Err(Denied::Errno(libc::ENOSPC)),
            Fault::Full | Fault::None => Ok(()),
        }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), Denied> {
        let end = offset.checked_add(len as u64);
        if end.is_some_and(|end| end <= self.size) {
            Ok(())
        } else {
            Err(Denied::Errno(libc::EINVAL))
        }
    }

    fn cut_if(&mut self, now: CutAt) -> Result<(), Denied> {
        match self.cut_at {
            Some((when, survivors)) if when == now => {
                self.cut(survivors)?;
                Err(Denied::JustCut)
            }
            _ => Ok(()),
        }
    }

    /// What the sector holds now; its content is not looked up when the write covers all of it.
    fn sector(&self, sector: u64, offset: u64, len: usize) -> io::Result<[u8; SECTOR]> {
        let start = sector * SECTOR as u64;
        let covered = offset <= start && start + SECTOR as u64 <= offset + len as u64;
        let mut data = [0; SECTOR];
        match self.dirty.get(&sector) {
            _ if covered => {}
            Some(dirty) => data = *dirty,
            None => self.image.read_exact_at(&mut data, start)?,
        }
        Ok(data)
    }

    fn put(&mut self, sector: u64) -> io::Result<()> {
        if let Some(data) = self.dirty.get(&sector) {
            self.image.write_all_at(data, sector * SECTOR as u64)?;
            self.dirty.remove(&sector);
        }
        Ok(())
    }

    /// Writes all dirty sectors, neighbours together, and returns how many there were.
    fn write_back(&mut self) -> io::Result<usize> {
        let mut run: (u64, Vec<u8>) = (0, Vec::new());
        for (sector, data) in &self.dirty {
            if run.0 + (run.1.len() / SECTOR) as u64 != *sector {
                self.image.write_all_at(&run.1, run.0 * SECTOR as u64)?;
                run = (*sector, Vec::new());
            }
            run.1.extend_from_slice(data);
        }
        self.image.write_all_at(&run.1, run.0 * SECTOR as u64)?;
        let written = self.dirty.len();
        self.dirty.clear();
        Ok(written)
    }
}

/// Where a request of `len` bytes at `offset` meets a sector: calls `f` with the position in the
/// request, the position in the sector, and the number of bytes.
fn overlap(sector: u64, offset: u64, len: usize, f: impl FnOnce(usize, usize, usize)) {
    let start = sector * SECTOR as u64;
    let from = start.max(offset);
    let to = (start + SECTOR as u64).min(offset + len as u64);
    if from < to {
        f((from - offset) as usize, (from - start) as usize, (to - from) as usize);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and every seed is a good one.
struct Draw(u64);

impl Draw {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{CutAt, Denied, Fault, SECTOR, Survivors, Volatile};

    const SIZE: usize = 16 * SECTOR;

    fn disk() -> (tempfile::NamedTempFile, Volatile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(SIZE as u64).unwrap();
        let disk = Volatile::open(file.path()).unwrap();
        (file, disk)
    }

    fn image(file: &tempfile::NamedTempFile) -> Vec<u8> {
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn flushed_writes_survive_and_others_do_not() {
        let (file, mut disk) = disk();
        disk.write(0, &[1; SECTOR], false).unwrap();
        disk.flush().unwrap();
        disk.write(0, &[2; SECTOR], false).unwrap();
        disk.write(SECTOR as u64, &[3; SECTOR], true).unwrap();
        let mut seen = [0; SECTOR];
        disk.read(0, &mut seen).unwrap();
        assert_eq!(seen, [2; SECTOR], "the guest reads what it wrote");
        assert_eq!(disk.cut(Survivors::None).unwrap(), SECTOR as u64);
        let image = image(&file);
        assert_eq!(image[..SECTOR], [1; SECTOR]);
        assert_eq!(image[SECTOR..2 * SECTOR], [3; SECTOR], "FUA");
        assert!(matches!(disk.read(0, &mut seen), Err(Denied::PowerOff)));
    }

    /// A machine started right after a power cut found its disk in use: the thread that had served it to
    /// the machine before had not been scheduled again yet, and held it.
    #[test]
    fn a_closed_disk_is_free_for_the_next_machine_and_keeps_what_was_written() {
        let (file, mut disk) = disk();
        assert!(Volatile::open(file.path()).is_err(), "one machine at a time");
        disk.write(0, &[1; SECTOR], false).unwrap();
        disk.close();
        let next = Volatile::open(file.path()).unwrap();
        assert!(matches!(disk.write(0, &[2; SECTOR], true), Err(Denied::PowerOff)));
        let mut seen = [0; SECTOR];
        next.read(0, &mut seen).unwrap();
        assert_eq!(seen, [1; SECTOR]);
    }

    #[test]
    fn some_survive_by_chance_and_the_same_seed_gives_the_same() {
        let outcome = |seed| {
            let (file, mut disk) = disk();
            disk.write(0, &[7; SIZE], false).unwrap();
            let lost = disk.cut(Survivors::Random(seed)).unwrap() as usize;
            let image = image(&file);
            assert_eq!(image.iter().filter(|b| **b == 0).count(), lost);
            image
        };
        assert_eq!(outcome(1), outcome(1));
        assert_ne!(outcome(1), outcome(2));
        assert!(outcome(1).contains(&0) && outcome(1).contains(&7));
    }

    #[test]
    fn power_goes_at_the_planned_moment() {
        let (file, mut disk) = disk();
        disk.cut_at(CutAt::Flush(2), Survivors::None);
        disk.write(0, &[1; SECTOR], false).unwrap();
        disk.flush().unwrap();
        disk.write(0, &[2; SECTOR], false).unwrap();
        assert!(matches!(disk.flush(), Err(Denied::JustCut)));
        assert!(matches!(disk.flush(), Err(Denied::PowerOff)));
        assert_eq!(image(&file)[0], 1);
    }

    #[test]
    fn faults_name_their_errno_and_can_be_lifted() {
        let (_file, mut disk) = disk();
        let mut buffer = [0; SECTOR];
        disk.set_fault(Fault::Full);
        assert!(matches!(disk.write(0, &buffer, false), Err(Denied::Errno(libc::ENOSPC))));
        disk.read(0, &mut buffer).unwrap();
        disk.set_fault(Fault::Gone);
        assert!(matches!(disk.read(0, &mut buffer), Err(Denied::Errno(libc::EIO))));
        disk.set_fault(Fault::None);
        disk.write(0, &buffer, false).unwrap();
    }

    #[test]
    fn an_image_is_served_once() {
        let (file, disk) = disk();
        assert!(Volatile::open(file.path()).unwrap_err().to_string().contains("in use"));
        drop(disk);
        Volatile::open(file.path()).unwrap();
        file.as_file().set_len(SIZE as u64 + 1).unwrap();
        assert!(Volatile::open(file.path()).unwrap_err().to_string().contains("multiple of 512"));
    }

    #[test]
    fn requests_outside_the_disk_are_refused() {
        let (_file, mut disk) = disk();
        for offset in [SIZE as u64, SIZE as u64 - 1, u64::MAX, u64::MAX - 3] {
            assert!(matches!(disk.read(offset, &mut [0; 2]), Err(Denied::Errno(libc::EINVAL))));
            assert!(matches!(disk.write(offset, &[0; 2], true), Err(Denied::Errno(libc::EINVAL))));
        }
    }

    proptest! {
        /// Against the simplest model: an array the guest sees and an array the platter holds.
        #[test]
        fn behaves_as_two_arrays(steps in prop::collection::vec(
            (0..SIZE, 1..3 * SECTOR, any::<u8>(), 0..4u8), 1..40))
        {
            let (file, mut disk) = disk();
            let (mut seen, mut platter) = (vec![0; SIZE], vec![0; SIZE]);
            for (offset, len, byte, kind) in steps {
                let end = (offset + len).min(SIZE);
                match kind {
                    0 => {
                        disk.flush().unwrap();
                        platter.copy_from_slice(&seen);
                    }
                    1 => {
                        let mut read = vec![0; end - offset];
                        disk.read(offset as u64, &mut read).unwrap();
                        prop_assert_eq!(&read[..], &seen[offset..end]);
                    }
                    _ => {
                        disk.write(offset as u64, &vec![byte; end - offset], false).unwrap();
                        seen[offset..end].fill(byte);
                    }
                }
            }
            let unflushed = disk.unflushed();
            prop_assert!(disk.cut(Survivors::None).unwrap() == unflushed);
            prop_assert_eq!(image(&file), platter);
        }
    }
}
