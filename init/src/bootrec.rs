//! The boot record: two slots of fixed size in `boot/record` on the state disk.
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

use core::fmt::{self, Write as _};

use heapless::String;
use minos_proto::BootPhase;

/// Bytes of one slot.
pub const SLOT: usize = 64;
/// Distance of the slots in the file: one page, so that no single block holds both.
pub const SLOT_STRIDE: u64 = 4096;
/// What a slot starts with; the last digit is the version of the layout.
pub const MAGIC: [u8; 8] = *b"MINOSBR1";
/// The longest sentence about a boot in bytes, the room of [`minos_proto::BootEvent::LastBoot`].
pub const SENTENCE: usize = 160;

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
}

impl Reason {
    /// The reason with this number.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::InProgress,
            1 => Self::PowerOff,
            2 => Self::Halt,
            3 => Self::Reboot,
            4 => Self::CtrlAltDel,
            5 => Self::PowerButton,
            6 => Self::RescueTimeout,
            7 => Self::RescueAsked,
            8 => Self::Panic,
            9 => Self::PkgdGaveUp,
            10 => Self::BootFailed,
            _ => return None,
        })
    }

    /// Somebody wanted the end: it says nothing about the generation.
    pub const fn is_deliberate(self) -> bool {
        matches!(
            self,
            Self::PowerOff | Self::Halt | Self::Reboot | Self::CtrlAltDel | Self::PowerButton
        )
    }

    /// How the sentence about the last boot goes on.
    const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "was cut off (power cut, watchdog or kernel crash)",
            Self::PowerOff => "ended by power-off, as asked",
            Self::Halt => "ended by halt, as asked",
            Self::Reboot => "ended by reboot, as asked",
            Self::CtrlAltDel => "ended by Ctrl-Alt-Del",
            Self::PowerButton => "ended by the power button",
            Self::RescueTimeout => "ended because nobody answered the rescue prompt",
            Self::RescueAsked => "was ended at the rescue prompt",
            Self::Panic => "ended by a failure of init itself",
            Self::PkgdGaveUp => "was cut off at the rescue prompt: pkgd had failed too often",
            Self::BootFailed => "was cut off at the rescue prompt: a boot step had failed",
        }
    }
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
    /// How often `generation` may still be tried; means nothing when it is proven.
    pub tries_left: u8,
    /// How far the boot came.
    pub phase: BootPhase,
    /// Why it ended.
    pub reason: Reason,
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
            tries_left: 0,
            phase: BootPhase::Start,
            reason: Reason::InProgress,
        }
    }

    /// The record of the boot that starts now, given what the last one left. To be on disk before
    /// it is obeyed.
    pub const fn next_boot(last: Option<Self>) -> Self {
        let mut r = match last {
            Some(last) => last,
            None => Self::fresh(),
        };
        if !r.proven {
            match r.tries_left.checked_sub(1) {
                Some(left) => r.tries_left = left,
                None => {
                    r.generation = r.fallback;
                    r.proven = true;
                }
            }
        }
        r.boot_count = r.boot_count.saturating_add(1);
        r.pkgd_restarts = 0;
        r.phase = BootPhase::Recorded;
        r.reason = Reason::InProgress;
        r
    }

    /// The record to write when this boot ends, or may end, for `reason`.
    pub const fn ending(mut self, reason: Reason) -> Self {
        if reason.is_deliberate() && !self.reason.is_deliberate() && !self.proven {
            self.tries_left = self.tries_left.saturating_add(1);
        }
        self.reason = reason;
        self
    }

    /// The same, to be written now: the only place that raises the sequence number, so that two
    /// writes in a row never go to the same slot.
    pub const fn stamped(mut self, now: u64) -> Self {
        self.sequence = self.sequence.wrapping_add(1);
        self.written_at = now;
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
        b[52] = self.proven as u8;
        b[53] = self.tries_left;
        b[54] = self.phase as u8;
        b[55] = self.reason as u8;
        let sum = crc32fast::hash(&b[..60]);
        b[60..].copy_from_slice(&sum.to_le_bytes());
        b
    }

    /// The record in one slot; `None` when magic, checksum or a field is not right.
    pub fn decode(b: &[u8; SLOT]) -> Option<Self> {
        let sum = crc32fast::hash(&b[..60]).to_le_bytes();
        if b[..8] != MAGIC || b[60..] != sum || b[56..60] != [0; 4] {
            return None;
        }
        let word = |at: usize| {
            let mut w = [0; 8];
            w.copy_from_slice(&b[at..at + 8]);
            u64::from_le_bytes(w)
        };
        Some(Self {
            sequence: word(8),
            generation: word(16),
            fallback: word(24),
            boot_count: word(32),
            written_at: word(40),
            pkgd_restarts: u32::from_le_bytes([b[48], b[49], b[50], b[51]]),
            proven: match b[52] {
                0 => false,
                1 => true,
                _ => return None,
            },
            tries_left: b[53],
            phase: BootPhase::from_u8(b[54])?,
            reason: Reason::from_u8(b[55])?,
        })
    }

    /// One sentence about the boot this record was left by.
    pub fn sentence(&self) -> String<SENTENCE> {
        let mut s = String::new();
        // The longest sentence fits (tested); a full buffer would only cut it.
        let _ = write!(s, "boot {} {}", self.boot_count, self.reason.as_str());
        if self.reason == Reason::InProgress {
            let _ = write!(s, " after phase \"{}\"", self.phase);
        }
        match self.pkgd_restarts {
            0 => {}
            1 => s.push_str("; pkgd had to be restarted once").unwrap_or_default(),
            n => write!(s, "; pkgd had to be restarted {n} times").unwrap_or_default(),
        }
        s
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{BootPhase, Reason, Record, SENTENCE, SLOT, SLOT_STRIDE, choose};

    fn two() -> ([[u8; SLOT]; 2], Record, Record) {
        let old = Record::next_boot(None).stamped(1_700_000_000);
        let new = old.ending(Reason::PowerOff).stamped(1_700_000_100);
        let mut slots = [[0; SLOT]; 2];
        for r in [old, new] {
            slots[(r.offset() / SLOT_STRIDE) as usize] = r.encode();
        }
        (slots, old, new)
    }

    /// The bytes on disk are a promise to programs built at another time.
    #[test]
    fn golden_bytes() {
        let r = Record {
            sequence: 0x0102,
            generation: 7,
            fallback: 6,
            boot_count: 3,
            written_at: 0x6543_2100,
            pkgd_restarts: 9,
            proven: false,
            tries_left: 2,
            phase: BootPhase::Ready,
            reason: Reason::PowerButton,
        };
        let b = r.encode();
        assert_eq!(&b[..16], b"MINOSBR1\x02\x01\0\0\0\0\0\0");
        assert_eq!(b[16..48].iter().filter(|b| **b != 0).count(), 6);
        assert_eq!(b[48..60], [9, 0, 0, 0, 0, 2, 5, 5, 0, 0, 0, 0]);
        assert_eq!(Record::decode(&b), Some(r));
    }

    #[test]
    fn the_newer_slot_counts_and_writes_alternate() {
        let (slots, old, new) = two();
        assert_ne!(old.offset(), new.offset());
        assert_eq!(choose(&slots).record, Some(new));
    }

    #[test]
    fn every_flipped_bit_in_either_slot_is_detected_and_the_other_slot_is_used() {
        let (slots, old, new) = two();
        for slot in 0..2 {
            for bit in 0..SLOT * 8 {
                let mut bad = slots;
                bad[slot][bit / 8] ^= 1 << (bit % 8);
                let found = choose(&bad);
                let newest = (new.offset() / SLOT_STRIDE) as usize;
                let expected = if slot == newest { old } else { new };
                assert_eq!((found.record, found.damaged), (Some(expected), 1), "{slot} {bit}");
            }
        }
    }

    #[test]
    fn both_damaged_gives_a_fresh_record_and_says_so() {
        let (mut slots, ..) = two();
        slots[0][9] ^= 1;
        slots[1][63] ^= 0x80;
        let found = choose(&slots);
        assert_eq!((found.record, found.damaged), (None, 2));
        assert!(found.to_string().contains("both slots"), "{found}");
        assert_eq!(choose(&[[0; SLOT]; 2]).damaged, 0, "an empty file is not damage");
        assert_eq!(Record::next_boot(None).boot_count, 1);
    }

    /// gokrazy: the intent to try is consumed before it is acted on, so a hang boots the old one.
    #[test]
    fn the_try_is_consumed_before_it_is_used_and_then_the_proven_one_is_taken() {
        let new =
            Record { generation: 5, fallback: 4, proven: false, tries_left: 2, ..Record::fresh() };
        let first = Record::next_boot(Some(new));
        assert_eq!((first.generation, first.tries_left), (5, 1));
        let second = Record::next_boot(Some(first));
        assert_eq!((second.generation, second.tries_left), (5, 0));
        let third = Record::next_boot(Some(second));
        assert_eq!((third.generation, third.proven), (4, true));
    }

    /// rauc/rauc#490: three quick power cuts of a healthy system switched to an old slot.
    #[test]
    fn power_cuts_of_a_proven_generation_change_nothing() {
        let mut r =
            Record { generation: 5, fallback: 5, proven: true, tries_left: 0, ..Record::fresh() };
        for _ in 0..50 {
            r = Record::next_boot(Some(r));
        }
        assert_eq!((r.generation, r.proven, r.boot_count), (5, true, 50));
    }

    /// meta-balena#1316: deliberate reboots were counted as failures.
    #[test]
    fn a_deliberate_end_gives_the_try_back_once() {
        let new = Record { generation: 5, proven: false, tries_left: 1, ..Record::fresh() };
        let boot = Record::next_boot(Some(new));
        let end = boot.ending(Reason::Reboot).ending(Reason::Reboot);
        assert_eq!(end.tries_left, 1);
        assert_eq!(boot.ending(Reason::RescueTimeout).tries_left, 0);
    }

    #[test]
    fn every_reason_has_its_number_and_its_sentence_fits() {
        for byte in 0..=255u8 {
            let Some(reason) = Reason::from_u8(byte) else { continue };
            assert_eq!(reason as u8, byte);
            let r = Record {
                reason,
                boot_count: u64::MAX,
                pkgd_restarts: u32::MAX,
                phase: BootPhase::Recorded,
                ..Record::fresh()
            };
            assert!(r.sentence().ends_with("times"), "{}", r.sentence());
            assert!(r.sentence().len() <= SENTENCE);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seq: u64, generation: u64, n: u64, restarts: u32, tries: u8, proven: bool,
            phase in 0u8..8, reason in 0u8..11)
        {
            let r = Record {
                sequence: seq, generation, fallback: n, boot_count: n, written_at: seq,
                pkgd_restarts: restarts, proven, tries_left: tries,
                phase: BootPhase::from_u8(phase).unwrap(), reason: Reason::from_u8(reason).unwrap(),
            };
            prop_assert_eq!(Record::decode(&r.encode()), Some(r));
        }

        #[test]
        fn no_bytes_panic(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let mut slot = [0; SLOT];
            slot[..32].copy_from_slice(&a);
            slot[32..].copy_from_slice(&b);
            prop_assert!(choose(&[slot, slot]).record.is_none());
        }
    }
}
