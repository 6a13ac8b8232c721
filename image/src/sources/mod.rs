//! `fetch-sources`: every locked tarball, from the nearest place that has it, verified.
//!
//! In order: folders the user names, the cache, Debian's source packages, PyPI, the upstream
//! address. Nothing is used before its SHA-256 is the locked one; a file that has another is kept
//! in `<cache>/sources/rejected/` for inspection, and the run ends there: it is either damage or
//! an attack, and in both cases somebody should look before the next place papers over it.

mod find;
pub mod lock;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::Apt;
use crate::mirror::Mirror;
use crate::{Artefact, Error, How, Layout, Progress, Result, cache, digest};
use minos_recipe::LockedSource;

/// What to fetch.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The lock; `pkgd/recipes/sources.lock` when not given.
    pub lock: Option<PathBuf>,
    /// Folders to look in first.
    pub from: Vec<PathBuf>,
    /// Names of sources; all when empty.
    pub only: Vec<String>,
    /// The Debian mirror; the host's own when not given.
    pub mirror: Option<String>,
    /// Touch no network: folders and cache only.
    pub offline: bool,
}

/// Fetches every wanted source; they end up as `out/sources/FILE`.
///
/// A source that is found nowhere does not stop the others; all such are returned as one error
/// after the last was tried. A wrong hash stops at once.
pub fn fetch(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let path = request.lock.clone().unwrap_or_else(|| layout.tree("pkgd/recipes/sources.lock"));
    let lock = lock::read(&path)?;
    let wanted = lock::select(&lock, &request.only)?;
    let mut fetcher = Fetcher::new(layout, request, progress)?;
    let mut done = Vec::new();
    let mut missing = Vec::new();
    for (index, source) in wanted.iter().enumerate() {
        let label = format!("source {}/{} {}", index + 1, wanted.len(), source.name);
        match fetcher.fetch(source, &label) {
            Ok(Found::Here(artefact)) => done.push(artefact),
            Ok(Found::Nowhere(tried)) => {
                progress.step(&format!("{label}: found nowhere, going on"));
                missing.push((source.name.clone(), tried));
            }
            Err(error) => return Err(error),
        }
    }
    if missing.is_empty() { Ok(done) } else { Err(Error::SourcesNotFound { missing }) }
}

/// Each place that was tried for a source, and what it answered.
pub type Tried = Vec<(String, String)>;

/// What came of looking for one source.
enum Found {
    /// It is there, verified.
    Here(Artefact),
    /// No place has it.
    Nowhere(Tried),
}

/// One run: the places, and what is opened on first use only.
struct Fetcher<'a> {
    layout: &'a Layout,
    request: &'a Request,
    progress: &'a dyn Progress,
    store: PathBuf,
    log: PathBuf,
    apt: Option<Apt>,
}

impl<'a> Fetcher<'a> {
    fn new(layout: &'a Layout, request: &'a Request, progress: &'a dyn Progress) -> Result<Self> {
        let log = layout.log("sources");
        crate::tool::begin_log(&log)?;
        let store = layout.cache().folder("sources")?;
        Ok(Fetcher { layout, request, progress, store, log, apt: None })
    }

    /// The verified file, from the cache or any other place, placed in `out/sources`.
    fn fetch(&mut self, source: &LockedSource, label: &str) -> Result<Found> {
        let stored = self.store.join(source.sha256.to_string()).join(&source.file);
        let mut tried = Tried::new();
        let how = if self.is_stored(source, &stored)? {
            How::Cached
        } else {
            // Two runs would empty each other's folder for what comes in, and write to the same part of a file.
            let _turn = cache::lock(&self.store.join("lock"))?;
            if self.is_stored(source, &stored)? {
                How::Cached
            } else if self.obtain(source, &stored, label, &mut tried)? {
                How::Made
            } else {
                return Ok(Found::Nowhere(tried));
            }
        };
        let to = self.layout.out("sources").join(&source.file);
        cache::place(&stored, &to)?;
        // Hashed already, by is_stored() or accept().
        let mut artefact = Artefact::unhashed(&source.name, &to, how)?;
        artefact.sha256 = Some(source.sha256.to_string());
        Ok(Found::Here(artefact))
    }

    fn is_stored(&self, source: &LockedSource, stored: &Path) -> Result<bool> {
        if !stored.is_file() {
            return Ok(false);
        }
        if digest::of_file(stored)? == source.sha256.to_string() {
            return Ok(true);
        }
        self.progress.step(&format!("{}: cached copy is damaged, fetching again", source.name));
        cache::remove_if_there(stored)?;
        Ok(false)
    }

    /// Gets the file into the store from the first place that has it; false when none does.
    fn obtain(
        &mut self,
        source: &LockedSource,
        stored: &Path,
        label: &str,
        tried: &mut Tried,
    ) -> Result<bool> {
        if let Some((from, file)) = find::in_folders(&self.request.from, source, tried) {
            self.progress.step(&format!("{label}: from {from}"));
            let copy = self.incoming()?.join(&source.file);
            fs::copy(&file, &copy).map_err(Error::io("copy to", &copy))?;
            self.accept(source, &copy, &from, stored)?;
            return Ok(true);
        }
        if self.request.offline {
            tried.push(("network".to_owned(), "not asked (--offline)".to_owned()));
            return Ok(false);
        }
        self.try_network(source, stored, label, tried)
    }

    /// Tries each place of the lock; an answer is final, no answer is noted in `tried`.
    fn try_network(
        &mut self,
        source: &LockedSource,
        stored: &Path,
        label: &str,
        tried: &mut Tried,
    ) -> Result<bool> {
        for place in lock::places(source)? {
            self.progress.step(&format!("{label}: from {place}"));
            match self.download(source, &place) {
                Ok(file) => {
                    self.accept(source, &file, &place.to_string(), stored)?;
                    return Ok(true);
                }
                Err(Error::ToolMissing { tool, package }) => {
                    let why = format!("needs {tool}: apt-get install {package}");
                    tried.push((place.to_string(), why));
                }
                Err(error) => tried.push((place.to_string(), short(&error))),
            }
        }
        Ok(false)
    }

    fn download(&mut self, source: &LockedSource, place: &lock::Place) -> Result<PathBuf> {
        let dir = self.incoming()?;
        match place {
            lock::Place::Debian(package) => {
                let (log, progress) = (self.log.clone(), self.progress);
                self.apt()?.source_tar(package, &dir, &log, progress)?;
            }
            lock::Place::Pypi(requirement) => {
                find::from_pypi(requirement, source, &dir, &self.log, self.progress)?;
            }
            lock::Place::Url(url) => {
                let part = self.store.join(format!("{}.part", source.sha256));
                upstream::download(url, source, &part, self.progress)?;
                return Ok(part);
            }
        }
        find::downloaded(&dir, source)
    }

    /// Checks the hash and moves the file into the store, or aside.
    fn accept(&self, source: &LockedSource, file: &Path, from: &str, stored: &Path) -> Result<()> {
        let got = digest::of_file(file)?;
        if got != source.sha256.to_string() {
            return Err(self.reject(source, file, from, got)?);
        }
        if let Some(parent) = stored.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
        }
        fs::rename(file, stored).map_err(Error::io("rename to", stored))
    }

    fn reject(&self, source: &LockedSource, file: &Path, from: &str, got: String) -> Result<Error> {
        let dir = self.store.join("rejected");
        fs::create_dir_all(&dir).map_err(Error::io("create directory", &dir))?;
        let kept = dir.join(format!("{}.{}", source.file, &got[..8]));
        fs::rename(file, &kept).map_err(Error::io("rename to", &kept))?;
        let (what, from) = (source.name.clone(), from.to_owned());
        Ok(Error::Mismatch { what, from, expected: source.sha256.to_string(), got, kept })
    }

    /// An empty folder for one download.
    fn incoming(&self) -> Result<PathBuf> {
        let dir = self.store.join("incoming");
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::io("create directory", &dir))?;
        Ok(dir)
    }

    fn apt(&mut self) -> Result<Apt> {
        if let Some(apt) = &self.apt {
            return Ok(apt.clone());
        }
        let mirror = match &self.request.mirror {
            Some(url) => Mirror::at(url),
            None => Mirror::of_host(Path::new("/etc/apt"))?,
        };
        let apt = Apt::private(&self.layout.cache().folder("apt")?, &mirror)?;
        apt.refresh(&self.log, self.progress)?;
        self.apt = Some(apt.clone());
        Ok(apt)
    }
}

/// The line of an error that says most: a program's last line, else the first.
fn short(error: &Error) -> String {
    if let Error::CommandFailed { tail, .. } = error
        && let Some(last) = tail.lines().last()
    {
        return last.trim().to_owned();
    }
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
