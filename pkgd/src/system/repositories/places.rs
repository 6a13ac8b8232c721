//! Where repositories are: folders of this machine, and addresses that are fetched from.

use std::path::{Path, PathBuf};

use minos_fetch::SCHEME;
use minos_proto::ErrorReport;

use super::{LOCAL, Repositories};
use crate::system::errors::{invalid, on_file};
use crate::system::files;

/// The longest address.
const LONGEST: usize = 1024;

/// Where the packages of a repository are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name on this machine.
    pub name: String,
    /// The highest wins where several have a package.
    pub priority: i32,
    /// The folder; of a repository that is fetched from, the one for what was fetched.
    pub path: PathBuf,
    /// Where it is fetched from: any of these, in this order. None for a folder.
    pub urls: Vec<String>,
}

impl Place {
    /// What people and the list call the place.
    pub fn shown(&self) -> String {
        if self.urls.is_empty() { self.path.display().to_string() } else { self.urls.join(" ") }
    }
}

impl Repositories {
    /// The place of what somebody named: a folder that is there, or addresses with a space between them.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn place(&self, name: &str, at: &str, priority: i32) -> Result<Place, ErrorReport> {
        let place = self.meant(name, at, priority);
        for url in &place.urls {
            address(url)?;
        }
        let plain = at.starts_with('/') && !at.contains(|c: char| c.is_control());
        if place.urls.is_empty() && !(plain && Path::new(at).is_dir()) {
            return Err(invalid(
                format!("'{at}' is no folder that can be read"),
                "a repository is a folder of the machine that pkgd runs on, named absolutely, or http://HOST/FOLDER",
            ));
        }
        Ok(place)
    }

    /// The place that the list or a person means with this text.
    fn meant(&self, name: &str, at: &str, priority: i32) -> Place {
        let name = name.to_owned();
        if !at.contains("://") {
            return Place { name, priority, path: at.into(), urls: Vec::new() };
        }
        let path = self.folder.join("fetched").join(&name);
        let urls = at.split_whitespace().map(|url| url.trim_end_matches('/').to_owned());
        Place { name, priority, path, urls: urls.collect() }
    }

    /// All repositories, that of this machine first.
    pub(super) fn list(&self) -> Result<Vec<Place>, ErrorReport> {
        let path = self.folder.join("list");
        let text = files::read(&path)?.unwrap_or_default();
        let local = Place {
            name: LOCAL.to_owned(),
            priority: 0,
            path: self.local.clone(),
            urls: Vec::new(),
        };
        let mut places = vec![local];
        for line in String::from_utf8_lossy(&text).lines() {
            let mut words = line.splitn(3, ' ');
            let (name, priority, at) = (words.next(), words.next(), words.next());
            let priority = priority.and_then(|p| p.parse().ok());
            let (Some(name), Some(priority), Some(at)) = (name, priority, at) else {
                return Err(on_file("read", &path, &format!("'{line}' is no repository")));
            };
            places.push(self.meant(name, at, priority));
        }
        Ok(places)
    }

    pub(super) fn save(&self, places: &[Place]) -> Result<(), ErrorReport> {
        files::folder(&self.folder)?;
        let others = places.iter().filter(|place| place.name != LOCAL);
        let line = |p: &Place| format!("{} {} {}\n", p.name, p.priority, p.shown());
        files::replace(
            &self.folder.join("list"),
            others.map(line).collect::<String>().as_bytes(),
            0o600,
        )
    }
}

/// Whether an address is one that can be fetched from.
fn address(url: &str) -> Result<(), ErrorReport> {
    let host = url.strip_prefix(SCHEME).ok_or_else(|| {
        invalid(
            format!("'{url}' cannot be fetched from: only {SCHEME} is spoken here"),
            "packages and their index are signed, whatever they come by; for a server with HTTPS alone, copy its folder \
             and add that",
        )
    })?;
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}@".contains(&b));
    if host.is_empty() || host.starts_with(['/', ':']) || !plain || url.len() > LONGEST {
        return Err(invalid(
            format!("'{url}' is no address of a repository"),
            "give one like http://example.org/minos/x86_64, without user, password and '?'",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_folders_are_told_apart_and_outlive_the_list() {
        let root = tempfile::tempdir().unwrap();
        let repositories = Repositories::new(root.path());
        let place = |at: &str| repositories.place("site", at, 3);
        let there = place(root.path().to_str().unwrap()).unwrap();
        assert_eq!((&there.path, there.urls.len()), (&root.path().to_owned(), 0));
        let two = place("http://a.example/x/ http://[::1]:8080/y").unwrap();
        assert_eq!(two.urls, ["http://a.example/x", "http://[::1]:8080/y"]);
        assert!(two.path.starts_with(root.path()), "{two:?}");
        for place in [there, two] {
            repositories.save(std::slice::from_ref(&place)).unwrap();
            assert_eq!(repositories.list().unwrap()[1..], [place]);
        }
        let long = format!("http://a/{}", "x".repeat(LONGEST));
        for wrong in [
            "",
            "x",
            "/nowhere",
            "https://a/x",
            "ftp://a",
            "http://",
            "http:///x",
            "http://:80/x",
            "http://a/?x",
            "http://u@a/",
            "http://a/\u{e9}",
            "http://a http://",
            &long,
        ] {
            place(wrong).expect_err(wrong);
        }
        assert!(place("https://a/x").unwrap_err().hint.contains("copy its folder"));
    }
}
