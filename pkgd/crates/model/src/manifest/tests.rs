//! The text of a manifest, and any tree written and read back.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use std::collections::BTreeMap;

use super::{Entry, Kind, Manifest, Xattr};
use crate::digest::Digest;

fn entry(path: &str, kind: Kind) -> Entry {
    let mode = if matches!(kind, Kind::Directory | Kind::File { .. }) { 0o755 } else { 0 };
    Entry { path: path.into(), mode, uid: 0, gid: 0, kind, xattrs: Vec::new() }
}

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr { name: name.into(), value: value.to_vec() }
}

#[test]
fn text_is_as_documented() {
    let file = Kind::File { size: 5, digest: Digest::of(b"hello") };
    let manifest = Manifest::new(vec![
        entry("usr/gone", Kind::Whiteout),
        entry("usr/a b", file),
        entry("usr", Kind::Directory),
        entry("usr/lib64", Kind::Symlink { target: b"lib".to_vec() }),
    ]);
    let hello = Digest::of(b"hello");
    let text = format!(
        "minos-manifest 1\nd 755 0 0 usr\nf 755 0 0 5 {hello} usr/a%20b\nw usr/gone\nl 0 0 lib usr/lib64\n"
    );
    assert_eq!(manifest.to_string(), text);
    assert_eq!(Manifest::parse(&text), Ok(manifest));
}

/// Trees without attributes keep the names they had before attributes were recorded.
#[test]
fn attributes_are_lines_of_their_own() {
    let mut tool = entry("tool", Kind::File { size: 5, digest: Digest::of(b"hello") });
    let bare = Manifest::new(vec![tool.clone()]);
    tool.xattrs = vec![xattr("user.z", b""), xattr("user.a b", b"\0\xff=")];
    let manifest = Manifest::new(vec![tool]);
    let text = format!("{bare}x user.a%20b =%00%FF= tool\nx user.z = tool\n");
    assert_eq!(manifest.to_string(), text);
    assert_eq!(Manifest::parse(&text), Ok(manifest));
}

/// A reader that unpacks by a manifest would have written through the link, or outside.
#[test]
fn what_no_tree_can_be_is_refused() {
    let head = "minos-manifest 1\n";
    let file = |path: &str| format!("f 644 0 0 5 {} {path}\n", Digest::of(b"hello"));
    let good = format!("{head}{}h a b\n", file("a"));
    assert!(Manifest::parse(&good).is_ok());
    for (bad, line) in [
        (format!("{head}h b a\n{}", file("b")), 2),
        (format!("{head}h a a\n"), 2),
        (format!("{head}d 755 0 0 a\nh a b\n"), 3),
        (format!("{head}{}h a b\nh b c\n", file("a")), 4),
        (format!("{head}l 0 0 /etc a\nw a/b\n"), 3),
        (format!("{head}w usr/bin\n"), 2),
        (format!("{head}d 755 0 0 a%00b\n"), 2),
        (format!("{head}l 0 0 x%00y a\n"), 2),
        (format!("{head}l 0 0  a\n"), 2),
        (format!("{head}x user.a =v a\n"), 2),
        (format!("{head}d 755 0 0 a\nd 755 0 0 b\nx user.a =v a\n"), 4),
        (format!("{head}l 0 0 to a\nx user.a =v a\n"), 3),
        (format!("{head}d 755 0 0 a\nx user.b =v a\nx user.a =v a\n"), 4),
        (format!("{head}d 755 0 0 a\nx user.a =v a\nx user.a =w a\n"), 4),
        (format!("{head}d 755 0 0 a\nx user.a v a\n"), 3),
        (format!("{head}d 755 0 0 a\nx user%00a =v a\n"), 3),
    ] {
        assert_eq!(Manifest::parse(&bad).map_err(|e| e.line), Err(line), "{bad:?}");
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    let head = "minos-manifest 1\n";
    for bad in [
        "",
        "minos-manifest 2\n",
        "x",
        &format!("{head}d 755 0 0 b\nd 755 0 0 a\n"),
        &format!("{head}d 755 0 0 a\nd 755 0 0 a\n"),
        &format!("{head}d 0755 0 0 a\n"),
        &format!("{head}d 755 0 0 /a\n"),
        &format!("{head}d 755 0 0 a/../b\n"),
        &format!("{head}d 755 0 0 a extra\n"),
        &format!("{head}d 755 0 0 %61\n"),
        &format!("{head}d 755 0 0 a"),
        &format!("{head}d 99999 0 0 a\n"),
        &format!("{head}q a\n"),
    ] {
        assert!(Manifest::parse(bad).is_err(), "{bad:?}");
    }
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>().prop_filter("byte", |b| *b != 0 && *b != b'/'), 1..12)
        .prop_filter("dots", |c| c != b"." && c != b"..")
}

type Made = (u8, u32, (u32, u32), Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// Nine in ten of a small alphabet, so that one path often stands above another.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let short = prop::sample::select(&b"ab-%"[..]).prop_map(|b| vec![b]);
    let any_or_short = prop_oneof![9 => short, 1 => component()];
    prop::collection::vec(any_or_short, 1..4).prop_map(|c| c.join(&b'/'))
}

fn made() -> impl Strategy<Value = Made> {
    let name = prop::collection::vec(1u8.., 1..6);
    let value = prop::collection::vec(any::<u8>(), 0..6);
    let bytes = prop::collection::vec(1u8.., 1..20);
    let xattrs = prop::collection::btree_map(name, value, 0..3);
    let ids = any::<(u32, u32)>();
    (0u8..6, 0u32..0o10000, ids, bytes, xattrs.prop_map(|x| x.into_iter().collect()))
}

/// A tree out of any paths: what has something below it becomes a directory, a hard link gets the
/// first file as its target.
fn tree(paths: BTreeMap<Vec<u8>, Made>) -> Vec<Entry> {
    let mut all: BTreeMap<Vec<u8>, Made> = BTreeMap::new();
    for (path, made) in paths {
        for at in path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at) {
            let parent = all.entry(path[..at].to_vec()).or_insert_with(|| made.clone());
            parent.0 %= 2;
        }
        all.entry(path).or_insert(made);
    }
    let mut file = None;
    let entry = |(path, (choice, mode, (uid, gid), bytes, xattrs)): (Vec<u8>, Made)| {
        let kind = match (choice, &file) {
            (0, _) => Kind::Directory,
            (1, _) => Kind::Opaque,
            (2, _) => Kind::Symlink { target: bytes },
            (3, _) => Kind::Whiteout,
            (4, Some(to)) => Kind::Hardlink { to: Vec::clone(to) },
            _ => Kind::File { size: 7, digest: Digest::of(&bytes) },
        };
        if matches!(kind, Kind::File { .. }) {
            file.get_or_insert_with(|| path.clone());
        }
        let link = matches!(kind, Kind::Symlink { .. });
        let plain = matches!(kind, Kind::Directory | Kind::Opaque | Kind::File { .. });
        let xattrs = xattrs.into_iter().map(|(name, value)| Xattr { name, value });
        Entry {
            path,
            mode: if plain { mode } else { 0 },
            uid: if plain || link { uid } else { 0 },
            gid: if plain || link { gid } else { 0 },
            kind,
            xattrs: xattrs.filter(|_| plain).collect(),
        }
    };
    all.into_iter().map(entry).collect()
}

proptest! {
    #[test]
    fn any_tree_round_trips(paths in prop::collection::btree_map(path(), made(), 0..20)) {
        let manifest = Manifest::new(tree(paths));
        prop_assert_eq!(Manifest::parse(&manifest.to_string()), Ok(manifest));
    }

    /// Taking any one line away either leaves a tree or is refused; it never panics, and what is
    /// accepted is written again as it was read.
    #[test]
    fn a_lost_line_is_noticed_or_leaves_a_tree(
        paths in prop::collection::btree_map(path(), made(), 1..20), lost in any::<prop::sample::Index>())
    {
        let text = Manifest::new(tree(paths)).to_string();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let lost = lost.index(lines.len());
        let left: String = lines.iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, l)| *l).collect();
        let Ok(manifest) = Manifest::parse(&left) else { return Ok(()) };
        prop_assert_eq!(manifest.to_string(), left);
        for entry in manifest.entries() {
            let parent = entry.path.iter().rposition(|b| *b == b'/').map(|at| &entry.path[..at]);
            let is = |path: &[u8], want: fn(&Kind) -> bool| {
                manifest.entries().iter().any(|e| e.path == path && want(&e.kind))
            };
            let directory = |k: &Kind| matches!(k, Kind::Directory | Kind::Opaque);
            prop_assert!(parent.is_none_or(|parent| is(parent, directory)));
            if let Kind::Hardlink { to } = &entry.kind {
                prop_assert!(*to < entry.path);
                    let file = |k: &Kind| matches!(k, Kind::File { .. });
                    prop_assert!(is(to, file));
            }
        }
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = Manifest::parse(&text);
    }
}
