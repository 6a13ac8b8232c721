//! Typing on somebody else's terminal (CVE-2017-5226, CVE-2019-10063).

use super::{Act, REFUSED};
use crate::sys::call;
use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

pub const ACTS: &[Act] = &[
    Act("type on the standard streams", &[], || (0..3).try_for_each(type_on)),
    Act("type on a terminal of its own", &[], || {
        let terminal = File::options().read(true).write(true).open("/dev/ptmx")?;
        type_on(terminal.as_raw_fd())
    }),
    Act("open a controlling terminal", &[Errno::ENXIO], || File::open("/dev/tty").map(drop)),
    Act("make one of the host's terminals its own", &[Errno::ENOENT], || {
        File::open("/dev/tty1").map(drop)
    }),
    Act("type by the 64-bit number", REFUSED, || ioctl(1, 0x1_0000_5412)),
];

/// `TIOCSTI` and `TIOCLINUX`, and both with bits that the kernel cuts off but a filter might compare.
fn type_on(fd: i32) -> io::Result<()> {
    for command in [0x5412, 0x541c, 0xffff_ffff_0000_5412, 0x8000_0000_0000_541c] {
        match ioctl(fd, command) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
            other => return Err(io::Error::other(format!("{command:#x} on {fd}: {other:?}"))),
        }
    }
    Ok(())
}

fn ioctl(fd: i32, command: usize) -> io::Result<()> {
    let letter = b'x';
    call(libc::SYS_ioctl, &[fd as usize, command, &raw const letter as usize]).map(drop)
}
