//! Where a system says that its libraries are: `/etc/ld.so.conf`, in the words of ldconfig(8).

/// The file that ldconfig reads.
const CONF: &str = "etc/ld.so.conf";
/// How many files are read, so that ones that include each other come to an end.
const MAX_FILES: usize = 256;

/// The files of a system. Paths are relative to its root.
pub trait Files {
    /// The text of a file; nothing where it cannot be read. How much of it is read is up to who reads.
    fn text(&self, path: &str) -> String;
    /// The names in a folder, in any order; none where it cannot be read.
    fn names(&self, folder: &str) -> Vec<String>;
}

/// The folders named in `/etc/ld.so.conf` and what it includes, relative to the root. What cannot be read names nothing.
pub fn library_folders(system: &dyn Files) -> Vec<String> {
    let mut folders = Vec::new();
    let mut files = vec![CONF.to_owned()];
    let mut next = 0;
    while let Some(file) = files.get(next).filter(|_| next < MAX_FILES) {
        let text = system.text(file);
        next += 1;
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let mut words = line.split([' ', '\t', ':', ',']).filter(|word| !word.is_empty());
            match words.clone().next() {
                Some("include") => {
                    let more = words.skip(1).flat_map(|pattern| matches(system, pattern));
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

/// The files of the system that a pattern names, sorted: its last part may have `*`. One that is not absolute is
/// relative to the file that includes it, which means to `/etc` for all that are found this way.
fn matches(system: &dyn Files, pattern: &str) -> Vec<String> {
    let pattern = pattern.strip_prefix('/').map_or_else(|| format!("etc/{pattern}"), str::to_owned);
    let Some((folder, name)) = pattern.rsplit_once('/') else { return Vec::new() };
    // As a shell's, a star does not stand for a dot in front.
    let fits = |n: &String| n.starts_with('.') == name.starts_with('.') && is_like(n, name);
    let names = system.names(folder).into_iter().filter(fits);
    let mut found: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
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
    use super::is_like;

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
