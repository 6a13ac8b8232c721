//! `sources.lock`: every file a recipe may unpack, pinned by SHA-256.

use std::collections::BTreeMap;

use minos_model::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{self, ParseError};

/// One pinned file and the places where it can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// What it is the source of, for people: `gcc`.
    pub name: String,
    /// The file's name, unique in the lock; recipes refer to it.
    pub file: String,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Debian source package and exact version that carry it: `gcc-14=14.2.0-19`.
    #[serde(default)]
    pub debian: Option<String>,
    /// Requirement that names exactly one release on PyPI: `meson==1.7.0`.
    #[serde(default)]
    pub pypi: Option<String>,
    /// Address at upstream of the very same bytes.
    #[serde(default)]
    pub url: Option<String>,
    /// Further places of the same bytes, tried in this order after the ones above: an address, or
    /// `debian:package=version`, or `pypi:name==version`. Another version is another entry.
    #[serde(default)]
    pub alternatives: Vec<String>,
}

/// The parsed `sources.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesLock {
    files: BTreeMap<String, LockedSource>,
}

/// The shape of the file itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[expect(dead_code, reason = "checked by error::parse before")]
    schema: u32,
    #[serde(default, rename = "source")]
    sources: Vec<toml::Spanned<LockedSource>>,
}

impl SourcesLock {
    /// Parses the text of a lock; `file` is its name in messages.
    ///
    /// # Errors
    /// Text that is no TOML, an unknown key, a malformed hash, a file name that is not a plain one
    /// or appears twice, or a source with no place to get it from.
    pub fn parse(file: &str, text: &str) -> Result<Self, ParseError> {
        let raw: Raw = error::parse(file, text)?;
        let mut files = BTreeMap::new();
        for spanned in raw.sources {
            let line = error::line_of(text, spanned.span().start);
            let source = spanned.into_inner();
            let wrong = check(&source).or_else(|| {
                let twice = files.contains_key(&source.file);
                twice.then_some(("is listed twice", "remove one of the two entries"))
            });
            if let Some((what, hint)) = wrong {
                let cause = format!("source '{}' {what}", source.file.escape_debug());
                let (file, hint) = (file.to_owned(), hint.to_owned());
                return Err(ParseError { file, line: Some(line), cause, hint });
            }
            files.insert(source.file.clone(), source);
        }
        Ok(Self { files })
    }

    /// The entry of `file`.
    pub fn get(&self, file: &str) -> Option<&LockedSource> {
        self.files.get(file)
    }

    /// All entries, sorted by file name.
    pub fn iter(&self) -> impl Iterator<Item = &LockedSource> {
        self.files.values()
    }
}

/// What is wrong with one entry, and the cure.
fn check(source: &LockedSource) -> Option<(&'static str, &'static str)> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._~".contains(&b);
    let file = &source.file;
    let nowhere = source.debian.is_none() && source.pypi.is_none() && source.url.is_none();
    if file.is_empty() || file.starts_with('.') || !file.bytes().all(plain) {
        Some(("is not a plain file name", "use a-z A-Z 0-9 + - . _ ~, and no leading dot"))
    } else if nowhere && source.alternatives.is_empty() {
        Some(("has no place to get it from", "add 'debian', 'pypi', 'url' or 'alternatives'"))
    } else if source.bytes == 0 {
        Some(("has bytes = 0", "write the size of the file; an empty one is no source"))
    } else if source.url.as_deref().is_some_and(|url| !is_address(url)) {
        Some(("has a 'url' that is no address", ADDRESS))
    } else if !source.alternatives.iter().all(|place| is_place(place)) {
        Some(("has an alternative that is no place", ADDRESS))
    } else {
        None
    }
}

const ADDRESS: &str = "write https://HOST/... (in 'alternatives' also debian:NAME=VERSION or pypi:NAME==VERSION); a file of \
     this machine goes into a folder of 'pkgd --sources'";

/// `http://` or `https://`, and something behind it.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.starts_with('/') && rest.contains('/'))
}

fn is_place(place: &str) -> bool {
    ["debian:", "pypi:"].iter().any(|kind| place.starts_with(kind)) || is_address(place)
}

#[cfg(test)]
mod tests {
    use super::SourcesLock;

    const ENTRY: &str = "\n[[source]]\nname = \"a\"\nfile = \"a-1.tar.xz\"\n\
        sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\nbytes = 3\n";

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn error(text: &str) -> String {
        SourcesLock::parse("sources.lock", text).unwrap_err().to_string()
    }

    #[test]
    fn entries_are_found_by_file_name() {
        let text = format!("schema = 1\n{ENTRY}debian = \"a=1-1\"\n");
        let lock = SourcesLock::parse("sources.lock", &text).unwrap();
        assert_eq!(lock.get("a-1.tar.xz").map(|s| s.bytes), Some(3));
        assert_eq!(lock.get("a-2.tar.xz"), None);
        assert_eq!(lock.iter().count(), 1);
    }

    #[test]
    fn each_defect_is_named_with_its_line() {
        assert!(error(&format!("schema = 1\n{ENTRY}")).contains("no place to get it from"));
        let entry = format!("{ENTRY}url = \"https://example.org/a\"\n");
        let text = error(&format!("schema = 1\n{entry}{entry}"));
        assert!(text.starts_with("sources.lock:10: source 'a-1.tar.xz' is listed twice"), "{text}");
        let text = error(&format!("schema = 1\n{}", entry.replace("a-1.tar", "../a-1.tar")));
        assert!(text.contains("is not a plain file name"), "{text}");
    }

    #[test]
    fn malformed_hash_is_refused_with_its_line() {
        for bad in ["BA7816", "ba7816", ""] {
            let entry = ENTRY.replace(HASH, bad);
            let text = error(&format!("schema = 1\n{entry}url = \"x\"\n"));
            assert!(text.contains("sources.lock:6: not a SHA-256 digest"), "{text}");
        }
    }
}
