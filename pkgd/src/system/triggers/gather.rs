//! What a trigger left in the upper layer of its box.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use minos_sandbox::tree::{Dir, Kind, Stat};
use minos_store::fs::Attributes;
use minos_store::{Made, MadeNode};

use super::table::Call;

/// The largest file that a trigger may make, in bytes; it is held in memory on its way into the store.
pub const MAX_FILE: u64 = 64 << 20;
/// The most bytes in all files of a trigger together: they are in memory at the same time.
const MAX_BYTES: u64 = 256 << 20;
/// How many files and folders a trigger may leave.
const MAX_MADE: usize = 10_000;
/// How deep a trigger may nest folders.
const MAX_DEPTH: usize = 32;

/// Attributes that overlayfs leaves.
const OVERLAY: &[u8] = b"user.overlay.";

/// Lists what is in `upper`, folders before what is in them.
///
/// # Errors
/// Something that `call` may not write, or that no generation can hold; I/O. In words.
pub fn gather(call: &Call, lower: &Dir, upper: &Dir) -> Result<Vec<Made>, String> {
    let mut walk = Walk { call, lower, made: Vec::new(), bytes: 0 };
    walk.folder(upper, &[], 0, false)?;
    Ok(walk.made)
}

struct Walk<'a> {
    call: &'a Call,
    lower: &'a Dir,
    made: Vec<Made>,
    /// Of all files so far.
    bytes: u64,
}

impl Walk<'_> {
    /// What is in a folder. One that was `replaced` has in it nothing of the one that the root has.
    fn folder(&mut self, dir: &Dir, at: &[u8], depth: usize, replaced: bool) -> Result<(), String> {
        for entry in dir.entries().map_err(|e| on(at, &e))? {
            if depth > MAX_DEPTH || self.made.len() >= MAX_MADE {
                return Err("it made more files, or deeper folders, than a trigger may".to_owned());
            }
            let path = join(at, entry.name.as_bytes());
            let stat = dir.stat(&entry.name).map_err(|e| on(&path, &e))?;
            if stat.kind == Kind::Dir {
                self.directory(dir, (&entry.name, &stat), path, depth, replaced)?;
            } else if self.call.may_write(&path) {
                self.count(&stat)?;
                self.gone(&path, &BTreeSet::new(), depth)?;
                let node = node(dir, &entry.name, &stat).map_err(|e| on(&path, &e))?;
                self.made.push(Made { path, node });
            } else {
                return Err(outside(&path));
            }
        }
        Ok(())
    }

    /// Adds a file to the bytes that are held, before it is read.
    fn count(&mut self, stat: &Stat) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(stat.size);
        if self.bytes > MAX_BYTES {
            return Err(format!("it made files of more than {} MiB together", MAX_BYTES >> 20));
        }
        Ok(())
    }

    /// A folder: one that the root has too is there because of what is in it, or because it was removed and made anew.
    fn directory(
        &mut self,
        dir: &Dir,
        (name, stat): (&OsStr, &Stat),
        path: Vec<u8>,
        depth: usize,
        replaced: bool,
    ) -> Result<(), String> {
        let below = dir.open_dir(name).map_err(|e| on(&path, &e))?;
        let known = self.lower.has_dir(OsStr::from_bytes(&path)).map_err(|e| on(&path, &e))?;
        let (may, leads) = (self.call.may_write(&path), self.call.leads_to(&path));
        let replaced = known && (replaced || is_opaque(dir, name).map_err(|e| on(&path, &e))?);
        if replaced && !may {
            return Err(format!("it replaced the folder /{}", path.escape_ascii()));
        }
        let place = self.made.len();
        if replaced {
            let names = below.entries().map_err(|e| on(&path, &e))?.into_iter();
            self.gone(&path, &names.map(|entry| entry.name).collect(), depth)?;
        }
        self.folder(&below, &path, depth + 1, replaced)?;
        let filled = self.made.len() > place;
        if replaced || (!known && (may || (leads && filled))) {
            let attributes = attributes(dir, name, stat).map_err(|e| on(&path, &e))?;
            self.made.insert(place, Made { path, node: MadeNode::Directory(attributes) });
        } else if !known && !leads {
            return Err(outside(&path));
        }
        Ok(())
    }

    /// Tells of all that the root has in the folder `path`, if it has one there, and that `left` does not name: what is
    /// in a folder goes before the folder, since a generation has a row for each.
    fn gone(&mut self, path: &[u8], left: &BTreeSet<OsString>, depth: usize) -> Result<(), String> {
        let error = |e: io::Error| on(path, &e);
        let folder = OsStr::from_bytes(path);
        if !self.lower.has_dir(folder).map_err(error)? {
            return Ok(());
        }
        for entry in self.lower.open_dir(folder).and_then(|dir| dir.entries()).map_err(error)? {
            if depth > MAX_DEPTH || self.made.len() >= MAX_MADE {
                return Err(
                    "it removed more files, or deeper folders, than a trigger may".to_owned()
                );
            }
            if !left.contains(&entry.name) {
                let path = join(path, entry.name.as_bytes());
                self.gone(&path, &BTreeSet::new(), depth + 1)?;
                self.made.push(Made { path, node: MadeNode::Removed });
            }
        }
        Ok(())
    }
}

fn node(dir: &Dir, name: &OsStr, stat: &Stat) -> io::Result<MadeNode> {
    if stat.is_whiteout() {
        return Ok(MadeNode::Removed);
    }
    match stat.kind {
        Kind::Link => Ok(MadeNode::Symlink { target: dir.read_link(name)?.into_vec() }),
        Kind::File if stat.size <= MAX_FILE => {
            let mut content = Vec::new();
            dir.open_file(name)?.take(MAX_FILE).read_to_end(&mut content)?;
            Ok(MadeNode::File { attributes: attributes(dir, name, stat)?, content })
        }
        Kind::File => Err(io::Error::other("it is longer than a trigger may make a file")),
        _ => Err(io::Error::other("it is neither a file nor a folder nor a link")),
    }
}

fn attributes(dir: &Dir, name: &OsStr, stat: &Stat) -> io::Result<Attributes> {
    let mut xattrs = Vec::new();
    for attribute in dir.xattr_names(name)? {
        if attribute.as_bytes().starts_with(OVERLAY) {
            continue;
        }
        let value = dir.xattr(name, &attribute)?;
        let text = attribute.into_string().map_err(|_| io::Error::other("an attribute's name"))?;
        xattrs.push((text, value));
    }
    let mode = u16::try_from(stat.mode & 0o7777).unwrap_or_default();
    Ok(Attributes { mode, uid: stat.uid, gid: stat.gid, xattrs })
}

fn is_opaque(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    Ok(dir.xattr_names(name)?.iter().any(|attribute| attribute == "user.overlay.opaque"))
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn on(path: &[u8], error: &io::Error) -> String {
    format!("what it left at /{}: {error}", path.escape_ascii())
}

fn outside(path: &[u8]) -> String {
    format!("it wrote /{}, which it may not", path.escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use minos_sandbox::tree::Dir;
    use minos_store::{Made, MadeNode};
    use nix::sys::stat::{Mode, SFlag, mknod};

    use super::super::table::Call;
    use super::gather;

    /// What is gathered if a program that may write in `var/cache/fonts` left `make` on a root that has `/etc`.
    fn gathered(make: impl FnOnce(&Path)) -> Result<Vec<Made>, String> {
        let (lower, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(lower.path().join("etc")).unwrap();
        make(upper.path());
        let open = |dir: &tempfile::TempDir| Dir::open(dir.path()).unwrap();
        gather(&call(), &open(&lower), &open(&upper))
    }

    fn call() -> Call {
        Call {
            name: "fc-cache",
            orders: Vec::new(),
            folder: "var/cache/fonts".to_owned(),
            writes: &["*"],
        }
    }

    /// Makes the folder in which it may write.
    fn folder(upper: &Path) -> std::path::PathBuf {
        let folder = upper.join("var/cache/fonts");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let made = gathered(|upper| {
            fs::create_dir(upper.join("etc")).unwrap();
            fs::write(folder(upper).join("a"), "bytes").unwrap();
            symlink("a", folder(upper).join("b")).unwrap();
        });
        let made = made.unwrap();
        let paths: Vec<_> = made.iter().map(|made| str::from_utf8(&made.path).unwrap()).collect();
        let fonts = "var/cache/fonts";
        assert_eq!(paths, ["var", "var/cache", fonts, "var/cache/fonts/a", "var/cache/fonts/b"]);
        assert!(matches!(&made[3].node, MadeNode::File { content, .. } if content == b"bytes"));
    }

    #[test]
    fn a_deletion_is_told() {
        let made = gathered(|upper| {
            let mark = folder(upper).join("gone");
            mknod(&mark, SFlag::S_IFCHR, Mode::empty(), 0).expect("run this as root");
        });
        assert_eq!(made.unwrap().pop().unwrap().node, MadeNode::Removed);
    }

    /// mandb makes folders for formatted pages. They were in the root when it ran anew, and the change was refused.
    #[test]
    fn a_folder_made_anew_has_nothing_of_the_one_before() {
        let (lower, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in ["cat1/deep/old", "cat1/kept/old", "cat2/old", "cat3/old"] {
            let path = lower.path().join("var/cache/fonts").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let folder = folder(upper.path());
        fs::create_dir_all(folder.join("cat1/kept")).unwrap();
        fs::write(folder.join("cat1/kept/new"), "").unwrap();
        fs::write(folder.join("cat2"), "now a file").unwrap();
        mknod(&folder.join("cat3"), SFlag::S_IFCHR, Mode::empty(), 0).expect("run this as root");
        let open = |dir: &tempfile::TempDir| Dir::open(dir.path()).unwrap();
        open(&upper)
            .open_dir("var/cache/fonts")
            .and_then(|dir| dir.set_xattr("cat1".as_ref(), "user.overlay.opaque".as_ref(), b"y"))
            .unwrap();
        let made = gather(&call(), &open(&lower), &open(&upper)).unwrap();
        let mut told: Vec<String> = Vec::new();
        for Made { path, node } in &made {
            let path = str::from_utf8(path).unwrap().strip_prefix("var/cache/fonts/").unwrap();
            let sign = if *node == MadeNode::Removed { '-' } else { '+' };
            told.push(format!("{sign}{path}"));
        }
        let at = |what: &str| told.iter().position(|said| said == what).expect(what);
        assert!(
            at("-cat1/deep/old") < at("-cat1/deep") && at("+cat1") < at("+cat1/kept/new"),
            "{told:?}"
        );
        assert!(at("-cat2/old") < at("+cat2") && at("-cat3/old") < at("-cat3"), "{told:?}");
        assert!(at("-cat1/kept/old") > at("+cat1/kept"), "{told:?}");
        assert_eq!(told.len(), 10, "{told:?}");
        // What it may not write it may not make anew either.
        open(&upper)
            .open_dir("var")
            .and_then(|dir| dir.set_xattr("cache".as_ref(), "user.overlay.opaque".as_ref(), b"y"))
            .unwrap();
        let error = gather(&call(), &open(&lower), &open(&upper)).unwrap_err();
        assert!(error.contains("replaced the folder /var/cache"), "{error}");
    }

    #[test]
    fn a_folder_in_which_nothing_was_made_is_not_told() {
        assert_eq!(gathered(|upper| drop(folder(upper))).unwrap(), []);
    }

    #[test]
    fn anything_else_is_refused_by_its_path() {
        let file = gathered(|upper| {
            fs::create_dir(upper.join("etc")).unwrap();
            fs::write(upper.join("etc/passwd"), "").unwrap();
        });
        assert!(file.unwrap_err().contains("/etc/passwd"));
        let empty = gathered(|upper| fs::create_dir(upper.join("opt")).unwrap());
        assert!(empty.unwrap_err().contains("/opt"));
        let pipe = gathered(|upper| {
            nix::unistd::mkfifo(&folder(upper).join("pipe"), Mode::S_IRWXU).unwrap();
        });
        assert!(pipe.unwrap_err().contains("/var/cache/fonts/pipe"));
        let long = gathered(|upper| {
            let file = fs::File::create(folder(upper).join("long")).unwrap();
            file.set_len(super::MAX_FILE + 1).unwrap();
        });
        assert!(long.unwrap_err().contains("longer"));
        let deep = gathered(|upper| {
            fs::create_dir_all(folder(upper).join("d/".repeat(super::MAX_DEPTH))).unwrap();
        });
        assert!(deep.unwrap_err().contains("deeper"));
    }

    /// The bound was only looked at when a folder was entered: one flat folder had as many files as it liked. And
    /// each file had a bound of its own, but not all of them together.
    #[test]
    fn what_is_held_in_memory_is_bounded() {
        let many = gathered(|upper| {
            let folder = folder(upper);
            (0..=super::MAX_MADE)
                .for_each(|n| drop(fs::File::create(folder.join(n.to_string())).unwrap()));
        });
        assert!(many.unwrap_err().contains("more files"));
        let large = gathered(|upper| {
            for n in 0..=super::MAX_BYTES / super::MAX_FILE {
                let file = fs::File::create(folder(upper).join(n.to_string())).unwrap();
                file.set_len(super::MAX_FILE).unwrap();
            }
        });
        assert!(large.unwrap_err().contains("256 MiB together"));
    }
}
