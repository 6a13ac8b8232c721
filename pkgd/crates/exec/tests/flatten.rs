//! A merged tree shows what an overlay of the layers shows. Needs root: it mounts overlays.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use minos_exec::flatten::{Flat, flatten};
use minos_sandbox::tree::Dir;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::{Mode, SFlag, mknod};
use proptest::prelude::*;

/// One thing in a layer.
#[derive(Debug, Clone)]
enum Node {
    File(u8),
    Link(u8),
    Gone,
    Dir { mode: u32, opaque: bool, nodes: Vec<(char, Node)> },
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        3 => any::<u8>().prop_map(Node::File),
        1 => any::<u8>().prop_map(Node::Link),
        2 => Just(Node::Gone),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let nodes = proptest::collection::vec((proptest::char::range('a', 'c'), inner), 0..4);
        let mode = prop_oneof![Just(0o755), Just(0o700)];
        (mode, any::<bool>(), nodes).prop_map(|(mode, opaque, nodes)| Node::Dir {
            mode,
            opaque,
            nodes,
        })
    })
}

fn layer() -> impl Strategy<Value = Vec<(char, Node)>> {
    proptest::collection::vec((proptest::char::range('a', 'c'), node()), 0..4)
}

/// Writes nodes below `dir`; the lowest layer of an overlay has no marks.
fn write(dir: &Path, nodes: &[(char, Node)], marks: bool) {
    for (name, node) in nodes {
        let path = dir.join(name.to_string());
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match node {
            Node::File(content) => fs::write(&path, [*content]).unwrap(),
            Node::Link(to) => symlink(format!("to{to}"), &path).unwrap(),
            Node::Gone if marks => mknod(&path, SFlag::S_IFCHR, Mode::empty(), 0).unwrap(),
            Node::Gone => {}
            Node::Dir { mode, opaque, nodes } => {
                fs::create_dir(&path).unwrap();
                write(&path, nodes, marks);
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                if *opaque && marks {
                    let name = name.to_string();
                    let dir = Dir::open(dir).unwrap();
                    dir.set_xattr(name.as_ref(), "user.overlay.opaque".as_ref(), b"y").unwrap();
                }
            }
        }
    }
}

/// What is below `dir`, one line each.
fn listing(dir: &Path, prefix: &str, lines: &mut Vec<String>) {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let (path, name) = (dir.join(&name), format!("{prefix}/{}", name.display()));
        // Of a directory that one layer has alone, overlayfs lists deletions, though nothing can open them.
        let Ok(meta) = path.symlink_metadata() else { continue };
        let what = match meta.file_type() {
            t if t.is_dir() => "dir".to_owned(),
            t if t.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            _ => format!("{:?}", fs::read(&path).unwrap()),
        };
        lines.push(format!("{name} {:o} {what}", meta.mode()));
        if meta.is_dir() {
            listing(&path, &name, lines);
        }
    }
}

fn shown(dir: &Path, layers: &[PathBuf]) -> Vec<String> {
    let point = dir.join("point");
    fs::create_dir_all(&point).unwrap();
    let lower: Vec<_> = layers.iter().map(|l| l.display().to_string()).collect();
    let options = format!("userxattr,lowerdir={}", lower.join(":"));
    let options = Some(OsStr::new(&options));
    mount(Some("overlay"), &point, Some("overlay"), MsFlags::MS_RDONLY, options)
        .expect("needs root, to mount overlays");
    let mut lines = Vec::new();
    listing(&point, "", &mut lines);
    umount(&point).unwrap();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_merged_tree_shows_what_the_overlay_shows(
        base in layer(),
        layers in proptest::collection::vec(layer(), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: String, nodes: &[(char, Node)], marks| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            write(&path, nodes, marks);
            path
        };
        let base = make("base".into(), &base, false);
        let layers: Vec<_> =
            layers.iter().enumerate().map(|(n, l)| make(format!("layer{n}"), l, true)).collect();
        let flat = dir.path().join("flat");
        let marked = match flatten(&layers, Some(&base), &flat, 1_000_000_000).unwrap() {
            Flat::Tree { marked } => marked,
            Flat::Refused => panic!("refused"),
        };
        let stack: Vec<_> = layers.iter().chain([&base]).cloned().collect();
        let expected = shown(dir.path(), &stack);
        prop_assert_eq!(&shown(dir.path(), &[flat.clone(), base]), &expected);
        if !marked {
            // Without marks it may be shown without an overlay: no node of it is one.
            let mut lines = Vec::new();
            special_nodes(&flat, &mut lines);
            prop_assert_eq!(lines, Vec::<PathBuf>::new());
        }
    }
}

/// A root without a seed is this tree and nothing else: marks would have nothing to hide, and would be seen.
#[test]
fn without_a_base_no_mark_is_left_and_many_files_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let [upper, lower] = ["upper", "lower"].map(|name| dir.path().join(name));
    let nodes = [('a', Node::Gone), ('b', Node::Dir { mode: 0o755, opaque: true, nodes: vec![] })];
    let below = [('a', Node::File(1)), ('c', Node::File(3))];
    let hidden = ('b', Node::Dir { mode: 0o755, opaque: false, nodes: below.to_vec() });
    for (path, nodes) in [(&upper, &nodes[..]), (&lower, &[below[0].clone(), hidden][..])] {
        fs::create_dir(path).unwrap();
        write(path, nodes, true);
    }
    for n in 0..8_001 {
        fs::write(lower.join(n.to_string()), "").unwrap();
    }
    let flat = dir.path().join("flat");
    let made = flatten(&[upper.clone(), lower.clone()], None, &flat, 0).unwrap();
    assert_eq!(made, Flat::Tree { marked: false });
    let mut marks = Vec::new();
    special_nodes(&flat, &mut marks);
    assert_eq!(marks, Vec::<PathBuf>::new());
    let mut lines = Vec::new();
    listing(&flat, "", &mut lines);
    assert_eq!(lines, shown(dir.path(), &[upper, lower]));
}

/// Nodes that are neither file, directory nor link.
fn special_nodes(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            special_nodes(&entry.path(), found);
        } else if !kind.is_file() && !kind.is_symlink() {
            found.push(entry.path());
        }
    }
}

#[test]
fn files_are_links_and_directories_have_the_time_given() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, base) = (dir.path().join("layer"), dir.path().join("base"));
    fs::create_dir_all(layer.join("sub")).unwrap();
    fs::create_dir(&base).unwrap();
    fs::write(layer.join("sub/file"), "x").unwrap();
    let flat = dir.path().join("flat");
    let made = flatten(std::slice::from_ref(&layer), Some(&base), &flat, 1_000_000_000).unwrap();
    assert_eq!(made, Flat::Tree { marked: false });
    let ino = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(ino(&flat.join("sub/file")), ino(&layer.join("sub/file")));
    assert_eq!(fs::metadata(flat.join("sub")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn too_large_a_set_is_left_to_the_overlay() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, base) = (dir.path().join("layer"), dir.path().join("base"));
    fs::create_dir(&layer).unwrap();
    fs::create_dir(&base).unwrap();
    for n in 0..8_001 {
        fs::write(layer.join(n.to_string()), "").unwrap();
    }
    let made = flatten(&[layer], Some(&base), &dir.path().join("flat"), 0).unwrap();
    assert_eq!(made, Flat::Refused);
}
