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

/// Packs a tar archive as it is: owners, modes and times are the archive's.
pub fn from_tar(
    tar: &Path,
    image: &Path,
    epoch: u32,
    log: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    // Through a shell, because sqfstar reads the archive from standard input only.
    let script = "tar=$1; shift; exec \"$@\" < \"$tar\"";
    let run = Run::new("sh")?.args(["-c", script, "sh"]).arg(tar).arg(crate::tool::find("sqfstar")?);
    run.args(COMPRESSION)
        .args(["-quiet", "-no-progress", "-mkfs-time", &epoch.to_string()])
        .arg(image)
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
    let epoch = epoch.to_string();
    Run::new("mksquashfs")?
        .arg(dir)
        .arg(image)
        .args(COMPRESSION)
        .args(["-quiet", "-no-progress", "-noappend", "-all-root"])
        .args(["-mkfs-time", &epoch, "-all-time", &epoch])
        .logged(log, "squashfs", progress)
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
