//! Repositories that are fetched from: what is fetched of them, and when (`docs/decisions/0023-repositories-over-http.md`).
//!
//! A sync fetches the signed index and, of each package that is new in it, its head: signatures and manifest. The file of
//! the package is as long as the whole, with a hole where the rest belongs, so whoever asks what a package says of
//! itself finds it as in any folder. Beside it stands `FILE.rest`. As long as that is there the package is not whole,
//! and what has come of the rest is in it. Who needs contents has the package completed; when they are installed, the
//! hole comes back.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minos_fetch::{Error, Fetcher};
use minos_package::header::HEADER_LEN;
use minos_package::keys::TrustStore;
use minos_package::repository::{self, Listed, MAX_LEN};
use minos_package::{Checked, Header, Layout, check_rest};
use nix::fcntl::{FallocateFlags, fallocate};

use super::found;
use super::places::Place;
use crate::system::files;

/// What is fetched of a package at first, in bytes: most heads are shorter.
const FIRST: u64 = 64 << 10;

/// The one process that fetches. Whoever has it is the only one that changes what was fetched.
pub type Shared = Arc<Mutex<Fetcher>>;

fn take(fetcher: &Shared) -> MutexGuard<'_, Fetcher> {
    fetcher.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the rest of a package is put until it is whole.
fn rest_of(path: &Path) -> PathBuf {
    let mut rest = path.as_os_str().to_owned();
    rest.push(".rest");
    rest.into()
}

/// Why something was not fetched, in words.
enum Failed {
    /// Nobody could be reached: there is no use in asking for anything else.
    Unreached(String),
    /// It was this file.
    Wrong(String),
}

impl Failed {
    fn words(self) -> String {
        match self {
            Self::Unreached(why) | Self::Wrong(why) => why,
        }
    }
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

fn not_kept(error: &io::Error) -> String {
    format!("it cannot be kept: {error}")
}

/// Fetches bytes `at` to `end` of a file from the first place that has them. After an error `at` is where the next try
/// goes on.
fn fetch(
    fetcher: &mut Fetcher,
    urls: &[String],
    file: &str,
    (at, end): (&mut u64, u64),
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failed> {
    let (mut why, mut reached) = (Vec::new(), false);
    for url in urls {
        // The one character of a file's name that an address cannot have.
        let address = format!("{url}/{}", file.replace('^', "%5E"));
        if *at >= end {
            break;
        }
        let fetched = fetcher.fetch(&address, *at, end - *at, &mut |bytes| {
            sink(bytes)?;
            *at += bytes.len() as u64;
            Ok(())
        });
        match fetched {
            Ok(_) if *at == end => return Ok(()),
            Ok(_) => why.push(format!("{address}: the file is shorter than the index tells")),
            Err(e @ (Error::Sink(_) | Error::Machine(_))) => {
                return Err(Failed::Unreached(e.to_string()));
            }
            Err(ref e) => why.push(format!("{address}: {e}")),
        }
        reached |= matches!(fetched, Ok(_) | Err(Error::Absent));
    }
    match (why.is_empty(), reached) {
        (true, _) => Ok(()),
        (_, true) => Err(Failed::Wrong(why.join("; "))),
        (_, false) => Err(Failed::Unreached(why.join("; "))),
    }
}

/// A repository while it is looked at over the network.
pub struct Online<'a> {
    fetcher: MutexGuard<'a, Fetcher>,
    /// Told what is fetched, how much of how much.
    tell: &'a dyn Fn(&str, u64, u64),
}

impl<'a> Online<'a> {
    /// Nobody else fetches as long as this is there.
    pub fn new(fetcher: &'a Shared, tell: &'a dyn Fn(&str, u64, u64)) -> Self {
        Self { fetcher: take(fetcher), tell }
    }

    /// Fetches the index of a repository.
    ///
    /// # Errors
    /// It cannot be had, in words; what was fetched before stays.
    pub fn index(&mut self, place: &Place) -> Result<(), String> {
        (self.tell)(&place.name, 0, 0);
        let mut why = Vec::new();
        for url in &place.urls {
            let address = format!("{url}/{}", repository::FILE);
            let mut bytes = Vec::new();
            // One more than any may have, so that the reader sees that it is too long.
            let fetched = self.fetcher.fetch(&address, 0, MAX_LEN + 1, &mut |more| {
                bytes.extend_from_slice(more);
                Ok(())
            });
            match fetched {
                Ok(_) => return keep_index(&place.path, &bytes),
                Err(Error::Absent) => why.push(format!(
                    "{address}: there is no such file; what is fetched from has an index, which 'pkgctl repo publish' makes"
                )),
                Err(e) => why.push(format!("{address}: {e}")),
            }
        }
        Err(why.join("; "))
    }

    /// Fetches the heads of packages that are not here, and takes away what the index does not name any more. Returns what
    /// could not be fetched, and why.
    pub fn heads(
        &mut self,
        place: &Place,
        packages: &[Listed],
        trust: &TrustStore,
    ) -> HashMap<String, String> {
        let (mut missing, mut unreached) = (HashMap::new(), None);
        for (done, listed) in (0u64..).zip(packages) {
            let path = place.path.join(&listed.file);
            if is_here(&path, listed, trust) {
                continue;
            }
            (self.tell)(&listed.file, done, packages.len() as u64);
            let fetched = match &unreached {
                Some(why) => Err(String::clone(why)),
                None => self.head(place, listed, &path, trust).map_err(|failed| {
                    // Each would be waited for as long as this one was.
                    if let Failed::Unreached(why) = &failed {
                        unreached = Some(why.clone());
                    }
                    failed.words()
                }),
            };
            if let Err(why) = fetched {
                missing.insert(listed.file.clone(), why);
            }
        }
        sweep(&place.path, packages);
        missing
    }

    fn head(
        &mut self,
        place: &Place,
        listed: &Listed,
        path: &Path,
        trust: &TrustStore,
    ) -> Result<(), Failed> {
        let mut head = Vec::new();
        self.extend(place, listed, &mut head, FIRST.min(listed.size))?;
        let start = head.first_chunk::<HEADER_LEN>();
        let start = start.ok_or_else(|| "it is too short for a package".to_owned())?;
        let header = Header::parse(start).map_err(|e| e.to_string())?;
        if header.manifest_digest != listed.id || header.total() != listed.size {
            let why = "it is not the package that the repository's index names: its publisher may be changing it, sync again";
            return Err(Failed::Wrong(why.to_owned()));
        }
        let end = header.manifest_offset() + header.manifest;
        self.extend(place, listed, &mut head, end)?;
        head.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        let next = path.with_file_name(".next");
        let written = make(&next).and_then(|mut file| {
            file.write_all(&head)?;
            file.set_len(listed.size)
        });
        written.map_err(|e| not_kept(&e))?;
        // One that is not to be trusted is not kept: the next sync looks whether there is a better one.
        found::open(&next, trust)?;
        // In this order: a package without its rest is never taken for whole.
        mark(path).map_err(|e| not_kept(&e))?;
        files::place(&next, path).map_err(|e| e.what.into())
    }

    /// Fetches more of a package, until there are `end` bytes of it.
    fn extend(
        &mut self,
        place: &Place,
        listed: &Listed,
        head: &mut Vec<u8>,
        end: u64,
    ) -> Result<(), Failed> {
        let mut at = head.len() as u64;
        let range = (&mut at, end.min(listed.size));
        fetch(&mut self.fetcher, &place.urls, &listed.file, range, &mut |bytes| {
            head.extend_from_slice(bytes);
            Ok(())
        })
    }
}

impl Drop for Online<'_> {
    /// Its connections would be closed by the servers before the next sync.
    fn drop(&mut self) {
        *self.fetcher = Fetcher::default();
    }
}

fn keep_index(folder: &Path, bytes: &[u8]) -> Result<(), String> {
    let path = folder.join(repository::FILE);
    if files::read(&path).is_ok_and(|old| old.as_deref() == Some(bytes)) {
        return Ok(());
    }
    let above = folder.parent().map_or(Ok(()), files::folder);
    let kept = above.and_then(|()| files::folder(folder));
    kept.and_then(|()| files::replace(&path, bytes, 0o600)).map_err(|e| e.what)
}

/// Whether the very package is here, or its head.
fn is_here(path: &Path, listed: &Listed, trust: &TrustStore) -> bool {
    let long = path.symlink_metadata().is_ok_and(|meta| meta.len() == listed.size);
    long && found::open(path, trust).is_ok_and(|checked| checked.id() == listed.id)
}

/// Takes away what belongs to no package of the index. What cannot be taken away is only room.
fn sweep(folder: &Path, packages: &[Listed]) {
    let names = files::names(folder).unwrap_or_default();
    let listed = |name: &str| packages.binary_search_by(|l| l.file.as_str().cmp(name)).is_ok();
    let stays = |name: &String| {
        name == repository::FILE || listed(name.strip_suffix(".rest").unwrap_or(name))
    };
    for name in names.iter().filter(|name| !stays(name)) {
        let _ = fs::remove_file(folder.join(name));
    }
}

fn make(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Says that of this package only the head is here; durable when it returns.
fn mark(path: &Path) -> io::Result<()> {
    make(&rest_of(path))?.sync_all()?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The repositories that are fetched from, for whoever needs more of their packages than the heads.
#[derive(Debug, Clone)]
pub struct Fetched {
    places: Vec<Place>,
    fetcher: Shared,
}

impl Fetched {
    /// Those of a list.
    pub fn new(places: Vec<Place>, fetcher: Shared) -> Self {
        Self { places, fetcher }
    }

    /// The repository that a package file was fetched from.
    fn place_of(&self, path: &Path) -> Option<&Place> {
        self.places.iter().find(|place| !place.urls.is_empty() && path.starts_with(&place.path))
    }

    /// How many bytes of a package are not here, at most.
    pub fn missing(&self, path: &Path) -> u64 {
        let Some(rest) = self.place_of(path).and_then(|_| rest_of(path).metadata().ok()) else {
            return 0;
        };
        path.metadata().map_or(0, |whole| whole.len().saturating_sub(rest.len()))
    }

    /// Fetches what is missing of a package and checks all of it. `tell` hears how many bytes more have come.
    ///
    /// # Errors
    /// It cannot be had, in words. What has come and can be of use stays for the next time.
    pub fn complete(
        &self,
        path: &Path,
        trust: &TrustStore,
        tell: &dyn Fn(u64),
    ) -> Result<(), String> {
        let Some(place) = self.place_of(path) else { return Ok(()) };
        let mut fetcher = take(&self.fetcher);
        if !rest_of(path).exists() {
            return Ok(());
        }
        let layout = layout(&found::open(path, trust)?)?;
        let kept = |e: io::Error| not_kept(&e);
        let mut rest =
            OpenOptions::new().read(true).append(true).open(rest_of(path)).map_err(kept)?;
        // What an earlier try left may be what is wrong. Otherwise it is the first place: it is not asked again.
        let earlier = usize::from(rest.metadata().is_ok_and(|meta| meta.len() > 0));
        let mut why = String::new();
        for attempt in 0..place.urls.len() + earlier {
            let urls = place.urls.get(attempt.saturating_sub(earlier)..).unwrap_or_default();
            fetch_rest(&mut fetcher, urls, path, &rest, &layout, tell).map_err(Failed::words)?;
            rest.sync_all().and_then(|()| rest.rewind()).map_err(kept)?;
            match check_rest(&mut io::BufReader::new(&rest), &layout) {
                Ok(()) => return join(path, &rest, &layout).map_err(kept),
                Err(e) => {
                    why = format!("what came of {} is not what was signed: {e}", urls.join(" or "))
                }
            }
            rest.set_len(0).map_err(kept)?;
        }
        Err(why)
    }

    /// Gives back the room of packages whose contents are in the store now. One that cannot be made smaller stays whole.
    pub fn release<'a>(&self, paths: impl Iterator<Item = &'a Path>) {
        let mut fetcher = take(&self.fetcher);
        *fetcher = Fetcher::default();
        for path in paths.filter(|path| self.place_of(path).is_some()) {
            if !rest_of(path).exists() && shrink(path).is_err() {
                let _ = fs::remove_file(rest_of(path));
            }
        }
    }
}

fn layout(checked: &Checked) -> Result<Layout, String> {
    let uniques = checked.uniques().map_err(|e| e.to_string())?;
    Ok(checked.layout(uniques.iter().map(|unique| unique.size).sum()))
}

fn fetch_rest(
    fetcher: &mut Fetcher,
    urls: &[String],
    path: &Path,
    mut rest: &File,
    layout: &Layout,
    tell: &dyn Fn(u64),
) -> Result<(), Failed> {
    let start = layout.index_offset;
    let end = start + layout.index + layout.content;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let mut have = rest.metadata().map_or(0, |meta| meta.len());
    if have > end - start {
        rest.set_len(0).map_err(|e| not_kept(&e))?;
        have = 0;
    }
    let mut at = start + have;
    fetch(fetcher, urls, &file, (&mut at, end), &mut |bytes| {
        rest.write_all(bytes)?;
        tell(bytes.len() as u64);
        Ok(())
    })
}

/// Makes head and rest a whole package.
fn join(path: &Path, mut rest: &File, layout: &Layout) -> io::Result<()> {
    rest.rewind()?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(layout.index_offset))?;
    io::copy(&mut rest, &mut file)?;
    file.sync_all()?;
    fs::remove_file(rest_of(path))
}

/// Makes a whole package a head.
fn shrink(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut start = [0; HEADER_LEN];
    file.read_exact_at(&mut start, 0)?;
    let header = Header::parse(&start).map_err(io::Error::other)?;
    let head = header.manifest_offset() + header.manifest;
    mark(path)?;
    let lengths = (i64::try_from(head), i64::try_from(header.total() - head));
    let (Ok(offset), Ok(length)) = lengths else { return Err(io::ErrorKind::FileTooLarge.into()) };
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, hole, offset, length).map_err(io::Error::from)
}
