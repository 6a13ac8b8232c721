//! What is known and no leak, each with the reason. Everything else that is found is a finding.

use crate::report::Kind;

/// Where only debuggers look.
pub(crate) const DEBUG: &str =
    "debug information names the sources that a program was made of; nothing follows it";
/// What only people read.
const MANUAL: &str = "a manual: read by people, not by programs";

/// Names of paths.
const NAMES: &[Kind] = &[Kind::SeedPath, Kind::WorkPath];

struct Exception {
    /// Beginning of the path, relative to the root.
    path: &'static str,
    kinds: &'static [Kind],
    /// What the finding's words must have; nothing is in all of them.
    text: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception { path: "usr/share/man/", kinds: NAMES, text: "", reason: MANUAL },
    Exception { path: "usr/share/info/", kinds: NAMES, text: "", reason: MANUAL },
    Exception { path: "usr/share/doc/", kinds: NAMES, text: "", reason: MANUAL },
    Exception {
        path: "usr/lib/python3.",
        kinds: &[Kind::WorkPath],
        text: "/build/src",
        reason: "Python keeps the words of its own Makefile, which are for building Python",
    },
    Exception {
        path: "usr/lib/python3.",
        kinds: &[Kind::NoInterpreter, Kind::OnlyTool],
        text: "interpreter python, by /usr/bin/env",
        reason: "a module that may be executed where there is a 'python'; it is imported",
    },
    Exception {
        path: "usr/lib/tcl8/",
        kinds: &[Kind::SeedPath],
        text: "lappend bases /lib/x86_64-linux-gnu",
        reason: "Tcl's list of where systems of any kind have their C library",
    },
    Exception {
        path: "usr/lib/python3.13/site-packages/mesonbuild/",
        kinds: &[Kind::SeedPath],
        text: "/lib/x86_64-linux-gnu",
        reason: "a comment of Meson's source code speaks of Debian",
    },
];

/// The reason why this is no leak, if there is one.
pub(crate) fn excuse(path: &str, kind: Kind, what: &str) -> Option<&'static str> {
    find(path, kind, |text| what.contains(text))
}

/// As [`excuse`], of what stands at the byte `at` of the words: an exception is for the text that it names, and not for
/// what else stands beside that.
pub(crate) fn excuse_at(path: &str, kind: Kind, what: &str, at: usize) -> Option<&'static str> {
    let over = |(start, text): (usize, &str)| (start..start + text.len()).contains(&at);
    find(path, kind, |text| text.is_empty() || what.match_indices(text).any(over))
}

fn find(path: &str, kind: Kind, has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let path = path.trim_start_matches('/');
    let fits = |e: &&Exception| path.starts_with(e.path) && e.kinds.contains(&kind) && has(e.text);
    EXCEPTIONS.iter().find(fits).map(|e| e.reason)
}

#[cfg(test)]
mod tests {
    use super::{EXCEPTIONS, excuse};
    use crate::report::Kind;

    #[test]
    fn manuals_may_name_anything_and_need_what_all_need() {
        assert!(excuse("/usr/share/man/man1/gcc.1", Kind::SeedPath, "x").is_some());
        assert!(excuse("/usr/share/doc/a/example.sh", Kind::NoInterpreter, "x").is_none());
        assert!(excuse("/usr/share/manual", Kind::SeedPath, "x").is_none());
    }

    #[test]
    fn each_exception_is_of_one_place_and_has_a_reason() {
        for e in EXCEPTIONS {
            assert!(!e.path.is_empty() && !e.path.starts_with('/'), "{}", e.path);
            assert!(!e.kinds.is_empty() && e.reason.len() > 10, "{}", e.path);
        }
    }
}
