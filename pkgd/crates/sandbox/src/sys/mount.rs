//! The mount API of Linux 5.2 (fsopen, fsmount, open_tree, move_mount) and mount_setattr (5.12).

use super::{check, cstr, owned};
use std::ffi::OsStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;

/// Mount attributes, as in `mount_setattr(2)`.
pub const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// Ignore set-user-ID bits and file capabilities.
pub const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
/// Refuse to open device nodes.
pub const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
/// Refuse to execute.
pub const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A detached copy of the one mount that `path` lies on, with `path` as its root.
/// Mounts below `path` are not part of it.
pub fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    open_tree(path, 0)
}

/// A detached copy of the mount that `path` lies on and of all mounts below `path`.
pub fn clone_tree_recursive(path: &Path) -> io::Result<OwnedFd> {
    open_tree(path, libc::AT_RECURSIVE.cast_unsigned())
}

fn open_tree(path: &Path, flags: libc::c_uint) -> io::Result<OwnedFd> {
    let path = cstr(path)?;
    let flags = flags | libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is a valid NUL-terminated string that outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Adds attributes to a mount and, with `userns`, makes it an idmapped one (needs Linux 5.12 and a
/// file system that allows it).
pub fn set_attributes(mount: BorrowedFd, set: u64, userns: Option<BorrowedFd>) -> io::Result<()> {
    let idmap = if userns.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let attr = libc::mount_attr {
        attr_set: set | idmap,
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    // SAFETY: `attr` is a valid mount_attr of the size given; the empty path names `mount` itself.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount on the directory or file that `target` is open on.
pub fn attach(mount: BorrowedFd, target: BorrowedFd) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are empty static strings; the descriptors are borrowed for the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    })
    .map(drop)
}

/// A file system being configured, before it becomes a mount.
pub struct FsContext(OwnedFd);

impl FsContext {
    /// `fsopen(2)` of a file system type.
    pub fn open(fstype: &str) -> io::Result<Self> {
        let fstype = cstr(fstype)?;
        // SAFETY: `fstype` is a valid NUL-terminated string that outlives the call.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), libc::FSOPEN_CLOEXEC) })
            .map(Self)
    }

    /// Sets `key` to a string (at most 255 bytes: a limit of `fsconfig(2)`).
    pub fn set(&self, key: &str, value: impl AsRef<OsStr>) -> io::Result<()> {
        let (key, value) = (cstr(key)?, cstr(value)?);
        // SAFETY: both strings are valid and outlive the call.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                libc::FSCONFIG_SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0,
            )
        })
        .map(drop)
    }

    /// Sets the flag `key`.
    pub fn flag(&self, key: &str) -> io::Result<()> {
        let key = cstr(key)?;
        // SAFETY: `key` is valid and outlives the call; a flag takes no value.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                libc::FSCONFIG_SET_FLAG,
                key.as_ptr(),
                ptr::null::<libc::c_char>(),
                0,
            )
        })
        .map(drop)
    }

    /// Creates the superblock and returns it as a detached mount with `attributes`.
    pub fn mount(&self, attributes: u64) -> io::Result<OwnedFd> {
        // SAFETY: CMD_CREATE takes neither key nor value.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                libc::FSCONFIG_CMD_CREATE,
                ptr::null::<libc::c_char>(),
                ptr::null::<libc::c_char>(),
                0,
            )
        })?;
        let raw = self.0.as_raw_fd();
        // SAFETY: plain integers; the descriptor is open for the length of the call.
        owned(unsafe {
            libc::syscall(libc::SYS_fsmount, raw, libc::FSMOUNT_CLOEXEC, attributes as libc::c_uint)
        })
    }

    /// What the file system wrote into its log about the last failure, without the severity prefix.
    pub fn last_message(&self) -> Option<String> {
        let mut buffer = [0_u8; 512];
        let n = nix::unistd::read(&self.0, &mut buffer).ok()?;
        let text = String::from_utf8_lossy(buffer.get(..n)?);
        Some(text.trim_start_matches(['e', 'w', 'i', ' ']).trim_end().to_owned())
    }
}

/// The id of the mount that `fd` lies on (`statx`, Linux 5.8).
pub fn mount_id(fd: BorrowedFd) -> io::Result<u64> {
    // SAFETY: an all-zero statx is a valid value of that plain structure.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the empty path names `fd`; `stat` is a valid place to write to.
    let ret = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            &raw mut stat,
        )
    };
    check(ret.into())?;
    Ok(stat.stx_mnt_id)
}
