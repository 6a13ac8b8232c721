//! Where the roots of generations stand, and which one is current.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::fs::{Attributes, FileType, Fs};
use crate::transaction::SystemError;

/// The folder of all roots.
pub(crate) const ROOTS: &str = "roots";
/// The folder of the generations' records.
pub(crate) const GENERATIONS_DIR: &str = "generations";
/// The symbolic link to the current root.
pub(crate) const CURRENT: &str = "current";
/// What takes its place.
pub(crate) const NEXT: &str = ".current";

/// The root of a generation. It stands there only when it is whole and durable.
pub(crate) fn root_path(generation: u64) -> PathBuf {
    format!("{ROOTS}/{generation}").into()
}

/// Where the root of a generation is put together.
pub(crate) fn staging_path(generation: u64) -> PathBuf {
    format!("{ROOTS}/.staging-{generation}").into()
}

/// Makes the folders that are missing.
pub(crate) fn prepare(fs: &dyn Fs) -> io::Result<()> {
    for (folder, mode) in [(ROOTS, 0o755), (GENERATIONS_DIR, 0o700)] {
        if fs.stat(Path::new(folder))?.is_none() {
            fs.mkdir(Path::new(folder), &Attributes::root(mode))?;
        }
    }
    Ok(())
}

/// Generations whose roots are there, in ascending order.
pub(crate) fn realised(fs: &dyn Fs) -> Result<Vec<u64>, SystemError> {
    let path = Path::new(ROOTS);
    let entries = fs.list(path).map_err(|e| SystemError::io("list", path, e))?;
    let number = |name: Vec<u8>| std::str::from_utf8(&name).ok()?.parse().ok();
    let mut found: Vec<u64> = entries.into_iter().filter_map(|(name, _)| number(name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// The generation that the link `current` names.
pub(crate) fn current_link(fs: &dyn Fs) -> Result<Option<u64>, SystemError> {
    let path = Path::new(CURRENT);
    match fs.stat(path).map_err(|e| SystemError::io("look at", path, e))? {
        Some(stat) if stat.kind == FileType::Symlink => {
            let target = fs.read_link(path).map_err(|e| SystemError::io("read", path, e))?;
            let number = target.strip_prefix(b"roots/").and_then(|n| std::str::from_utf8(n).ok());
            Ok(number.and_then(|n| n.parse().ok()))
        }
        _ => Ok(None),
    }
}

/// Makes `current` name the root of `generation`: one rename, so that whoever looks sees the old or the
/// new one and nothing between.
pub(crate) fn point_at(fs: &dyn Fs, generation: u64) -> Result<(), SystemError> {
    let next = Path::new(NEXT);
    let target = root_path(generation);
    if fs.stat(next).map_err(|e| SystemError::io("look at", next, e))?.is_some() {
        fs.unlink(next).map_err(|e| SystemError::io("delete", next, e))?;
    }
    fs.symlink(target.as_os_str().as_bytes(), next, 0, 0)
        .map_err(|e| SystemError::io("create", next, e))?;
    fs.rename(next, Path::new(CURRENT)).map_err(|e| SystemError::io("switch", CURRENT, e))
}

/// Deletes whatever stands at `path`, if anything.
pub(crate) fn remove_tree(fs: &dyn Fs, path: &Path) -> Result<(), SystemError> {
    let stat = fs.stat(path).map_err(|e| SystemError::io("look at", path, e))?;
    match stat.map(|stat| stat.kind) {
        None => Ok(()),
        Some(FileType::Directory) => remove_directory(fs, path),
        Some(_) => fs.unlink(path).map_err(|e| SystemError::io("delete", path, e)),
    }
}

/// Takes a root away under which other things may be mounted, or which holds what cannot be deleted: no other change has
/// to wait for that. What stays stands under a name that is tried again with every sweep.
pub(crate) fn discard_root(fs: &dyn Fs, path: &Path) -> Result<(), SystemError> {
    let mut aside = path.to_owned();
    if !path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
        if fs.stat(path).map_err(|e| SystemError::io("look at", path, e))?.is_none() {
            return Ok(());
        }
        aside = free_name(fs, path)?;
        fs.rename(path, &aside).map_err(|e| SystemError::io("move", path, e))?;
    }
    match remove_tree(fs, &aside) {
        Err(error) if error.is_held() => Ok(()),
        done => done,
    }
}

/// A hidden name beside `path` that nothing has.
pub(crate) fn free_name(fs: &dyn Fs, path: &Path) -> Result<PathBuf, SystemError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 0_u64;
    loop {
        let free = path.with_file_name(format!(".{}-{number}", name.trim_start_matches('.')));
        if fs.stat(&free).map_err(|e| SystemError::io("look at", &free, e))?.is_none() {
            return Ok(free);
        }
        number += 1;
    }
}

/// The longest path of a folder in bytes that is gone down into; with one more name it is still one for the kernel.
const LONG: usize = 2048;

/// Without recursion, and with short paths: whoever may write in a root can make a tree that is deeper than any path
/// can tell. What lies too deep is moved to the top of what is deleted, where its paths are short again.
fn remove_directory(fs: &dyn Fs, top: &Path) -> Result<(), SystemError> {
    let mut open = vec![top.to_owned()];
    let mut moved = 0_u64;
    while let Some(folder) = open.last().cloned() {
        let entries = fs.list(&folder).map_err(|e| SystemError::io("list", &folder, e))?;
        let mut folders = 0;
        for (name, kind) in entries {
            let path = folder.join(std::ffi::OsStr::from_bytes(&name));
            if kind == FileType::Directory {
                let long = path.as_os_str().len() > LONG;
                open.push(if long { move_up(fs, &path, top, &mut moved)? } else { path });
                folders += 1;
            } else {
                fs.unlink(&path).map_err(|e| SystemError::io("delete", &path, e))?;
            }
        }
        if folders == 0 {
            fs.rmdir(&folder).map_err(|e| SystemError::io("delete", &folder, e))?;
            open.pop();
        }
    }
    Ok(())
}

/// Gives a folder a free name in `top`.
fn move_up(fs: &dyn Fs, path: &Path, top: &Path, moved: &mut u64) -> Result<PathBuf, SystemError> {
    loop {
        let to = top.join(format!(".deep-{moved}"));
        *moved += 1;
        if fs.stat(&to).map_err(|e| SystemError::io("look at", &to, e))?.is_none() {
            fs.rename(path, &to).map_err(|e| SystemError::io("move", path, e))?;
            return Ok(to);
        }
    }
}
