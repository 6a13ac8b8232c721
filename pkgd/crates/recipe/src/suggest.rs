//! "Did you mean ...": the nearest of the known words.

/// The known word nearest to `word` by edit distance, if it is near enough to be a slip of the pen:
/// at most a third of the longer word, and never the word itself. The first of equals wins.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= word.len().max(candidate.len()).div_ceil(3))
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over bytes, with one row of the table (Wagner and Fischer, 1974).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_of_known_pairs() {
        for (a, b, want) in [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        let known = ["version", "release", "stage"];
        assert_eq!(nearest("verison", known), Some("version"));
        assert_eq!(nearest("stages", known), Some("stage"));
        assert_eq!(nearest("maintainer", known), None);
        assert_eq!(nearest("stage", known), None, "the word itself is no suggestion");
    }
}
