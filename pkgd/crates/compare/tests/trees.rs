//! Whole trees, and files as the tools write them.

use std::fs;
use std::path::Path;
use std::process::Command;

use minos_compare::{CompareError, Kind, Report, Side, compare, look};
use minos_model::{Digest, Entry, Kind as Thing, Manifest, Xattr};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};

/// A tree and its manifest.
struct Tree {
    dir: tempfile::TempDir,
    entries: Vec<Entry>,
}

impl Tree {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), entries: Vec::new() }
    }

    fn add(mut self, path: &str, kind: Thing) -> Self {
        let (mode, xattrs) = (0o644, Vec::new());
        self.entries.push(Entry { path: path.into(), mode, uid: 0, gid: 0, kind, xattrs });
        self
    }

    fn file(self, path: &str, bytes: &[u8]) -> Self {
        let place = self.dir.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
        self.add(path, Thing::File { size: bytes.len() as u64, digest: Digest::of(bytes) })
    }

    fn last(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        change(self.entries.last_mut().unwrap());
        self
    }

    fn try_against(&self, other: &Self) -> Result<Report, CompareError> {
        let [one, two] = [self, other].map(|tree| Manifest::new(tree.entries.clone()));
        let first = Side { tree: self.dir.path(), manifest: &one };
        compare(first, Side { tree: other.dir.path(), manifest: &two })
    }

    fn against(&self, other: &Self) -> Report {
        self.try_against(other).unwrap()
    }
}

fn told(report: &Report) -> Vec<(&str, Kind, &str)> {
    report.differences.iter().map(|d| (&*d.path, d.kind, &*d.what)).collect()
}

#[test]
fn every_kind_of_difference_of_a_path() {
    let link = |target: &str| Thing::Symlink { target: target.into() };
    let hard = |to: &str| Thing::Hardlink { to: to.into() };
    let first = Tree::new()
        .file("a/gone", b"x")
        .file("b", b"same")
        .file("c", b"same")
        .add("d", link("one"))
        .file("e", b"e")
        .add("f", hard("e"))
        .add("g", Thing::Directory)
        .file("h", b"one\n")
        .file("i", b"");
    let second = Tree::new()
        .file("b", b"same")
        .last(|entry| entry.mode = 0o755)
        .file("c", b"same")
        .last(|entry| (entry.uid, entry.gid) = (3, 4))
        .add("d", link("two"))
        .file("e", b"e")
        .file("f", b"e")
        .file("g", b"")
        .file("h", b"two\n")
        .last(|entry| entry.mode = 0o600)
        .file("i", b"")
        .last(|entry| entry.xattrs.push(Xattr { name: b"user.x".to_vec(), value: vec![] }))
        .add("z", Thing::Whiteout);
    let report = first.against(&second);
    let want = [
        ("a/gone", Kind::OnlyFirst, "a file"),
        ("b", Kind::Mode, "644, then 755"),
        ("c", Kind::Owner, "0:0, then 3:4"),
        ("d", Kind::Link, "to one, then to two"),
        ("f", Kind::Link, "a hard link of e, then a file of its own"),
        ("g", Kind::Type, "a directory, then a file"),
        ("h", Kind::Text, r#"line 1: "one", then "two""#),
        ("h", Kind::Mode, "644, then 600"),
        ("i", Kind::Attribute, "user.x"),
        ("z", Kind::OnlySecond, "a deletion"),
    ];
    assert_eq!(told(&report), want);
    assert_eq!(report.files, 9);
    assert!(second.against(&second).is_equal());
}

/// A script may put a link where its manifest, taken a moment ago, has a directory.
#[test]
fn no_link_is_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "secret").unwrap();
    let first = Tree::new().file("dir/file", b"a");
    let second = Tree::new().file("dir/file", b"b");
    fs::remove_dir_all(second.dir.path().join("dir")).unwrap();
    std::os::unix::fs::symlink(outside.path(), second.dir.path().join("dir")).unwrap();
    let error = first.try_against(&second);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("dir/file"), "{error}");
}

/// A program of the machine; the tests that need one fail where it is missing.
fn run(dir: &Path, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(dir).status();
    assert!(done.unwrap_or_else(|e| panic!("{program}: {e}")).success(), "{program} {arguments:?}");
}

fn built(source: &str, arguments: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.c"), source).unwrap();
    run(dir.path(), "cc", &[&["x.c", "-o", "out"], arguments].concat());
    fs::read(dir.path().join("out")).unwrap()
}

#[test]
fn programs_differ_by_sections() {
    let source = "int main(void) { return 1; }\n";
    let plain = built(source, &["-Wl,--build-id=0x1111"]);
    let id = look(b"p", &plain, &built(source, &["-Wl,--build-id=0x2222"]));
    assert_eq!((id.kind, &*id.what), (Kind::ElfBuildId, "section .note.gnu.build-id"));
    let debug = |text: &str| built(text, &["-g", "-Wl,--build-id=0x1111"]);
    let moved = format!("\n{source}");
    let lines = look(b"p", &debug(source), &debug(&moved));
    assert_eq!(lines.kind, Kind::ElfDebug, "{}", lines.what);
    assert!(
        lines.what.contains(".debug_info") || lines.what.contains(".debug_line"),
        "{}",
        lines.what
    );
    let code =
        look(b"p", &plain, &built("int main(void) { return 2; }\n", &["-Wl,--build-id=0x1111"]));
    assert_eq!((code.kind, &*code.what), (Kind::Elf, "section .text"));
    let more = look(b"p", &plain, &debug(source));
    assert!(more.what.contains(".debug_info (only in the second)"), "{}", more.what);
}

#[test]
fn archives_of_objects_differ_by_members() {
    let object = |value: u32| built(&format!("int f(void) {{ return {value}; }}\n"), &["-c"]);
    let archive = |value: u32, flags: &str, time: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f.o"), object(value)).unwrap();
        run(dir.path(), "touch", &["-d", time, "f.o"]);
        run(dir.path(), "ar", &[flags, "lib.a", "f.o"]);
        fs::read(dir.path().join("lib.a")).unwrap()
    };
    let found =
        look(b"lib.a", &archive(1, "rcSU", "@1000000000"), &archive(1, "rcSU", "@1000000060"));
    assert_eq!(found.kind, Kind::Archive);
    assert!(found.what.contains("time of f.o: 1000000000, then 1000000060"), "{}", found.what);
    let found = look(b"lib.a", &archive(1, "rcD", "@0"), &archive(2, "rcD", "@0"));
    assert_eq!(found.what, "content of f.o (section .text)");
}

/// One of the formats, then broken in some way.
fn seeds() -> Vec<Vec<u8>> {
    let program = fs::read("/proc/self/exe").unwrap();
    let head = |time: u32| format!("{:<16}{time:<12}0     0     644     {:<10}`\n", "a.o/", 4);
    vec![
        built("int main(void) { return 1; }\n", &[]),
        program[..4096.min(program.len())].to_vec(),
        format!("!<arch>\n{}data{}more", head(1), head(2)).into_bytes(),
        b"\x1f\x8b\x08\x08\0\0\0\x01\0\x03name\0body12345678".to_vec(),
        b"\xcb\x0d\r\n\0\0\0\0\x01\0\0\0\x02\0\0\0code".to_vec(),
        "text\nä\n".as_bytes().to_vec(),
    ]
}

fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let place = prop_oneof![4 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (prop::sample::select(seeds), prop::collection::vec(change, 0..8), place).prop_map(
        |(mut bytes, changes, cut)| {
            for (at, value) in changes {
                // Heads are short and hold the lengths: most changes go there.
                let within = bytes.len().min(if value % 2 == 0 { 64 } else { usize::MAX });
                bytes[at.index(within)] = value;
            }
            if let Some(at) = cut {
                bytes.truncate(at.index(bytes.len()));
            }
            bytes
        },
    )
}

#[test]
fn any_bytes_are_taken() {
    let seeds = seeds();
    let pair = (damaged(seeds.clone()), damaged(seeds), prop::sample::select(vec!["x", "x.pyc"]));
    proptest!(|((first, second, path) in pair)| {
        let found = look(path.as_bytes(), &first, &second);
        prop_assert!(first == second || !found.what.is_empty(), "{found:?}");
    });
}

/// Sections that all are the whole file made two small files take hours.
#[test]
fn overlapping_sections_cost_no_more_than_the_file() {
    let mut bytes = built("int main(void) { return 1; }\n", &[]);
    let number = |at: usize, n: usize, bytes: &[u8]| {
        bytes[at..at + n].iter().rev().fold(0_usize, |all, b| all << 8 | usize::from(*b))
    };
    // e_shoff, and 60,000 section headers in its place, each one the whole file.
    let count = 60_000_u16;
    let names = number(62, 2, &bytes);
    let table = number(40, 8, &bytes);
    let name_header = bytes[table + names * 64..table + names * 64 + 64].to_vec();
    let end = bytes.len() as u64;
    bytes[40..48].copy_from_slice(&end.to_le_bytes());
    bytes[60..62].copy_from_slice(&count.to_le_bytes());
    bytes[62..64].copy_from_slice(&0_u16.to_le_bytes());
    bytes.extend(name_header);
    let mut header = [0_u8; 64];
    header[4] = 1;
    // All but the last header, where the one difference is.
    header[32..40].copy_from_slice(&(end + u64::from(count) * 64 - 64).to_le_bytes());
    (1..count).for_each(|_| bytes.extend(header));
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] = 9;
    // Given up as ELF, so told as bytes; at full length this took 60,000 times 4 MB.
    let found = look(b"x", &bytes, &other);
    assert_eq!(
        (found.kind, &*found.what),
        (Kind::Binary, &*format!("1 of {} bytes, the first at {last:#x}", bytes.len()))
    );
}

#[test]
fn a_missing_file_is_an_error_with_its_path() {
    let first = Tree::new().file("x", b"a");
    let second = Tree::new().file("x", b"b");
    fs::remove_file(second.dir.path().join("x")).unwrap();
    let error = first.try_against(&second).unwrap_err();
    assert_eq!(error.path, second.dir.path().join("x"));
}
