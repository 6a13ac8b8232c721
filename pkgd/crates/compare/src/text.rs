//! Text: the first line that differs.

use crate::content::Found;
use crate::report::Kind;

/// Characters shown of a line.
const SHOWN: usize = 60;
/// Characters shown in front of the first one that differs.
const BEFORE: usize = 20;

/// `None` if either is no text: has a NUL, or is no UTF-8.
pub(crate) fn look(first: &[u8], second: &[u8]) -> Option<Found> {
    let plain = |bytes| std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let (mut left, mut right) = (plain(first)?.split('\n'), plain(second)?.split('\n'));
    let mut number = 0_u64;
    loop {
        number += 1;
        let what = match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => {
                let (a, b) = around(a, b);
                format!("line {number}: {a:?}, then {b:?}")
            }
            (Some(a), None) => format!("line {number} only in the first: {:?}", around(a, "").0),
            (None, Some(b)) => format!("line {number} only in the second: {:?}", around("", b).1),
            (None, None) => return None,
        };
        return Some(Found::new(Kind::Text, what));
    }
}

/// The parts of two lines about their first difference.
fn around<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let same = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
    let at = same.map_or(a.len().min(b.len()), |((at, _), _)| at);
    // What is in front is the same in both, so one place serves for both.
    let from = match a.get(..at) {
        Some(head) => head.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at),
        None => 0,
    };
    (window(a, from), window(b, from))
}

fn window(line: &str, from: usize) -> &str {
    let rest = line.get(from..).unwrap_or(line);
    rest.char_indices().nth(SHOWN).map_or(rest, |(end, _)| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::look;

    fn what(a: &str, b: &str) -> String {
        look(a.as_bytes(), b.as_bytes()).map_or_else(String::new, |found| found.what)
    }

    #[test]
    fn the_first_line_that_differs() {
        assert_eq!(what("a\nb\nc\n", "a\nx\ny\n"), r#"line 2: "b", then "x""#);
        assert_eq!(what("a\n", "a\nb\n"), r#"line 2: "", then "b""#);
        assert_eq!(what("a", "a\nb"), r#"line 2 only in the second: "b""#);
        assert_eq!(what("a\nb", "a"), r#"line 2 only in the first: "b""#);
        assert_eq!(what("a\tb", "a\tc"), r#"line 1: "a\tb", then "a\tc""#);
    }

    #[test]
    fn a_long_line_is_shown_about_the_difference() {
        let line = |c: char| format!("{}{c}{}", "ä".repeat(500), "z".repeat(500));
        let shown = what(&line('1'), &line('2'));
        assert!(shown.contains(&format!("\"{}1zzz", "ä".repeat(20))), "{shown}");
        assert!(shown.chars().count() < 160, "{shown}");
    }

    #[test]
    fn bytes_are_no_text() {
        assert!(look(b"a\0", b"b\0").is_none());
        assert!(look(b"\xff", b"b").is_none());
    }
}
