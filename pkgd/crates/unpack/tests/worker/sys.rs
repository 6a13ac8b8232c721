//! System calls as an attacker makes them: with whatever arguments.
#![allow(unsafe_code)] // attacks go past every safe wrapper

use nix::libc;
use std::io;

/// One system call. A pointer among the arguments must be valid for as long as the call takes.
pub fn call(number: libc::c_long, arguments: &[usize]) -> io::Result<i64> {
    let arg = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: callers pass numbers, or pointers to values that live in their frames.
    let ret = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}
