//! Calls that change what exists: mounts, namespaces, the machine; and calls that nobody needs.

use super::{ABSENT, Act, REFUSED, UNWRITABLE};
use crate::sys::{call, fork, socket_i386};
use landlock::{AccessFs, Ruleset, RulesetAttr};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, chroot, pivot_root, sethostname};
use std::fs::{self, File};
use std::io;

pub const ACTS: &[Act] = &[
    Act("mount a tmpfs", REFUSED, || {
        Ok(mount(Some("x"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>)?)
    }),
    Act("bind /", REFUSED, || {
        Ok(mount(Some("/"), "/tmp", None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
    }),
    Act("remount / writable", REFUSED, || {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        Ok(mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
    }),
    Act("unmount /proc", REFUSED, || Ok(umount2("/proc", MntFlags::MNT_DETACH)?)),
    Act("pivot_root", REFUSED, || Ok(pivot_root("/build", "/build")?)),
    Act("chroot", REFUSED, || Ok(chroot("/build")?)),
    Act("fsopen", REFUSED, || with_text(libc::SYS_fsopen, c"tmpfs")),
    Act("open_tree a copy", REFUSED, || {
        let copy = libc::OPEN_TREE_CLONE as usize;
        call(libc::SYS_open_tree, &[usize::MAX, c"/build".as_ptr() as usize, copy]).map(drop)
    }),
    Act("mount_setattr", REFUSED, || {
        let attributes = [0_u64; 4];
        let pointer = attributes.as_ptr() as usize;
        let here = libc::AT_FDCWD as usize;
        let path = c"/build".as_ptr() as usize;
        call(libc::SYS_mount_setattr, &[here, path, 0, pointer, 32]).map(drop)
    }),
    Act("make a user namespace", &[Errno::ENOSPC, Errno::EPERM], || {
        share(CloneFlags::CLONE_NEWUSER)
    }),
    Act("make a mount namespace", REFUSED, || share(CloneFlags::CLONE_NEWNS)),
    Act("make a pid namespace", REFUSED, || share(CloneFlags::CLONE_NEWPID)),
    Act("make a network namespace", REFUSED, || share(CloneFlags::CLONE_NEWNET)),
    Act("make a host name namespace", REFUSED, || share(CloneFlags::CLONE_NEWUTS)),
    Act("make an ipc namespace", REFUSED, || share(CloneFlags::CLONE_NEWIPC)),
    Act("make a cgroup namespace", REFUSED, || share(CloneFlags::CLONE_NEWCGROUP)),
    Act("enter a network namespace", REFUSED, || {
        Ok(setns(File::open("/proc/self/ns/net")?, CloneFlags::CLONE_NEWNET)?)
    }),
    Act("open by file handle", REFUSED, by_handle),
    Act("set the host name", REFUSED, || Ok(sethostname("x")?)),
    Act("set the clock", REFUSED, || {
        let time = [0_usize; 2];
        call(libc::SYS_clock_settime, &[0, time.as_ptr() as usize]).map(drop)
    }),
    Act("reboot", REFUSED, || {
        call(libc::SYS_reboot, &[0xfee1_dead, 672_274_793, 0x0123_4567, 0]).map(drop)
    }),
    Act("load a module", REFUSED_OR_ABSENT, || {
        call(libc::SYS_finit_module, &[0, c"".as_ptr() as usize, 0]).map(drop)
    }),
    Act("kexec", REFUSED_OR_ABSENT, || call(libc::SYS_kexec_load, &[0, 0, 0, 0]).map(drop)),
    Act("swap on a file", REFUSED_OR_ABSENT, || with_text(libc::SYS_swapon, c"/canary")),
    Act("account processes", REFUSED_OR_ABSENT, || with_text(libc::SYS_acct, c"/tmp/acct")),
    Act("reach I/O ports", REFUSED_OR_ABSENT, || call(libc::SYS_iopl, &[3]).map(drop)),
    Act("hang up the terminal", REFUSED, || call(libc::SYS_vhangup, &[]).map(drop)),
    Act("run in real time", REFUSED, || {
        let priority: libc::c_int = 1;
        let fifo = libc::SCHED_FIFO as usize;
        call(libc::SYS_sched_setscheduler, &[0, fifo, &raw const priority as usize]).map(drop)
    }),
    Act("read the kernel's log", ABSENT, || {
        let buffer = [0_u8; 64];
        call(libc::SYS_syslog, &[3, buffer.as_ptr() as usize, 64]).map(drop)
    }),
    Act("bpf", ABSENT, || call(libc::SYS_bpf, &[0, 0, 0]).map(drop)),
    Act("perf_event_open", ABSENT, || call(libc::SYS_perf_event_open, &[0]).map(drop)),
    Act("userfaultfd", ABSENT, || call(libc::SYS_userfaultfd, &[0]).map(drop)),
    Act("io_uring", ABSENT, || call(libc::SYS_io_uring_setup, &[1, 0]).map(drop)),
    Act("keyctl", ABSENT, || call(libc::SYS_keyctl, &[0]).map(drop)),
    Act("add_key", ABSENT, || call(libc::SYS_add_key, &[0]).map(drop)),
    Act("request_key", ABSENT, || call(libc::SYS_request_key, &[0]).map(drop)),
    Act("a call of the x32 ABI", ABSENT, || call(0x4000_0000 | libc::SYS_getpid, &[]).map(drop)),
    Act("a vsock by the 32-bit ABI", &[Errno::EAFNOSUPPORT, Errno::EFAULT], compat_vsock),
    Act("attach to process 1", REFUSED, || {
        call(libc::SYS_ptrace, &[libc::PTRACE_ATTACH as usize, 1, 0, 0]).map(drop)
    }),
    Act("read the memory of process 1", REFUSED_OR_ABSENT, || {
        let buffer = [0_u8; 8];
        let local = [buffer.as_ptr() as usize, 8];
        let vector = local.as_ptr() as usize;
        call(libc::SYS_process_vm_readv, &[1, vector, 1, vector, 1, 0]).map(drop)
    }),
    Act("take a descriptor of process 1", REFUSED, || {
        let pidfd = call(libc::SYS_pidfd_open, &[1, 0])?;
        call(libc::SYS_pidfd_getfd, &[pidfd as usize, 0, 0]).map(drop)
    }),
    Act("kill process 1", REFUSED, || call(libc::SYS_kill, &[1, 9]).map(drop)),
    Act("nest Landlock domains until it is full", &[Errno::E2BIG], || nest(20)),
    Act("write outside from a nested domain", UNWRITABLE, || fs::write("/outside", "x")),
];

/// A kernel may be built without it.
const REFUSED_OR_ABSENT: &[Errno] = &[Errno::EPERM, Errno::ENOSYS];

fn with_text(number: libc::c_long, text: &std::ffi::CStr) -> io::Result<()> {
    call(number, &[text.as_ptr() as usize, 0]).map(drop)
}

/// In a child, so that what succeeds by mistake does not change the other acts.
fn share(flags: CloneFlags) -> io::Result<()> {
    in_child(|| Ok(unshare(flags)?))
}

/// The error number is the child's exit code; a child killed by a signal is `EFAULT`.
fn in_child(act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match fork()? {
        ForkResult::Child => {
            let code = act().map_or_else(|e| e.raw_os_error().unwrap_or(255), |()| 0);
            call(libc::SYS_exit_group, &[code as usize]).map(drop)
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
            _ => Err(Errno::EFAULT.into()),
        },
    }
}

/// A kernel without the 32-bit ABI kills whoever tries.
fn compat_vsock() -> io::Result<()> {
    in_child(|| socket_i386(libc::AF_VSOCK))
}

/// A handle as ext4 makes them: 8 bytes of type 1, here of inode 2.
fn by_handle() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let root = File::open("/")?;
    let handle = [8_u32, 1, 2, 0];
    let arguments = [root.as_raw_fd() as usize, handle.as_ptr() as usize, 0];
    call(libc::SYS_open_by_handle_at, &arguments).map(drop)
}

/// Puts one domain into another, as builds do that sandbox themselves. 16 is the kernel's limit.
fn nest(times: u32) -> io::Result<()> {
    for _ in 0..times {
        let ruleset = Ruleset::default().handle_access(AccessFs::MakeSock).unwrap();
        // The crate's own error does not tell the number.
        ruleset.create().unwrap().restrict_self().map_err(|error| {
            use std::error::Error;
            let mut source: Option<&dyn Error> = Some(&error);
            while let Some(error) = source {
                if let Some(io) = error.downcast_ref::<io::Error>() {
                    return io::Error::from_raw_os_error(io.raw_os_error().unwrap_or(0));
                }
                source = error.source();
            }
            io::Error::other(error.to_string())
        })?;
    }
    Ok(())
}
