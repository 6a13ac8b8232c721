//! Tables with aligned columns that never get wider than the terminal.

use super::text::{clean, clip, width, wrap};
use super::{Tone, View};

/// Spaces between two columns.
const GAP: usize = 2;
/// The last column wraps; it is not made narrower than this while others can give way.
const LAST_MINIMUM: usize = 20;
/// No column is made narrower than this.
const MINIMUM: usize = 4;

/// One field of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field in a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: clean(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// The head of a column.
#[derive(Debug, Clone)]
struct Title {
    cell: Cell,
    right: bool,
    /// Its fields are short and mean something as a whole: the others give way first.
    fixed: bool,
}

impl Title {
    fn new(text: &str) -> Self {
        Self {
            cell: Cell::from(text.trim_start_matches('>')),
            right: text.starts_with('>'),
            fixed: false,
        }
    }
}

/// A table. A title that starts with `>` makes its column right-aligned.
#[derive(Debug, Clone)]
pub struct Table {
    titles: Vec<Title>,
    rows: Vec<Vec<Cell>>,
    /// Every field wraps, and none is clipped.
    whole: bool,
}

impl Table {
    /// An empty table.
    pub fn new<T: AsRef<str>>(titles: &[T]) -> Self {
        let titles = titles.iter().map(|t| Title::new(t.as_ref())).collect();
        Self { titles, rows: Vec::new(), whole: false }
    }

    /// As [`Table::new`], for fields of which none may be cut: what is too long wraps. Columns that are `fixed` keep
    /// their width as long as the others have any.
    pub fn whole<T: AsRef<str>>(titles: &[T], fixed: impl IntoIterator<Item = bool>) -> Self {
        let mut table = Self { whole: true, ..Self::new(titles) };
        for (title, fixed) in table.titles.iter_mut().zip(fixed) {
            title.fixed = fixed;
        }
        table
    }

    /// Adds a row; missing fields at its end are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().collect();
        row.resize(self.titles.len(), Cell::default());
        self.rows.push(row);
    }

    /// The table as lines.
    pub fn render(&self, view: View) -> String {
        let widths = self.fit(view.width);
        let mut out = String::new();
        let head = self.titles.iter().map(|t| t.cell.clone()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            self.write_row(&mut out, row, &widths, view);
        }
        out
    }

    /// Column widths: as the content needs, else the last column gives way, then the widest ones.
    fn fit(&self, total: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.titles.iter().map(|t| width(&t.cell.text)).collect();
        for row in &self.rows {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(width(&cell.text));
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(total);
        if let Some(last) = widths.last_mut().filter(|_| !self.whole) {
            let give = excess.min(last.saturating_sub(LAST_MINIMUM));
            *last -= give;
            excess -= give;
        }
        while excess > 0 {
            let Some(widest) = self.widest(&widths).and_then(|at| widths.get_mut(at)) else {
                break;
            };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }

    /// The column that gives way next, unless all are as narrow as can be.
    fn widest(&self, widths: &[usize]) -> Option<usize> {
        let columns = || widths.iter().zip(&self.titles).enumerate();
        let of = |fixed| {
            let wide = columns().filter(|(_, (w, title))| **w > MINIMUM && title.fixed == fixed);
            wide.max_by_key(|(_, (w, _))| **w).map(|(at, _)| at)
        };
        of(false).or_else(|| of(true))
    }

    /// One row; it takes as many lines as its fields need that wrap: the last one, or all.
    fn write_row(&self, out: &mut String, row: &[Cell], widths: &[usize], view: View) {
        let last = row.len().saturating_sub(1);
        let fields = row.iter().zip(widths).zip(&self.titles).enumerate();
        let fields: Vec<_> = fields
            .map(|(at, ((cell, room), title))| {
                let wraps = self.whole || at == last;
                let clipped = || vec![clip(&cell.text, *room)];
                let pieces = if wraps { wrap(&cell.text, *room) } else { clipped() };
                (pieces, cell.tone, *room, title.right)
            })
            .collect();
        let lines = fields.iter().map(|(pieces, ..)| pieces.len()).max().unwrap_or(0);
        for n in 0..lines {
            let mut line = Line::new(view);
            for (pieces, tone, room, right) in &fields {
                let piece = pieces.get(n).map_or("", String::as_str);
                line.field(piece, *tone, *room, *right);
            }
            out.push_str(&line.finish());
        }
    }
}

/// A line under construction: colours do not count for its width, spaces at its end are left out.
struct Line {
    view: View,
    text: String,
    used: usize,
    owed: usize,
}

impl Line {
    fn new(view: View) -> Self {
        Self { view, text: String::new(), used: 0, owed: 0 }
    }

    fn field(&mut self, text: &str, tone: Tone, room: usize, right: bool) {
        let spare = room.saturating_sub(width(text));
        self.owed += if right { spare } else { 0 };
        if !text.is_empty() {
            // Only a terminal narrower than all minimums together has too little left here.
            let left = self.view.width.saturating_sub(self.used);
            let gap = self.owed.min(left);
            let text = clip(text, left - gap);
            self.text.push_str(&" ".repeat(gap));
            self.text.push_str(&self.view.paint(tone, &text));
            self.used += gap + width(&text);
            self.owed = 0;
        }
        self.owed += GAP + if right { 0 } else { spare };
    }

    fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Cell, Table};
    use crate::render::text::width;
    use crate::render::{Tone, View};

    const PLAIN: View = View { width: 80, color: false };

    fn sample() -> Table {
        let mut table = Table::new(&["step", ">time", "why"]);
        table.row(["binutils:pass1".into(), "5:38".into(), "the recipe changed".into()]);
        table.row(["m4".into(), "12s".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let want = "step            time  why\n\
                    binutils:pass1  5:38  the recipe changed\n\
                    m4               12s\n";
        assert_eq!(sample().render(PLAIN), want);
    }

    #[test]
    fn the_last_column_wraps_and_then_the_widest_is_clipped() {
        let mut table = Table::new(&["step", ">time", "why"]);
        table.row(["binutils:pass1".into(), "5:38".into(), "the recipe of gcc has changed".into()]);
        let narrow = table.render(View { width: 42, color: false });
        let want = "step            time  why\n\
                    binutils:pass1  5:38  the recipe of gcc\n\
                    \x20                     has changed\n";
        assert_eq!(narrow, want);
        let tiny = table.render(View { width: 24, color: false });
        let want = "step      time  why\n\
                    binuti..  5:38  the\n\
                    \x20               recipe\n\
                    \x20               of gcc\n\
                    \x20               has\n\
                    \x20               changed\n";
        assert_eq!(tiny, want);
    }

    /// `history` cut what came of a change and when, and the list of packages had all the room.
    #[test]
    fn a_whole_table_cuts_nothing() {
        let mut table = Table::whole(&["at", "outcome", "changes"], [true, false, false]);
        let (at, outcome) = ("2025-11-21 03:47", "taken back: the trigger mandb failed");
        let changes = "+a 1-1, +b 1-1, +c 1-1 and 80 more";
        table.row([at.into(), outcome.into(), changes.into()]);
        let shown = table.render(View { width: 44, color: false });
        let want = "at                outcome       changes\n\
                    2025-11-21 03:47  taken back:   +a 1-1, +b\n\
                    \x20                 the trigger   1-1, +c 1-1\n\
                    \x20                 mandb failed  and 80 more\n";
        assert_eq!(shown, want);
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new(&["a", "b"]);
        table.row([Cell::toned("x", Tone::Good), "y".into()]);
        let shown = table.render(View { width: 80, color: true });
        assert_eq!(shown, "a  b\n\x1b[32mx\x1b[0m  y\n");
    }

    proptest! {
        #[test]
        fn never_wider_than_the_terminal(
            rows in prop::collection::vec(prop::collection::vec(any::<String>(), 0..4), 0..6),
            columns in 1usize..120,
        ) {
            let mut table = Table::new(&["one", ">two", "three"]);
            for row in &rows {
                table.row(row.iter().take(3).map(Cell::from));
            }
            let shown = table.render(View { width: columns, color: false });
            prop_assert!(shown.lines().all(|l| width(l) <= columns), "{shown}");
        }
    }
}
