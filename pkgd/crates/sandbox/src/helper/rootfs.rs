//! Boxes on a machine that runs from its initramfs, as the appliance does.
//!
//! The kernel never lets go of `rootfs`: `pivot_root(2)` refuses it, and whoever covers it with another
//! mount leaves everything that is mounted on it within the box's mount namespace. The helper therefore
//! first moves, in a mount namespace of its own, onto a copy of the whole tree, and takes all mounts off
//! the original. What then stays under the root of a box is the bare initramfs.

use crate::error::{Context, Failure, Stage};
use crate::sys::mount::{attach, clone_tree_recursive};
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Does nothing on a machine with a real root file system.
pub fn leave() -> Result<(), Failure> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").on(Stage::Pivot, "/proc")?;
    let Some(covering) = on_rootfs(&mounts) else { return Ok(()) };
    unshare(CloneFlags::CLONE_NEWNS).at(Stage::Pivot)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).at(Stage::Pivot)?;
    let copy = clone_tree_recursive(Path::new("/")).on(Stage::Pivot, "/")?;
    for point in covering {
        umount2(&point, MntFlags::MNT_DETACH).on(Stage::Pivot, &point)?;
    }
    let root = open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).at(Stage::Pivot)?;
    attach(copy.as_fd(), root.as_fd()).on(Stage::Pivot, "/")?;
    fchdir(&copy).at(Stage::Pivot)?;
    chroot(".").at(Stage::Pivot)
}

/// If the root is `rootfs` itself (the one mount that is its own parent): what is mounted on it.
fn on_rootfs(mountinfo: &str) -> Option<Vec<PathBuf>> {
    let mounts = || {
        mountinfo.lines().filter_map(|line| {
            let mut fields = line.split(' ');
            let (id, parent) = (fields.next()?, fields.next()?);
            Some((id, parent, fields.nth(2)?))
        })
    };
    let at_root: Vec<_> = mounts().filter(|(_, _, point)| *point == "/").collect();
    let [(root, parent, _)] = at_root[..] else { return None };
    (root == parent).then(|| {
        let on_it = mounts().filter(|(id, parent, _)| *parent == root && *id != root);
        on_it.map(|(_, _, point)| PathBuf::from(point)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rootfs_is_the_mount_that_is_its_own_parent() {
        let initramfs = "1 1 0:2 / / rw - rootfs none rw\n\
            20 1 0:18 / /proc rw - proc proc rw\n\
            21 1 0:19 / /sys rw - sysfs sysfs rw\n\
            22 21 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(on_rootfs(initramfs), Some(vec!["/proc".into(), "/sys".into()]));
    }

    #[test]
    fn a_disk_or_a_root_on_top_of_rootfs_is_left_alone() {
        let disk = "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n25 24 0:18 / /proc rw - proc proc rw\n";
        assert_eq!(on_rootfs(disk), None);
        let covered = "1 1 0:2 / / rw - rootfs none rw\n30 1 0:9 / / rw - tmpfs tmpfs rw\n";
        assert_eq!(on_rootfs(covered), None);
    }
}
