//! Where a root says that its libraries are.

use std::ffi::OsStr;
use std::io::Read as _;

use minos_package::{Files, library_folders};
use minos_sandbox::tree::Dir;

/// How much of a file is read, in bytes: those that are there have a line or two.
const MAX_CONF: u64 = 64 << 10;

/// The folders named in `etc/ld.so.conf` and what it includes, relative to the root. Links are not followed.
pub fn folders(root: &Dir) -> Vec<String> {
    library_folders(&Root(root))
}

/// The beginning of a small text file; empty where there is none. Links are not followed.
pub fn text(root: &Dir, path: &str) -> String {
    Root(root).text(path)
}

/// A root whose links are not followed.
struct Root<'a>(&'a Dir);

impl Files for Root<'_> {
    fn text(&self, path: &str) -> String {
        let mut bytes = Vec::new();
        if let Some((folder, name)) = path.rsplit_once('/')
            && let Ok(folder) = self.0.open_dir(folder)
            && let Ok(file) = folder.open_file(OsStr::new(name))
            && file.take(MAX_CONF).read_to_end(&mut bytes).is_err()
        {
            bytes.clear();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.0.open_dir(folder).and_then(|dir| dir.entries()).unwrap_or_default();
        entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use minos_sandbox::tree::Dir;

    use super::folders;

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/ld.so.conf.d")).unwrap();
        for (name, text) in files {
            fs::write(root.path().join("etc").join(name), text).unwrap();
        }
        folders(&Dir::open(root.path()).unwrap())
    }

    #[test]
    fn folders_are_found_in_all_that_is_included() {
        let list = of(&[
            (
                "ld.so.conf",
                "# /no\n/usr/local/lib /opt/a:/opt/b,/opt/c=libc6\ninclude ld.so.conf.d/*.conf\n",
            ),
            ("ld.so.conf.d/x.conf", "/opt/x/lib/ # comment\n\nhwcap 0 nosegneg\n"),
            ("ld.so.conf.d/a.conf", "/opt/y\nrelative\n/\ninclude /etc/more\n"),
            ("ld.so.conf.d/.hidden.conf", "/opt/hidden\n"),
            ("ld.so.conf.d/readme", "/opt/readme\n"),
            ("more", "/opt/more\n"),
        ]);
        let expected =
            ["usr/local/lib", "opt/a", "opt/b", "opt/c", "opt/y", "opt/x/lib", "opt/more"];
        assert_eq!(list, expected);
        assert_eq!(of(&[]), Vec::<String>::new());
    }

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let list = of(&[
            ("ld.so.conf", "/opt/a\ninclude ld.so.conf\ninclude b\n"),
            ("b", "include ld.so.conf\n"),
        ]);
        assert_eq!(list, ["opt/a"]);
    }

    #[test]
    fn no_link_leads_to_a_file_elsewhere() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(other.path().join("conf"), "/opt/a\n").unwrap();
        symlink(other.path().join("conf"), root.path().join("etc/ld.so.conf")).unwrap();
        assert_eq!(folders(&Dir::open(root.path()).unwrap()), Vec::<String>::new());
    }
}
