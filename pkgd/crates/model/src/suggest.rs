//! "Did you mean …?"

/// The word of `known` nearest to `word`, when it is near enough to be a slip of the fingers: a third of the letters, or
/// the rest of the word left out. Never the word itself; the first of equals wins.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|k| *k != word)
        .map(|k| (distance(word, k), k))
        .filter(|(d, k)| *d <= limit || (word.len() > 1 && k.starts_with(word)))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swapped neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        let pairs = [("", "abc", 3), ("status", "status", 0), ("statsu", "status", 1)];
        for (a, b, d) in pairs {
            assert_eq!((distance(a, b), distance(b, a)), (d, d), "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_slips_are_corrected() {
        let verbs = ["status", "plan", "build", "jobs", "watch", "log"];
        assert_eq!(nearest("statsu", verbs), Some("status"));
        assert_eq!(nearest("biuld", verbs), Some("build"));
        assert_eq!(nearest("sta", verbs), Some("status"));
        assert_eq!(nearest("install", verbs), None);
        assert_eq!(nearest("x", verbs), None);
        let keys = ["version", "release", "stage"];
        assert_eq!(nearest("verison", keys), Some("version"));
        assert_eq!(nearest("stages", keys), Some("stage"));
        assert_eq!(nearest("maintainer", keys), None);
        assert_eq!(nearest("stage", keys), None, "the word itself is no suggestion");
    }
}
