//! The two requests to the kernel that neither std nor nix has. No policy lives here.
#![allow(unsafe_code)] // ioctl(2) of block devices and of ext4

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd as _;

/// `BLKPG`, `_IO(0x12, 105)` (linux/blkpg.h).
const BLKPG: libc::c_ulong = 0x1269;
/// `BLKPG_RESIZE_PARTITION`.
const RESIZE: libc::c_int = 3;
/// `EXT4_IOC_RESIZE_FS`, `_IOW('f', 16, __u64)` (fs/ext4/ext4.h).
const EXT4_RESIZE: libc::c_ulong = 0x4008_6610;

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: libc::c_longlong,
    length: libc::c_longlong,
    number: libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Argument {
    operation: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *const Partition,
}

/// Tells the kernel how long a partition of `disk` is now, in bytes, while it may be mounted.
///
/// # Errors
/// Those of `BLKPG`.
pub fn resize_partition(disk: &File, number: u64, start: u64, length: u64) -> io::Result<()> {
    let wrong = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let partition = Partition {
        start: start.try_into().map_err(wrong)?,
        length: length.try_into().map_err(wrong)?,
        number: number.try_into().map_err(wrong)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let size = size_of::<Partition>() as libc::c_int;
    let argument =
        Argument { operation: RESIZE, flags: 0, length: size, data: &raw const partition };
    // SAFETY: the argument and what it points to are laid out as the kernel's structures and live until the call
    // returns; the descriptor is open as long as `disk`.
    let done = unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG as _, &raw const argument) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the mounted ext4 file system, of which `inside` is any file or folder, so many of its blocks long.
///
/// # Errors
/// Those of `EXT4_IOC_RESIZE_FS`.
pub fn ext4_resize(inside: &File, blocks: u64) -> io::Result<()> {
    // SAFETY: the kernel reads one u64 at this address, which lives until the call returns; the descriptor is open.
    let done = unsafe { libc::ioctl(inside.as_raw_fd(), EXT4_RESIZE as _, &raw const blocks) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
