//! A disk in memory that loses power, fills up and breaks on command.
//!
//! Two media (database and journal) share one power supply. What is written is *live* at once and
//! *durable* when its medium is synced. When power is cut, of the writes not yet synced any 512-byte
//! sector may have reached the disk or not, in any order.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

const SECTOR: usize = 512;

/// Which of the unsynced sectors survive a power cut.
#[derive(Debug, Clone, Copy)]
pub enum Cache {
    /// None: the disk had written nothing back.
    Lost,
    /// All: the disk had written everything back.
    Written,
    /// Each sector by the toss of a coin.
    Torn(u64),
}

#[derive(Debug, Clone)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone, Default)]
struct Medium {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

#[derive(Debug, Default)]
struct State {
    media: [Medium; 2],
    /// Syncs so far, and the one at which power goes.
    syncs: u64,
    cut_at: Option<u64>,
    off: bool,
    /// Writes so far, and the first that finds the disk full.
    writes: u64,
    full_at: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// One of the two media of a disk.
#[derive(Debug)]
pub struct Part(Disk, usize);

impl Disk {
    pub fn with(database: Vec<u8>, journal: Vec<u8>) -> Self {
        let disk = Self::default();
        let medium =
            |bytes: Vec<u8>| Medium { durable: bytes.clone(), live: bytes, unsynced: vec![] };
        disk.state().media = [medium(database), medium(journal)];
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Database and journal.
    pub fn parts(&self) -> (Part, Part) {
        (Part(self.clone(), 0), Part(self.clone(), 1))
    }

    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Power goes at the `n`th sync from the beginning, before it takes effect.
    pub fn cut_at(&self, n: u64) {
        self.state().cut_at = Some(n);
    }

    /// Power goes now.
    pub fn power_off(&self) {
        self.state().off = true;
    }

    /// Whether power is gone.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Every write and growth from the `n`th on fails for want of space.
    pub fn full_at(&self, n: Option<u64>) {
        self.state().full_at = n;
    }

    /// What is read as the two media at this moment.
    pub fn live(&self) -> (Vec<u8>, Vec<u8>) {
        let state = self.state();
        (state.media[0].live.clone(), state.media[1].live.clone())
    }

    /// The disk as the next process finds it after the present one was killed, at the latest when power went: what
    /// was written is there, and what was not synced is so still.
    pub fn after_kill(&self) -> Self {
        let mut state = self.state();
        state.off = true;
        let disk = Self::default();
        disk.state().media = state.media.clone();
        disk
    }

    /// The disk after power came back.
    pub fn after_power_cut(&self, cache: Cache) -> Self {
        let mut state = self.state();
        state.off = true;
        let mut random = if let Cache::Torn(seed) = cache { seed | 1 } else { 1 };
        let mut keep = || match cache {
            Cache::Lost => false,
            Cache::Written => true,
            Cache::Torn(_) => {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random & 1 == 0
            }
        };
        let after = state.media.each_ref().map(|medium| survive(medium, &mut keep));
        let [database, journal] = after;
        Self::with(database, journal)
    }
}

fn survive(medium: &Medium, keep: &mut impl FnMut() -> bool) -> Vec<u8> {
    let mut bytes = medium.durable.clone();
    for change in &medium.unsynced {
        match change {
            Unsynced::Length(length) if keep() => bytes.resize(*length, 0),
            Unsynced::Length(_) => {}
            Unsynced::Write(offset, data) => {
                for (at, sector) in (*offset..).step_by(SECTOR).zip(data.chunks(SECTOR)) {
                    if keep() {
                        put(&mut bytes, at, sector);
                    }
                }
            }
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

impl Part {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.0.state();
        if state.off { Err(io::Error::other("power is off")) } else { Ok(state) }
    }

    fn change(&self, change: Unsynced) -> io::Result<()> {
        let mut state = self.state()?;
        state.writes += 1;
        if state.full_at.is_some_and(|n| state.writes >= n) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let medium = &mut state.media[self.1];
        match &change {
            Unsynced::Write(at, data) => put(&mut medium.live, *at, data),
            Unsynced::Length(length) => medium.live.resize(*length, 0),
        }
        medium.unsynced.push(change);
        Ok(())
    }
}

impl StorageBackend for Part {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.media[self.1].live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        let from = usize::try_from(offset).unwrap();
        let end = from.checked_add(out.len());
        let bytes = end.and_then(|end| state.media[self.1].live.get(from..end));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Unsynced::Length(usize::try_from(length).unwrap()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Unsynced::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.syncs += 1;
        if state.cut_at == Some(state.syncs) {
            state.off = true;
            return Err(io::Error::other("power is off"));
        }
        let medium = &mut state.media[self.1];
        medium.durable.clone_from(&medium.live);
        medium.unsynced.clear();
        Ok(())
    }
}
