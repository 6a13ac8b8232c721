//! apt as a library of signed packages: the host's own view of it, or a private one of another suite.
//!
//! A private view has its own folder for lists and state, so that a suite can be asked without any
//! change to the host, and without root.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::mirror::Mirror;
use crate::tool::Run;
use crate::{Error, Progress, Result};

/// Lists older than this are fetched again.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// The Debian release our seed and sources are of.
pub const SUITE: &str = "trixie";
/// Releases whose source packages are looked at as well: a few files that [`SUITE`] lists cannot be had.
/// The lock names exact versions, so nothing is taken from here that was not asked for.
const MORE_SOURCES: [&str; 2] = ["bookworm", "forky"];

/// A view of apt: which lists it reads.
#[derive(Debug, Clone)]
pub struct Apt {
    options: Vec<OsString>,
    private: Option<PathBuf>,
}

/// One version of a binary package on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Debian version.
    pub version: String,
    /// SHA-256 of the `.deb`, from the signed index.
    pub sha256: String,
}

impl Apt {
    /// The host's own configuration.
    pub fn host() -> Self {
        Apt { options: Vec::new(), private: None }
    }

    /// A view of [`SUITE`] on `mirror`, with binary and source packages, and of the source packages of releases
    /// beside it; its state in `dir`.
    pub fn private(dir: &Path, mirror: &Mirror) -> Result<Self> {
        for sub in ["etc/parts", "lists/partial", "cache/archives/partial"] {
            let path = dir.join(sub);
            fs::create_dir_all(&path).map_err(Error::io("create directory", &path))?;
        }
        let list = dir.join("etc/sources.list");
        let text = source_list(mirror);
        if fs::read_to_string(&list).ok().as_deref() != Some(text.as_str()) {
            fs::write(&list, text).map_err(Error::io("write", &list))?;
            crate::cache::remove_if_there(&dir.join("updated"))?;
        }
        let set = |key: &str, value: &Path| {
            let mut option = OsString::from(format!("{key}="));
            option.push(value);
            [OsString::from("-o"), option]
        };
        let mut options = Vec::new();
        options.extend(set("Dir::State", dir));
        options.extend(set("Dir::State::lists", &dir.join("lists")));
        options.extend(set("Dir::State::status", Path::new("/dev/null")));
        options.extend(set("Dir::Cache", &dir.join("cache")));
        options.extend(set("Dir::Etc::sourcelist", &list));
        options.extend(set("Dir::Etc::sourceparts", &dir.join("etc/parts")));
        // Only the indexes we read, not translations or desktop metadata.
        options.extend(set("Acquire::Languages", Path::new("none")));
        Ok(Apt { options, private: Some(dir.to_path_buf()) })
    }

    /// Fetches the lists of a private view when they are older than a day; old ones serve when
    /// new ones cannot be had, and why is told. The host's own lists are the host's affair.
    pub fn refresh(&self, log: &Path, progress: &dyn Progress) -> Result<()> {
        let Some(dir) = &self.private else { return Ok(()) };
        let stamp = dir.join("updated");
        let age =
            fs::metadata(&stamp).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if age.is_some_and(|age| age < FRESH) {
            return Ok(());
        }
        progress.step("apt: reading the package lists of Debian");
        let run = self.run("apt-get")?.args(["-q", "update", "--error-on=any"]);
        match run.logged(log, "apt update", progress) {
            Err(error @ Error::CommandFailed { .. }) if age.is_none() => return Err(error),
            Err(Error::CommandFailed { tail, .. }) => {
                progress.step(&format!(
                    "apt: lists of an earlier day are used, new ones cannot be had: {}",
                    complaint(&tail)
                ));
                return Ok(());
            }
            other => other?,
        }
        fs::write(&stamp, "").map_err(Error::io("write", &stamp))
    }

    /// A run of one of apt's programs with this view's options.
    pub fn run(&self, tool: &str) -> Result<Run> {
        // The unprivileged user of apt cannot write to a folder below somebody's home.
        Ok(Run::new(tool)?.args(["-o", "APT::Sandbox::User=root"]).args(&self.options))
    }

    /// The versions of a binary package on offer, newest first; none if it is unknown.
    pub fn offers(&self, package: &str) -> Result<Vec<Offer>> {
        match self.run("apt-cache")?.args(["show", package]).output() {
            Ok(text) => Ok(parse_offers(&text)),
            // apt-cache ends with an error when it does not know the package.
            Err(Error::CommandFailed { .. }) => Ok(Vec::new()),
            Err(other) => Err(other),
        }
    }

    /// Downloads one version of a binary package into `dir`.
    pub fn download(
        &self,
        package: &str,
        version: &str,
        dir: &Path,
        log: &Path,
        progress: &dyn Progress,
    ) -> Result<()> {
        let run = self.run("apt-get")?.args(["-q", "download"]).arg(format!("{package}={version}"));
        run.dir(dir).logged(log, "download", progress)
    }

    /// Downloads the upstream tarball of one source package version into `dir`.
    ///
    /// `source` is `package=version`.
    pub fn source_tar(
        &self,
        source: &str,
        dir: &Path,
        log: &Path,
        progress: &dyn Progress,
    ) -> Result<()> {
        let run = self.run("apt-get")?.args(["-q", "source", "--download-only", "--tar-only"]);
        run.args(["--only-source", source]).dir(dir).logged(log, source, progress)
    }
}

fn source_list(mirror: &Mirror) -> String {
    let signed = format!("[signed-by={}]", mirror.keyring.display());
    let mut text = format!("deb {signed} {} {SUITE} main\n", mirror.main);
    text += &format!("deb-src {signed} {} {SUITE} main\n", mirror.main);
    if let Some(security) = &mirror.security {
        text += &format!("deb {signed} {security} {SUITE}-security main\n");
        text += &format!("deb-src {signed} {security} {SUITE}-security main\n");
    }
    for suite in MORE_SOURCES {
        text += &format!("deb-src {signed} {} {suite} main\n", mirror.main);
    }
    text
}

/// What apt itself names as the cause: its first line of an error, or else the last line there is.
fn complaint(tail: &str) -> &str {
    let mut lines = tail.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().find(|line| line.starts_with("E:") || line.starts_with("Err:"));
    error.or_else(|| lines.next_back()).unwrap_or("no word of apt")
}

fn parse_offers(text: &str) -> Vec<Offer> {
    let field = |stanza: &str, key: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(key)).map(|v| v.trim().to_owned())
    };
    let stanza = |stanza: &str| {
        Some(Offer { version: field(stanza, "Version:")?, sha256: field(stanza, "SHA256:")? })
    };
    text.split("\n\n").filter_map(stanza).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_in_order() {
        let text = "Package: p\nVersion: 2-1\nDescription: x\n Version: 9\nSHA256: aa\n\n\
                    Package: p\nVersion: 1-1\nSHA256: bb\n\nPackage: virtual\n";
        let offers = parse_offers(text);
        let short: Vec<_> =
            offers.iter().map(|o| (o.version.as_str(), o.sha256.as_str())).collect();
        assert_eq!(short, [("2-1", "aa"), ("1-1", "bb")]);
    }

    /// Two suites stood twice in it, from two lists of the same names.
    #[test]
    fn nothing_is_asked_for_twice() {
        let security = Some("http://s.example".to_owned());
        let text = source_list(&Mirror { security, ..Mirror::at("http://a.example") });
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let all = lines.len();
        lines.dedup();
        assert_eq!((lines.len(), all), (6, 6), "{text}");
    }

    /// A bad signature was told as a mirror that does not answer.
    #[test]
    fn apt_names_the_cause() {
        let tail = "Hit:1 http://a.example trixie\nErr:1 http://a.example trixie: bad signature\n\
                    E: The repository is not signed.\n";
        assert_eq!(complaint(tail), "Err:1 http://a.example trixie: bad signature");
        assert_eq!((complaint("a\nb\n\n"), complaint("")), ("b", "no word of apt"));
    }

    #[test]
    fn a_new_mirror_makes_old_lists_stale() {
        let dir = tempfile::tempdir().unwrap();
        Apt::private(dir.path(), &Mirror::at("http://a.example")).unwrap();
        let stamp = dir.path().join("updated");
        fs::write(&stamp, "").unwrap();
        Apt::private(dir.path(), &Mirror::at("http://a.example")).unwrap();
        assert!(stamp.exists());
        Apt::private(dir.path(), &Mirror::at("http://b.example")).unwrap();
        assert!(!stamp.exists());
    }
}
