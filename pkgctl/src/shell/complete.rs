//! Completion: what could stand where the cursor is.

use minos_proto::{Listing, PackageRequest};

use crate::grammar::Place;

/// Commands of the shell itself.
pub const BUILTINS: [&str; 4] = ["clear", "exit", "help", "quit"];

/// The names only pkgd knows. Asked for when needed; an empty list when pkgd cannot be reached.
pub trait Names {
    /// What can be built: groups, `stage/name`, steps.
    fn targets(&mut self) -> Vec<String>;
    /// Steps.
    fn steps(&mut self) -> Vec<String>;
    /// Numbers of jobs, newest first.
    fn jobs(&mut self) -> Vec<String>;
    /// What the first column of a list of the package manager has.
    fn listed(&mut self, list: &PackageRequest) -> Vec<String>;
}

/// The list that has the names for a positional argument of this name.
fn list_of(positional: &str) -> Option<PackageRequest> {
    Some(match positional {
        "installed" => PackageRequest::List(Listing::Installed),
        "package" => PackageRequest::List(Listing::Available),
        "generation" => PackageRequest::Generations,
        "plan" => PackageRequest::Plans { plan: None },
        "repository" => PackageRequest::Repositories(None),
        "key" => PackageRequest::Keys(None),
        _ => return None,
    })
}

/// What Tab found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Where the word begins, in characters from the start of the line.
    pub start: usize,
    /// What the word can become, whole.
    pub candidates: Vec<String>,
}

impl Completion {
    /// What to put in the place of the word: the whole and a blank where there is one candidate, else
    /// what all have in common. `None` when that is no more than what stands there.
    pub fn replacement(&self, word: &str) -> Option<String> {
        let (first, others) = self.candidates.split_first()?;
        if others.is_empty() {
            return Some(format!("{first} "));
        }
        let common = others.iter().fold(first.as_str(), |common, other| {
            let pairs = common.char_indices().zip(other.chars());
            let same = pairs.take_while(|((_, a), b)| a == b).last();
            &common[..same.map_or(0, |((at, c), _)| at + c.len_utf8())]
        });
        (common.len() > word.len()).then(|| common.to_owned())
    }
}

/// Completes the last word of `line`, the part of the line before the cursor.
pub fn complete(line: &str, names: &mut dyn Names) -> Completion {
    let at = line.rfind(' ').map_or(0, |p| p + 1);
    let (before, word) = line.split_at(at);
    let words: Vec<String> =
        before.split_whitespace().filter(|w| *w != "pkgctl").map(str::to_owned).collect();
    let mut candidates = candidates(&Place::after(&words), &words, word, names);
    candidates.retain(|c| c.starts_with(word));
    candidates.sort_unstable();
    candidates.dedup();
    Completion { start: line[..at].chars().count(), candidates }
}

fn candidates(place: &Place, words: &[String], word: &str, names: &mut dyn Names) -> Vec<String> {
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    match place.value_of {
        Some("--rebuild") => return names.steps(),
        Some(_) => return Vec::new(),
        None => {}
    }
    if word.starts_with('-') {
        let once = |o: &&str| *o == "--rebuild" || !place.given.iter().any(|g| g == o);
        return owned(place.options().filter(once).collect());
    }
    if place.expects_verb() {
        let mut verbs: Vec<&str> = place.next_verbs().collect();
        verbs.extend(BUILTINS.iter().filter(|_| words.is_empty()));
        return owned(verbs);
    }
    match place.next_positional() {
        Some("target") => names.targets(),
        Some("step") => names.steps(),
        Some("job") => names.jobs(),
        Some(other) => list_of(other).map(|list| names.listed(&list)).unwrap_or_default(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::{Listing, PackageRequest};

    use super::{Completion, Names, complete};

    struct Sample;

    impl Names for Sample {
        fn targets(&mut self) -> Vec<String> {
            ["lfs/toolchain", "cross/gcc", "gcc:pass1", "glibc"].map(String::from).into()
        }

        fn steps(&mut self) -> Vec<String> {
            ["gcc:pass1", "glibc"].map(String::from).into()
        }

        fn jobs(&mut self) -> Vec<String> {
            ["12", "11"].map(String::from).into()
        }

        fn listed(&mut self, list: &PackageRequest) -> Vec<String> {
            let names: &[&str] = match list {
                PackageRequest::List(Listing::Installed) => &["zlib", "xz"],
                PackageRequest::List(_) => &["zlib", "zstd"],
                PackageRequest::Generations => &["7", "6"],
                _ => &[],
            };
            names.iter().map(|n| (*n).to_owned()).collect()
        }
    }

    fn found(line: &str) -> String {
        complete(line, &mut Sample).candidates.join(" ")
    }

    #[test]
    fn words_in_their_places() {
        let table = [
            ("st", "status"),
            ("re", "reboot recipe remove repo report retry"),
            ("e", "events exit"),
            ("help b", "boot build"),
            ("pkgctl b", "boot build"),
            ("recipe ", "lint list show"),
            ("repo a", "add"),
            ("query dep", "depends"),
            ("install zl", "zlib"),
            ("install zlib z", "zlib zstd"),
            ("uninstall x", "xz"),
            ("uninstall xz --a", "--autoremove"),
            ("switch ", "6 7"),
            ("diff 6 ", "6 7"),
            ("check-updates ", ""),
            ("recipe show g", "gcc:pass1 glibc"),
            ("build l", "lfs/toolchain"),
            ("build lfs/toolchain --k", "--keep-going"),
            ("build lfs/toolchain --rebuild gl", "glibc"),
            ("build --jobs ", ""),
            ("--json stat", "status"),
            ("watch ", "11 12"),
            ("cancel 12 ", ""),
            ("nonsense ", ""),
            ("status --js", "--json"),
            ("status --json --js", ""),
        ];
        for (line, want) in table {
            assert_eq!(found(line), want, "{line}");
        }
        assert!(found("").contains("status") && found("").contains("help"));
    }

    #[test]
    fn what_is_inserted() {
        let completion = |candidates: &[&str]| Completion {
            start: 0,
            candidates: candidates.iter().map(|c| (*c).to_owned()).collect(),
        };
        assert_eq!(completion(&["status"]).replacement("st"), Some("status ".into()));
        assert_eq!(
            completion(&["gcc:pass1", "gcc:pass2"]).replacement("g"),
            Some("gcc:pass".into())
        );
        assert_eq!(completion(&["reboot", "retry"]).replacement("re"), None);
        assert_eq!(completion(&[]).replacement("x"), None);
        assert_eq!(complete("log é gl", &mut Sample).start, 6);
    }
}
