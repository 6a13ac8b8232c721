//! Writing where a build phase may not: `/` and the inputs, which are mounts that cannot be written,
//! whatever Landlock thinks of it (it does not govern chmod, chown, utimes and setxattr).

use super::{Act, DENIED, READ_ONLY, REFUSED, UNWRITABLE};
use crate::sys::call;
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use std::ffi::CString;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::SystemTime;

/// Also holds where a step may install, outside its prefix.
pub const ACTS: &[Act] = &[
    Act("chmod a layer's file", READ_ONLY, || chmod("/canary")),
    Act("chown a layer's file", READ_ONLY, || chown("/canary", Some(1), Some(1))),
    Act("set times of a layer's file", READ_ONLY, || times("/canary")),
    Act("set an attribute of a layer's file", READ_ONLY, || xattr("/canary", "user.x")),
    Act("append to a layer's file", UNWRITABLE, || append("/canary")),
    Act("truncate a layer's file", UNWRITABLE, || truncate("/canary")),
    Act("remove a layer's file", UNWRITABLE, || fs::remove_file("/canary")),
    Act("make a file in /", UNWRITABLE, || fs::write("/new", "x")),
    Act("make a directory in /", UNWRITABLE, || fs::create_dir("/new")),
    Act("make a link in /", UNWRITABLE, || symlink("/canary", "/new")),
    Act("link a layer's file into /build", ELSEWHERE, || fs::hard_link("/canary", "/build/c")),
    Act("move a layer's file into /build", ELSEWHERE, || fs::rename("/canary", "/build/c")),
    Act("chmod an input", READ_ONLY, || chmod("/src/input")),
    Act("chown an input", READ_ONLY, || chown("/src/input", Some(1), Some(1))),
    Act("set times of an input", READ_ONLY, || times("/src/input")),
    Act("set an attribute of an input", READ_ONLY, || xattr("/src/input", "user.x")),
    Act("append to an input", UNWRITABLE, || append("/src/input")),
    Act("truncate an input", UNWRITABLE, || truncate("/src/input")),
    Act("remove an input", UNWRITABLE, || fs::remove_file("/src/input")),
    Act("make a file among the inputs", UNWRITABLE, || fs::write("/src/new", "x")),
    Act("link an input into /build", ELSEWHERE, || fs::hard_link("/src/input", "/build/i")),
    Act("follow /proc/self/root to a layer's file", UNWRITABLE, || {
        append("/proc/self/root/canary")
    }),
    Act("go up from /build", UNWRITABLE, || append("/build/../canary")),
    Act("make a file in /dev", UNWRITABLE, || fs::write("/dev/new", "x")),
    Act("remove a device", UNWRITABLE, || fs::remove_file("/dev/null")),
    Act("chmod a device", FOREIGN, || chmod("/dev/null")),
    Act("make a whiteout", NO_DEVICE, || node(SFlag::S_IFCHR, 0, 0)),
    Act("make a character device", NO_DEVICE, || node(SFlag::S_IFCHR, 1, 3)),
    Act("make a block device", NO_DEVICE, || node(SFlag::S_IFBLK, 8, 0)),
    Act("set file capabilities", REFUSED, || capability("/build/tool")),
    Act("set a trusted attribute", REFUSED, || xattr("/build/tool", "trusted.x")),
    Act("make a file immutable", IMMUTABLE, immutable),
    Act("make a fifo in /build", &[], || Ok(mkfifo("/build/fifo", Mode::S_IRWXU)?)),
    Act("set a user attribute in /build", &[], || xattr("/build/tool", "user.x")),
    Act("write a device", &[], || fs::write("/dev/full", "").and(fs::write("/dev/null", "x"))),
    Act("open standard output again", &[], || append("/dev/stdout")),
    Act("list a directory that denies itself", DENIED, || fs::metadata("/proc/1/cwd/").map(drop)),
];

const ELSEWHERE: &[Errno] = &[Errno::EXDEV, Errno::EACCES, Errno::EROFS];
const FOREIGN: &[Errno] = &[Errno::EPERM, Errno::EROFS];
const NO_DEVICE: &[Errno] = &[Errno::EPERM, Errno::EACCES];
const IMMUTABLE: &[Errno] = &[Errno::EPERM, Errno::EACCES, Errno::ENOTTY, Errno::EOPNOTSUPP];

fn chmod(path: &str) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o4777))
}

fn times(path: &str) -> io::Result<()> {
    // The owner may do so through a descriptor that cannot write.
    File::open(path)?.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))
}

fn append(path: &str) -> io::Result<()> {
    File::options().append(true).open(path).map(drop)
}

fn truncate(path: &str) -> io::Result<()> {
    Ok(nix::unistd::truncate(path, 0)?)
}

fn set_xattr(path: &str, name: &str, value: &[u8]) -> io::Result<()> {
    let (path, name) = (CString::new(path)?, CString::new(name)?);
    let pointers = [path.as_ptr() as usize, name.as_ptr() as usize, value.as_ptr() as usize];
    let [path, name, data] = pointers;
    call(libc::SYS_setxattr, &[path, name, data, value.len(), 0]).map(drop)
}

fn xattr(path: &str, name: &str) -> io::Result<()> {
    if path.starts_with("/build") {
        append_new(path)?;
    }
    set_xattr(path, name, b"x")
}

/// `cap_sys_admin+ep`, as `struct vfs_cap_data` of revision 2.
fn capability(path: &str) -> io::Result<()> {
    append_new(path)?;
    let words = [0x0200_0001_u32, 1 << 21, 0, 0, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    set_xattr(path, "security.capability", &bytes)
}

fn append_new(path: &str) -> io::Result<()> {
    File::options().append(true).create(true).open(path).map(drop)
}

fn node(kind: SFlag, major: u64, minor: u64) -> io::Result<()> {
    Ok(mknod("/build/node", kind, Mode::S_IRWXU, makedev(major, minor))?)
}

fn immutable() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    /// `FS_IOC_SETFLAGS` and `FS_IMMUTABLE_FL` of `linux/fs.h`.
    const SET_FLAGS: usize = 0x4008_6602;
    let file = File::create("/build/immutable")?;
    let flags: libc::c_long = 0x10;
    let arguments = [file.as_raw_fd() as usize, SET_FLAGS, &raw const flags as usize];
    call(libc::SYS_ioctl, &arguments).map(drop)
}
