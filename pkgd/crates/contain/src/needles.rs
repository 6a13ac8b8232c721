//! The texts that no file may have, and looking for them.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memmem::Finder;

use crate::exceptions::{DEBUG, excuse_at};
use crate::report::Kind;

/// What is read at once, in bytes.
const WINDOW: usize = 1 << 20;
/// Bytes before a text that decide whether a path begins there: `-L/lfs` has two.
const BEFORE: usize = 2;
/// What of a file's text is shown around a finding, in bytes: before and from its start on.
const SHOWN: (usize, usize) = (24, 72);

/// Places of the machine that builds: where a build could have seen them, no output may name them.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Absolute paths of folders, such as the seed's and the store's. One of less than two parts (`/seed`) is passed over: it
    /// may well be the name of something else.
    pub folders: Vec<String>,
}

/// How a text must stand to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A path begins with it.
    AsPath,
    /// Anywhere.
    Anywhere,
}

struct Needle {
    finder: Finder<'static>,
    kind: Kind,
    stands: Stands,
    /// It goes on with anything; else the next byte ends a word.
    open: bool,
}

/// All texts that are looked for.
pub(crate) struct Needles(Vec<Needle>);

/// A text that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// The text with what stands around it.
    pub(crate) what: String,
    /// Why it is no leak, if it is none.
    pub(crate) reason: Option<&'static str>,
}

impl Needles {
    /// The marks of the seed, `places`, and, where `work` is, the paths of the sandbox of a build.
    ///
    /// The seed is Debian for x86-64: its libraries and headers stand in folders of its own, which no other system has,
    /// its compiler is `x86_64-linux-gnu-gcc`, and writes its name into every object file (`.comment`).
    pub(crate) fn new(places: &Places, work: bool) -> Self {
        let mut list = Vec::new();
        let mut add = |text: &str, kind, stands, open| {
            let finder = Finder::new(text.as_bytes()).into_owned();
            list.push(Needle { finder, kind, stands, open });
        };
        for text in ["lib/x86_64-linux-gnu", "include/x86_64-linux-gnu"] {
            add(text, Kind::SeedPath, Stands::Anywhere, false);
        }
        add("GCC: (Debian", Kind::SeedPath, Stands::Anywhere, true);
        add("x86_64-linux-gnu-", Kind::SeedPath, Stands::AsPath, true);
        for folder in places.folders.iter().map(|folder| folder.trim_end_matches('/')) {
            if folder.matches('/').count() > 1 {
                add(folder, Kind::SeedPath, Stands::AsPath, false);
            }
        }
        if work {
            for text in ["/lfs", "/build/src"] {
                add(text, Kind::WorkPath, Stands::AsPath, false);
            }
            // Only with what is in them: these are words of other meanings too.
            for text in ["/sources/", "/recipe/"] {
                add(text, Kind::WorkPath, Stands::AsPath, true);
            }
        }
        Self(list)
    }

    /// Looks through `bytes` of the file `path`; `debug` has the places that only debuggers read. At most one hit for each
    /// text: one that nothing excuses if there is one, however many are excused before it.
    pub(crate) fn search(&self, path: &str, bytes: &[u8], debug: &[Range<u64>]) -> Vec<Hit> {
        let mut seen = Seen::new(self, path);
        seen.look(bytes, 0, 0..bytes.len(), debug);
        seen.hits()
    }

    /// As [`Self::search`] for what `reader` has, `start` being read already. Also returns its length in bytes.
    ///
    /// # Errors
    /// Those of the reader.
    pub(crate) fn stream(
        &self,
        path: &str,
        start: Vec<u8>,
        reader: impl Read,
    ) -> io::Result<(Vec<Hit>, u64)> {
        self.windows(path, start, reader, WINDOW)
    }

    fn windows(
        &self,
        path: &str,
        start: Vec<u8>,
        mut reader: impl Read,
        size: usize,
    ) -> io::Result<(Vec<Hit>, u64)> {
        let longest = self.0.iter().map(|needle| needle.finder.needle().len()).max().unwrap_or(0);
        let keep = longest + BEFORE + SHOWN.0.max(1);
        let mut seen = Seen::new(self, path);
        let (mut window, mut base, mut from) = (start, 0u64, 0usize);
        loop {
            let more = reader.by_ref().take(size as u64).read_to_end(&mut window)?;
            // What begins in the last bytes is looked at once more is known of what follows.
            let to = if more == 0 { window.len() } else { window.len().saturating_sub(keep) };
            seen.look(&window, base, from..to.max(from), &[]);
            if more == 0 {
                return Ok((seen.hits(), base + window.len() as u64));
            }
            let gone = to.saturating_sub(keep);
            window.drain(..gone);
            base += gone as u64;
            from = to.max(from) - gone;
        }
    }
}

/// What was found so far, by text.
struct Seen<'a> {
    needles: &'a [Needle],
    /// The file that is looked through: some are excused.
    path: &'a str,
    found: Vec<Option<Hit>>,
}

impl<'a> Seen<'a> {
    fn new(needles: &'a Needles, path: &'a str) -> Self {
        Self { needles: &needles.0, path, found: vec![None; needles.0.len()] }
    }

    /// Looks for what begins at `starts` of `window`, which stands at `base` of the file.
    fn look(&mut self, window: &[u8], base: u64, starts: Range<usize>, debug: &[Range<u64>]) {
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            if found.as_ref().is_some_and(|hit| hit.reason.is_none()) {
                continue;
            }
            let text = needle.finder.needle();
            let end = (starts.end + text.len()).saturating_sub(1).min(window.len());
            let Some(part) = window.get(starts.start..end) else { continue };
            for at in needle.finder.find_iter(part).map(|at| at + starts.start) {
                let place = base + at as u64;
                let debug = debug.iter().any(|range| range.contains(&place));
                if !needle.fits(window, at) || (debug && found.is_some()) {
                    continue;
                }
                let (what, shown_at) = shown(window, at);
                // Each by itself: what excuses this one says nothing of the next.
                let reason = match debug {
                    true => Some(DEBUG),
                    false => excuse_at(self.path, needle.kind, &what, shown_at),
                };
                let better = found.as_ref().is_none_or(|hit| hit.reason == Some(DEBUG));
                if better || reason.is_none() {
                    *found = Some(Hit { kind: needle.kind, what, reason });
                }
                if reason.is_none() {
                    break;
                }
            }
        }
    }

    fn hits(self) -> Vec<Hit> {
        self.found.into_iter().flatten().collect()
    }
}

impl Needle {
    /// Whether the text at `at` stands as it must.
    fn fits(&self, bytes: &[u8], at: usize) -> bool {
        let (before, after) = (bytes.get(..at), bytes.get(at + self.finder.needle().len()));
        let ends = self.open || after.is_none_or(|byte| !is_word(*byte));
        ends && (self.stands == Stands::Anywhere || begins(before.unwrap_or_default()))
    }
}

/// Whether a path may begin after these bytes. `src/lfs` and `$HOME/lfs` are other paths, `-L/lfs` has an option before it.
fn begins(before: &[u8]) -> bool {
    match before {
        [] => true,
        [.., b'-', letter] if letter.is_ascii_alphabetic() => {
            before.len() < 3 || !is_word(before[before.len() - 3])
        }
        [.., last] => !is_word(*last) && !b"/})%*?".contains(last),
    }
}

/// Whether the byte goes on with a part of a path.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-~+".contains(&byte) || byte >= 0x80
}

/// The printable text around a place, and where in it the place is.
fn shown(bytes: &[u8], at: usize) -> (String, usize) {
    let plain = |byte: &&u8| (b' '..=b'~').contains(*byte);
    let before = bytes.get(..at).unwrap_or_default();
    let before = before.iter().rev().take(SHOWN.0).take_while(plain).count();
    let after = bytes.get(at..).unwrap_or_default();
    let after = after.iter().take(SHOWN.1).take_while(plain).count();
    let text = bytes.get(at - before..at + after).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let begun = text.trim_start();
    (begun.trim_end().to_owned(), before.saturating_sub(text.len() - begun.len()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::ops::Range;

    use super::{DEBUG, Needles, Places, begins};
    use crate::report::Kind;

    fn needles() -> Needles {
        let folders = ["/srv/state/outputs", "/seed"].map(str::to_owned).to_vec();
        Needles::new(&Places { folders }, true)
    }

    fn found(text: &[u8]) -> Vec<Kind> {
        needles().search("", text, &[]).into_iter().map(|hit| hit.kind).collect()
    }

    #[test]
    fn texts_of_the_seed_and_of_the_box_are_found_as_paths_only() {
        for (text, kind) in [
            ("prefix=/usr/lib/x86_64-linux-gnu\n", Kind::SeedPath),
            ("-I/usr/include/x86_64-linux-gnu/c++", Kind::SeedPath),
            ("\0GCC: (Debian 14.2.0-19) 14.2.0\0", Kind::SeedPath),
            ("CC='x86_64-linux-gnu-gcc'", Kind::SeedPath),
            ("see /srv/state/outputs/12/tree", Kind::SeedPath),
            ("--with-sysroot=/lfs", Kind::WorkPath),
            ("/lfs", Kind::WorkPath),
            ("-L/lfs/tools/lib", Kind::WorkPath),
            ("\0/build/src/main.c\0", Kind::WorkPath),
            ("(/sources/zlib)", Kind::WorkPath),
        ] {
            assert_eq!(found(text.as_bytes()), [kind], "{text:?}");
        }
        for text in [
            "https://www.linuxfromscratch.org/lfs/view",
            "/lfsx /lfs-tools /lfs.d",
            "${prefix}/lfs",
            "../build/src",
            "perl/build/src",
            "cpython-313-x86_64-linux-gnu.so",
            "/usr/lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile",
            "/usr/lib/x86_64-linux-gnux",
            "GCC: (GNU) 14.2.0",
            "/seed/of/doubt",
            "L<below|/recipe 3>",
            "my-x86_64-linux-gnu-gcc",
        ] {
            assert_eq!(found(text.as_bytes()), [], "{text:?}");
        }
    }

    #[test]
    fn paths_of_the_box_are_no_matter_in_tools() {
        let needles = Needles::new(&Places::default(), false);
        assert_eq!(needles.search("", b"/lfs /build/src /sources", &[]), []);
        assert_eq!(needles.search("", b"/usr/lib/x86_64-linux-gnu", &[]).len(), 1);
    }

    #[test]
    fn what_stands_among_debug_information_is_told_apart() {
        let text = b"xx /build/src/a.c xx /build/src/b.c";
        let of = |debug: Range<u64>| needles().search("", text, std::slice::from_ref(&debug));
        assert_eq!(of(0..0)[0].reason, None);
        assert_eq!(of(0..50)[0].reason, Some(DEBUG));
        let hits = of(0..10);
        assert_eq!((hits.len(), hits[0].reason), (1, None));
        assert!(hits[0].what.ends_with("/build/src/b.c"), "{}", hits[0].what);
    }

    /// The first hit of a text in a file was kept and then excused: a leak behind it was never seen, and the report said
    /// "contained: yes".
    #[test]
    fn an_excused_hit_hides_no_other() {
        let (path, known) = ("/usr/lib/tcl8/a.tm", "lappend bases /lib/x86_64-linux-gnu\n");
        let reasons = |text: String| {
            let of = |hits: Vec<super::Hit>| hits.iter().map(|hit| hit.reason).collect::<Vec<_>>();
            let needles = needles();
            let whole = of(needles.search(path, text.as_bytes(), &[]));
            let (read, _) = needles.windows(path, Vec::new(), text.as_bytes(), 50).unwrap();
            assert_eq!(of(read), whole);
            whole
        };
        assert!(reasons(known.repeat(9)).iter().all(Option::is_some));
        let leak = "exec /usr/lib/x86_64-linux-gnu/x ";
        // Behind it, before it and in the same breath as it: an excuse is for its own place alone.
        for text in [known.repeat(9) + leak, format!("{leak}\n{known}"), format!("{leak}{known}")] {
            assert_eq!(reasons(text.clone()), [None], "{text}");
        }
        let manual = needles().search("/usr/share/man/x", leak.as_bytes(), &[]);
        assert!(manual[0].reason.is_some());
        // What only debuggers read gives way to any other, excused or not.
        let debug = 0..known.len() as u64;
        let hits = needles().search(path, known.repeat(2).as_bytes(), std::slice::from_ref(&debug));
        assert!(hits[0].reason.is_some_and(|reason| reason != DEBUG));
    }

    #[test]
    fn options_and_quotes_stand_before_paths() {
        for good in ["", "\"", "=", " -L", "-I", ":", "\0", "'", "(", "\n-B"] {
            assert!(begins(good.as_bytes()), "{good:?}");
        }
        for bad in ["a", "/", "..", "x-L", "}", "é", "9"] {
            assert!(!begins(bad.as_bytes()), "{bad:?}");
        }
    }

    /// At every place around the ends of windows.
    #[test]
    fn windows_hide_nothing() {
        let (text, needles) = (b" /srv/state/outputs/x ", needles());
        for size in [1, 50, 200] {
            for at in 0..700 {
                let mut bytes = vec![b'.'; at];
                bytes.extend(text);
                bytes.extend(vec![b'.'; at % 7]);
                let start = bytes[..bytes.len().min(3)].to_vec();
                let rest = Cursor::new(&bytes[start.len()..]);
                let (hits, length) = needles.windows("", start, rest, size).unwrap();
                assert_eq!(length, bytes.len() as u64);
                assert_eq!((hits.len(), hits[0].kind), (1, Kind::SeedPath), "{size} {at}");
            }
        }
    }
}
