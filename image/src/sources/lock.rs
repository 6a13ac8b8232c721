//! The places of a locked source, in the order they are tried, and the choice by name.
//!
//! `sources.lock` itself is read by `minos-recipe`, which owns its format. An entry of
//! `alternatives` is an address, or another package version that carries the same bytes, written
//! `debian:package=version` or `pypi:name==version`: several Debian versions share one upstream
//! tarball, and old versions leave the archive.

use std::fmt;
use std::fs;
use std::path::Path;

use minos_recipe::{LockedSource, SourcesLock};

use crate::{Error, Result};

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

/// Reads a lock file.
pub fn read(path: &Path) -> Result<SourcesLock> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let name = path.display().to_string();
    // The message carries file and line already.
    SourcesLock::parse(&name, &text).map_err(|why| Error::request(why.to_string()))
}

/// The sources with one of these names or file names, or all; an unknown one is an error that
/// lists the known.
pub fn select<'a>(lock: &'a SourcesLock, only: &[String]) -> Result<Vec<&'a LockedSource>> {
    let is = |source: &LockedSource, name: &String| source.name == *name || source.file == *name;
    let known = |name: &&String| lock.iter().any(|source| is(source, name));
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = lock.iter().map(|s| s.name.as_str()).collect();
        let why = format!("no source is named {unknown}\n  known: {}", names.join(" "));
        return Err(Error::request(why));
    }
    let wanted = |s: &&LockedSource| only.is_empty() || only.iter().any(|name| is(s, name));
    Ok(lock.iter().filter(wanted).collect())
}

/// Where a source can be had, in the order to try.
pub fn places(source: &LockedSource) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    places.extend(source.debian.clone().map(Place::Debian));
    places.extend(source.pypi.clone().map(Place::Pypi));
    places.extend(source.url.clone().map(Place::Url));
    places.extend(source.alternatives.iter().map(|text| alternative(text)));
    match places.iter().find(|place| !is_safe(place)) {
        None => Ok(places),
        Some(bad) => Err(Error::request(format!(
            "source {}: {bad:?} has not the form this place needs\n  next: correct sources.lock",
            source.name
        ))),
    }
}

fn alternative(text: &str) -> Place {
    match text.split_once(':') {
        Some(("debian", package)) => Place::Debian(package.to_owned()),
        Some(("pypi", requirement)) => Place::Pypi(requirement.to_owned()),
        _ => Place::Url(text.to_owned()),
    }
}

/// Places become arguments of host programs: they must not look like options or carry more words.
fn is_safe(place: &Place) -> bool {
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:~_".contains(&b))
    };
    let pair =
        |text: &str, by: &str| text.split_once(by).is_some_and(|(a, b)| plain(a) && plain(b));
    match place {
        Place::Debian(package) => pair(package, "="),
        Place::Pypi(requirement) => pair(requirement, "=="),
        Place::Url(url) => url.starts_with("https://") || url.starts_with("http://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(places: &str) -> std::result::Result<SourcesLock, String> {
        let sha = "a".repeat(64);
        let text = format!(
            "schema = 1\n[[source]]\nname = \"z\"\nfile = \"z.tar\"\nsha256 = \"{sha}\"\n\
             bytes = 5\n{places}"
        );
        SourcesLock::parse("sources.lock", &text).map_err(|e| e.to_string())
    }

    fn places_of(text: &str) -> std::result::Result<Vec<String>, String> {
        let lock = lock(text)?;
        let source = lock.iter().next().unwrap();
        let places = places(source).map_err(|e| e.to_string())?;
        Ok(places.iter().map(Place::to_string).collect())
    }

    #[test]
    fn places_are_tried_in_the_order_of_the_lock() {
        let text = "debian = \"z=1:1~x-1\"\nurl = \"https://a.example/z\"\n\
                    alternatives = [\"debian:z=2-1\", \"pypi:z==1\", \"https://b.example/z\"]\n";
        assert_eq!(
            places_of(text).unwrap(),
            [
                "Debian z=1:1~x-1",
                "https://a.example/z",
                "Debian z=2-1",
                "PyPI z==1",
                "https://b.example/z"
            ]
        );
    }

    #[test]
    fn a_place_cannot_smuggle_an_option() {
        for bad in [
            "debian = \"zlib\"",
            "debian = \"--opt=1\"",
            "debian = \"z=1 -o x\"",
            "pypi = \"a==1 --index-url=x\"",
            "url = \"file:///etc/passwd\"",
            "alternatives = [\"debian:-z=1\"]",
        ] {
            assert!(places_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_or_file_name_selects_and_an_unknown_one_lists_the_known() {
        let lock = lock("url = \"https://a.example/z\"\n").unwrap();
        for only in [vec![], vec!["z".to_owned()], vec!["z.tar".to_owned()]] {
            assert_eq!(select(&lock, &only).unwrap().len(), 1);
        }
        let error = select(&lock, &["zz".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("zz") && error.contains("known: z"), "{error}");
    }
}
