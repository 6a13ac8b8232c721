//! System calls as an attacker makes them: with whatever arguments.
#![allow(unsafe_code)] // attacks go past every safe wrapper

use nix::unistd::ForkResult;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// One system call. A pointer among the arguments must be valid for as long as the call takes.
pub fn call(number: libc::c_long, arguments: &[usize]) -> io::Result<i64> {
    let arg = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: callers pass numbers, or pointers to values that live in their frames.
    let ret = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

/// `socket(2)` in the 32-bit ABI, whose numbers a filter must know, too.
pub fn socket_i386(family: i32) -> io::Result<()> {
    let ret: i64;
    // SAFETY: system call 359 of i386 takes three numbers; rbx, which LLVM keeps for itself, is restored.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {family}",
            "int 0x80",
            "xchg rbx, {family}",
            family = inout(reg) i64::from(family) => _,
            inlateout("rax") 359_i64 => ret,
            in("rcx") i64::from(libc::SOCK_STREAM),
            in("rdx") 0_i64,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    // The answer is 32 bits wide.
    match ret as i32 {
        error if error < 0 => Err(io::Error::from_raw_os_error(-error)),
        _ => Ok(()),
    }
}

/// Takes a descriptor that a call has just made.
pub fn adopt(fd: i64) -> OwnedFd {
    // SAFETY: the caller got it from the kernel and gives it to nobody else.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// `fork(2)`, for programs with one thread.
pub fn fork() -> nix::Result<ForkResult> {
    // SAFETY: the attacker has one thread; the child does not touch what threads share.
    unsafe { nix::unistd::fork() }
}
