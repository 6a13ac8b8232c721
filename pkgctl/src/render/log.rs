//! `log`: the output of an attempt, whole or its end.

use minos_model::Phase;

use super::text::clean_lines;

/// Text for a terminal from log bytes that arrive in pieces: control characters are made harmless,
/// and a UTF-8 character cut by the end of a piece waits for the next one.
#[derive(Debug, Default)]
pub struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    /// The text of `piece`, as far as its last character is complete.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.rest.extend_from_slice(piece);
        let keep = incomplete_end(&self.rest);
        let tail = self.rest.split_off(self.rest.len() - keep);
        let whole = std::mem::replace(&mut self.rest, tail);
        clean_lines(&String::from_utf8_lossy(&whole))
    }
}

/// How many bytes at the end are the start of a character whose rest is missing.
fn incomplete_end(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let length = match bytes[bytes.len() - back] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// Of a log that is pushed in pieces, what one phase printed.
#[derive(Debug)]
pub struct Section {
    wanted: Phase,
    /// The phase whose lines come now.
    now: Option<Phase>,
    found: bool,
    /// The line that is not yet at its end.
    line: Vec<u8>,
}

impl Section {
    /// What `phase` printed, without its heading.
    pub fn of(phase: Phase) -> Self {
        Self { wanted: phase, now: None, found: false, line: Vec::new() }
    }

    /// The lines of the phase that `piece` brings to their ends; at the `end` of the log, what is left of the last one too.
    pub fn push(&mut self, piece: &[u8], end: bool) -> Vec<u8> {
        self.line.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.line);
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                None if !end => self.line = line.to_vec(),
                whole => self.take(whole.unwrap_or(line), line, &mut lines),
            }
        }
        lines
    }

    fn take(&mut self, text: &[u8], line: &[u8], lines: &mut Vec<u8>) {
        if let Some(phase) = Phase::headed_by(text) {
            self.now = Some(phase);
            self.found |= phase == self.wanted;
        } else if self.now == Some(self.wanted) {
            lines.extend_from_slice(line);
        }
    }

    /// The phase, if it has not begun in what was pushed.
    pub fn missing(&self) -> Option<Phase> {
        Some(self.wanted).filter(|_| !self.found)
    }
}

/// Keeps the last `n` lines of what is pushed.
#[derive(Debug)]
pub struct Tail {
    wanted: usize,
    kept: Vec<u8>,
}

impl Tail {
    /// Keeps `wanted` lines.
    pub fn new(wanted: usize) -> Self {
        Self { wanted, kept: Vec::new() }
    }

    /// Adds bytes and forgets the lines that are now too far from the end.
    pub fn push(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
        let start = self.start().unwrap_or(0);
        self.kept.drain(..start);
    }

    /// Whether all lines wanted are there; if not, the log must be read from further up.
    pub fn is_full(&self) -> bool {
        self.start().is_some()
    }

    /// Where the last lines begin, when something stands in front of them that ends in a newline.
    fn start(&self) -> Option<usize> {
        let body = self.kept.strip_suffix(b"\n").unwrap_or(&self.kept);
        if self.wanted == 0 {
            return Some(self.kept.len());
        }
        let newlines = body.iter().enumerate().rev().filter(|(_, b)| **b == b'\n');
        newlines.map(|(at, _)| at + 1).nth(self.wanted - 1)
    }

    /// The bytes kept.
    pub fn into_bytes(self) -> Vec<u8> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use minos_model::Phase;

    use super::{Decoder, Section, Tail};

    #[test]
    fn cut_characters_wait_for_their_rest() {
        let mut decoder = Decoder::default();
        let shown: String = "grün ✓ 🦀\n".as_bytes().chunks(1).map(|c| decoder.push(c)).collect();
        assert_eq!(shown, "grün ✓ 🦀\n");
        assert_eq!(Decoder::default().push(b"\xff\x1b[2Jx"), "\u{fffd}?[2Jx");
    }

    #[test]
    fn the_last_lines() {
        let tail = |n, text: &str| {
            let mut tail = Tail::new(n);
            tail.push(text.as_bytes());
            String::from_utf8(tail.into_bytes()).unwrap()
        };
        assert_eq!(tail(2, "a\nb\nc\n"), "b\nc\n");
        assert_eq!(tail(2, "a\nb\nc"), "b\nc");
        assert_eq!(tail(9, "a\nb\n"), "a\nb\n");
        assert_eq!(tail(0, "a\nb\n"), "");
        assert_eq!(tail(1, "\n\n"), "\n");
    }

    const PHASES: &str = "pkgd: attempt 3\npkgd: phase build\na\npkgd: build.sh:1: x: status 1\nb\npkgd: phase check\nc\nd";

    #[test]
    fn a_phase_is_what_stands_below_its_heading() {
        let of = |phase| {
            let mut section = Section::of(phase);
            let text = section.push(PHASES.as_bytes(), true);
            (String::from_utf8(text).unwrap(), section.missing().is_none())
        };
        assert_eq!(of(Phase::Build), ("a\npkgd: build.sh:1: x: status 1\nb\n".to_owned(), true));
        assert_eq!(of(Phase::Check), ("c\nd".to_owned(), true));
        assert_eq!(of(Phase::Install), (String::new(), false));
    }

    proptest! {
        #[test]
        fn a_phase_in_pieces_is_the_same(cut in 1usize..40) {
            for phase in [Phase::Build, Phase::Check] {
                let mut section = Section::of(phase);
                let mut text = Vec::new();
                PHASES.as_bytes().chunks(cut).for_each(|piece| text.extend(section.push(piece, false)));
                text.extend(section.push(b"", true));
                prop_assert_eq!(text, Section::of(phase).push(PHASES.as_bytes(), true));
            }
        }

        #[test]
        fn pieces_do_not_matter(text in "[a-c\n]{0,60}", n in 0usize..6, cut in 1usize..9) {
            let mut tail = Tail::new(n);
            text.as_bytes().chunks(cut).for_each(|c| tail.push(c));
            let lines: Vec<_> = text.split_inclusive('\n').collect();
            let want = lines[lines.len().saturating_sub(n)..].concat();
            prop_assert_eq!(String::from_utf8(tail.into_bytes()).unwrap(), want);
        }

        #[test]
        fn no_bytes_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut decoder = Decoder::default();
            for piece in &pieces {
                decoder.push(piece);
            }
        }
    }
}
