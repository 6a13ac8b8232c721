//! SPDX licence expressions, read by the crate `spdx`: whether a text is one, and which names in it nobody knows.

use minos_model::suggest::nearest;
use spdx::flags::IS_DEPRECATED;
use spdx::identifiers::{EXCEPTIONS, LICENSES};
use spdx::lexer::{Lexer, Token};
use spdx::{Expression, License, ParseMode};

/// The form counts here; names that are unknown or out of use are warned of, and told by [`unknown`].
const FORM: ParseMode = ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: true,
};

/// Whether the text has the form of an expression.
///
/// # Errors
/// What keeps it from that, and where.
pub(crate) fn check(text: &str) -> Result<(), String> {
    Expression::parse_mode(text, FORM).map(|_| ()).map_err(|error| {
        match text.get(error.span).filter(|at| !at.trim().is_empty()) {
            Some(at) => format!("'{}': {}", at.escape_debug(), error.reason),
            None => error.reason.to_string(),
        }
    })
}

/// The names of licences and exceptions in an expression that are not on SPDX's list, or are out of use there. Those
/// of an author's own making (`LicenseRef-NAME`) are none of them.
pub(crate) fn unknown(text: &str) -> impl Iterator<Item = &str> {
    Lexer::new_mode(text, FORM).map_while(Result::ok).filter_map(|found| match found.token {
        Token::Unknown("TODO") => None, // told as a placeholder
        Token::Unknown(name) => Some(name),
        Token::Spdx(id) if id.is_deprecated() => Some(id.name),
        Token::Exception(id) if id.is_deprecated() => Some(id.name),
        _ => None,
    })
}

/// The name that may be meant.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    let current = |known: &&License| known.flags & IS_DEPRECATED == 0;
    let names = || {
        let licences = LICENSES.iter().filter(current).map(|known| known.name);
        licences.chain(EXCEPTIONS.iter().map(|known| known.name))
    };
    names().find(|known| known.eq_ignore_ascii_case(name)).or_else(|| nearest(name, names()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{check, near, unknown};

    #[test]
    fn expressions_are_read() {
        check("GPL-3.0-or-later WITH GCC-exception-3.1 AND (MIT OR 0BSD)").unwrap();
        for wrong in ["", "(MIT", "MIT)", "MIT AND", "OR MIT", "GPL v3", "MIT, 0BSD", "()"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_known_or_near() {
        let found = |text| unknown(text).collect::<Vec<_>>();
        assert_eq!(found("GPL-2.0-only WITH LLVM-exception OR LicenseRef-Ours"), [""; 0]);
        assert_eq!(found("mit OR (GPL-3 AND GPL-2.0+)"), ["mit", "GPL-3", "GPL-2.0"]);
        assert_eq!(near("mit"), Some("MIT"));
        assert_eq!(near("GPL-3.0-or-latr"), Some("GPL-3.0-or-later"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = check(&text);
            let _ = unknown(&text).count();
        }
    }
}
