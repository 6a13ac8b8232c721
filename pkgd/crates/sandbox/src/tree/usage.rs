//! The room a tree takes.

use super::{Dir, Kind};
use std::io;

/// How deep we look: one descriptor per level is open, and no build tree of a real package is deeper.
const DEPTH: usize = 48;

impl Dir {
    /// The room on disk of everything in this directory down to 48 levels, in bytes. A file with
    /// several names is shared out among them.
    ///
    /// # Errors
    /// Those of `fstatat(2)` and `openat2(2)`; also where somebody changes the tree meanwhile.
    pub fn disk_use(&self) -> io::Result<u64> {
        self.disk_use_below(DEPTH)
    }

    fn disk_use_below(&self, depth: usize) -> io::Result<u64> {
        let mut bytes = 0_u64;
        for entry in self.entries()? {
            let stat = self.stat(&entry.name)?;
            let names = if entry.kind == Kind::Dir { 1 } else { stat.nlink.max(1) };
            bytes = bytes.saturating_add(stat.blocks.saturating_mul(512) / names);
            if entry.kind == Kind::Dir && depth > 0 {
                let below = self.open_dir(&entry.name)?.disk_use_below(depth - 1)?;
                bytes = bytes.saturating_add(below);
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Dir;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn files_count_once_holes_and_what_links_lead_to_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let room = || Dir::open(path).unwrap().disk_use().unwrap();
        let empty = room();
        fs::create_dir(path.join("sub")).unwrap();
        fs::write(path.join("sub/file"), vec![1; 1 << 20]).unwrap();
        fs::File::open(path.join("sub/file")).unwrap().sync_all().unwrap();
        let with_file = room() - empty;
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&with_file), "{with_file}");
        fs::hard_link(path.join("sub/file"), path.join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", path.join("link")).unwrap();
        fs::File::create(path.join("hole")).unwrap().set_len(1 << 30).unwrap();
        assert!(room() - empty < with_file + (64 << 10), "{}", room());
    }

    #[test]
    fn a_tree_deeper_than_anyone_needs_is_no_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", 200).collect();
        fs::create_dir_all(dir.path().join(&deep)).unwrap();
        Dir::open(dir.path()).unwrap().disk_use().unwrap();
    }
}
