//! Text that fits: widths, clipping, wrapping, and nothing that could command the terminal.

/// `text` on one line without control characters: what recipes and build scripts say must not move
/// the cursor or change the terminal (CWE-150).
pub fn clean(text: &str) -> String {
    let printable = |c: char| match c {
        '\n' | '\t' | '\r' => ' ',
        c if c.is_control() || is_format(c) => '?',
        c => c,
    };
    text.trim_end().chars().map(printable).collect()
}

/// As [`clean`], but lines stay lines and a tab becomes spaces up to the next multiple of eight.
pub fn clean_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\n' => {
                out.push(c);
                column = 0;
                continue;
            }
            '\t' => {
                let spaces = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
                continue;
            }
            '\r' => continue,
            c if c.is_control() || is_format(c) => out.push('?'),
            c => out.push(c),
        }
        column += char_width(c);
    }
    out
}

/// Characters that reorder text or take no room: "Trojan source" (CVE-2021-42574).
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}')
}

/// Columns a character takes. Everything that might be wide counts as wide, so that a line is never
/// longer than it should be; a table with such text may be a little ragged.
pub fn char_width(c: char) -> usize {
    if u32::from(c) < 0x1100 { 1 } else { 2 }
}

/// Columns `text` takes.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// `text`, cut to `limit` columns; a cut one ends in `..` where there is room for it.
pub fn clip(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mark = if limit > 4 { ".." } else { "" };
    let mut out = take_columns(text, limit - mark.len()).to_owned();
    out.push_str(mark);
    out
}

/// The longest start of `text` that takes at most `limit` columns.
fn take_columns(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += char_width(c);
        if used > limit {
            return &text[..at];
        }
    }
    text
}

/// `text` as lines of at most `limit` columns, broken between words, within a word only where it is
/// longer than a line. Never empty.
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut word = word;
        if !line.is_empty() && width(&line) + 1 + width(word) > limit {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > limit {
            let head = take_columns(word, limit);
            lines.push(head.to_owned());
            word = &word[head.len()..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// `label` and `text`, wrapped to `limit` columns, further lines indented to where the text began.
pub fn labelled(label: &str, text: &str, limit: usize) -> String {
    let indent = width(label);
    let mut out = String::new();
    for (n, line) in wrap(&clean(text), limit.saturating_sub(indent)).iter().enumerate() {
        let lead = if n == 0 { label } else { &" ".repeat(indent) };
        out.push_str(format!("{lead}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// As [`labelled`], but lines stay lines, each with its own indentation: a proof is told step by step.
pub fn labelled_lines(label: &str, text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (n, line) in text.trim_end().split('\n').enumerate() {
        let label = if n == 0 { label } else { &" ".repeat(width(label)) };
        let inner = line.len() - line.trim_start_matches(' ').len();
        let room = (limit / 2).saturating_sub(width(label));
        out.push_str(&labelled(&format!("{label}{}", " ".repeat(inner.min(room))), line, limit));
    }
    out
}

/// Lines that are too long, wrapped, further lines indented two columns more than the first.
pub fn refold(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if width(line) <= limit {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let spaces = line.len() - line.trim_start().len();
        let indent = (spaces + 2).min(limit / 2);
        for (n, piece) in wrap(line, limit.saturating_sub(indent)).iter().enumerate() {
            let lead = if n == 0 { spaces } else { indent };
            out.push_str(&" ".repeat(lead.min(indent)));
            out.push_str(piece);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{clean, clean_lines, clip, labelled, labelled_lines, refold, width, wrap};

    #[test]
    fn control_characters_never_come_through() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{202e}d\r\n"), "a?[2Jb c?d");
        assert_eq!(clean_lines("a\tb\n\x1b]0;x\x07\n"), "a       b\n?]0;x?\n");
    }

    #[test]
    fn clipping_says_that_it_cut() {
        assert_eq!(clip("binutils:pass1", 20), "binutils:pass1");
        assert_eq!(clip("binutils:pass1", 10), "binutils..");
        assert_eq!(clip("binutils", 3), "bin");
        assert_eq!(clip("日本語", 5), "日..");
    }

    #[test]
    fn wrapping_keeps_words() {
        assert_eq!(wrap("the disk is full", 8), ["the disk", "is full"]);
        assert_eq!(wrap("/a/very/long/path is bad", 10), ["/a/very/lo", "ng/path is", "bad"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(labelled("hint: ", "free some space", 15), "hint: free some\n      space\n");
    }

    #[test]
    fn lines_of_a_proof_stay_lines() {
        let text = "git cannot come:\n  git needs zlib>=2\n  there is zlib 1.3 only\n";
        let want = "pkgctl: git cannot come:\n          git needs zlib>=2\n          there is zlib 1.3\n\
                    \x20         only\n";
        assert_eq!(labelled_lines("pkgctl: ", text, 27), want);
    }

    #[test]
    fn folding_leaves_short_lines_alone() {
        let text = "Usage: pkgctl [--json] [--root <dir>]\n\n  --json      one object a line\n";
        let want = "Usage: pkgctl [--json]\n  [--root <dir>]\n\n  --json one object a\n    line\n";
        assert_eq!(refold(text, 26), want);
        assert_eq!(refold(text, 80), text);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in any::<String>(), limit in 2usize..100) {
            let text = clean(&text);
            prop_assert!(width(&clip(&text, limit)) <= limit);
            let lines = wrap(&text, limit);
            prop_assert!(lines.iter().all(|l| width(l) <= limit), "{lines:?}");
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
