//! The boot record: two slots of fixed size in `boot/record` on the state disk. init writes it, pkgd may read
//! it; both by this module, which is pure.
//!
//! A boot is written down as "in progress" before it is obeyed, so that the next boot can tell a
//! power cut or a crash from an orderly end. Every change goes to the slot that is *not* the newest,
//! so a torn write can only lose the change itself. Byte by byte: `docs/formats/boot-record.md`.
//!
//! The rules of trying a new generation, each from a bug in the field:
//! - the try is consumed before it is used (a hang must not try for ever);
//! - only unproven generations are counted (three power cuts of a healthy system roll nothing back);
//! - an end somebody asked for gives the try back (it is no failure);
//! - the fallback is the last *proven* generation, recorded by number, not "the other one".

use core::fmt;

use crate::{BootNext, BootPhase};

mod sentence;

pub use sentence::SENTENCE;

/// Where the file lies on the state disk.
pub const PATH: &str = "boot/record";
/// Bytes of one slot.
pub const SLOT: usize = 128;
/// Bytes of the first half of a slot: what the boot is. The second half is about the last failure.
const HALF: usize = 64;
/// Distance of the slots in the file: one page, so that no single block holds both.
pub const SLOT_STRIDE: u64 = 4096;
/// What a slot starts with; the last digit is the version of the layout.
pub const MAGIC: [u8; 8] = *b"MINOSBR1";
/// The longest name of what failed in bytes; a longer one is cut.
pub const CULPRIT: usize = 32;

/// Why a boot ended. The numbers are on disk and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// It has not: found by the next boot, it means power cut, watchdog or kernel crash.
    InProgress = 0,
    /// Somebody asked for power-off.
    PowerOff = 1,
    /// Somebody asked to halt.
    Halt = 2,
    /// Somebody asked for a reboot.
    Reboot = 3,
    /// Ctrl-Alt-Del.
    CtrlAltDel = 4,
    /// The power button.
    PowerButton = 5,
    /// Nobody answered the rescue prompt.
    RescueTimeout = 6,
    /// Somebody ended it at the rescue prompt.
    RescueAsked = 7,
    /// init itself failed.
    Panic = 8,
    /// pkgd failed too often in a row; the rescue prompt was open.
    PkgdGaveUp = 9,
    /// A boot step failed; the rescue prompt was open.
    BootFailed = 10,
    /// The root of the generation lacks a file that init needs.
    LacksFile = 11,
    /// The root of the generation could not be mounted.
    RootFailed = 12,
    /// A health check failed.
    CheckFailed = 13,
    /// A health check was not done within its deadline.
    CheckOverran = 14,
    /// The health checks together were not done within their deadline.
    GateOverran = 15,
    /// A service that the machine needs ended too often in a row.
    ServiceLost = 16,
    /// The tries of the generation were used up by ends that somebody asked for, perhaps the generation itself. Of a
    /// [`Failure`] only: the last of these boots has its own reason.
    UsedUp = 17,
}

impl Reason {
    /// All, in the order of their numbers.
    const ALL: [Self; 18] = [
        Self::InProgress,
        Self::PowerOff,
        Self::Halt,
        Self::Reboot,
        Self::CtrlAltDel,
        Self::PowerButton,
        Self::RescueTimeout,
        Self::RescueAsked,
        Self::Panic,
        Self::PkgdGaveUp,
        Self::BootFailed,
        Self::LacksFile,
        Self::RootFailed,
        Self::CheckFailed,
        Self::CheckOverran,
        Self::GateOverran,
        Self::ServiceLost,
        Self::UsedUp,
    ];

    /// The reason with this number.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        if (byte as usize) < Self::ALL.len() { Some(Self::ALL[byte as usize]) } else { None }
    }

    /// Somebody wanted the end: it says nothing about the generation.
    pub const fn is_deliberate(self) -> bool {
        matches!(
            self,
            Self::PowerOff | Self::Halt | Self::Reboot | Self::CtrlAltDel | Self::PowerButton
        )
    }

    /// init itself judged that the generation is bad.
    pub const fn is_judgement(self) -> bool {
        self as u8 >= Self::LacksFile as u8
    }
}

/// How many tries of one generation are given back at most: what three bits hold.
pub const GIVEN_BACK: u8 = 7;

/// The name of a check, service or file, as far as it fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Culprit([u8; CULPRIT]);

impl Culprit {
    /// As much of a name as fits; control characters end it.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; CULPRIT];
        let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= CULPRIT && !c.is_control();
        let end = name.char_indices().take_while(fits).last();
        let end = end.map_or(0, |(at, c)| at + c.len_utf8());
        bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
        Self(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; CULPRIT] = bytes.try_into().ok()?;
        let this = Self(bytes);
        (Self::new(this.as_str()) == this).then_some(this)
    }

    /// The name; empty when there is none.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(CULPRIT);
        str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

/// How a generation on trial failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The generation.
    pub generation: u64,
    /// When, in seconds since the Unix epoch.
    pub at: u64,
    /// Why. [`Reason::InProgress`]: it was cut off.
    pub reason: Reason,
    /// The check, service or file by which it failed; empty where there is none.
    pub culprit: Culprit,
}

/// What is known about the boots of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Raised by each write; the slot with the higher one counts.
    pub sequence: u64,
    /// The generation this boot uses; 0 is the initramfs itself.
    pub generation: u64,
    /// The last generation that was proven; 0 is the initramfs itself.
    pub fallback: u64,
    /// Boots since the state disk was made, this one included.
    pub boot_count: u64,
    /// When it was last written, in seconds since the Unix epoch.
    pub written_at: u64,
    /// How often pkgd was started again in this boot.
    pub pkgd_restarts: u32,
    /// `generation` has booted and passed its health checks before.
    pub proven: bool,
    /// This boot uses another generation: one that somebody chose for it alone, or the fallback because the try could
    /// not be written down. It neither tries `generation` nor proves anything.
    pub aside: bool,
    /// How often `generation` may still be tried; means nothing when it is proven.
    pub tries_left: u8,
    /// How many tries of it were given back, since somebody asked for the end of the boot: at most [`GIVEN_BACK`].
    pub given_back: u8,
    /// How far the boot came.
    pub phase: BootPhase,
    /// Why it ended.
    pub reason: Reason,
    /// [`BootNext::mark`] of the wish that was obeyed last; 0 = none.
    pub obeyed: u32,
    /// The last failure of a generation on trial, however long ago.
    pub failure: Option<Failure>,
}

impl Record {
    /// The record of a machine without one: generation 0, which is always proven.
    pub const fn fresh() -> Self {
        Self {
            sequence: 0,
            generation: 0,
            fallback: 0,
            boot_count: 0,
            written_at: 0,
            pkgd_restarts: 0,
            proven: true,
            aside: false,
            tries_left: 0,
            given_back: 0,
            phase: BootPhase::Start,
            reason: Reason::InProgress,
            obeyed: 0,
            failure: None,
        }
    }

    /// The record of the boot that starts now, given what the last one left and what is wished. To be on
    /// disk before it is obeyed. A wish that was obeyed before is not obeyed again.
    pub fn next_boot(last: Option<Self>, wish: Option<&BootNext>) -> Self {
        let mut r = Self::begun(last);
        if let Some(wish) = wish.filter(|w| w.mark() != r.obeyed) {
            r.obey(wish);
        }
        match r.tries_left.checked_sub(1) {
            _ if r.proven => {}
            Some(left) => r.tries_left = left,
            None => r = r.fallen_back(),
        }
        r
    }

    /// The record of a boot that somebody chose a generation for: it tries nothing.
    pub fn set_aside(last: Option<Self>) -> Self {
        Self { aside: true, ..Self::begun(last) }
    }

    /// What every boot begins with.
    fn begun(last: Option<Self>) -> Self {
        let mut r = last.unwrap_or(Self::fresh());
        if let Some(reason) = r.unsaid_failure() {
            let (generation, at) = (r.generation, r.written_at);
            r.failure = Some(Failure { generation, at, reason, culprit: Culprit::default() });
        }
        r.boot_count = r.boot_count.saturating_add(1);
        r.pkgd_restarts = 0;
        r.aside = false;
        r.phase = BootPhase::Recorded;
        r.reason = Reason::InProgress;
        r
    }

    /// How the generation on trial has failed in this boot, where nothing is said of it: it was cut off, or its last
    /// try is gone. A judgement has its failure already.
    const fn unsaid_failure(&self) -> Option<Reason> {
        match self.reason {
            _ if !self.is_trial() || self.reason.is_judgement() => None,
            reason if !reason.is_deliberate() => Some(reason),
            // Nobody got the try back.
            _ if self.tries_left == 0 => Some(Reason::UsedUp),
            _ => None,
        }
    }

    fn obey(&mut self, wish: &BootNext) {
        self.obeyed = wish.mark();
        self.generation = wish.generation;
        // The fallback is proven by this very record, and the initramfs always is.
        self.proven = wish.proven || wish.generation == self.fallback || wish.generation == 0;
        self.tries_left = if self.proven { 0 } else { wish.tries };
        self.given_back = 0;
        if self.proven {
            self.fallback = wish.generation;
        }
    }

    /// The record of a boot whose try is not written down, so that it must not be used: a boot beside the trial. `last`
    /// is what is on disk. The try is there again, and the wish counts as obeyed only if it did before; of the wish and
    /// this record one may be lost, and the next boot still tries. What is no trial stays as it is.
    #[must_use]
    pub fn untried(mut self, last: Option<&Self>) -> Self {
        if self.is_trial() {
            self.aside = true;
            self.tries_left = self.tries_left.saturating_add(1);
            self.obeyed = last.map_or(0, |last| last.obeyed);
        }
        self
    }

    /// The record with the fallback instead of the generation.
    const fn fallen_back(mut self) -> Self {
        self.generation = self.fallback;
        self.proven = true;
        self.tries_left = 0;
        self.given_back = 0;
        self
    }

    /// This boot tries a generation that is not proven.
    pub const fn is_trial(&self) -> bool {
        !self.proven && !self.aside
    }

    /// The record once the generation has passed its health checks.
    #[must_use]
    pub const fn passed(mut self) -> Self {
        if self.is_trial() {
            self.proven = true;
            self.tries_left = 0;
            self.given_back = 0;
            self.fallback = self.generation;
        }
        self
    }

    /// The record to write when this boot ends, or may end, for `reason`. Who asks for the end of a trial gets the
    /// try back; not for ever, since it may be a bad generation that asks.
    #[must_use]
    pub const fn ending(mut self, reason: Reason) -> Self {
        let asked = reason.is_deliberate() && !self.reason.is_deliberate();
        if asked && self.is_trial() && self.given_back < GIVEN_BACK {
            self.tries_left = self.tries_left.saturating_add(1);
            self.given_back += 1;
        }
        self.reason = reason;
        self
    }

    /// The record to write when the generation on trial is judged to be bad.
    #[must_use]
    pub const fn failing(mut self, reason: Reason, culprit: Culprit, now: u64) -> Self {
        if self.is_trial() {
            self.failure = Some(Failure { generation: self.generation, at: now, reason, culprit });
        }
        self.ending(reason)
    }

    /// The same, to be written now: the only place that raises the sequence number, so that two
    /// writes in a row never go to the same slot. [`Record::unwritten`] takes it back.
    #[must_use]
    pub const fn stamped(mut self, now: u64) -> Self {
        self.sequence = self.sequence.wrapping_add(1);
        self.written_at = now;
        self
    }

    /// The same after a write that failed. It may have torn its slot: the next one goes there again, and not over
    /// the slot that is whole.
    #[must_use]
    pub const fn unwritten(mut self) -> Self {
        self.sequence = self.sequence.wrapping_sub(1);
        self
    }

    /// Where in the file this record goes: never over the one before it.
    pub const fn offset(&self) -> u64 {
        (self.sequence % 2) * SLOT_STRIDE
    }

    /// The bytes of one slot.
    pub fn encode(&self) -> [u8; SLOT] {
        let mut b = [0; SLOT];
        b[..8].copy_from_slice(&MAGIC);
        b[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        b[16..24].copy_from_slice(&self.generation.to_le_bytes());
        b[24..32].copy_from_slice(&self.fallback.to_le_bytes());
        b[32..40].copy_from_slice(&self.boot_count.to_le_bytes());
        b[40..48].copy_from_slice(&self.written_at.to_le_bytes());
        b[48..52].copy_from_slice(&self.pkgd_restarts.to_le_bytes());
        b[52] =
            u8::from(self.proven) | u8::from(self.aside) << 1 | (self.given_back & GIVEN_BACK) << 2;
        b[53] = self.tries_left;
        b[54] = self.phase as u8;
        b[55] = self.reason as u8;
        b[56..60].copy_from_slice(&self.obeyed.to_le_bytes());
        seal(&mut b[..HALF]);
        if let Some(failure) = &self.failure {
            failure.encode(self.sequence, &mut b[HALF..]);
        }
        b
    }

    /// The record in one slot; `None` when magic, a checksum or a field is not right.
    pub fn decode(b: &[u8; SLOT]) -> Option<Self> {
        let (first, second) = b.split_at(HALF);
        if first[..8] != MAGIC || !is_sealed(first) || first[52] > 0b1_1111 {
            return None;
        }
        let sequence = word(first, 8);
        Some(Self {
            sequence,
            generation: word(first, 16),
            fallback: word(first, 24),
            boot_count: word(first, 32),
            written_at: word(first, 40),
            pkgd_restarts: half_word(first, 48),
            proven: first[52] & 1 != 0,
            aside: first[52] & 2 != 0,
            tries_left: first[53],
            given_back: first[52] >> 2,
            phase: BootPhase::from_u8(first[54])?,
            reason: Reason::from_u8(first[55])?,
            obeyed: half_word(first, 56),
            // A record from before there were generations ends here.
            failure: match second.iter().all(|b| *b == 0) {
                true => None,
                false => Some(Failure::decode(sequence, second)?),
            },
        })
    }
}

impl Failure {
    /// The sequence number binds it to the first half: a torn write of the slot is seen.
    fn encode(&self, sequence: u64, b: &mut [u8]) {
        b[..8].copy_from_slice(&sequence.to_le_bytes());
        b[8..16].copy_from_slice(&self.generation.to_le_bytes());
        b[16..24].copy_from_slice(&self.at.to_le_bytes());
        b[24] = self.reason as u8;
        b[25..57].copy_from_slice(&self.culprit.0);
        b[57] = 1;
        seal(b);
    }

    fn decode(sequence: u64, b: &[u8]) -> Option<Self> {
        if !is_sealed(b) || word(b, 0) != sequence || b[57..60] != [1, 0, 0] {
            return None;
        }
        Some(Self {
            generation: word(b, 8),
            at: word(b, 16),
            reason: Reason::from_u8(b[24])?,
            culprit: Culprit::decode(&b[25..57])?,
        })
    }
}

/// Puts the checksum of the first 60 bytes into the last four.
fn seal(half: &mut [u8]) {
    let (body, sum) = half.split_at_mut(HALF - 4);
    sum.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

fn is_sealed(half: &[u8]) -> bool {
    let (body, sum) = half.split_at(HALF - 4);
    sum == crc32fast::hash(body).to_le_bytes()
}

fn word(b: &[u8], at: usize) -> u64 {
    let mut w = [0; 8];
    w.copy_from_slice(&b[at..at + 8]);
    u64::from_le_bytes(w)
}

fn half_word(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

/// What a reader of the file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The newest good slot.
    pub record: Option<Record>,
    /// Slots that hold something which is no record: 0, 1 or 2. An empty slot is not counted.
    pub damaged: u8,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.record, self.damaged) {
            (Some(_), 0) => f.write_str("boot record read"),
            (Some(_), _) => {
                f.write_str("one slot of the boot record is damaged: the other is used")
            }
            (None, 0) => f.write_str("there is no boot record yet: starting a fresh one"),
            (None, _) => f.write_str("the boot record is damaged in both slots: starting afresh"),
        }
    }
}

/// Chooses between the two slots of the file.
pub fn choose(slots: &[[u8; SLOT]; 2]) -> Found {
    let mut found = Found { record: None, damaged: 0 };
    for slot in slots {
        match (Record::decode(slot), found.record) {
            (None, _) if *slot == [0; SLOT] => {}
            (None, _) => found.damaged += 1,
            (Some(new), Some(old)) if old.sequence >= new.sequence => {}
            (new, _) => found.record = new,
        }
    }
    found
}

/// Reads the bytes of the whole file, which may be shorter than its two slots.
pub fn read(file: &[u8]) -> Found {
    let mut slots = [[0; SLOT]; 2];
    for (slot, at) in slots.iter_mut().zip([0, SLOT_STRIDE as usize]) {
        let bytes = file.get(at..).unwrap_or_default();
        let n = bytes.len().min(SLOT);
        slot[..n].copy_from_slice(&bytes[..n]);
    }
    choose(&slots)
}

#[cfg(test)]
#[path = "bootrec_tests.rs"]
mod tests;
