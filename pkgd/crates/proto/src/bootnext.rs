//! The wish for the next boot: the file `boot/next` on the state disk. pkgd writes it, init obeys it
//! once. pkgd never writes the boot record itself: init holds that, and two writers would lose each
//! other's words. Byte by byte: `docs/formats/boot-record.md`.

/// Where the file lies on the state disk.
pub const PATH: &str = "boot/next";
/// Bytes of the file.
pub const SIZE: usize = 32;
/// What it starts with; the last digit is the version of the layout.
pub const MAGIC: [u8; 8] = *b"MINOSNX1";
/// How often a generation is tried unless somebody says otherwise.
pub const TRIES: u8 = 3;

/// Which generation the next boot is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootNext {
    /// The generation; 0 is the initramfs itself.
    pub generation: u64,
    /// It has been proven before: it is not on trial, and becomes the fallback.
    pub proven: bool,
    /// How often it may be tried, when it is not proven; at least 1.
    pub tries: u8,
    /// Random: tells this wish from any other, also for the same generation.
    pub id: [u8; 8],
}

impl BootNext {
    /// The bytes of the file. To be written under another name, made durable, and renamed.
    pub fn encode(&self) -> [u8; SIZE] {
        let mut b = [0; SIZE];
        b[..8].copy_from_slice(&MAGIC);
        b[8..16].copy_from_slice(&self.generation.to_le_bytes());
        b[16..24].copy_from_slice(&self.id);
        b[24] = u8::from(self.proven);
        b[25] = self.tries;
        let sum = crc32fast::hash(&b[..28]);
        b[28..].copy_from_slice(&sum.to_le_bytes());
        b
    }

    /// The wish in a file; `None` when length, magic, checksum or a field is not right.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let b: &[u8; SIZE] = bytes.try_into().ok()?;
        let sum = crc32fast::hash(&b[..28]).to_le_bytes();
        if b[..8] != MAGIC || b[28..] != sum || b[26..28] != [0; 2] || b[24] > 1 {
            return None;
        }
        let mut generation = [0; 8];
        generation.copy_from_slice(&b[8..16]);
        let mut id = [0; 8];
        id.copy_from_slice(&b[16..24]);
        let next = Self {
            generation: u64::from_le_bytes(generation),
            proven: b[24] == 1,
            tries: b[25],
            id,
        };
        (next.proven || next.tries > 0).then_some(next)
    }

    /// What the boot record keeps of a wish that was obeyed: never 0, which stands for none. Two wishes
    /// have the same mark once in four thousand million: the second would not be obeyed, and said so.
    pub fn mark(&self) -> u32 {
        crc32fast::hash(&self.id).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{BootNext, SIZE};

    const NEXT: BootNext = BootNext { generation: 7, proven: false, tries: 3, id: *b"randomly" };

    /// The bytes are a promise between programs built at different times.
    #[test]
    fn golden_bytes() {
        let b = NEXT.encode();
        assert_eq!(b[..28], *b"MINOSNX1\x07\0\0\0\0\0\0\0randomly\x00\x03\0\0");
        assert_eq!(BootNext::decode(&b), Some(NEXT));
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_detected() {
        let good = NEXT.encode();
        for bit in 0..SIZE * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BootNext::decode(&bad), None, "bit {bit}");
        }
        for n in 0..SIZE {
            assert_eq!(BootNext::decode(&good[..n]), None, "{n}");
        }
        assert_eq!(BootNext::decode(&[&good[..], &[0]].concat()), None);
    }

    #[test]
    fn a_wish_without_tries_is_none() {
        assert_eq!(BootNext::decode(&BootNext { tries: 0, ..NEXT }.encode()), None);
        let proven = BootNext { tries: 0, proven: true, ..NEXT };
        assert_eq!(BootNext::decode(&proven.encode()), Some(proven));
    }

    #[test]
    fn marks_tell_wishes_apart_and_are_never_none() {
        assert_ne!(NEXT.mark(), BootNext { id: *b"randomlz", ..NEXT }.mark());
        assert!(NEXT.mark() > 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(generation: u64, proven: bool, tries in 1u8.., id: [u8; 8]) {
            let next = BootNext { generation, proven, tries, id };
            prop_assert_eq!(BootNext::decode(&next.encode()), Some(next));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(BootNext::decode(&bytes), None);
        }
    }
}
