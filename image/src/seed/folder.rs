//! The seed as a folder, which host mode builds on: programs of a squashfs run slower than those of ext4
//! (`docs/decisions/0020-seed-as-a-folder.md`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool::Run;
use crate::{Error, Progress, Result};

/// Where a seed says what it is made of; its SHA-256 is the seed's identity.
const MANIFEST: &str = "usr/share/minos/seed.manifest";

/// Makes `dir` the unpacked seed of the cache entry `entry`. It is put together beside `dir`, made durable
/// and then moved there: a folder that stands is whole.
pub(super) fn unpack(entry: &Path, dir: &Path, log: &Path, progress: &dyn Progress) -> Result<()> {
    let wanted = entry.join("seed.manifest");
    let wanted = fs::read(&wanted).map_err(Error::io("read", &wanted))?;
    match fs::read(dir.join(MANIFEST)) {
        Ok(found) if found == wanted => return Ok(()),
        Err(_) if dir.symlink_metadata().is_ok() => {
            let why = format!("{} exists and is no seed; name another folder", dir.display());
            return Err(Error::request(why));
        }
        _ => {}
    }
    progress.step(&format!("seed: unpacking into {}", dir.display()));
    let new = beside(dir, "new")?;
    let run = Run::new("unsquashfs")?.args(["-no-progress", "-quiet", "-d"]).arg(&new);
    run.arg(entry.join("seed.squashfs")).logged(log, "unsquashfs", progress)?;
    Run::new("sync")?.arg("-f").arg(&new).output()?;
    let old = beside(dir, "old")?;
    if dir.exists() {
        fs::rename(dir, &old).map_err(Error::io("rename", dir))?;
    }
    fs::rename(&new, dir).map_err(Error::io("rename", &new))?;
    remove_tree(&old)
}

/// A free path in the same folder; what a killed run left there goes.
fn beside(dir: &Path, what: &str) -> Result<PathBuf> {
    let name = dir.file_name().map(|name| name.to_string_lossy());
    let name = name.ok_or_else(|| Error::request(format!("{} has no name", dir.display())))?;
    let path = dir.with_file_name(format!(".{name}.{what}"));
    remove_tree(&path)?;
    Ok(path)
}

fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::progress::Silent;

    /// A cache entry with a seed of one file.
    fn entry(dir: &Path, manifest: &str) -> PathBuf {
        let entry = dir.join(manifest);
        let tree = dir.join("tree");
        fs::create_dir_all(tree.join(MANIFEST).parent().unwrap()).unwrap();
        fs::create_dir_all(&entry).unwrap();
        fs::write(tree.join(MANIFEST), manifest).unwrap();
        fs::write(entry.join("seed.manifest"), manifest).unwrap();
        let packed = Command::new("mksquashfs")
            .args([&tree, &entry.join("seed.squashfs")])
            .args(["-noappend", "-quiet", "-no-progress"])
            .status();
        assert!(packed.expect("mksquashfs (squashfs-tools)").success());
        entry
    }

    #[test]
    fn the_folder_is_made_once_replaced_by_another_seed_and_never_half_there() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (entry(dir.path(), "one"), entry(dir.path(), "two"));
        let (seed, log) = (dir.path().join("seed"), dir.path().join("log"));
        let half = dir.path().join(".seed.new/usr");
        fs::create_dir_all(half.join("half")).unwrap();
        unpack(&one, &seed, &log, &Silent).unwrap();
        assert!(!seed.join("usr/half").exists(), "what a killed run left is no part of it");
        fs::write(seed.join("kept"), "").unwrap();
        unpack(&one, &seed, &log, &Silent).unwrap();
        assert!(seed.join("kept").exists(), "the same seed is not unpacked again");
        unpack(&two, &seed, &log, &Silent).unwrap();
        assert_eq!(fs::read_to_string(seed.join(MANIFEST)).unwrap(), "two");
        assert!(!seed.join("kept").exists());
    }

    #[test]
    fn a_folder_that_is_no_seed_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let one = entry(dir.path(), "one");
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("letters"), "").unwrap();
        let error = unpack(&one, &home, &dir.path().join("log"), &Silent).unwrap_err();
        assert!(error.to_string().contains("is no seed"), "{error}");
        assert!(home.join("letters").exists());
    }
}
