//! The prompt line on the screen, changed with as few bytes as possible.
//!
//! Nothing but characters, blanks, backspace and carriage return is sent: it works on any terminal,
//! and a key at the end of the line costs one byte on the wire. A line longer than the terminal is
//! shown in part; it never wraps, so that one row is all there ever is to redraw.

/// Columns kept in sight on either side of the cursor.
const MARGIN: usize = 8;

/// What stands in the row of the prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    cells: Vec<char>,
    cursor: usize,
}

impl Row {
    /// The row for `text` with the cursor after `cursor` characters, in `columns` columns.
    pub fn new(prompt: &str, text: &str, cursor: usize, columns: usize) -> Self {
        // The last column stays empty: writing into it wraps on some terminals.
        let room = columns.saturating_sub(1);
        let prompt: Vec<char> = prompt.chars().take(room.saturating_sub(MARGIN)).collect();
        let room = room.saturating_sub(prompt.len()).max(1);
        let text: Vec<char> = text.chars().map(one_column).collect();
        let start = if text.len() < room { 0 } else { (cursor + MARGIN + 1).saturating_sub(room) };
        let start = start.min(cursor).min((text.len() + 1).saturating_sub(room));
        let part = text.iter().skip(start).take(room);
        let at = (cursor - start).min(room);
        Self { cursor: prompt.len() + at, cells: prompt.iter().chain(part).copied().collect() }
    }

    /// What to send to a terminal that shows `self` so that it shows `new`.
    pub fn change_to(&self, new: &Self) -> String {
        let same = self.cells.iter().zip(&new.cells).take_while(|(a, b)| a == b).count();
        if same == self.cells.len().max(new.cells.len()) {
            return new.travel(self.cursor, new.cursor);
        }
        let mut out = new.travel(self.cursor, same);
        out.extend(&new.cells[same..]);
        let spare = self.cells.len().saturating_sub(new.cells.len());
        out.push_str(&" ".repeat(spare));
        out.push_str(&new.travel(new.cells.len() + spare, new.cursor));
        out
    }

    /// Moves the cursor. To the right there is only writing the same again.
    fn travel(&self, from: usize, to: usize) -> String {
        if to >= from {
            self.cells[from.min(to)..to].iter().collect()
        } else if to + 1 < from - to {
            std::iter::once(&'\r').chain(&self.cells[..to]).collect()
        } else {
            "\x08".repeat(from - to)
        }
    }
}

/// Characters whose width is not surely one column are shown as `?`; the text keeps them.
fn one_column(c: char) -> char {
    if u32::from(c) < 0x300 && !c.is_control() && c != '\u{ad}' { c } else { '?' }
}

/// Words in columns, as `ls` shows them.
pub fn list(words: &[String], columns: usize) -> String {
    let widest = words.iter().map(|w| w.chars().count()).max().unwrap_or(0) + 2;
    let across = (columns.saturating_sub(1) / widest).max(1);
    let down = words.len().div_ceil(across);
    let mut out = String::new();
    for row in 0..down {
        let line: String = words.iter().skip(row).step_by(down).fold(String::new(), |line, w| {
            let w: String = w.chars().take(columns.saturating_sub(1)).collect();
            format!("{line}{w:<widest$}")
        });
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::{Row, list};

    fn row(text: &str, cursor: usize) -> Row {
        Row::new("minos> ", text, cursor, 80)
    }

    #[test]
    fn a_key_at_the_end_costs_one_byte() {
        assert_eq!(Row::default().change_to(&row("", 0)), "minos> ");
        assert_eq!(row("stat", 4).change_to(&row("statu", 5)), "u");
        assert_eq!(row("statu", 5).change_to(&row("stat", 4)), "\x08 \x08");
        assert_eq!(row("stat", 4).change_to(&row("stat", 3)), "\x08");
        assert_eq!(row("stat", 0).change_to(&row("stat", 1)), "s");
        assert_eq!(row("satus", 1).change_to(&row("status", 2)), "tatus\x08\x08\x08\x08");
        assert_eq!(row("x", 1).change_to(&row("x", 1)), "");
    }

    #[test]
    fn long_lines_scroll_and_never_wrap() {
        let text: String = ('a'..='z').cycle().take(200).collect();
        let shown = |cursor| {
            let row = Row::new("minos> ", &text, cursor, 40);
            (row.cells.iter().collect::<String>(), row.cursor)
        };
        assert_eq!(shown(0), ("minos> abcdefghijklmnopqrstuvwxyzabcdef".into(), 7));
        assert_eq!(shown(200).1, 38);
        assert_eq!(shown(100).1, 30);
    }

    #[test]
    fn words_in_columns() {
        let words: Vec<String> =
            ["build", "cancel", "doctor", "jobs", "log"].map(String::from).into();
        assert_eq!(list(&words, 80), "build   cancel  doctor  jobs    log\n");
        assert_eq!(list(&words, 20), "build   jobs\ncancel  log\ndoctor\n");
        assert_eq!(list(&[], 80), "");
    }

    /// A terminal of one row that knows what [`Row::change_to`] sends.
    fn show(cells: &mut Vec<char>, cursor: &mut usize, sent: &str) {
        for c in sent.chars() {
            match c {
                '\x08' => *cursor -= 1,
                '\r' => *cursor = 0,
                c => {
                    cells.resize(cells.len().max(*cursor + 1), ' ');
                    cells[*cursor] = c;
                    *cursor += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_terminal_shows_what_is_meant(
            lines in prop::collection::vec(("[a-c ]{0,40}", 0usize..41), 1..8),
            columns in 2usize..60,
        ) {
            let (mut cells, mut cursor) = (Vec::new(), 0);
            let mut row = Row::default();
            for (text, at) in lines {
                let new = Row::new("minos> ", &text, at.min(text.len()), columns);
                show(&mut cells, &mut cursor, &row.change_to(&new));
                row = new;
                let seen: String = cells.iter().collect();
                let want: String = row.cells.iter().collect();
                prop_assert_eq!(seen.trim_end(), want.trim_end());
                prop_assert_eq!(cursor, row.cursor);
                prop_assert!(cells.len() < columns.max(2), "{} in {columns}", cells.len());
            }
        }
    }
}
