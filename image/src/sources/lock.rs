//! `sources.lock`: which files the recipes may unpack, and where each can be had.
//!
//! ```toml
//! schema = 1
//!
//! [[source]]
//! name = "zlib"                            # unique
//! file = "zlib-1.3.1.tar.gz"               # its name in out/sources; unique
//! sha256 = "64 lower-case hex digits"
//! bytes = 1325737
//! debian = "zlib=1:1.3.1-1"                # source package=version, optional
//! pypi = "meson==1.7.0"                    # optional
//! url = "https://example.org/z.tar.gz"     # optional
//! [[source.alternative]]                   # the same bytes elsewhere, any number
//! debian = "zlib=1:1.3.1-2"
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result, digest};

const SCHEMA: u32 = 1;

/// The whole lock.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcesLock {
    /// Version of the format.
    pub schema: u32,
    /// All sources.
    #[serde(default)]
    pub source: Vec<Source>,
}

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name, unique in the lock.
    pub name: String,
    /// Its file name, unique in the lock.
    pub file: String,
    /// The SHA-256 of its content.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Debian source package and version, `package=version`.
    pub debian: Option<String>,
    /// PyPI requirement, `name==version`.
    pub pypi: Option<String>,
    /// Upstream address.
    pub url: Option<String>,
    /// Other places with the same bytes.
    #[serde(default)]
    pub alternative: Vec<Alternative>,
}

/// Another place with the same bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Debian source package and version.
    pub debian: Option<String>,
    /// PyPI requirement.
    pub pypi: Option<String>,
    /// Address.
    pub url: Option<String>,
}

/// A place on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `package=version` of a Debian source package.
    Debian(String),
    /// `name==version` on PyPI.
    Pypi(String),
    /// An address.
    Url(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Debian(package) => write!(f, "Debian {package}"),
            Place::Pypi(requirement) => write!(f, "PyPI {requirement}"),
            Place::Url(url) => f.write_str(url),
        }
    }
}

impl SourcesLock {
    /// Reads and checks a lock file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|why| Error::parse(path, why))
    }

    /// Parses and checks the text of a lock file.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let lock: SourcesLock = toml::from_str(text).map_err(|e| e.to_string())?;
        if lock.schema != SCHEMA {
            return Err(format!("schema {} is not {SCHEMA}, the one known here", lock.schema));
        }
        let mut seen = BTreeSet::new();
        for source in &lock.source {
            source.check().map_err(|why| format!("source {:?}: {why}", source.name))?;
            for (kind, name) in [("name", &source.name), ("file", &source.file)] {
                if !seen.insert((kind, name)) {
                    return Err(format!("{kind} {name:?} stands there twice"));
                }
            }
        }
        Ok(lock)
    }

    /// The sources of the given names, or all; an unknown name is an error that lists the known.
    pub fn select(&self, only: &[String]) -> Result<Vec<&Source>> {
        let known = |name: &String| self.source.iter().any(|s| s.name == *name);
        if let Some(unknown) = only.iter().find(|name| !known(name)) {
            let names: Vec<&str> = self.source.iter().map(|s| s.name.as_str()).collect();
            return Err(Error::request(format!(
                "no source is named {unknown}\n  known: {}",
                names.join(" ")
            )));
        }
        let wanted = |s: &&Source| only.is_empty() || only.contains(&s.name);
        Ok(self.source.iter().filter(wanted).collect())
    }
}

impl Source {
    /// The places to try, in order: the lock's own first, then the alternatives'.
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut add = |debian: &Option<String>, pypi: &Option<String>, url: &Option<String>| {
            places.extend(debian.clone().map(Place::Debian));
            places.extend(pypi.clone().map(Place::Pypi));
            places.extend(url.clone().map(Place::Url));
        };
        add(&self.debian, &self.pypi, &self.url);
        self.alternative.iter().for_each(|a| add(&a.debian, &a.pypi, &a.url));
        places
    }

    fn check(&self) -> std::result::Result<(), String> {
        if !digest::is_sha256(&self.sha256) {
            return Err("sha256 is not 64 lower-case hex digits".to_owned());
        }
        // The file name is joined to folders of ours: it must stay in them.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-~".contains(&b);
        if self.file.is_empty() || self.file.starts_with('.') || !self.file.bytes().all(plain) {
            return Err(format!("{:?} is no plain file name", self.file));
        }
        for place in self.places() {
            check_place(&place)?;
        }
        Ok(())
    }
}

/// Places become arguments of host programs: they must not look like options or carry more words.
fn check_place(place: &Place) -> std::result::Result<(), String> {
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:~_".contains(&b))
    };
    let pair = |text: &str, by: &str| text.split_once(by).is_some_and(|(a, b)| plain(a) && plain(b));
    let good = match place {
        Place::Debian(package) => pair(package, "="),
        Place::Pypi(requirement) => pair(requirement, "=="),
        Place::Url(url) => url.starts_with("https://") || url.starts_with("http://"),
    };
    if good { Ok(()) } else { Err(format!("{place:?} has not the form this place needs")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(changes: &[(&str, &str)]) -> String {
        let sha = format!("\"{}\"", "a".repeat(64));
        let mut keys = vec![("name", "\"z\""), ("file", "\"z.tar\""), ("sha256", &sha), ("bytes", "5")];
        for change in changes {
            keys.retain(|(key, _)| key != &change.0);
            keys.push(*change);
        }
        let lines: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[[source]]\n{lines}")
    }

    fn parse(changes: &[(&str, &str)]) -> std::result::Result<SourcesLock, String> {
        SourcesLock::parse(&format!("schema = 1\n{}", entry(changes)))
    }

    #[test]
    fn places_are_tried_in_the_order_of_the_lock() {
        let text = format!(
            "schema = 1\n{}[[source.alternative]]\ndebian = \"z=2-1\"\n\
             [[source.alternative]]\nurl = \"https://b.example/z\"\n",
            entry(&[("debian", "\"z=1:1~x-1\""), ("url", "\"https://a.example/z\"")])
        );
        let lock = SourcesLock::parse(&text).unwrap();
        let places: Vec<String> = lock.source[0].places().iter().map(Place::to_string).collect();
        assert_eq!(
            places,
            ["Debian z=1:1~x-1", "https://a.example/z", "Debian z=2-1", "https://b.example/z"]
        );
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        assert!(parse(&[]).is_ok());
        for (key, value, why) in [
            ("sha256", "\"ABC\"", "sha256"),
            ("file", "\"../z\"", "file name"),
            ("file", "\"\"", "file name"),
            ("debian", "\"zlib\"", "form"),
            ("debian", "\"--opt=1\"", "form"),
            ("pypi", "\"a==1 b\"", "form"),
            ("url", "\"file:///etc/passwd\"", "form"),
            ("color", "\"red\"", "color"),
            ("bytes", "-1", "bytes"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err();
            assert!(error.contains(why), "{key} = {value}: {error}");
        }
        let twice = format!("schema = 1\n{}{}", entry(&[]), entry(&[]));
        assert!(SourcesLock::parse(&twice).unwrap_err().contains("twice"));
        assert!(SourcesLock::parse("schema = 2\n").unwrap_err().contains("schema 2"));
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let lock = parse(&[]).unwrap();
        assert_eq!(lock.select(&[]).unwrap().len(), 1);
        let error = lock.select(&["zz".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("zz") && error.contains("known: z"), "{error}");
    }
}
