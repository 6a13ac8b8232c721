//! The only module that talks to the kernel past the safe wrappers of `nix`.
//!
//! Every function takes borrowed or owned descriptors, checks the result of its one system call and
//! returns `io::Result`. No policy lives here.
#![allow(unsafe_code)] // system calls that neither std nor nix wraps

pub mod attrs;
pub mod mount;
pub mod net;
pub mod process;

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// Turns the result of a raw system call into `io::Result`.
fn check(ret: libc::c_long) -> io::Result<libc::c_long> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

/// Takes ownership of the descriptor a system call has just returned.
fn owned(ret: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(ret)? as RawFd;
    // SAFETY: the kernel has just handed us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A C string from a path or name; a NUL inside is the caller's bad input, not a panic.
pub fn cstr(text: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(text.as_ref().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "name contains a NUL byte"))
}

/// Takes ownership of a descriptor received in a control message.
pub fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: `recvmsg` has just installed this descriptor for us alone.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
