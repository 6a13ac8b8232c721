//! Squashfs images with the same bytes for the same content.
//!
//! squashfs-tools since 4.4 write files in order whatever the number of threads; what is left to
//! fix are owners and times.

use std::path::Path;

use crate::tool::Run;
use crate::{Progress, Result};

/// zstd level 3, 256 KiB blocks: 14 % larger than level 15 for 1/25 of the time (measured on the
/// seed), and large blocks because compilers are read whole.
const COMPRESSION: [&str; 6] = ["-comp", "zstd", "-Xcompression-level", "3", "-b", "256K"];

/// Packs a tar archive: owners and modes are the archive's, all times `epoch`.
pub fn from_tar(
    tar: &Path,
    image: &Path,
    epoch: u32,
    log: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    // Not sqfstar: that of squashfs-tools 4.5 refuses -Xcompression-level.
    Run::new("mksquashfs")?
        .stdin(tar)?
        .arg("-")
        .arg(image)
        .arg("-tar")
        .args(COMPRESSION)
        // The archive's entry for the root itself is not read: without this it is 0777.
        .args(["-root-mode", "755", "-root-uid", "0", "-root-gid", "0"])
        .args(fixed(epoch))
        .logged(log, "squashfs", progress)
}

/// Packs a folder: all owned by root, all times `epoch`.
pub fn from_dir(
    dir: &Path,
    image: &Path,
    epoch: u32,
    log: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    Run::new("mksquashfs")?
        .arg(dir)
        .arg(image)
        .args(COMPRESSION)
        .arg("-all-root")
        .args(fixed(epoch))
        .logged(log, "squashfs", progress)
}

/// One time for everything: directories that are in an archive only by their files' names would
/// otherwise carry the current one.
fn fixed(epoch: u32) -> Vec<String> {
    format!("-quiet -no-progress -noappend -mkfs-time {epoch} -all-time {epoch}")
        .split(' ')
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use crate::progress::Silent;
    use std::fs;

    /// Two folders with the same content, made in another order and at another time, are one image.
    #[test]
    fn the_image_depends_on_the_content_alone() {
        let dir = tempfile::tempdir().unwrap();
        let image = |name: &str, files: &[&str]| {
            let from = dir.path().join(name);
            fs::create_dir(&from).unwrap();
            for file in files {
                fs::write(from.join(file), file.repeat(100_000)).unwrap();
            }
            let image = dir.path().join(format!("{name}.squashfs"));
            from_dir(&from, &image, 1, &dir.path().join("log"), &Silent).unwrap();
            digest::of_file(&image).unwrap()
        };
        let one = image("one", &["a", "b", "c"]);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert_eq!(one, image("two", &["c", "b", "a"]));
        assert_ne!(one, image("three", &["a", "b", "d"]));
    }
}
