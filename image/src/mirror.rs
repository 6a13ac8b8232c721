//! Which Debian mirror this host uses, from its own apt configuration.
//!
//! Read: `sources.list` and `sources.list.d/*.list` (one line each, sources.list(5)) and
//! `sources.list.d/*.sources` (deb822). A host name never stands in our code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Debian's own suites, by the names apt configurations use. Another distribution's mirror must not
/// be taken for Debian's.
const SUITES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
/// The archive's keys, from the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where Debian's archive is, and with which keys it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The archive: a base URL.
    pub main: String,
    /// The security archive, if the host has one configured.
    pub security: Option<String>,
    /// The keyring's path.
    pub keyring: PathBuf,
}

impl Mirror {
    /// A mirror given by its address.
    pub fn at(url: &str) -> Self {
        Mirror { main: url.to_owned(), security: None, keyring: PathBuf::from(KEYRING) }
    }

    /// The mirror that the apt configuration in `etc` (on a host: `/etc/apt`) uses.
    pub fn of_host(etc: &Path) -> Result<Self> {
        let files = config_files(etc)?;
        let mut entries = Vec::new();
        for path in &files {
            let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
            let deb822 = path.extension().is_some_and(|e| e == "sources");
            entries.extend(if deb822 { parse_deb822(&text) } else { parse_list(&text) });
        }
        let find = |wanted: fn(&str) -> bool| {
            let fits = entries.iter().filter(|e| e.usable() && e.suites.iter().any(|s| wanted(s)));
            fits.min_by_key(|e| e.doubt())
        };
        let Some(main) = find(is_main) else { return Err(Error::NoMirror { looked: files }) };
        Ok(Mirror {
            main: main.uri.clone(),
            security: find(is_security).map(|e| e.uri.clone()),
            keyring: PathBuf::from(KEYRING),
        })
    }
}

fn is_main(suite: &str) -> bool {
    SUITES.contains(&suite)
}

fn is_security(suite: &str) -> bool {
    suite.strip_suffix("-security").is_some_and(|base| SUITES.contains(&base))
}

/// One line or stanza, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    binary: bool,
    /// The keys it is verified with, where it names them.
    signed_by: Option<String>,
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
    disabled: bool,
}

impl Entry {
    /// How little speaks for Debian's own archive: names of suites and components are anybody's.
    fn doubt(&self) -> u8 {
        match &self.signed_by {
            Some(keys) if keys.contains("debian-archive-keyring") => 0,
            None => 1,
            Some(_) => 2,
        }
    }

    fn usable(&self) -> bool {
        let scheme = ["http://", "https://", "file:"].iter().any(|s| self.uri.starts_with(s));
        let main = self.components.iter().any(|c| c == "main");
        self.binary && !self.disabled && scheme && main
    }
}

/// The files apt would read, in its order.
fn config_files(etc: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let parts = etc.join("sources.list.d");
    if parts.is_dir() {
        for entry in fs::read_dir(&parts).map_err(Error::io("list", &parts))? {
            let path = entry.map_err(Error::io("list", &parts))?.path();
            if path.extension().is_some_and(|e| e == "list" || e == "sources") {
                files.push(path);
            }
        }
    }
    files.sort();
    let list = etc.join("sources.list");
    if list.is_file() {
        files.insert(0, list);
    }
    Ok(files)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `deb [options] uri suite component...`
fn parse_list(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_list_line).collect()
}

fn parse_list_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let (kind, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="));
    let mut fields = words(rest).into_iter();
    let uri = fields.next()?;
    let suites = vec![fields.next()?];
    Some(Entry {
        binary: kind == "deb",
        signed_by: signed_by.map(str::to_owned),
        uri,
        suites,
        components: fields.collect(),
        disabled: false,
    })
}

/// Stanzas separated by empty lines; several URIs mean the same archive, so the first will do.
fn parse_deb822(text: &str) -> Vec<Entry> {
    let mut entries = vec![Entry::default()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            entries.push(Entry::default());
            continue;
        }
        let (Some((key, value)), Some(entry)) = (line.split_once(':'), entries.last_mut()) else {
            continue;
        };
        match key.to_ascii_lowercase().as_str() {
            "types" => entry.binary = words(value).iter().any(|t| t == "deb"),
            "uris" => entry.uri = words(value).into_iter().next().unwrap_or_default(),
            "suites" => entry.suites = words(value),
            "components" => entry.components = words(value),
            // A key that is written out begins on the next line: it is named, though not as a file.
            "signed-by" => entry.signed_by = Some(value.trim().to_owned()),
            "enabled" => entry.disabled = matches!(value.trim(), "no" | "false" | "0"),
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> Result<Mirror> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Mirror::of_host(dir.path())
    }

    #[test]
    fn deb822_with_comments_and_a_disabled_stanza() {
        let text = "Types: deb\n# a comment\nURIs: http://off.example/debian\nSuites: bookworm\n\
                    Components: main\nEnabled: no\n\n\
                    Types: deb deb-src\nURIs: http://m.example/debian http://n.example/debian\n\
                    Suites: bookworm bookworm-updates\nComponents: main contrib\n\n\
                    Types: deb\nURIs: http://s.example/debian-security\nSuites: bookworm-security\n\
                    Components: main\n";
        let mirror = host(&[("sources.list.d/debian.sources", text)]).unwrap();
        assert_eq!(mirror.main, "http://m.example/debian");
        assert_eq!(mirror.security.as_deref(), Some("http://s.example/debian-security"));
    }

    #[test]
    fn one_line_style_with_options_and_strangers() {
        let list = "# nothing\ndeb cdrom:[Debian]/ bookworm main\n\
                    deb-src http://src.example/debian trixie main\n\
                    deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian trixie main\n";
        let other = "deb https://x.example/apt cloud-sdk-bookworm main\n\
                     deb https://u.example/ubuntu noble main\n";
        let mirror = host(&[("sources.list", list), ("sources.list.d/a.list", other)]).unwrap();
        assert_eq!(mirror.main, "https://m.example/debian");
        assert_eq!(mirror.security, None);
    }

    /// A vendor's list came first by its file's name, and has Debian's words for suite and component.
    #[test]
    fn a_vendors_archive_is_not_taken_for_debians() {
        let vendor = "deb [signed-by=/k/vendor.gpg arch=amd64] https://v.example/ stable main\n";
        let debian =
            "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n";
        let signed = format!("{debian}Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n");
        for text in [debian, &signed] {
            let files =
                [("sources.list.d/brave.list", vendor), ("sources.list.d/debian.sources", text)];
            assert_eq!(host(&files).unwrap().main, "http://m.example/debian");
        }
        let mirror = host(&[("sources.list.d/own.list", vendor)]).unwrap();
        assert_eq!(mirror.main, "https://v.example/", "a mirror of one's own, with its own keys");
    }

    #[test]
    fn no_debian_mirror_says_what_was_read() {
        let files = [("sources.list", "deb https://u.example/ubuntu noble main\n")];
        let error = host(&files).unwrap_err();
        assert!(matches!(&error, Error::NoMirror { looked } if looked.len() == 1));
        assert!(error.to_string().contains("--mirror URL"));
    }
}
