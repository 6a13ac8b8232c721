//! Knows that no recipe changed without a look at each file: by watches of the kernel (inotify(7)).

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, TMPFS_MAGIC, XFS_SUPER_MAGIC, statfs,
};

use super::{MAX_DEPTH, is_hidden};

/// File systems that nobody can change but through this kernel, which then tells it.
const LOCAL: [FsType; 4] = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC];

/// Everything but reading.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Watches of all folders and files of a tree. A folder tells of what is done by names in it; a file may have a second
/// name elsewhere, so it has a watch of its own.
pub struct Watch {
    inotify: Inotify,
    /// Device and inode of the top, which somebody may put another one in the place of.
    top: (u64, u64),
}

impl Watch {
    /// Watches the folder `path` and all below it. `None` where a watch would not tell of everything, on a file system
    /// that others change too, and where the kernel has none left.
    pub fn over(path: &Path) -> Option<Self> {
        let top = fs::metadata(path).ok().filter(Metadata::is_dir)?;
        if !LOCAL.contains(&statfs(path).ok()?.filesystem_type()) {
            return None;
        }
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
        let watch = Self { inotify, top: identity(&top) };
        watch.folder(path, top.dev(), MAX_DEPTH).ok()?.then_some(watch)
    }

    /// Watches `dir` and what is below it. Returns whether that tells of everything.
    fn folder(&self, dir: &Path, device: u64, depth: usize) -> io::Result<bool> {
        // Before it is listed: what comes in between is told.
        self.inotify.add_watch(dir, CHANGES)?;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if is_hidden(&entry.file_name()) {
                continue;
            }
            let (path, metadata) = (entry.path(), entry.metadata()?);
            if metadata.dev() != device {
                return Ok(false);
            }
            if !metadata.is_dir() {
                self.inotify.add_watch(&path, CHANGES | AddWatchFlags::IN_DONT_FOLLOW)?;
            } else if depth > 0 && !self.folder(&path, device, depth - 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether nothing has changed since the watch was made, at `path` as it was given then. Once it has, make a new one.
    pub fn is_quiet(&self, path: &Path) -> bool {
        if !fs::metadata(path).is_ok_and(|top| identity(&top) == self.top) {
            return false;
        }
        loop {
            match self.inotify.read_events() {
                Err(Errno::EAGAIN) => return true,
                Ok(events) if events.iter().all(is_of_no_recipe) => {}
                _ => return false,
            }
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// An event without a name is one of a folder itself, or of a queue that ran over.
fn is_of_no_recipe(event: &InotifyEvent) -> bool {
    event.name.as_deref().is_some_and(is_hidden)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use super::Watch;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("recipes");
        fs::create_dir_all(top.join("demo/a")).unwrap();
        fs::write(top.join("demo/a/recipe.toml"), "x").unwrap();
        (dir, top)
    }

    /// Whether a watch over a tree tells of what `change` does to it.
    fn tells(change: impl FnOnce(&Path)) -> bool {
        let (_dir, top) = tree();
        let watch = Watch::over(&top).expect("a watch");
        fs::read(top.join("demo/a/recipe.toml")).unwrap();
        assert!(watch.is_quiet(&top), "reading is no change");
        change(&top);
        !watch.is_quiet(&top)
    }

    #[test]
    fn every_change_is_told() {
        assert!(tells(|top| fs::write(top.join("demo/a/recipe.toml"), "y").unwrap()));
        assert!(tells(|top| fs::write(top.join("demo/a/install.sh"), "").unwrap()));
        assert!(tells(|top| fs::remove_file(top.join("demo/a/recipe.toml")).unwrap()));
        assert!(tells(|top| fs::create_dir(top.join("other")).unwrap()));
        assert!(tells(|top| fs::rename(top.join("demo/a"), top.join("demo/b")).unwrap()));
        assert!(tells(|top| {
            let file = File::options().write(true).open(top.join("demo/a/recipe.toml")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }));
        // As an editor saves: beside it, and then in its place.
        assert!(tells(|top| {
            fs::write(top.join("demo/a/.new"), "y").unwrap();
            fs::rename(top.join("demo/a/.new"), top.join("demo/a/recipe.toml")).unwrap();
        }));
        assert!(tells(|top| {
            fs::rename(top, top.with_extension("old")).unwrap();
            fs::create_dir(top).unwrap();
        }));
        assert!(tells(|top| fs::rename(top, top.with_extension("old")).unwrap()));
    }

    #[test]
    fn hidden_files_are_no_recipes() {
        assert!(!tells(|top| {
            fs::write(top.join("demo/a/.recipe.toml.swp"), "x").unwrap();
            fs::create_dir(top.join(".git")).unwrap();
            fs::write(top.join(".git/index"), "x").unwrap();
        }));
    }

    /// No folder of the tree hears of what is written to a file under another name.
    #[test]
    fn a_second_name_is_told_of() {
        let link = |top: &Path| {
            let other = top.with_file_name("other");
            fs::hard_link(top.join("demo/a/recipe.toml"), &other).unwrap();
            other
        };
        assert!(tells(|top| drop(link(top))));
        let (_dir, top) = tree();
        let other = link(&top);
        let watch = Watch::over(&top).expect("a watch");
        assert!(watch.is_quiet(&top));
        fs::write(other, "y").unwrap();
        assert!(!watch.is_quiet(&top));
    }

    #[test]
    fn only_folders_of_this_kernel_are_watched() {
        let (_dir, top) = tree();
        assert!(Watch::over(&top.join("demo/a/recipe.toml")).is_none(), "a file");
        assert!(Watch::over(Path::new("/proc/self")).is_none(), "what the kernel makes up");
    }
}
