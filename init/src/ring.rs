//! The early log: a ring of whole entries that outlives every reader's absence.
//!
//! It exists before any console does, and it is the only queue: the console and the port of the
//! host are readers with a position of their own. A reader that is too slow loses whole entries,
//! and learns how many; a partial line is never handed out.

use crate::cmdline::LogLevel;

/// Bytes of the ring, headers included: some hundred lines. Part of PID 1's private memory.
pub const RING: usize = 8192;
/// Bytes of the longest entry: a line of 160 with room for a frame around it.
pub const ENTRY: usize = 208;
const HEADER: usize = 12;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A log line: for the console (if its level is wanted) and, as a frame, for the port.
    Line(LogLevel),
    /// A line for the console only, at the level of debugging: the host has it as an event.
    Local,
    /// Text for the console only, without a newline added.
    Prompt,
    /// A frame for the port only.
    Frame,
}

impl Kind {
    const fn to_u8(self) -> u8 {
        match self {
            Self::Line(LogLevel::Quiet) => 0,
            Self::Line(LogLevel::Normal) => 1,
            Self::Line(LogLevel::Debug) => 2,
            Self::Prompt => 3,
            Self::Local => 4,
            Self::Frame => 5,
        }
    }

    const fn from_u8(byte: u8) -> Self {
        match byte {
            0 => Self::Line(LogLevel::Quiet),
            1 => Self::Line(LogLevel::Normal),
            2 => Self::Line(LogLevel::Debug),
            3 => Self::Prompt,
            4 => Self::Local,
            _ => Self::Frame,
        }
    }
}

/// One entry, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// When, in milliseconds since the kernel started.
    pub at_ms: u64,
    /// Its bytes.
    pub bytes: heapless::Vec<u8, ENTRY>,
}

/// A reader's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    offset: u64,
    number: u64,
}

/// What a reader lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Entries.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    bytes: [u8; RING],
    oldest: Cursor,
    next: Cursor,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// An empty ring.
    pub const fn new() -> Self {
        let start = Cursor { offset: 0, number: 0 };
        Self { bytes: [0; RING], oldest: start, next: start }
    }

    /// The position of the oldest entry.
    pub const fn oldest(&self) -> Cursor {
        self.oldest
    }

    /// Appends an entry, cut to [`ENTRY`] bytes; the oldest ones make room.
    pub fn push(&mut self, kind: Kind, at_ms: u64, bytes: &[u8]) {
        let bytes = bytes.get(..ENTRY).unwrap_or(bytes);
        let size = (HEADER + bytes.len()) as u64;
        while self.next.offset + size - self.oldest.offset > RING as u64 {
            self.oldest = self.after(self.oldest);
        }
        let mut head = [0; HEADER];
        head[..2].copy_from_slice(&(bytes.len() as u16).to_le_bytes());
        head[2] = kind.to_u8();
        head[4..].copy_from_slice(&at_ms.to_le_bytes());
        let at = self.next.offset;
        self.put(at, &head);
        self.put(at + HEADER as u64, bytes);
        self.next = Cursor { offset: at + size, number: self.next.number + 1 };
    }

    /// Moves a reader that was overtaken to the oldest entry and says what it lost.
    pub fn catch_up(&self, cursor: &mut Cursor) -> Option<Lost> {
        if cursor.offset >= self.oldest.offset {
            return None;
        }
        let lost = Lost {
            entries: self.oldest.number - cursor.number,
            bytes: self.oldest.offset - cursor.offset,
        };
        *cursor = self.oldest;
        Some(lost)
    }

    /// The next entry for a reader that has caught up, moving it on.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Entry> {
        if cursor.offset >= self.next.offset {
            return None;
        }
        let mut head = [0; HEADER];
        self.get(cursor.offset, &mut head);
        let mut at = [0; 8];
        at.copy_from_slice(&head[4..]);
        let mut bytes = heapless::Vec::new();
        // An entry is never longer than the vector.
        let _ = bytes.resize_default(length(&head));
        self.get(cursor.offset + HEADER as u64, &mut bytes);
        *cursor = self.after(*cursor);
        Some(Entry { kind: Kind::from_u8(head[2]), at_ms: u64::from_le_bytes(at), bytes })
    }

    fn after(&self, cursor: Cursor) -> Cursor {
        let mut head = [0; HEADER];
        self.get(cursor.offset, &mut head);
        let size = (HEADER + length(&head)) as u64;
        Cursor { offset: cursor.offset + size, number: cursor.number + 1 }
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            self.bytes[(offset as usize + i) % RING] = *byte;
        }
    }

    fn get(&self, offset: u64, bytes: &mut [u8]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = self.bytes[(offset as usize + i) % RING];
        }
    }
}

fn length(head: &[u8; HEADER]) -> usize {
    usize::from(u16::from_le_bytes([head[0], head[1]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Cursor, ENTRY, Kind, RING, Ring};
    use crate::cmdline::LogLevel;

    const LINE: Kind = Kind::Line(LogLevel::Normal);

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut ring = Ring::new();
        let mut cursor = Cursor::default();
        ring.push(LINE, 7, b"first");
        ring.push(Kind::Frame, 8, &[0; ENTRY + 50]);
        let first = ring.next(&mut cursor).unwrap();
        assert_eq!((first.kind, first.at_ms, &first.bytes[..]), (LINE, 7, &b"first"[..]));
        assert_eq!(ring.next(&mut cursor).unwrap().bytes.len(), ENTRY);
        assert_eq!(ring.next(&mut cursor), None);
    }

    #[test]
    fn a_slow_reader_learns_how_much_it_lost() {
        let mut ring = Ring::new();
        let mut cursor = Cursor::default();
        for i in 0..1000u64 {
            ring.push(LINE, i, b"a line of some length");
        }
        let lost = ring.catch_up(&mut cursor).unwrap();
        let first = ring.next(&mut cursor).unwrap();
        assert_eq!(first.at_ms, lost.entries, "lost + kept must give all");
        assert_eq!(&first.bytes[..], b"a line of some length", "no partial line");
        assert_eq!(lost.bytes, lost.entries * (12 + 21));
        assert!((RING as u64 / 33).abs_diff(1000 - lost.entries) <= 1);
    }

    proptest! {
        #[test]
        fn like_a_list_that_forgets_its_front(
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..ENTRY), 0..300),
            read_every in 1usize..80,
        ) {
            let mut ring = Ring::new();
            let mut cursor = Cursor::default();
            let mut at = 0u64;
            for (i, e) in entries.iter().enumerate() {
                ring.push(LINE, i as u64, e);
                if i % read_every == 0 {
                    at += ring.catch_up(&mut cursor).map_or(0, |l| l.entries);
                    while let Some(entry) = ring.next(&mut cursor) {
                        prop_assert_eq!(entry.at_ms, at);
                        prop_assert_eq!(&entry.bytes[..], &entries[at as usize][..]);
                        at += 1;
                    }
                    prop_assert_eq!(at, i as u64 + 1);
                }
            }
        }
    }
}
