//! A cache of finished artefacts: one folder per content key, verified on each use.
//!
//! `<root>/<kind>/<key>/` holds the files of one artefact and `SHA256SUMS` over them (the format of
//! `sha256sum`). An entry appears by one rename, so it is either whole or absent; one that fails its
//! own sums is thrown away and made again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Error, Progress, Result, digest};

const SUMS: &str = "SHA256SUMS";

/// The folder of all cached artefacts.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in `root`, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Cache { root }
    }

    /// `$XDG_CACHE_HOME/minos`, or `~/.cache/minos`, from the values of those variables.
    pub fn from_env(xdg_cache_home: Option<PathBuf>, home: Option<PathBuf>) -> Result<Self> {
        // The XDG base directory specification: a relative path is to be ignored.
        let base = xdg_cache_home
            .filter(|dir| dir.is_absolute())
            .or_else(|| home.map(|home| home.join(".cache")))
            .ok_or_else(|| Error::request("neither XDG_CACHE_HOME nor HOME is set"))?;
        Ok(Cache { root: base.join("minos") })
    }

    /// A folder of the cache that is managed by its user (downloads, apt state), created if absent.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(Error::io("create directory", &path))?;
        Ok(path)
    }

    /// Where the entry of `kind` and `key` lives, if it exists.
    pub fn path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(kind).join(key)
    }

    /// The verified entry, or nothing. A damaged one is removed, and `progress` is told.
    pub fn lookup(
        &self,
        kind: &str,
        key: &str,
        progress: &dyn Progress,
    ) -> Result<Option<PathBuf>> {
        let entry = self.path(kind, key);
        if !entry.is_dir() {
            return Ok(None);
        }
        if let Some(why) = damage(&entry)? {
            progress.step(&format!("{kind}: cached copy is damaged ({why}), making it again"));
            fs::remove_dir_all(&entry).map_err(Error::io("remove", &entry))?;
            return Ok(None);
        }
        Ok(Some(entry))
    }

    /// The verified entry and `true`, or a new one made by `make` in an empty folder and `false`.
    ///
    /// Two processes that want the same entry take turns: the second finds what the first made.
    pub fn get_or_make(
        &self,
        kind: &str,
        key: &str,
        progress: &dyn Progress,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, bool)> {
        let folder = self.folder(kind)?;
        let _turn = lock(&folder.join(format!("{key}.lock")))?;
        if let Some(entry) = self.lookup(kind, key, progress)? {
            return Ok((entry, true));
        }
        let staging = folder.join(format!("{key}.new"));
        clear(&staging)?;
        let made = make(&staging).and_then(|()| write_sums(&staging));
        made.inspect_err(|_| {
            // Gigabytes perhaps, on a disk that is full. The log of what failed lies elsewhere.
            let _ = fs::remove_dir_all(&staging);
        })?;
        let entry = self.path(kind, key);
        fs::rename(&staging, &entry).map_err(Error::io("rename into the cache", &entry))?;
        Ok((entry, false))
    }
}

/// An exclusive lock, held until the returned file is dropped.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    file.lock().map_err(Error::io("lock", path))?;
    Ok(file)
}

/// Makes `dir` an empty folder: what a killed run left there is of no use.
fn clear(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(Error::io("remove", dir))?;
    }
    fs::create_dir_all(dir).map_err(Error::io("create directory", dir))
}

fn write_sums(dir: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut sums = String::new();
    for name in names {
        sums += &format!("{}  {name}\n", digest::of_file(&dir.join(&name))?);
    }
    let path = dir.join(SUMS);
    fs::write(&path, sums).map_err(Error::io("write", &path))
}

/// Why an entry cannot be used, if so.
fn damage(entry: &Path) -> Result<Option<String>> {
    let Ok(sums) = fs::read_to_string(entry.join(SUMS)) else {
        return Ok(Some(format!("no readable {SUMS}")));
    };
    for line in sums.lines() {
        let Some((sum, name)) = line.split_once("  ") else {
            return Ok(Some(format!("{SUMS} is malformed")));
        };
        let path = entry.join(name);
        if !path.is_file() {
            return Ok(Some(format!("{name} is gone")));
        }
        if digest::of_file(&path)? != sum {
            return Ok(Some(format!("{name} has changed")));
        }
    }
    Ok(sums.is_empty().then(|| format!("{SUMS} is empty")))
}

/// Puts a cached file at `to`: the same inode where the file system allows, else a copy.
///
/// Nothing happens when `to` is that file already.
pub fn place(cached: &Path, to: &Path) -> Result<()> {
    if same_file(cached, to) {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
    }
    let fresh = Fresh::of(to);
    remove_if_there(fresh.path())?;
    if fs::hard_link(cached, fresh.path()).is_err() {
        fs::copy(cached, fresh.path()).map_err(Error::io("copy to", fresh.path()))?;
    }
    fresh.place()
}

/// A file on its way: written beside its place and put there by one rename. One that does not come to that goes
/// when this is dropped: half an image would keep a disk full that was full before.
#[derive(Debug)]
pub struct Fresh {
    path: PathBuf,
    to: PathBuf,
}

impl Fresh {
    /// For the file that will be `to`. What a killed run left of it is overwritten.
    pub fn of(to: &Path) -> Self {
        Self { path: sibling(to, "new"), to: to.to_owned() }
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// It was not written, or cannot be renamed.
    pub fn place(self) -> Result<()> {
        fs::rename(&self.path, &self.to).map_err(Error::io("rename to", &self.to))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // After the rename there is none.
        let _ = fs::remove_file(&self.path);
    }
}

/// The path of a file beside `path`, with one more extension.
pub fn sibling(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Removes a file that may be absent.
pub fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn make_a(dir: &Path) -> Result<()> {
        let path = dir.join("a");
        fs::write(&path, "content").map_err(Error::io("write", &path))
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().to_path_buf());
        (dir, cache)
    }

    #[test]
    fn made_once_then_found() -> Result<()> {
        let (_dir, cache) = cache();
        let (entry, cached) = cache.get_or_make("k", "1", &Silent, make_a)?;
        assert!(!cached && entry.join("a").is_file());
        let (_, cached) = cache
            .get_or_make("k", "1", &Silent, |_| Err(Error::request("must not be made twice")))?;
        assert!(cached);
        Ok(())
    }

    #[test]
    fn a_changed_file_is_noticed_and_made_again() -> Result<()> {
        let (_dir, cache) = cache();
        let (entry, _) = cache.get_or_make("k", "1", &Silent, make_a)?;
        for damage in ["Content", ""] {
            fs::write(entry.join("a"), damage).unwrap();
            let (_, cached) = cache.get_or_make("k", "1", &Silent, make_a)?;
            assert!(!cached);
            assert_eq!(fs::read(entry.join("a")).unwrap(), b"content");
        }
        fs::remove_file(entry.join("a")).unwrap();
        assert!(cache.lookup("k", "1", &Silent)?.is_none());
        Ok(())
    }

    #[test]
    fn a_failed_make_leaves_no_entry_and_its_rest_is_cleared() -> Result<()> {
        let (_dir, cache) = cache();
        let failed = cache.get_or_make("k", "1", &Silent, |dir| {
            make_a(dir)?;
            fs::write(dir.join("half"), "x").unwrap();
            Err(Error::request("killed"))
        });
        assert!(failed.is_err() && cache.lookup("k", "1", &Silent)?.is_none());
        let (entry, _) = cache.get_or_make("k", "1", &Silent, make_a)?;
        assert!(!entry.join("half").exists());
        Ok(())
    }

    /// A disk that was full stayed full: half an initramfs lay beside its place, and half a seed in the cache.
    #[test]
    fn what_fails_half_way_leaves_nothing() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("image");
        let fresh = Fresh::of(&to);
        fs::write(fresh.path(), "half").unwrap();
        drop(fresh);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let whole = Fresh::of(&to);
        fs::write(whole.path(), "whole").unwrap();
        whole.place()?;
        assert_eq!(fs::read_to_string(&to).unwrap(), "whole");

        let cache = Cache::new(dir.path().join("cache"));
        let full = |staging: &Path| {
            fs::write(staging.join("half"), "half").unwrap();
            Err(Error::request("no space"))
        };
        assert!(cache.get_or_make("seed", "key", &Silent, full).is_err());
        assert!(!dir.path().join("cache/seed/key.new").exists());
        Ok(())
    }

    #[test]
    fn place_is_idempotent_and_replaces() -> Result<()> {
        let (dir, cache) = cache();
        let (entry, _) = cache.get_or_make("k", "1", &Silent, make_a)?;
        let to = dir.path().join("out/a");
        place(&entry.join("a"), &to)?;
        place(&entry.join("a"), &to)?;
        let other = dir.path().join("other");
        fs::write(&other, "other").unwrap();
        place(&other, &to)?;
        assert_eq!(fs::read(&to).unwrap(), b"other");
        assert_eq!(fs::read(entry.join("a")).unwrap(), b"content");
        Ok(())
    }

    #[test]
    fn the_environment_names_the_folder() -> Result<()> {
        let from = |xdg: &str, home: &str| {
            let some = |s: &str| (!s.is_empty()).then(|| PathBuf::from(s));
            Cache::from_env(some(xdg), some(home)).map(|c| c.root)
        };
        assert_eq!(from("/x", "/h")?, Path::new("/x/minos"));
        assert_eq!(from("rel", "/h")?, Path::new("/h/.cache/minos"));
        assert_eq!(from("", "/h")?, Path::new("/h/.cache/minos"));
        assert!(from("", "").is_err());
        Ok(())
    }
}
