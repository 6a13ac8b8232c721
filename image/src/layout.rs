//! Where things are: the source tree, its output folder, and the cache.

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::{Error, Result};

/// A file that only the top of the MinOS tree has.
const MARK: &str = "kernel-config/base.config";

/// The folders a run works with.
#[derive(Debug, Clone)]
pub struct Layout {
    tree: PathBuf,
    out: PathBuf,
    cache: Cache,
}

impl Layout {
    /// A layout from explicit folders.
    pub fn new(tree: PathBuf, out: PathBuf, cache: Cache) -> Self {
        Layout { tree, out, cache }
    }

    /// Finds the top of the tree from `start` upwards; output goes to `out/` there.
    pub fn find(start: &Path, cache: Cache) -> Result<Self> {
        let tree = start.ancestors().find(|dir| dir.join(MARK).is_file());
        let Some(tree) = tree else {
            return Err(Error::Missing {
                what: "the MinOS source tree".to_owned(),
                path: start.join(MARK),
                next: "run inside the tree, or name it with --tree DIR".to_owned(),
            });
        };
        Ok(Layout { tree: tree.to_path_buf(), out: tree.join("out"), cache })
    }

    /// The same, with another output folder.
    pub fn with_out(self, out: PathBuf) -> Self {
        Layout { out, ..self }
    }

    /// A file of the source tree.
    pub fn tree(&self, relative: &str) -> PathBuf {
        self.tree.join(relative)
    }

    /// A file of the output folder.
    pub fn out(&self, relative: &str) -> PathBuf {
        self.out.join(relative)
    }

    /// The log of a long command, in the output folder.
    pub fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_from_below_and_missed_outside() -> Result<()> {
        let dir = tempfile::tempdir().map_err(Error::io("create", "tempdir"))?;
        let cache = Cache::new(dir.path().join("cache"));
        let deep = dir.path().join("tree/a/b");
        std::fs::create_dir_all(&deep).map_err(Error::io("create", &deep))?;
        assert!(matches!(Layout::find(&deep, cache.clone()), Err(Error::Missing { .. })));
        let mark = dir.path().join("tree").join(MARK);
        std::fs::create_dir_all(dir.path().join("tree/kernel-config"))
            .and_then(|()| std::fs::write(&mark, ""))
            .map_err(Error::io("write", &mark))?;
        let layout = Layout::find(&deep, cache)?;
        assert_eq!(layout.out("x"), dir.path().join("tree/out/x"));
        Ok(())
    }
}
