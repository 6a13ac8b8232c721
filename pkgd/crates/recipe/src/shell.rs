//! Just enough of bash's grammar to tell commands from comments, quotes and here-documents.
//!
//! A linter's view, not a parser: it may miss a command that a script hides well (the sandbox stops
//! that one), and should not take a word of a text for a command.

/// One line of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// From 1.
    pub number: u32,
    /// As written.
    pub raw: &'a str,
    /// Without comments; quoted text is blanked to `_`, here-documents are empty.
    pub code: String,
    /// The line goes on where the one before ended in `\`, or inside quotes.
    pub continued: bool,
}

impl Line<'_> {
    /// The words in command position, assignments and keywords skipped.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let skip = usize::from(self.continued);
        self.code.split([';', '|', '&', '(', ')', '{', '}', '`']).skip(skip).filter_map(command)
    }
}

/// Words that come before a command without being one.
const PREFIXES: [&str; 14] = [
    "!", "if", "then", "elif", "else", "while", "until", "do", "time", "exec", "env", "command",
    "nice", "builtin",
];

fn command(segment: &str) -> Option<&str> {
    let assignment = |word: &str| word.contains('=') && !word.starts_with('=');
    let word = segment.split_whitespace().find(|w| !PREFIXES.contains(w) && !assignment(w))?;
    Some(word.rsplit('/').next().unwrap_or(word))
}

/// Where in nested quotes the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Plain code; true inside `$( )`, which a `)` ends.
    Code {
        substitution: bool,
    },
    Single,
    Double,
}

/// The lines of a script.
pub(crate) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut scanner = Scanner::default();
    let mut out = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        if scanner.in_here_document(raw) {
            out.push(Line { number, raw, code: String::new(), continued: false });
            continue;
        }
        let continued = scanner.continued;
        out.push(Line { number, raw, code: scanner.line(raw), continued });
    }
    out
}

#[derive(Default)]
struct Scanner {
    /// Innermost last; empty means plain code.
    modes: Vec<Mode>,
    /// Ends of here-documents still to come, first one first.
    here: Vec<String>,
    continued: bool,
}

impl Scanner {
    /// True when `raw` belongs to a here-document, its end included.
    fn in_here_document(&mut self, raw: &str) -> bool {
        let Some(end) = self.here.first() else { return false };
        if raw.trim_start_matches('\t') == end {
            self.here.remove(0);
        }
        true
    }

    fn line(&mut self, raw: &str) -> String {
        let mut code = String::with_capacity(raw.len());
        let chars: Vec<char> = raw.chars().collect();
        let mut i = 0;
        let mut escaped_end = false;
        while let Some(c) = chars.get(i).copied() {
            let mode = self.modes.last().copied().unwrap_or(Mode::Code { substitution: false });
            let next = chars.get(i + 1).copied();
            let comment = c == '#' && matches!(mode, Mode::Code { .. }) && at_word_start(&code);
            if comment {
                break;
            }
            if c == '\\' && mode != Mode::Single {
                escaped_end = next.is_none();
                code.push('_');
                i += 2;
                continue;
            }
            i += self.step(mode, c, next, &mut code);
            if code.ends_with("<<") && matches!(mode, Mode::Code { .. }) {
                i = self.here_document(&chars, i);
            }
        }
        self.continued =
            escaped_end || matches!(self.modes.last(), Some(Mode::Single | Mode::Double));
        if escaped_end {
            code.pop();
        }
        code
    }

    /// Takes one character (two for `$(`); returns how many.
    fn step(&mut self, mode: Mode, c: char, next: Option<char>, code: &mut String) -> usize {
        match (mode, c, next) {
            (Mode::Single, '\'', _) | (Mode::Double, '"', _) => {
                self.modes.pop();
                code.push('_');
            }
            (Mode::Code { .. }, '\'', _) => self.open(Mode::Single, '_', code),
            (Mode::Code { .. }, '"', _) => self.open(Mode::Double, '_', code),
            (Mode::Code { .. } | Mode::Double, '$', Some('(')) => {
                self.open(Mode::Code { substitution: true }, '(', code);
                return 2;
            }
            (Mode::Code { substitution: true }, ')', _) => {
                self.modes.pop();
                code.push(')');
            }
            (Mode::Code { .. }, c, _) => code.push(c),
            (Mode::Single | Mode::Double, ..) => code.push('_'),
        }
        1
    }

    fn open(&mut self, mode: Mode, shown: char, code: &mut String) {
        self.modes.push(mode);
        code.push(shown);
    }

    /// Reads the delimiter after `<<`; returns the index after it. `<<<` is no here-document.
    fn here_document(&mut self, chars: &[char], from: usize) -> usize {
        let mut i = from;
        if chars.get(i) == Some(&'<') {
            return i + 1;
        }
        if chars.get(i) == Some(&'-') {
            i += 1;
        }
        while chars.get(i) == Some(&' ') {
            i += 1;
        }
        let rest = chars.get(i..).unwrap_or_default();
        let length =
            rest.iter().take_while(|c| !c.is_whitespace() && !";|&)<>".contains(**c)).count();
        let word: String = rest.iter().take(length).filter(|c| !"'\"\\".contains(**c)).collect();
        if !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()) {
            self.here.push(word);
        }
        i + length
    }
}

/// A `#` starts a comment only at the start of a word.
fn at_word_start(code: &str) -> bool {
    code.chars().next_back().is_none_or(|c| c.is_whitespace() || ";|&()".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::lines;

    fn commands(text: &str) -> Vec<String> {
        lines(text)
            .iter()
            .flat_map(|l| l.commands().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn commands_are_found_where_bash_finds_them() {
        for (text, want) in [
            ("make -j2 && make install", vec!["make", "make"]),
            ("CC=gcc /usr/bin/mount x", vec!["mount"]),
            ("if ! grep -q a b; then exit 1; fi", vec!["grep", "exit", "fi"]),
            ("echo \"$(curl -O x)\"", vec!["echo", "curl", "_"]),
            ("x=`wget y`", vec!["wget"]),
        ] {
            assert_eq!(commands(text), want, "{text}");
        }
    }

    #[test]
    fn texts_are_no_commands() {
        for text in [
            "echo 'a; mount b'",
            "echo \"a; mount b\"",
            "echo a # ; mount b",
            "echo a;# mount",
            "echo a \\\n  mount",
            "echo 'a\nmount\n'",
            "echo $# mount",
        ] {
            assert!(commands(text).iter().all(|c| c != "mount"), "{text}: {:?}", commands(text));
        }
    }

    #[test]
    fn here_documents_are_skipped_and_end() {
        for open in ["<<EOF", "<< 'EOF'", "<<-\"EOF\"", "<<\\EOF"] {
            let text = format!("cat {open} > f\nmount\n\tEOF\numount\n");
            let text = if open.contains('-') { text } else { text.replace('\t', "") };
            assert_eq!(commands(&text), ["cat", "umount"], "{text}");
        }
        assert_eq!(commands("cat <<< mount\numount"), ["cat", "umount"]);
        assert_eq!(commands("x=$((1 << 4))\numount"), ["1", "umount"]);
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_line_by_line(text in any::<String>()) {
            let numbers: Vec<u32> = lines(&text).iter().map(|l| l.number).collect();
            let want: Vec<u32> = (1..).take(text.lines().count()).collect();
            assert_eq!(numbers, want);
        }
    }
}
