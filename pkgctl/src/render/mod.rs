//! From proto values to text. Pure: no clock, no terminal, no socket; every function can be tested
//! against a literal.

pub mod board;
pub mod checks;
pub mod events;
pub mod job;
pub mod json;
pub mod log;
pub mod plan;
pub mod progress;
pub mod recipe;
pub mod sheet;
pub mod status;
pub mod table;
pub mod text;

/// How wide and how colourful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Columns of the terminal; nothing printed is wider.
    pub width: usize,
    /// Colours may be used.
    pub color: bool,
}

/// What colour says about a piece of text. The words say it too: colour only helps the eye.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As the terminal has it.
    #[default]
    Plain,
    /// Green.
    Good,
    /// Yellow.
    Warn,
    /// Red.
    Bad,
    /// Bold.
    Strong,
}

impl View {
    /// `text` in its tone, or as it is without colours.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.color => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => 32,
            Tone::Warn => 33,
            Tone::Bad => 31,
            Tone::Strong => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
