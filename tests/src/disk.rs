//! A fresh ext4 file system for every turn: no program meets what another one left, or waits for its journal.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first MiB of an image, where a file system has most of what each mount changes.
///
/// # Panics
/// It cannot be read.
pub fn head(image: &Path) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    let file = File::open(image).expect("an image");
    file.read_exact_at(&mut bytes, 0).expect("its first MiB");
    bytes
}

/// An image file and where it is mounted. Unmounted when it goes out of scope.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    place: PathBuf,
    length: u64,
}

impl Disk {
    /// Makes the folder, for file systems of `length` bytes, of which only what is written takes place;
    /// [`Disk::renew`] comes before the first use.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(image: &Path, place: &Path, length: u64) -> Result<Self, String> {
        let on = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        fs::create_dir_all(place).map_err(|e| on(place, e))?;
        Ok(Self { image: image.to_owned(), place: place.to_owned(), length })
    }

    /// An empty file system, mounted. It has an inode for every 8 KiB and does nothing in the background.
    ///
    /// # Errors
    /// `mkfs.ext4` or `mount` fails, for example where there are no loop devices.
    pub fn renew(&self) -> Result<(), String> {
        self.unmount()?;
        let on = |e: std::io::Error| format!("{}: {e}", self.image.display());
        // A new file gives back what the last file system took, and leaves the old one to who still has it mounted
        // (a sandbox that is being set up has copies of all mounts).
        match fs::remove_file(&self.image) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(on(e)),
            _ => {}
        }
        File::create_new(&self.image).and_then(|file| file.set_len(self.length)).map_err(on)?;
        let (image, place) = (self.image.display().to_string(), self.place.display().to_string());
        let made = ["-q", "-F", "-i", "8192", "-E", "nodiscard,lazy_itable_init=1", &image];
        call("mkfs.ext4", &made)?;
        call("mount", &["-o", "loop,noinit_itable", &image, &place])
    }

    fn unmount(&self) -> Result<(), String> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| e.to_string())?;
        let place = self.place.display().to_string();
        let mounted = mounts.lines().any(|line| line.split(' ').nth(1) == Some(&place));
        if mounted { call("umount", &[&place]) } else { Ok(()) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(what) = self.unmount() {
            eprintln!("minos-bench: {what}");
        }
    }
}

fn call(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", told.trim())) }
}
