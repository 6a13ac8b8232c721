//! The seed: the read-only root of host tools that every step stands on.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minos_model::Digest;

/// Where a seed says what it is made of: the list of its packages with versions, written by the image
/// builder. Its digest is the seed's identity in task keys.
pub const MANIFEST: &str = "usr/share/minos/seed.manifest";

/// A usable seed.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The root folder.
    pub dir: PathBuf,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// Why there is no usable seed.
#[derive(Debug)]
pub enum SeedError {
    /// The path cannot be read.
    Io(PathBuf, std::io::Error),
    /// The image could not be mounted.
    Mount(PathBuf, String),
    /// The folder has no manifest.
    NoManifest(PathBuf),
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, e) => write!(f, "the seed {} cannot be read: {e}", path.display()),
            Self::Mount(path, why) => {
                write!(f, "the seed image {} cannot be mounted: {why}", path.display())
            }
            Self::NoManifest(path) => write!(
                f,
                "{} is not a seed: it has no {MANIFEST}; make one with 'minos-image seed'",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SeedError {}

impl Seed {
    /// Takes `path` as it is when it is a folder; mounts it on `mount_point` when it is an image.
    ///
    /// # Errors
    /// The seed cannot be read, mounted, or is none.
    pub fn open(path: &Path, mount_point: &Path) -> Result<Self, SeedError> {
        let meta = fs::metadata(path).map_err(|e| SeedError::Io(path.to_owned(), e))?;
        let dir = if meta.is_dir() { path.to_owned() } else { mounted(path, mount_point)? };
        let dir = fs::canonicalize(&dir).map_err(|e| SeedError::Io(dir, e))?;
        let manifest =
            fs::read(dir.join(MANIFEST)).map_err(|_| SeedError::NoManifest(path.to_owned()))?;
        Ok(Self { dir, digest: Digest::of(&manifest) })
    }
}

/// Mounts the image. What a killed pkgd left mounted there goes first: it may be another image, and task
/// keys would name the wrong seed. `mount(8)` sets up the loop device; that dance is not ours to write
/// again.
fn mounted(image: &Path, mount_point: &Path) -> Result<PathBuf, SeedError> {
    if mount_point.join(MANIFEST).exists() {
        unmount(mount_point);
    }
    fs::create_dir_all(mount_point).map_err(|e| SeedError::Io(mount_point.to_owned(), e))?;
    let failed = |why: String| SeedError::Mount(image.to_owned(), why);
    let output = Command::new("mount")
        .args(["-t", "squashfs", "-o", "loop,ro,nosuid,nodev"])
        .args([image, mount_point])
        .output()
        .map_err(|e| failed(format!("cannot run mount(8): {e}")))?;
    if output.status.success() {
        Ok(mount_point.to_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Takes back what [`Seed::open`] mounted; a folder used as it is stays untouched.
pub fn unmount(mount_point: &Path) {
    // Nobody is left to tell when it fails, and the next start takes the mount away.
    let _ = Command::new("umount").arg(mount_point).output();
}

#[cfg(test)]
mod tests {
    use super::{MANIFEST, Seed, SeedError};

    #[test]
    fn a_folder_is_a_seed_only_with_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Seed::open(dir.path(), &dir.path().join("mnt"));
        assert!(matches!(open(), Err(SeedError::NoManifest(_))));
        std::fs::create_dir_all(dir.path().join(MANIFEST).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(MANIFEST), "bash 5.2\n").unwrap();
        let first = open().unwrap().digest;
        std::fs::write(dir.path().join(MANIFEST), "bash 5.3\n").unwrap();
        assert_ne!(open().unwrap().digest, first);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = Seed::open("/no/such/seed".as_ref(), "/no".as_ref()).unwrap_err();
        assert!(error.to_string().contains("/no/such/seed"), "{error}");
    }
}
