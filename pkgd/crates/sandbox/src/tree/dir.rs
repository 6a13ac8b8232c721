//! A directory by descriptor.

use crate::sys::attrs;
use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{
    AtFlags, OFlag, OpenHow, RenameFlags, ResolveFlag, open, openat2, readlinkat, renameat2,
};
use nix::sys::stat::{
    FchmodatFlags, Mode, UtimensatFlags, fchmodat, fstat, fstatat, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// File types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A character device. With `rdev` 0 it is the mark of overlayfs for a deletion.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, any bytes but `/` and NUL.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

/// What `lstat` tells, as far as a manifest needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// File type.
    pub kind: Kind,
    /// Permissions with set-user-ID, set-group-ID and sticky bits: the low 12 bits of the mode.
    pub mode: u32,
    /// Owner, as on disk.
    pub uid: u32,
    /// Group, as on disk.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Device number, of device nodes.
    pub rdev: u64,
    /// Room taken on disk, in units of 512 bytes.
    pub blocks: u64,
    /// Number of names.
    pub nlink: u64,
    /// Inode number; with `dev` it tells hard links.
    pub ino: u64,
    /// The file system.
    pub dev: u64,
    /// Time of last change of the data: seconds since the epoch, nanoseconds.
    pub mtime: (i64, i64),
}

impl Stat {
    /// Whether this is how overlayfs marks a deleted name.
    #[must_use]
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::CharDevice && self.rdev == 0
    }
}

impl From<nix::sys::stat::FileStat> for Stat {
    fn from(stat: nix::sys::stat::FileStat) -> Self {
        Self {
            kind: kind(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size.max(0) as u64,
            rdev: stat.st_rdev,
            blocks: stat.st_blocks.max(0) as u64,
            nlink: stat.st_nlink,
            ino: stat.st_ino,
            dev: stat.st_dev,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }
}

fn kind(mode: libc::mode_t) -> Kind {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => Kind::Dir,
        libc::S_IFLNK => Kind::Link,
        libc::S_IFCHR => Kind::CharDevice,
        libc::S_IFBLK => Kind::BlockDevice,
        libc::S_IFIFO => Kind::Fifo,
        libc::S_IFSOCK => Kind::Socket,
        _ => Kind::File,
    }
}

/// An open directory. All names given to its methods are single components: a `/`, `.` or `..` is
/// `InvalidInput`, except in [`Dir::open_dir`].
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A name that cannot lead out of its directory.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        let text = format!("{}: not a name in a directory", name.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(name)
}

impl Dir {
    /// Opens a directory that the caller trusts by its path; its last component may not be a link.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    /// Opens a directory below this one; `path` may have several components.
    ///
    /// # Errors
    /// `ELOOP` if a component is a symbolic link, `EXDEV` if the path leads out of this directory or into
    /// another mount.
    pub fn open_dir(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(self.beneath(path.as_ref(), OFlag::O_DIRECTORY)?))
    }

    /// Whether there is a directory at `path` below this one; a link to one, or through one, is none.
    ///
    /// # Errors
    /// Those of `openat2(2)` that are no answer, `EXDEV` for another mount among them.
    pub fn has_dir(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.beneath(path.as_ref(), OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `ELOOP` on a symbolic link; `InvalidInput` on anything else that is no regular file.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let name = component(name)?;
        // A fifo must not make us wait for its writer.
        let fd = self.beneath(Path::new(name), OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)?;
        if Stat::from(fstat(&fd)?).kind == Kind::File {
            return Ok(fd.into());
        }
        let text = format!("{}: not a regular file", name.display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn beneath(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        loop {
            match openat2(&self.0, path, how) {
                // A rename or mount elsewhere on the system raced with the lookup.
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                other => return other,
            }
        }
    }

    /// A handle on a file of any type, a symbolic link included, that reads and writes nothing.
    fn handle(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let path = Path::new(component(name)?);
        Ok(self.beneath(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)?)
    }

    /// All names but `.` and `..`, sorted by their bytes.
    ///
    /// # Errors
    /// Those of `getdents(2)`.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        // Another description of the same directory, so that the position is our own.
        let again = self.beneath(Path::new("."), OFlag::O_DIRECTORY)?;
        let mut entries = Vec::new();
        for found in nix::dir::Dir::from_fd(again)?.iter() {
            let found = found?;
            let name = OsString::from_vec(found.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match found.file_type().and_then(known) {
                Some(kind) => kind,
                None => self.stat(&name)?.kind,
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What `name` is; a symbolic link is not followed.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(fstatat(&self.0, component(name)?, AtFlags::AT_SYMLINK_NOFOLLOW)?.into())
    }

    /// Where a symbolic link points, as text.
    ///
    /// # Errors
    /// `InvalidInput` if it is none.
    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(readlinkat(&self.0, component(name)?)?)
    }

    /// Names of the extended attributes, sorted.
    ///
    /// # Errors
    /// Those of `listxattr(2)`.
    pub fn xattr_names(&self, name: &OsStr) -> io::Result<Vec<OsString>> {
        attrs::list(self.handle(name)?.as_fd())
    }

    /// The value of an extended attribute.
    ///
    /// # Errors
    /// `ENODATA` if there is none of that name.
    pub fn xattr(&self, name: &OsStr, attribute: &OsStr) -> io::Result<Vec<u8>> {
        attrs::get(self.handle(name)?.as_fd(), attribute)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Those of `setxattr(2)`.
    pub fn set_xattr(&self, name: &OsStr, attribute: &OsStr, value: &[u8]) -> io::Result<()> {
        attrs::set(self.handle(name)?.as_fd(), attribute, value)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA` if there is none of that name.
    pub fn remove_xattr(&self, name: &OsStr, attribute: &OsStr) -> io::Result<()> {
        attrs::remove(self.handle(name)?.as_fd(), attribute)
    }

    /// Sets the time of last change (and of last access, to the same).
    ///
    /// # Errors
    /// Those of `utimensat(2)`.
    pub fn set_mtime(&self, name: &OsStr, seconds: i64, nanoseconds: i64) -> io::Result<()> {
        let time = TimeSpec::new(seconds, nanoseconds);
        let flags = UtimensatFlags::NoFollowSymlink;
        Ok(utimensat(&self.0, component(name)?, &time, &time, flags)?)
    }

    /// Sets the permissions, the low 12 bits of the mode. Symbolic links have none to set.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a symbolic link.
    pub fn chmod(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let handle = self.handle(name)?;
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        Ok(fchmodat(&self.0, path.as_str(), mode, FchmodatFlags::FollowSymlink)?)
    }

    /// Sets owner and group. The kernel takes set-user-ID bits of files away with it.
    ///
    /// # Errors
    /// Those of `fchownat(2)`.
    pub fn chown(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(fchownat(&self.0, component(name)?, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Moves a name to another directory of the same file system.
    ///
    /// # Errors
    /// `EEXIST` if `to_name` is taken; never replaces anything.
    pub fn rename(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        let (name, to_name) = (component(name)?, component(to_name)?);
        Ok(renameat2(&self.0, name, &to.0, to_name, RenameFlags::RENAME_NOREPLACE)?)
    }

    /// Gives a file that is not a directory a second name, in `to`. A symbolic link is not followed.
    ///
    /// # Errors
    /// `EXDEV` on another file system, `EMLINK` if it has too many names, `EEXIST` if `to_name` is taken.
    pub fn link(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        let (name, to_name) = (component(name)?, component(to_name)?);
        Ok(linkat(&self.0, name, &to.0, to_name, AtFlags::empty())?)
    }

    /// Makes an empty directory of mode 0700 and opens it.
    ///
    /// # Errors
    /// `EEXIST` if the name is taken.
    pub fn make_dir(&self, name: &OsStr) -> io::Result<Self> {
        mkdirat(&self.0, component(name)?, Mode::S_IRWXU)?;
        self.open_dir(name)
    }

    /// Removes a name that is not a directory.
    ///
    /// # Errors
    /// `EISDIR` if it is one.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, component(name)?, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOTEMPTY` if it is not.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, component(name)?, UnlinkatFlags::RemoveDir)?)
    }
}

fn known(kind: Type) -> Option<Kind> {
    Some(match kind {
        Type::File => Kind::File,
        Type::Directory => Kind::Dir,
        Type::Symlink => Kind::Link,
        Type::CharacterDevice => Kind::CharDevice,
        Type::BlockDevice => Kind::BlockDevice,
        Type::Fifo => Kind::Fifo,
        Type::Socket => Kind::Socket,
    })
}
