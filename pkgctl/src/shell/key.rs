//! Keys from the bytes a terminal sends (ECMA-48 sequences as xterm, the Linux console and VT220 use
//! them, and UTF-8).

/// A key, or something a terminal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character to insert.
    Char(char),
    /// A control key, by its letter: `Ctrl('c')`.
    Ctrl(char),
    /// Carriage return or line feed.
    Enter,
    /// Completion.
    Tab,
    /// Deletes to the left.
    Backspace,
    /// Deletes under the cursor.
    Delete,
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// One word to the left.
    WordLeft,
    /// One word to the right.
    WordRight,
    /// An older line.
    Up,
    /// A newer line.
    Down,
    /// The start of the line.
    Home,
    /// The end of the line.
    End,
    /// The terminal tells where its cursor is.
    Position {
        /// From 1.
        row: usize,
        /// From 1.
        column: usize,
    },
    /// A sequence that means nothing here.
    Unknown,
}

/// The longest sequence taken; what is longer is noise.
const LONGEST: usize = 16;

/// Turns bytes into keys, one by one.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
}

impl Decoder {
    /// Takes a byte and returns the key that it completes.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        // A control character inside a sequence or a character: the start was noise.
        if byte < 0x20 && !self.held.is_empty() {
            self.held.clear();
        }
        self.held.push(byte);
        let key = match self.held[0] {
            0x1b => escape(&self.held[1..]),
            0x80.. => utf8(&self.held),
            byte => Some(plain(byte)),
        };
        if key.is_some() {
            self.held.clear();
        }
        key
    }

    /// Whether a sequence has begun and is not complete.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up what has begun: nothing followed in time, so it was the Escape key or noise.
    pub fn reset(&mut self) {
        self.held.clear();
    }
}

fn plain(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x08 | 0x7f => Key::Backspace,
        1..=26 => Key::Ctrl(char::from(byte - 1 + b'a')),
        0x20..0x7f => Key::Char(char::from(byte)),
        _ => Key::Unknown,
    }
}

fn utf8(bytes: &[u8]) -> Option<Key> {
    let wanted = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some(Key::Unknown),
    };
    if bytes.len() < wanted && bytes[1..].iter().all(|b| b & 0xc0 == 0x80) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok();
    let c = text.and_then(|t| t.chars().next()).filter(|c| !c.is_control());
    Some(c.map_or(Key::Unknown, Key::Char))
}

/// What follows Escape.
fn escape(rest: &[u8]) -> Option<Key> {
    Some(match rest {
        [] | [b'[' | b'O'] => return None,
        [b'b'] => Key::WordLeft,
        [b'f'] => Key::WordRight,
        [b'O', last] => motion(*last),
        [b'[', parameters @ .., last @ 0x40..=0x7e] => control_sequence(parameters, *last),
        [b'[', ..] if rest.len() < LONGEST => return None,
        _ => Key::Unknown,
    })
}

fn control_sequence(parameters: &[u8], last: u8) -> Key {
    match (parameters, last) {
        (b"1" | b"7", b'~') => Key::Home,
        (b"4" | b"8", b'~') => Key::End,
        (b"3", b'~') => Key::Delete,
        (b"1;5" | b"1;3", b'C') => Key::WordRight,
        (b"1;5" | b"1;3", b'D') => Key::WordLeft,
        (_, b'R') => position(parameters).unwrap_or(Key::Unknown),
        (b"", last) => motion(last),
        _ => Key::Unknown,
    }
}

fn motion(last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => Key::Unknown,
    }
}

fn position(parameters: &[u8]) -> Option<Key> {
    let (row, column) = std::str::from_utf8(parameters).ok()?.split_once(';')?;
    Some(Key::Position { row: row.parse().ok()?, column: column.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Decoder, Key, LONGEST};

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|b| decoder.push(*b)).collect()
    }

    #[test]
    fn the_keys_of_common_terminals() {
        let table: [(&[u8], Key); 19] = [
            (b"a", Key::Char('a')),
            ("é".as_bytes(), Key::Char('é')),
            ("🦀".as_bytes(), Key::Char('🦀')),
            (b"\r", Key::Enter),
            (b"\n", Key::Enter),
            (b"\x7f", Key::Backspace),
            (b"\x08", Key::Backspace),
            (b"\x03", Key::Ctrl('c')),
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[D", Key::Left),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[3~", Key::Delete),
            (b"\x1b[1;5D", Key::WordLeft),
            (b"\x1bf", Key::WordRight),
            (b"\x1b[24;80R", Key::Position { row: 24, column: 80 }),
            (b"\x1b[200~", Key::Unknown),
        ];
        for (bytes, key) in table {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn noise_does_not_swallow_what_follows() {
        assert_eq!(keys(b"\xff\xfea"), [Key::Unknown, Key::Unknown, Key::Char('a')]);
        assert_eq!(keys(b"\xc3\rx"), [Key::Enter, Key::Char('x')]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Up]);
        assert_eq!(keys(b"\x1b[99999999;1R"), [Key::Position { row: 99_999_999, column: 1 }]);
        assert_eq!(keys(b"\x1b[;R"), [Key::Unknown]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_usable_state(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut decoder = Decoder::default();
            for byte in &bytes {
                decoder.push(*byte);
                prop_assert!(decoder.held.len() <= LONGEST + 1);
            }
            decoder.reset();
            prop_assert!(decoder.push(b'x') == Some(Key::Char('x')));
        }
    }
}
