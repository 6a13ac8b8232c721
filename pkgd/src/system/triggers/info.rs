//! The manuals of GNU info that belong into their index, `usr/share/info/dir`.

use std::ffi::OsStr;

use minos_sandbox::tree::{Dir, Kind};

/// The folder of manuals.
const FOLDER: &str = "usr/share/info";
/// Ends of names that a manual may have when it is compressed.
const COMPRESSED: [&str; 6] = ["", ".gz", ".bz2", ".xz", ".zst", ".lzma"];

/// The files of all manuals in `root`, absolute, in the order of their names. A manual in parts counts by its first
/// file, which tells the others. Names that are no UTF-8 are passed over: arguments are text.
pub fn manuals(root: &Dir) -> Vec<String> {
    let Ok(folder) = root.open_dir(FOLDER) else { return Vec::new() };
    let names = folder.entries().unwrap_or_default().into_iter();
    let names = names.filter_map(|entry| entry.name.into_string().ok());
    let mut names: Vec<_> = names.filter(|name| is_manual(name)).collect();
    let is_file = |name: &str| folder.stat(OsStr::new(name)).is_ok_and(|s| s.kind == Kind::File);
    names.retain(|name| is_file(name));
    names.sort_unstable();
    names.iter().map(|name| format!("/{FOLDER}/{name}")).collect()
}

/// `NAME.info` or that compressed; not `NAME.info-2`, which is a part.
fn is_manual(name: &str) -> bool {
    COMPRESSED.iter().any(|end| name.strip_suffix(end).is_some_and(|name| name.ends_with(".info")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use minos_sandbox::tree::Dir;

    use super::manuals;

    #[test]
    fn manuals_count_once_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        let open = || Dir::open(root.path()).unwrap();
        assert_eq!(manuals(&open()), Vec::<String>::new());
        let folder = root.path().join("usr/share/info");
        fs::create_dir_all(folder.join("folder.info")).unwrap();
        for name in ["b.info", "a.info.gz", "a.info-1.gz", "b.info-2", "dir", "picture.png"] {
            fs::write(folder.join(name), "").unwrap();
        }
        symlink("/etc/passwd", folder.join("link.info")).unwrap();
        assert_eq!(manuals(&open()), ["/usr/share/info/a.info.gz", "/usr/share/info/b.info"]);
    }
}
