//! Which kernel source package we accept, and where it comes from.
//!
//! `kernel-config/source.lock` lists accepted packages, the preferred one first. A security suite
//! drops a version weeks after the next one appears, so one pin is not enough: the first locked
//! package that apt (a private view of our own suite, then the host's view) still offers is taken.
//! When none is, building stops with what is on offer; accepting a newer one is the user's word.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::apt::{Apt, Offer};
use crate::kernel::Request;
use crate::mirror::Mirror;
use crate::{Error, Layout, Progress, Result, digest};

/// The package name; its series is the one the fragments are made for.
const PACKAGE: &str = "linux-source-6.12";

/// One accepted source package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Debian version.
    pub version: String,
    /// SHA-256 of the `.deb`.
    pub sha256: String,
}

/// The lock file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceLock {
    /// Accepted packages, the preferred one first.
    #[serde(default)]
    pub source: Vec<Locked>,
    #[serde(skip)]
    path: PathBuf,
}

impl SourceLock {
    /// Reads and checks the lock file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let lock: SourceLock =
            toml::from_str(&text).map_err(|e| Error::parse(path, e.to_string()))?;
        if let Some(bad) = lock.source.iter().find(|s| !digest::is_sha256(&s.sha256)) {
            let why = format!("{}: sha256 is not 64 lower-case hex digits", bad.version);
            return Err(Error::parse(path, why));
        }
        Ok(SourceLock { path: path.to_path_buf(), ..lock })
    }

    /// Puts a newly accepted package at the end of the file.
    ///
    /// At the end, because the file's own comments stay where they are; the order matters only
    /// among packages that are still on offer, and the older ones no longer are.
    fn append(&mut self, locked: Locked) -> Result<()> {
        let mut text = fs::read_to_string(&self.path).map_err(Error::io("read", &self.path))?;
        let Locked { version, sha256 } = &locked;
        text += &format!("\n[[source]]\nversion = \"{version}\"\nsha256 = \"{sha256}\"\n");
        fs::write(&self.path, text).map_err(Error::io("write", &self.path))?;
        self.source.push(locked);
        Ok(())
    }

    fn by_sha256(&self, sha256: &str) -> Option<&Locked> {
        self.source.iter().find(|locked| locked.sha256 == sha256)
    }
}

/// The first locked package any of the views offers, with the number of that view.
fn choose(lock: &SourceLock, views: &[Vec<Offer>]) -> Option<(usize, Locked)> {
    lock.source.iter().find_map(|locked| {
        let offers = |view: &Vec<Offer>| {
            view.iter().any(|o| o.version == locked.version && o.sha256 == locked.sha256)
        };
        views.iter().position(offers).map(|view| (view, locked.clone()))
    })
}

/// A locked source package as a verified file: the one at hand, a cached one, or a download.
pub fn obtain(
    layout: &Layout,
    mut lock: SourceLock,
    request: &Request,
    progress: &dyn Progress,
) -> Result<(Locked, PathBuf)> {
    if let Some(deb) = &request.deb {
        return at_hand(&lock, deb);
    }
    let store = layout.cache().folder("kernel-source")?;
    for locked in &lock.source {
        let deb = store.join(format!("{}.deb", locked.sha256));
        if deb.is_file() && digest::of_file(&deb)? == locked.sha256 {
            return Ok((locked.clone(), deb));
        }
    }
    let log = layout.log("kernel");
    let (apt, locked) = find(layout, &mut lock, request, &log, progress)?;
    progress.step(&format!("kernel: downloading {PACKAGE} {}", locked.version));
    let deb = download(&apt, &locked, &store, &log, progress)?;
    Ok((locked, deb))
}

/// A file the user names must be one we know.
fn at_hand(lock: &SourceLock, deb: &Path) -> Result<(Locked, PathBuf)> {
    let got = digest::of_file(deb)?;
    match lock.by_sha256(&got) {
        Some(locked) => Ok((locked.clone(), deb.to_path_buf())),
        None => Err(Error::Mismatch {
            what: PACKAGE.to_owned(),
            from: deb.display().to_string(),
            expected: lock.source.first().map(|l| l.sha256.clone()).unwrap_or_default(),
            got,
            kept: deb.to_path_buf(),
        }),
    }
}

/// Asks apt: a private view of our own suite, so that all hosts build the same source, then the
/// host's view of its own.
fn find(
    layout: &Layout,
    lock: &mut SourceLock,
    request: &Request,
    log: &Path,
    progress: &dyn Progress,
) -> Result<(Apt, Locked)> {
    let (mut views, mut unread) = (Vec::new(), None);
    for apt in [private(layout, log, progress), Ok(Apt::host())] {
        // A host without a Debian mirror, or without network, may still have a view of its own.
        let apt = match apt {
            Ok(apt) => apt,
            Err(e) => {
                unread = Some(Box::new(e));
                continue;
            }
        };
        let offers = apt.offers(PACKAGE)?;
        views.push((apt, offers));
    }
    if let Some((view, locked)) = choose(lock, &offers_of(&views)) {
        return Ok((views.swap_remove(view).0, locked));
    }
    let newest = views.iter().position(|(_, offers)| !offers.is_empty());
    let Some(view) = newest.filter(|_| request.accept_newer) else {
        return Err(Error::NoKernelSource {
            lock: lock.path.clone(),
            locked: lock.source.iter().map(|l| l.version.clone()).collect(),
            offered: views.iter().flat_map(|(_, o)| o).map(|o| o.version.clone()).collect(),
            unread,
        });
    };
    let (apt, mut offers) = views.swap_remove(view);
    let Offer { version, sha256 } = offers.swap_remove(0);
    let locked = Locked { version, sha256 };
    progress.step(&format!("kernel: accepting {} and adding it to source.lock", locked.version));
    lock.append(locked.clone())?;
    Ok((apt, locked))
}

fn private(layout: &Layout, log: &Path, progress: &dyn Progress) -> Result<Apt> {
    let mirror = Mirror::of_host(Path::new("/etc/apt"))?;
    let apt = Apt::private(&layout.cache().folder("apt")?, &mirror)?;
    apt.refresh(log, progress)?;
    Ok(apt)
}

fn offers_of(views: &[(Apt, Vec<Offer>)]) -> Vec<Vec<Offer>> {
    views.iter().map(|(_, offers)| offers.clone()).collect()
}

/// Downloads into a folder of its own, verifies, and renames to `<sha256>.deb`.
fn download(
    apt: &Apt,
    locked: &Locked,
    store: &Path,
    log: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    let dir = store.join("new");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
    }
    fs::create_dir_all(&dir).map_err(Error::io("create directory", &dir))?;
    apt.download(PACKAGE, &locked.version, &dir, log, progress)?;
    let Some(file) = only_deb(&dir)? else {
        let next = format!("see {}", log.display());
        return Err(Error::Missing { what: "the downloaded package".to_owned(), path: dir, next });
    };
    let got = digest::of_file(&file)?;
    if got != locked.sha256 {
        let kept = store.join(format!("rejected-{}.deb", &got[..8]));
        fs::rename(&file, &kept).map_err(Error::io("rename to", &kept))?;
        return Err(Error::Mismatch {
            what: format!("{PACKAGE} {}", locked.version),
            from: "apt".to_owned(),
            expected: locked.sha256.clone(),
            got,
            kept,
        });
    }
    let deb = store.join(format!("{got}.deb"));
    fs::rename(&file, &deb).map_err(Error::io("rename to", &deb))?;
    fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
    Ok(deb)
}

fn only_deb(dir: &Path) -> Result<Option<PathBuf>> {
    let mut found = None;
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            found = Some(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn lock_file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("source.lock");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn two() -> String {
        let entry =
            |v: &str, c| format!("[[source]]\nversion = \"{v}\"\nsha256 = \"{}\"\n", sha(c));
        format!("# comment\n{}{}", entry("2", 'a'), entry("1", 'b'))
    }

    fn offer(version: &str, digit: char) -> Offer {
        Offer { version: version.to_owned(), sha256: sha(digit) }
    }

    #[test]
    fn the_preferred_package_wins_in_any_view_and_a_stranger_never() {
        let (_dir, path) = lock_file(&two());
        let lock = SourceLock::read(&path).unwrap();
        let chosen = |views: &[Vec<Offer>]| choose(&lock, views).map(|(i, l)| (i, l.version));
        let old = vec![offer("1", 'b')];
        assert_eq!(chosen(&[old.clone(), vec![offer("2", 'a')]]), Some((1, "2".into())));
        assert_eq!(chosen(&[vec![], old]), Some((1, "1".into())));
        // The right version with other bytes is not the locked package.
        assert_eq!(chosen(&[vec![offer("2", 'c'), offer("3", 'd')]]), None);
    }

    #[test]
    fn accepting_keeps_the_file_and_adds_an_entry() {
        let (_dir, path) = lock_file(&two());
        let mut lock = SourceLock::read(&path).unwrap();
        lock.append(Locked { version: "3".into(), sha256: sha('c') }).unwrap();
        let again = SourceLock::read(&path).unwrap();
        assert_eq!(again.source, lock.source);
        assert_eq!(again.source.len(), 3);
        assert!(fs::read_to_string(&path).unwrap().starts_with("# comment\n"));
    }

    #[test]
    fn bad_locks_are_refused() {
        for bad in [
            "[[source]]\nversion = \"1\"\nsha256 = \"abc\"\n".to_owned(),
            format!("[[source]]\nversion = \"1\"\nsha256 = \"{}\"\nx = 1\n", sha('a')),
            "[[source]]\nversion = \"1\"\n".to_owned(),
        ] {
            let (_dir, path) = lock_file(&bad);
            assert!(matches!(SourceLock::read(&path), Err(Error::Parse { .. })), "{bad}");
        }
    }

    #[test]
    fn an_unknown_package_at_hand_is_refused() {
        let (dir, path) = lock_file(&two());
        let deb = dir.path().join("x.deb");
        fs::write(&deb, "not it").unwrap();
        let lock = SourceLock::read(&path).unwrap();
        assert!(matches!(at_hand(&lock, &deb), Err(Error::Mismatch { .. })));
    }
}
