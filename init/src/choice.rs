//! The choice of a generation at the console: two seconds for one word, before anything is written down.
//! What is chosen counts for this boot alone.

use core::fmt::Write as _;

use heapless::{String, Vec};

use crate::cmdline::LogLevel;
use crate::console::LINE;
use crate::disks::put_in_order;
use crate::kernel::{Fd, Open, Sys};
use crate::machine::{Ms, Outcome};
use crate::rescue::INPUT;
use crate::roots::ROOTS;
use crate::runtime::Runtime;

/// How long the offer stands: long enough to see it and press two keys, short for everybody else.
pub const OFFER_MS: Ms = 2_000;
/// The most generations in the list; older ones can be named on the kernel command line.
const LIST: usize = 32;

/// The open choice.
#[derive(Debug, Default)]
pub(crate) struct Chooser {
    fd: Option<Fd>,
    line: Vec<u8, INPUT>,
    roots: Vec<u64, LIST>,
    /// Somebody wants the list: no more hurry than the step's own deadline.
    listed: bool,
    until: Ms,
}

/// What a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The list is wanted.
    List,
    /// This one.
    Number(u64),
    /// What would be booted anyway.
    Default,
    /// Nothing of it.
    Unknown,
}

impl Word {
    /// Reads a line, as typed.
    pub fn parse(line: &[u8]) -> Self {
        match line.trim_ascii() {
            b"" => Self::Default,
            b"g" => Self::List,
            text => {
                let number = str::from_utf8(text).ok().and_then(|t| t.parse().ok());
                number.map_or(Self::Unknown, Self::Number)
            }
        }
    }
}

impl<S: Sys> Runtime<S> {
    /// Offers the choice, or goes on with it. Answers `Pending` until it is over.
    pub(crate) fn choose(&mut self) -> Outcome {
        if self.generation.chooser.is_none() && !self.offer() {
            return Outcome::Done;
        }
        let now = self.sys.now_ms();
        self.read_choice();
        let Some(chooser) = &self.generation.chooser else { return Outcome::Done };
        if chooser.listed || now < chooser.until {
            return Outcome::Pending;
        }
        self.end_choice();
        Outcome::Done
    }

    /// Whether there is anything to choose, and anybody to do so.
    fn offer(&mut self) -> bool {
        if self.options.build.is_some() || self.options.generation.is_some() {
            return false;
        }
        let mut roots: Vec<u64, LIST> = Vec::new();
        // No such directory: a machine without generations.
        let _ = self.sys.list(ROOTS, &mut |name| {
            // Roots over the limit, and those that are being put together, are not offered.
            let _ = name.parse().map(|n| put_in_order(&mut roots, n));
        });
        if roots.is_empty() {
            return false;
        }
        let terminal = self.terminal.clone();
        let fd = self.checked(&terminal, |sys| sys.open(&terminal, Open::ReadWrite));
        if let Some(fd) = fd {
            let _ = self.sys.sane_terminal(fd);
        }
        let until = self.sys.now_ms().saturating_add(OFFER_MS);
        self.generation.chooser =
            Some(Chooser { fd, roots, until, listed: false, line: Vec::new() });
        let number = self.generation.number;
        self.say(
            LogLevel::Quiet,
            format_args!("generation {number}; type g and Enter to choose another"),
        );
        true
    }

    fn read_choice(&mut self) {
        let Some(fd) = self.generation.chooser.as_ref().and_then(|c| c.fd) else { return };
        let mut block = [0; 64];
        let Ok(n) = self.sys.read(fd, &mut block) else { return };
        for byte in block.get(..n).unwrap_or_default() {
            let Some(chooser) = &mut self.generation.chooser else { return };
            if *byte != b'\n' && *byte != b'\r' {
                // A line that is too long is no number any more, nor was it one.
                let _ = chooser.line.push(*byte);
                continue;
            }
            let word = Word::parse(&core::mem::take(&mut chooser.line));
            self.take_word(word);
        }
    }

    fn take_word(&mut self, word: Word) {
        let Some(chooser) = &mut self.generation.chooser else { return };
        match word {
            Word::Number(n) if n == 0 || chooser.roots.contains(&n) => {
                self.end_choice();
                return self.chosen(n);
            }
            Word::Default if chooser.listed => return self.end_choice(),
            Word::Default => return,
            Word::List | Word::Number(_) | Word::Unknown => chooser.listed = true,
        }
        self.show_list();
    }

    fn show_list(&mut self) {
        let Some(chooser) = &self.generation.chooser else { return };
        let mut text: String<LINE> = String::new();
        // What does not fit can still be typed.
        let _ = write!(text, "generations: 0 (the initramfs)");
        for n in &chooser.roots {
            let _ = write!(text, " {n}");
        }
        let now = self.sys.now_ms();
        self.journal.prompt(now, &text);
        self.journal.prompt(now, "\nnumber, or Enter for none of them> ");
    }

    /// The choice is over.
    pub(crate) fn end_choice(&mut self) {
        if let Some(Chooser { fd: Some(fd), .. }) = self.generation.chooser.take() {
            self.sys.close(fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_ne, proptest};

    use super::Word;

    #[test]
    fn lines_are_understood() {
        for (line, word) in [
            (&b" g\r"[..], Word::List),
            (b"7", Word::Number(7)),
            (b"0", Word::Number(0)),
            (b"", Word::Default),
            (b"seven", Word::Unknown),
            (b"-1", Word::Unknown),
            (b"99999999999999999999999", Word::Unknown),
        ] {
            assert_eq!(Word::parse(line), word, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 1..80)) {
            if !line.trim_ascii().is_empty() {
                prop_assert_ne!(Word::parse(&line), Word::Default);
            }
        }
    }
}
