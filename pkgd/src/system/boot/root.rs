//! Looking into a root as its own programs will see it: links lead to where they lead inside of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// A root that is put together.
pub struct Root {
    dir: OwnedFd,
    /// Where it stands, without links.
    at: PathBuf,
}

impl Root {
    /// The root at `path`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let at = path.canonicalize()?;
        Ok(Self { dir: File::open(&at)?.into(), at })
    }

    /// Opens a path as a program in this root would. Nothing outside can be reached, whatever links say.
    ///
    /// # Errors
    /// As for `open(2)`.
    fn file(&self, path: &str, flags: OFlag) -> io::Result<File> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        Ok(openat2(self.dir.as_fd(), path, how)?.into())
    }

    /// The regular file at `path` with the path that it has without links, absolute in this root.
    ///
    /// # Errors
    /// As for `open(2)`; something else stands there.
    pub fn regular(&self, path: &str) -> io::Result<(File, String)> {
        // Not by opening it at once: a device or a pipe may do anything then.
        let found = self.file(path, OFlag::O_PATH)?;
        if !found.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let real = std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
        let inside = real.strip_prefix(&self.at).map_err(io::Error::other)?;
        let real = format!("/{}", inside.to_string_lossy());
        Ok((self.file(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?, real))
    }

    /// At most `limit` bytes of a regular file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is longer.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.regular(path) {
            Ok((file, _)) => file,
            Err(e) if is_absent(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("it is longer than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The names in a folder, sorted; none where there is no folder. Names that are not UTF-8 are passed over.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let dir = match self.file(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(dir) => dir,
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let list = std::fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
        let names: io::Result<Vec<_>> = list.map(|entry| Ok(entry?.file_name())).collect();
        let mut names: Vec<String> =
            names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// What stands at a path, links not followed.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn standing(&self, path: &str) -> io::Result<Option<std::fs::Metadata>> {
        match self.file(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
            Ok(found) => found.metadata().map(Some),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Nothing is there, or nothing can be.
pub fn is_absent(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{Root, is_absent};

    #[test]
    fn links_lead_where_they_lead_inside_and_never_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::create_dir_all(at.join("usr/bin")).unwrap();
        fs::write(at.join("usr/bin/tool"), "inside").unwrap();
        symlink("usr/bin", at.join("bin")).unwrap();
        symlink("/bin/tool", at.join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", at.join("usr/bin/out")).unwrap();
        symlink("loop", at.join("loop")).unwrap();
        let root = Root::open(at).unwrap();
        for path in ["/bin/tool", "/absolute", "usr/bin/../bin/tool"] {
            assert_eq!(root.regular(path).unwrap().1, "/usr/bin/tool", "{path}");
            assert_eq!(root.read(path, 10).unwrap().unwrap(), b"inside");
        }
        for path in ["/usr/bin/out", "/loop", "/bin/tool/below", "/nothing"] {
            assert!(is_absent(&root.regular(path).unwrap_err()), "{path}");
            assert_eq!(root.read(path, 10).unwrap(), None, "{path}");
        }
        assert!(!is_absent(&root.regular("/usr").unwrap_err()), "a folder is there and no file");
        assert!(root.read("/bin/tool", 5).is_err(), "too long");
        assert_eq!(root.names("/bin").unwrap(), ["out", "tool"]);
        assert!(root.names("/none").unwrap().is_empty());
        assert!(root.standing("bin").unwrap().unwrap().is_symlink());
    }
}
