//! Extended attributes through `/proc/self/fd`, which works on an O_PATH descriptor of any file type.

use super::{check, cstr};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

fn fd_path(fd: BorrowedFd) -> io::Result<CString> {
    cstr(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// Calls `fill` with growing buffers until the answer fits.
fn sized(mut fill: impl FnMut(&mut [u8]) -> libc::ssize_t) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match check(fill(&mut buffer) as libc::c_long) {
            Ok(n) => {
                buffer.truncate(n as usize);
                return Ok(buffer);
            }
            // The kernel's own ceiling for names and values is 64 KiB.
            Err(e) if e.raw_os_error() == Some(libc::ERANGE) && buffer.len() < 1 << 17 => {
                buffer.resize(buffer.len() * 8, 0);
            }
            Err(e) => return Err(e),
        }
    }
}

/// Names of all extended attributes, sorted. A file system without them has none.
pub fn list(fd: BorrowedFd) -> io::Result<Vec<OsString>> {
    let path = fd_path(fd)?;
    let names = sized(|buffer| {
        // SAFETY: pointer and length describe one valid buffer; the path outlives the call.
        unsafe { libc::listxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }
    });
    let names = match names {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut names: Vec<OsString> = names
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect();
    names.sort();
    Ok(names)
}

/// The value of one attribute.
pub fn get(fd: BorrowedFd, name: &OsStr) -> io::Result<Vec<u8>> {
    let (path, name) = (fd_path(fd)?, cstr(name)?);
    sized(|buffer| {
        // SAFETY: pointer and length describe one valid buffer; the strings outlive the call.
        unsafe {
            libc::getxattr(path.as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
        }
    })
}

/// Sets one attribute.
pub fn set(fd: BorrowedFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    let (path, name) = (fd_path(fd)?, cstr(name)?);
    let (data, len) = (value.as_ptr().cast(), value.len());
    // SAFETY: pointer and length describe one valid buffer; the strings outlive the call.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), data, len, 0) }.into()).map(drop)
}

/// Removes one attribute.
pub fn remove(fd: BorrowedFd, name: &OsStr) -> io::Result<()> {
    let (path, name) = (fd_path(fd)?, cstr(name)?);
    // SAFETY: the strings outlive the call.
    check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }.into()).map(drop)
}
