//! Disk images mounted by a loop device.
//!
//! Unmounting returns before the file system is gone, where another process had its own copy of the mount: each
//! sandbox that any pkgd of this machine sets up has one for a moment. Until then the image holds old bytes, and it
//! cannot be mounted in another way ("already mounted or mount point busy", once in 25 runs). Whoever looks at
//! an image after unmounting it waits for its loop device to be let go of.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::daemon::PATIENCE;

/// Mounts `image` at `point` with `options`.
///
/// # Panics
/// It cannot be mounted.
pub fn mount(image: &Path, point: &Path, options: &str) {
    let status = Command::new("mount")
        .args(["-o", &format!("loop,{options}")])
        .args([image, point])
        .status();
    let what = format!("{} can be mounted ({options})", image.display());
    assert!(status.expect("mount runs").success(), "{what}");
}

/// Unmounts `point` and all below, and waits until the file system in `image` is gone.
///
/// # Panics
/// It is not mounted or busy here, or somebody keeps it for [`PATIENCE`].
pub fn unmount(image: &Path, point: &Path) {
    let status = Command::new("umount").arg("-R").arg(point).status();
    assert!(status.expect("umount runs").success(), "{} can be unmounted", point.display());
    let deadline = Instant::now() + PATIENCE;
    while is_used(image) {
        assert!(Instant::now() < deadline, "{} stays in use", image.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a loop device stands on `image`.
fn is_used(image: &Path) -> bool {
    let devices = fs::read_dir("/sys/block").expect("/sys is mounted").flatten();
    devices
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok())
        .any(|file| Path::new(file.trim_end_matches('\n')) == image)
}
