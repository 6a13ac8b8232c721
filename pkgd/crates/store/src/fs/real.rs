//! The file system itself, by descriptors and `openat2`.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, RawDir, ResolveFlags, Uid};
use rustix::io::Errno;

use super::{Attributes, FileType, Fs, NewFile, Space, Stat};
use crate::objects::OBJECTS;

/// Modification time of every file of a store, in seconds since the Unix epoch: 1 and not 0, which some
/// programs take for "unknown". One time for all keeps trees comparable.
const MTIME: i64 = 1;
/// Beneath the root, through no link of any kind, on one file system.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
/// The most bytes that Linux takes for a value, and for the list of all names of a file.
const MAX_XATTR: usize = 65_536;
/// Directories remembered; a power of two. Threads that work in different places rarely share one.
const SLOTS: usize = 8;

/// The directory opened last by a thread.
#[derive(Default)]
struct Slot {
    age: u64,
    path: PathBuf,
    dir: Option<Arc<OwnedFd>>,
}

/// A state root on a real file system.
pub struct RealFs {
    root: OwnedFd,
    slots: [Mutex<Slot>; SLOTS],
    /// Counts what may move or remove a directory; a slot from before is not used.
    age: AtomicU64,
    /// Effective owner of this process: what a new file belongs to without being asked.
    me: (u32, u32),
}

impl core::fmt::Debug for RealFs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RealFs").field("root", &self.root).finish_non_exhaustive()
    }
}

impl RealFs {
    /// The file system at and below `root`, a directory that exists.
    ///
    /// # Errors
    /// It cannot be opened as a directory.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self { root, slots: Default::default(), age: AtomicU64::new(1), me })
    }

    fn open_at(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::CLOEXEC;
        Ok(fs::openat2(&self.root, path, flags, Mode::from_raw_mode(mode), BENEATH)?)
    }

    /// The directory that `path` stands in, and its name there. Files of one directory come one after
    /// another, so the last directory of each thread is kept open.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(Arc<OwnedFd>, &'p OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut hasher = DefaultHasher::new();
        std::thread::current().id().hash(&mut hasher);
        let index = hasher.finish() as usize % SLOTS;
        let mut slot = self.slots[index].lock().map_err(|_| io::Error::other("a thread died"))?;
        let age = self.age.load(Ordering::Acquire);
        if let Some(dir) = &slot.dir
            && slot.age == age
            && slot.path == folder
        {
            return Ok((Arc::clone(dir), name));
        }
        let dir = Arc::new(self.open_at(folder, OFlags::DIRECTORY | OFlags::PATH, 0)?);
        *slot = Slot { age, path: folder.to_owned(), dir: Some(Arc::clone(&dir)) };
        Ok((dir, name))
    }

    /// After a call that may have moved or removed a directory.
    fn forget(&self) {
        self.age.fetch_add(1, Ordering::AcqRel);
    }

    fn owner(&self, attributes: &Attributes) -> Option<(Option<Uid>, Option<Gid>)> {
        let Attributes { uid, gid, .. } = *attributes;
        ((uid, gid) != self.me).then(|| (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
    }

    /// The attributes of what this process has just made. Owner first, since changing it takes setuid and capabilities away.
    fn set_all(&self, fd: &OwnedFd, attributes: &Attributes) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner(attributes) {
            fs::fchown(fd, uid, gid)?;
        }
        for (name, value) in &attributes.xattrs {
            fs::fsetxattr(fd, name.as_str(), value, fs::XattrFlags::empty())?;
        }
        Ok(fs::fchmod(fd, Mode::from_raw_mode(attributes.mode.into()))?)
    }
}

struct RealFile<'a> {
    fs: &'a RealFs,
    file: File,
}

impl Write for RealFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for RealFile<'_> {
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<()> {
        let fd = OwnedFd::from(self.file);
        self.fs.set_all(&fd, attributes)?;
        let time = fs::Timespec { tv_sec: MTIME, tv_nsec: 0 };
        let times = fs::Timestamps { last_access: time, last_modification: time };
        Ok(fs::futimens(fd, &times)?)
    }
}

impl Fs for RealFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
        let file = File::from(self.open_at(path, flags, 0o600)?);
        Ok(Box::new(RealFile { fs: self, file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        let (dir, name) = self.parent(path)?;
        // Not to wait for the other end, should a FIFO have been put there.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(dir, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Box::new(file))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(to)?;
        Ok(fs::linkat(&self.root, from, dir, name, AtFlags::empty())?)
    }

    fn symlink(&self, target: &[u8], path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        fs::symlinkat(OsStr::from_bytes(target), &dir, name)?;
        if (uid, gid) != self.me {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn mkdir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        fs::mkdirat(&dir, name, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.set_all(&fs::openat(dir, name, flags, Mode::empty())?, attributes)
    }

    fn set(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = self.open_at(path, flags, 0)?;
        let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        fs::fchown(&fd, Some(uid), Some(gid))?;
        for name in attribute_names(&fd)? {
            if !attributes.xattrs.iter().any(|(wanted, _)| wanted.as_bytes() == name) {
                fs::fremovexattr(&fd, name)?;
            }
        }
        self.set_all(&fd, attributes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        let done = fs::renameat(from_dir, from_name, to_dir, to_name);
        self.forget();
        Ok(done?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(fs::unlinkat(dir, name, AtFlags::empty())?)
    }

    fn rmdir(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let done = fs::unlinkat(dir, name, AtFlags::REMOVEDIR);
        self.forget();
        Ok(done?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.root)?)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        if path.starts_with(OBJECTS) {
            // Objects are looked for in no order, and nobody but us can make a link in their folders.
            return match fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(convert(&stat))),
                Err(Errno::NOENT) => Ok(None),
                Err(e) => Err(e.into()),
            };
        }
        let found = self
            .parent(path)
            .and_then(|(dir, name)| Ok(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?));
        match found {
            Ok(stat) => Ok(Some(convert(&stat))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (dir, name) = self.parent(path)?;
        Ok(fs::readlinkat(dir, name, Vec::new())?.into_bytes())
    }

    fn xattrs(&self, path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = self.open_at(path, flags, 0)?;
        let mut found = Vec::new();
        for name in attribute_names(&fd)? {
            let mut value = vec![0; MAX_XATTR];
            let length = fs::fgetxattr(&fd, name.as_slice(), value.as_mut_slice())?;
            value.truncate(length);
            found.push((String::from_utf8_lossy(&name).into_owned(), value));
        }
        found.sort();
        Ok(found)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, FileType)>> {
        let fd = self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        let mut buffer = vec![MaybeUninit::uninit(); 32 << 10];
        let mut entries = RawDir::new(&fd, &mut buffer);
        let mut found = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                fs::FileType::Unknown => {
                    convert(&fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)?).kind
                }
                kind => file_type(kind),
            };
            found.push((OsString::from_vec(name.to_vec()).into_vec(), kind));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    fn space(&self) -> io::Result<Space> {
        let stat = fs::fstatvfs(&self.root)?;
        let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
        Ok(Space { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes })
    }
}

/// Names of the attributes that count, as they are: not every one is text.
fn attribute_names(fd: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names: Vec<u8> = Vec::with_capacity(MAX_XATTR);
    match fs::flistxattr(fd, spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    }
    let names = names.split(|b| *b == 0).filter(|name| counts(name));
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Attributes that packages may set or that change who may use a file.
fn counts(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name == b"security.capability"
        || name.starts_with(b"system.posix_acl")
}

fn file_type(kind: fs::FileType) -> FileType {
    match kind {
        fs::FileType::RegularFile => FileType::Regular,
        fs::FileType::Directory => FileType::Directory,
        fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Other,
    }
}

fn convert(stat: &fs::Stat) -> Stat {
    Stat {
        kind: file_type(fs::FileType::from_raw_mode(stat.st_mode)),
        mode: (stat.st_mode & 0o7777) as u16,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        inode: stat.st_ino,
    }
}
