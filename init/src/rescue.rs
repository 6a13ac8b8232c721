//! The rescue prompt: a few words on the serial console, for the person without a keyboard at the
//! machine. It never waits for ever: its time-out is in [`crate::machine`].

use heapless::Vec;

/// The longest line that is taken, in bytes.
pub const INPUT: usize = 80;
/// Shown when it waits for a word.
pub const PROMPT: &str = "rescue> ";
/// What `help` shows.
pub const HELP: &str = "\
help      this list\n\
log       everything init has said\n\
mounts    what is mounted\n\
retry     try again what failed\n\
volatile  go on without the state disk\n\
";
/// The rest of it.
pub const HELP_MORE: &str = "\
shell     /bin/sh, if there is one\n\
poweroff  write everything back, power off\n\
reboot    write everything back, reboot\n\
";

/// A word at the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Nothing: only the prompt again.
    Empty,
    /// The list of words.
    Help,
    /// The log.
    Log,
    /// The mounts.
    Mounts,
    /// Try again.
    Retry,
    /// Go on without the state disk.
    Volatile,
    /// A shell.
    Shell,
    /// Power off.
    PowerOff,
    /// Reboot.
    Reboot,
    /// Something else.
    Unknown,
}

impl Command {
    /// Reads a line, as typed.
    pub fn parse(line: &[u8]) -> Self {
        match line.trim_ascii() {
            b"" => Self::Empty,
            b"help" | b"?" => Self::Help,
            b"log" => Self::Log,
            b"mounts" => Self::Mounts,
            b"retry" => Self::Retry,
            b"volatile" => Self::Volatile,
            b"shell" => Self::Shell,
            b"poweroff" => Self::PowerOff,
            b"reboot" => Self::Reboot,
            _ => Self::Unknown,
        }
    }
}

/// The line being typed.
#[derive(Debug, Default)]
pub struct Input {
    line: Vec<u8, INPUT>,
    too_long: bool,
}

impl Input {
    /// Takes one byte; a command when it ended a line. A line that is too long is unknown as a whole:
    /// its beginning must not be taken for a command.
    pub fn push(&mut self, byte: u8) -> Option<Command> {
        if byte != b'\n' && byte != b'\r' {
            self.too_long |= self.line.push(byte).is_err();
            return None;
        }
        let command = if self.too_long { Command::Unknown } else { Command::parse(&self.line) };
        *self = Self::default();
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Command, HELP, HELP_MORE, INPUT, Input};

    fn type_in(text: &[u8]) -> Vec<Command> {
        let mut input = Input::default();
        text.iter().filter_map(|b| input.push(*b)).collect()
    }

    #[test]
    fn words_are_understood_with_either_end_of_line() {
        assert_eq!(type_in(b"help\r retry \nx"), [Command::Help, Command::Retry]);
        assert_eq!(type_in(b"\n"), [Command::Empty]);
        assert_eq!(type_in(b"reboot now\n"), [Command::Unknown]);
    }

    #[test]
    fn every_word_of_the_help_is_a_command() {
        for line in HELP.lines().chain(HELP_MORE.lines()) {
            let word = line.split(' ').next().unwrap();
            assert_ne!(Command::parse(word.as_bytes()), Command::Unknown, "{word}");
        }
    }

    /// A program left raw noise in the input queue that happened to begin with a command.
    #[test]
    fn a_line_that_is_too_long_is_no_command_and_the_next_one_is() {
        let mut text = b"reboot".to_vec();
        text.extend([b' '; INPUT]);
        text.extend(b"\nlog\n");
        assert_eq!(type_in(&text), [Command::Unknown, Command::Log]);
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = type_in(&bytes);
        }
    }
}
