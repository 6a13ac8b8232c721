//! The line editor: a pure function from keys to a line, with the keys of emacs and readline.

use super::key::Key;

/// The longest line taken, in characters.
const LONGEST: usize = 4096;

/// What a key led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The line may look different now.
    Edited,
    /// The line is finished.
    Line(String),
    /// Ctrl-C: forget the line.
    Abandoned,
    /// Ctrl-D on an empty line.
    End,
    /// Tab: complete the word before the cursor.
    Complete,
    /// Ctrl-L.
    ClearScreen,
}

/// A line under the cursor.
#[derive(Debug, Default)]
pub struct Editor {
    text: Vec<char>,
    cursor: usize,
    killed: Vec<char>,
    browsing: Option<Browsing>,
    search: Option<Search>,
}

/// Going up and down in the history: where, and the line that was being typed.
#[derive(Debug)]
struct Browsing {
    at: usize,
    draft: Vec<char>,
}

/// Ctrl-R: what is looked for, and where it was found.
#[derive(Debug, Default)]
struct Search {
    wanted: String,
    found: Option<usize>,
}

impl Editor {
    /// The text.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// The characters left of the cursor.
    pub fn before_cursor(&self) -> String {
        self.text[..self.cursor].iter().collect()
    }

    /// The cursor: characters left of it.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// What is being searched for, while Ctrl-R is active.
    pub fn searching(&self) -> Option<&str> {
        self.search.as_ref().map(|s| s.wanted.as_str())
    }

    /// Takes a key. `history` is oldest first.
    pub fn key(&mut self, key: Key, history: &[String]) -> Outcome {
        if self.search.is_some() && self.search_key(key, history) {
            return Outcome::Edited;
        }
        match key {
            Key::Enter => return Outcome::Line(self.take()),
            Key::Tab => return Outcome::Complete,
            Key::Ctrl('c') => {
                self.take();
                return Outcome::Abandoned;
            }
            Key::Ctrl('d') if self.text.is_empty() => return Outcome::End,
            Key::Ctrl('l') => return Outcome::ClearScreen,
            Key::Up | Key::Ctrl('p') => self.older(history),
            Key::Down | Key::Ctrl('n') => self.newer(history),
            Key::Ctrl('r') => self.search = Some(Search::default()),
            Key::Char(c) => self.insert(&[c]),
            Key::Ctrl('y') => self.insert(&self.killed.clone()),
            _ if self.motion(key) => {}
            _ => self.deletion(key),
        }
        Outcome::Edited
    }

    /// Puts `word` in the place of the characters from `start` to the cursor.
    pub fn replace_word(&mut self, start: usize, word: &str) {
        self.text.drain(start.min(self.cursor)..self.cursor);
        self.cursor = start.min(self.cursor);
        self.insert(&word.chars().collect::<Vec<_>>());
    }

    fn take(&mut self) -> String {
        let text = self.text();
        *self = Self { killed: std::mem::take(&mut self.killed), ..Self::default() };
        text
    }

    fn insert(&mut self, new: &[char]) {
        let room = LONGEST.saturating_sub(self.text.len());
        let new = &new[..new.len().min(room)];
        self.text.splice(self.cursor..self.cursor, new.iter().copied());
        self.cursor += new.len();
    }

    fn motion(&mut self, key: Key) -> bool {
        self.cursor = match key {
            Key::Left | Key::Ctrl('b') => self.cursor.saturating_sub(1),
            Key::Right | Key::Ctrl('f') => (self.cursor + 1).min(self.text.len()),
            Key::Home | Key::Ctrl('a') => 0,
            Key::End | Key::Ctrl('e') => self.text.len(),
            Key::WordLeft => self.word_start(),
            Key::WordRight => self.word_end(),
            _ => return false,
        };
        true
    }

    fn deletion(&mut self, key: Key) {
        let (from, to, keep) = match key {
            Key::Backspace => (self.cursor.saturating_sub(1), self.cursor, false),
            Key::Delete | Key::Ctrl('d') => {
                (self.cursor, (self.cursor + 1).min(self.text.len()), false)
            }
            Key::Ctrl('k') => (self.cursor, self.text.len(), true),
            Key::Ctrl('u') => (0, self.cursor, true),
            Key::Ctrl('w') => (self.word_start(), self.cursor, true),
            _ => return,
        };
        let gone: Vec<char> = self.text.drain(from..to).collect();
        self.cursor = from;
        if keep && !gone.is_empty() {
            self.killed = gone;
        }
    }

    fn word_start(&self) -> usize {
        let before = &self.text[..self.cursor];
        let end = before.iter().rposition(|c| *c != ' ').map_or(0, |p| p + 1);
        before[..end].iter().rposition(|c| *c == ' ').map_or(0, |p| p + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.text[self.cursor..];
        let start = after.iter().position(|c| *c != ' ').unwrap_or(after.len());
        let length = after[start..].iter().position(|c| *c == ' ');
        self.cursor + length.map_or(after.len(), |l| start + l)
    }

    fn show(&mut self, line: &str) {
        self.text = line.chars().collect();
        self.cursor = self.text.len();
    }

    fn older(&mut self, history: &[String]) {
        let at = self.browsing.as_ref().map_or(history.len(), |b| b.at.min(history.len()));
        let Some(at) = at.checked_sub(1) else { return };
        match &mut self.browsing {
            Some(browsing) => browsing.at = at,
            None => self.browsing = Some(Browsing { at, draft: self.text.clone() }),
        }
        self.show(&history[at]);
    }

    fn newer(&mut self, history: &[String]) {
        let Some(browsing) = &mut self.browsing else { return };
        browsing.at += 1;
        match history.get(browsing.at) {
            Some(line) => self.show(line),
            None => {
                self.text = std::mem::take(&mut browsing.draft);
                self.cursor = self.text.len();
                self.browsing = None;
            }
        }
    }

    /// A key while searching. Whatever is no part of a search ends it and is taken as usual.
    fn search_key(&mut self, key: Key, history: &[String]) -> bool {
        let Some(search) = &mut self.search else { return false };
        let below = match key {
            Key::Char(c) => {
                search.wanted.push(c);
                history.len()
            }
            Key::Backspace => {
                search.wanted.pop();
                history.len()
            }
            Key::Ctrl('r') => search.found.unwrap_or(history.len()),
            _ => {
                self.search = None;
                // Ctrl-G leaves the search and does nothing else.
                return key == Key::Ctrl('g');
            }
        };
        let hit = history[..below].iter().rposition(|line| line.contains(&search.wanted));
        if let Some(at) = hit.filter(|_| !search.wanted.is_empty()) {
            search.found = Some(at);
            self.show(&history[at]);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};

    use super::{Editor, LONGEST, Outcome};
    use crate::shell::key::Key;

    /// Types `text`; `<x` stands for Ctrl-x, arrows are written as arrows.
    fn type_in(editor: &mut Editor, text: &str, history: &[String]) -> Outcome {
        let mut last = Outcome::Edited;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let key = match c {
                '<' => Key::Ctrl(chars.next().unwrap()),
                '←' => Key::Left,
                '→' => Key::Right,
                '↑' => Key::Up,
                '↓' => Key::Down,
                '⇐' => Key::WordLeft,
                '⇒' => Key::WordRight,
                '⌫' => Key::Backspace,
                '⌦' => Key::Delete,
                '⏎' => Key::Enter,
                '⇥' => Key::Tab,
                c => Key::Char(c),
            };
            last = editor.key(key, history);
        }
        last
    }

    fn typed(text: &str) -> String {
        let history: Vec<String> = ["status", "plan m4", "build m4"].map(String::from).into();
        let mut editor = Editor::default();
        type_in(&mut editor, text, &history);
        let mut shown = editor.text();
        let at = editor.before_cursor().len();
        shown.insert(at, '|');
        shown
    }

    #[test]
    fn editing() {
        let table = [
            ("abc", "abc|"),
            ("abc←←x", "ax|bc"),
            ("abc<ax<ey", "xabcy|"),
            ("abc←⌫", "a|c"),
            ("abc<a⌦<d", "|c"),
            ("⌫←→⌦<k<u<w", "|"),
            ("one two <w", "one |"),
            ("one two<w<y<y", "one twotwo|"),
            ("one two←←←<k", "one |"),
            ("one two←←←<u", "|two"),
            ("one two←←←<u<e<y", "twoone |"),
            ("one two⇐⇐⇒x", "onex| two"),
            ("é日←x", "éx|日"),
        ];
        for (keys, want) in table {
            assert_eq!(typed(keys), want, "{keys}");
        }
    }

    #[test]
    fn history() {
        let table = [
            ("↑", "build m4|"),
            ("↑↑↑↑↑", "status|"),
            ("new↑↑↓↓", "new|"),
            ("new↑↓↓x", "newx|"),
            ("↓", "|"),
            ("<p<p<n", "build m4|"),
        ];
        for (keys, want) in table {
            assert_eq!(typed(keys), want, "{keys}");
        }
    }

    #[test]
    fn search() {
        let table = [
            ("<rm4", "build m4|"),
            ("<rm4<r", "plan m4|"),
            ("<rm4<r<r<r", "plan m4|"),
            ("<rst<ax", "x|status"),
            ("<rzzz", "|"),
            ("<rplanx⌫<g!", "plan m4!|"),
        ];
        for (keys, want) in table {
            assert_eq!(typed(keys), want, "{keys}");
        }
    }

    #[test]
    fn outcomes() {
        let mut editor = Editor::default();
        assert_eq!(type_in(&mut editor, "<d", &[]), Outcome::End);
        assert_eq!(type_in(&mut editor, "ab⏎", &[]), Outcome::Line("ab".into()));
        assert_eq!(editor.text(), "");
        assert_eq!(type_in(&mut editor, "ab<c", &[]), Outcome::Abandoned);
        assert_eq!(editor.text(), "");
        assert_eq!(type_in(&mut editor, "ab⇥", &[]), Outcome::Complete);
        assert_eq!(type_in(&mut editor, "<l", &[]), Outcome::ClearScreen);
        editor.replace_word(0, "status ");
        assert_eq!(editor.before_cursor(), "status ");
    }

    fn any_key() -> impl Strategy<Value = Key> {
        prop_oneof![
            any::<char>().prop_map(Key::Char),
            prop::char::range('a', 'z').prop_map(Key::Ctrl),
            prop::sample::select(vec![
                Key::Enter,
                Key::Tab,
                Key::Backspace,
                Key::Delete,
                Key::Left,
                Key::Right,
                Key::WordLeft,
                Key::WordRight,
                Key::Up,
                Key::Down,
                Key::Home,
                Key::End,
            ]),
            Just(Key::Unknown),
        ]
    }

    proptest! {
        #[test]
        fn the_cursor_stays_in_the_line(
            keys in prop::collection::vec(any_key(), 0..200),
            history in prop::collection::vec("[a-z ]{0,20}", 0..5),
        ) {
            let mut editor = Editor::default();
            for key in keys {
                editor.key(key, &history);
                prop_assert!(editor.cursor <= editor.text.len() && editor.text.len() <= LONGEST);
            }
        }
    }
}
