//! Where a root says that its libraries are: `etc/ld.so.conf`, in the words of ldconfig(8).

use std::ffi::OsStr;
use std::io::Read as _;

use minos_sandbox::tree::Dir;

/// The file that ldconfig reads.
const CONF: &str = "etc/ld.so.conf";
/// How much of a file is read, in bytes: those that are there have a line or two.
const MAX_CONF: u64 = 64 << 10;
/// How many files are read, so that ones that include each other come to an end.
const MAX_FILES: usize = 256;

/// The folders named in `etc/ld.so.conf` and what it includes, relative to the root. Links are not followed; what
/// cannot be read names nothing.
pub fn folders(root: &Dir) -> Vec<String> {
    let mut folders = Vec::new();
    let mut files = vec![CONF.to_owned()];
    let mut next = 0;
    while let Some(file) = files.get(next).filter(|_| next < MAX_FILES) {
        let text = text(root, file);
        next += 1;
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let mut words = line.split([' ', '\t', ':', ',']).filter(|word| !word.is_empty());
            match words.clone().next() {
                Some("include") => {
                    let more = words.skip(1).flat_map(|pattern| matches(root, pattern));
                    let more: Vec<_> = more.filter(|file| !files.contains(file)).collect();
                    files.extend(more);
                }
                Some("hwcap") | None => {}
                Some(_) => folders.extend(words.by_ref().filter_map(folder)),
            }
        }
    }
    folders
}

/// A folder's path without `=TYPE` and the slashes around it; nothing for the root itself.
fn folder(word: &str) -> Option<String> {
    let path = word.split('=').next()?.strip_prefix('/')?.trim_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}

fn text(root: &Dir, path: &str) -> String {
    let mut bytes = Vec::new();
    if let Some((folder, name)) = path.rsplit_once('/')
        && let Ok(folder) = root.open_dir(folder)
        && let Ok(file) = folder.open_file(OsStr::new(name))
        && file.take(MAX_CONF).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The files of the root that a pattern names, sorted: its last part may have `*`. One that is not absolute is
/// relative to the file that includes it, which means to `/etc` for all that are found this way.
fn matches(root: &Dir, pattern: &str) -> Vec<String> {
    let pattern = pattern.strip_prefix('/').map_or_else(|| format!("etc/{pattern}"), str::to_owned);
    let Some((folder, name)) = pattern.rsplit_once('/') else { return Vec::new() };
    let entries = root.open_dir(folder).and_then(|dir| dir.entries()).unwrap_or_default();
    let names = entries.into_iter().filter_map(|entry| entry.name.into_string().ok());
    // As a shell's, a star does not stand for a dot in front.
    let fits = |n: &String| n.starts_with('.') == name.starts_with('.') && is_like(n, name);
    let mut found: Vec<_> = names.filter(fits).map(|name| format!("{folder}/{name}")).collect();
    found.sort_unstable();
    found
}

/// Whether `name` is as `pattern`, in which `*` stands for anything.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let Some((middle, end)) = rest.rsplit_once('*') else {
        return left.ends_with(rest);
    };
    for part in middle.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use minos_sandbox::tree::Dir;

    use super::{folders, is_like};

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

    #[test]
    fn stars_stand_for_anything() {
        for (name, pattern) in [
            ("a.conf", "*.conf"),
            ("a.conf", "a*"),
            ("a.conf", "a.conf"),
            ("xaybz", "*a*b*"),
            ("ab", "a*b"),
        ] {
            assert!(is_like(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in
            [("a.cfg", "*.conf"), ("a", "b"), ("ba", "a*"), ("xbya", "*a*b*"), ("a", "a*a")]
        {
            assert!(!is_like(name, pattern), "{name} {pattern}");
        }
    }
}
