//! A small system call filter for what namespaces and Landlock do not cover: socket families that know
//! no namespaces (vsock), pushing input into terminals, and interfaces that no build needs and that give
//! much of the kernel to attack. It is a second fence: every other promise of the box holds without it.

use crate::sys::process::install_filter;
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};
use std::io;

/// Offsets in `struct seccomp_data`.
const NR: u32 = 0;
const ARCH: u32 = 4;
/// The low half of argument `n`: both the family of `socket` and the command of `ioctl` are 32 bits wide
/// for the kernel, so that high bits cannot be used to slip past (bubblewrap, CVE-2019-10063).
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

/// From `linux/audit.h`.
const ARCH_X86_64: u32 = 0xc000_003e;
const ARCH_I386: u32 = 0x4000_0003;
/// Numbers from here on are those of the x32 ABI.
const X32_BIT: u32 = 0x4000_0000;

/// The families a build may use: all of them end at the network namespace.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Terminal commands that put characters into somebody's input.
const COMMANDS: [u32; 2] = [libc::TIOCSTI as u32, libc::TIOCLINUX as u32];

/// The numbers of one architecture.
struct Calls {
    socket: u32,
    ioctl: u32,
    /// Absent, says the filter: ENOSYS makes programs fall back.
    absent: &'static [u32],
}

/// keyctl, add_key, request_key, bpf, userfaultfd, perf_event_open, io_uring_{setup,enter,register}, and
/// syslog, which shows the machine's kernel log to anybody unless a sysctl says otherwise.
const NATIVE: Calls =
    Calls { socket: 41, ioctl: 16, absent: &[250, 248, 249, 321, 323, 298, 425, 426, 427, 103] };
/// The same of i386, and socketcall, whose arguments a filter cannot see.
const COMPAT: Calls = Calls {
    socket: 359,
    ioctl: 54,
    absent: &[288, 286, 287, 357, 374, 336, 425, 426, 427, 103, 102],
};

const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | code | BPF_K) as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn answer(errno: i32) -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32)
}

fn permit() -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW)
}

/// The rules of one architecture. Every path ends in a return.
fn rules(calls: &Calls) -> Vec<sock_filter> {
    let mut program = vec![load(NR)];
    for number in calls.absent {
        program.extend([jump(BPF_JEQ, *number, 0, 1), answer(libc::ENOSYS)]);
    }
    let families = FAMILIES.iter().map(|family| *family as u32);
    program.extend(one_of(calls.socket, 0, families, permit(), answer(libc::EAFNOSUPPORT)));
    program.extend(one_of(calls.ioctl, 1, COMMANDS, answer(libc::EPERM), permit()));
    program.push(permit());
    program
}

/// If the call is `number`: `then` if the argument is one of `values`, else `other`.
fn one_of(
    number: u32,
    index: u32,
    values: impl IntoIterator<Item = u32>,
    then: sock_filter,
    other: sock_filter,
) -> Vec<sock_filter> {
    let mut body = vec![load(argument(index))];
    for value in values {
        body.extend([jump(BPF_JEQ, value, 0, 1), then]);
    }
    body.push(other);
    let mut program = vec![jump(BPF_JEQ, number, 0, body.len() as u8)];
    program.extend(body);
    program
}

/// The whole filter: rules of both architectures; calls of any other, x32 among them, do not exist.
fn program() -> Vec<sock_filter> {
    let (native, compat) = (rules(&NATIVE), rules(&COMPAT));
    let mut program = vec![
        load(ARCH),
        jump(BPF_JEQ, ARCH_X86_64, 3, 0),
        jump(BPF_JEQ, ARCH_I386, 1, 0),
        answer(libc::ENOSYS),
        // The rules of x86-64 may be further away than a conditional jump reaches.
        statement(BPF_JMP | libc::BPF_JA, native.len() as u32 + 3),
    ];
    program.extend([load(NR), jump(BPF_JGE, X32_BIT, 0, 1), answer(libc::ENOSYS)]);
    program.extend(native);
    program.extend(compat);
    program
}

/// Installs the filter on this process and its descendants. Needs no_new_privs.
pub fn install() -> io::Result<()> {
    install_filter(&mut program())
}

/// What a sealed worker may ask the kernel for: to read and write what is open, to wait, to take and give back memory, to
/// end. No call here makes a descriptor of a path, reaches another process or makes one. Numbers of x86-64: read, write,
/// close, fstat, lseek, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, pread64, readv, writev, sched_yield,
/// mremap, madvise, recvfrom, recvmsg, exit, fcntl, sigaltstack, gettid, futex, clock_gettime, exit_group, getrandom.
const WORKER: [u32; 26] = [
    0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 45, 47, 60, 72, 131, 186, 202, 228,
    231, 318,
];
const MMAP: u32 = 9;
const MPROTECT: u32 = 10;

/// `then` if argument `index` has one of `bits`, else `other`; the low half has all bits the kernel looks at.
fn has_bits(index: u32, bits: i32, then: sock_filter, other: sock_filter) -> [sock_filter; 4] {
    [load(argument(index)), jump(BPF_JSET, bits as u32, 0, 1), then, other]
}

/// What a worker that fetches may ask for besides. Landlock says which files it may open. Numbers of x86-64: poll,
/// connect, sendto, sendmsg, shutdown, bind, getsockname, getpeername, setsockopt, getsockopt, uname, openat, newfstatat,
/// ppoll, sendmmsg.
const FETCHER: [u32; 15] = [7, 42, 44, 46, 48, 49, 51, 52, 54, 55, 63, 257, 262, 271, 307];
/// Its sockets: none of this machine's own, no raw ones.
const NETWORKS: [u32; 2] = [libc::AF_INET as u32, libc::AF_INET6 as u32];
/// Its commands for them: whether to wait, and how much there is.
const ASKING: [u32; 2] = [libc::FIONBIO as u32, libc::FIONREAD as u32];

/// Nothing but [`WORKER`] and memory that is neither of a file nor executable; with `network` [`FETCHER`] as well.
fn worker_program(network: bool) -> Vec<sock_filter> {
    let refuse = || answer(libc::EPERM);
    let mut program = vec![load(ARCH), jump(BPF_JEQ, ARCH_X86_64, 1, 0), refuse(), load(NR)];
    let more = FETCHER.iter().filter(|_| network);
    for number in WORKER.iter().chain(more) {
        program.extend([jump(BPF_JEQ, *number, 0, 1), permit()]);
    }
    if network {
        program.extend(one_of(NATIVE.socket, 0, NETWORKS, permit(), answer(libc::EAFNOSUPPORT)));
        program.extend(one_of(NATIVE.ioctl, 1, ASKING, permit(), refuse()));
    }
    program.extend([jump(BPF_JEQ, MPROTECT, 0, 4)]);
    program.extend(has_bits(2, libc::PROT_EXEC, refuse(), permit()));
    program.extend([jump(BPF_JEQ, MMAP, 1, 0), refuse(), load(argument(2))]);
    program.extend([jump(BPF_JSET, libc::PROT_EXEC as u32, 0, 1), refuse()]);
    program.extend(has_bits(3, libc::MAP_ANONYMOUS, permit(), refuse()));
    program
}

/// Leaves this process only what a worker needs. Needs no_new_privs.
pub fn install_for_worker() -> io::Result<()> {
    install_filter(&mut worker_program(false))
}

/// Leaves this process only what a worker that fetches needs. Needs no_new_privs.
pub fn install_for_fetcher() -> io::Result<()> {
    install_filter(&mut worker_program(true))
}
