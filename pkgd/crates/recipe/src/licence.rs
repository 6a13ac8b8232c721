//! SPDX licence expressions: their form, and the names that are known here.

use minos_model::suggest::nearest;

/// The names in the shipped recipes, and what else is common. No table of all: a name that is not here is a warning.
const KNOWN: [&str; 75] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "Autoconf-exception-3.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-2-Clause-Patent",
    "BSD-3-Clause",
    "BSD-3-Clause-flex",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSL-1.0",
    "Bison-exception-2.2",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "Classpath-exception-2.0",
    "EPL-2.0",
    "FSFAP",
    "FSFUL",
    "FSFULLR",
    "FTL",
    "GCC-exception-3.1",
    "GFDL-1.2-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "HPND-sell-variant",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "LLVM-exception",
    "Libpng",
    "Linux-syscall-note",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "Python-2.0.1",
    "Ruby",
    "TCL",
    "Unicode-3.0",
    "Unlicense",
    "Vim",
    "W3C",
    "WTFPL",
    "X11",
    "X11-distribute-modifications-variant",
    "Zlib",
    "bzip2-1.0.6",
    "curl",
];

/// It is one of the known, or of the author's own making (`LicenseRef-NAME`).
pub(crate) fn known(name: &str) -> bool {
    let plain = name.strip_suffix('+').unwrap_or(name);
    KNOWN.contains(&plain) || name.contains("LicenseRef-") || name == "TODO" // told as a placeholder
}

/// The known name that may be meant.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    let alike = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    alike.or_else(|| nearest(name, KNOWN))
}

/// The names in an expression, licences and exceptions, in the order of the text.
///
/// # Errors
/// What keeps the text from being an expression.
pub(crate) fn names(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut open = 0_usize;
    let mut before = Before::Operator;
    for word in words(text) {
        before = match (word, before) {
            ("(", Before::Operator) => {
                open += 1;
                Before::Operator
            }
            (")", Before::Name | Before::Closed) => {
                open = open.checked_sub(1).ok_or("')' without '('")?;
                Before::Closed
            }
            ("AND" | "OR", Before::Name | Before::Closed) => Before::Operator,
            ("WITH", Before::Name) => Before::With,
            ("AND" | "OR" | "WITH" | ")", _) => {
                return Err(format!("a licence is missing before '{word}'"));
            }
            ("(", _) => return Err("AND or OR is missing before '('".to_owned()),
            (_, Before::Name | Before::Closed) => {
                return Err(format!("AND or OR is missing before '{}'", word.escape_debug()));
            }
            (_, Before::Operator | Before::With) => {
                names.push(name(word)?);
                Before::Name
            }
        };
    }
    match before {
        Before::Operator | Before::With => Err("a licence is missing at its end".to_owned()),
        _ if open > 0 => Err("'(' without ')'".to_owned()),
        _ => Ok(names),
    }
}

/// What stood before a word.
#[derive(Clone, Copy)]
enum Before {
    /// The beginning, `AND`, `OR` or `(`: a licence follows.
    Operator,
    /// `WITH`: an exception follows.
    With,
    Name,
    Closed,
}

fn name(word: &str) -> Result<&str, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.+:".contains(&b);
    match word.bytes().all(plain) {
        true => Ok(word),
        false => Err(format!("'{}' is no name of a licence", word.escape_debug())),
    }
}

/// The words, each parenthesis one of its own.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['(', ')']).flat_map(|part| {
        let at = part.find(['(', ')']).unwrap_or(part.len());
        let (before, bracket) = part.split_at(at);
        before.split_whitespace().chain(Some(bracket).filter(|text| !text.is_empty()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{KNOWN, known, names, near};

    #[test]
    fn expressions_are_read() {
        let text = "GPL-3.0-or-later WITH GCC-exception-3.1 AND (MIT OR 0BSD)";
        let want = ["GPL-3.0-or-later", "GCC-exception-3.1", "MIT", "0BSD"];
        assert_eq!(names(text).unwrap(), want);
        for wrong in
            ["", "(MIT", "MIT)", "MIT AND", "OR MIT", "GPL v3", "MIT and 0BSD", "MIT, 0BSD", "()"]
        {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_known_or_near() {
        assert!(KNOWN.iter().all(|name| known(name)) && KNOWN.is_sorted());
        assert!(known("GPL-2.0-only") && known("LicenseRef-Ours") && !known("GPL-3"));
        assert_eq!(near("mit"), Some("MIT"));
        assert_eq!(near("GPL-3.0-or-latr"), Some("GPL-3.0-or-later"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = names(&text);
        }
    }
}
