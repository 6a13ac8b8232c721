//! Outputs laid over each other: which paths there are, and where links lead.

use std::collections::BTreeMap;
use std::ops::Bound;

use minos_model::Kind;

/// Links followed on the way to a path, as by Linux (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    /// A file of the subject at this position.
    File(usize),
    Link(Box<[u8]>),
}

/// The paths of a root, relative to it.
#[derive(Debug, Default)]
pub(crate) struct World(BTreeMap<Box<[u8]>, Node>);

impl World {
    /// Lays a path over those there are. A deletion is none: it takes away what another output has for one step
    /// alone.
    pub(crate) fn add(&mut self, path: &[u8], kind: &Kind, subject: usize) {
        let node = match kind {
            Kind::Directory | Kind::Opaque => Node::Folder,
            Kind::File { .. } | Kind::Hardlink { .. } => Node::File(subject),
            Kind::Symlink { target } => Node::Link(target.as_slice().into()),
            Kind::Whiteout => return,
        };
        self.0.insert(path.into(), node);
    }

    /// Adds a link where nothing stands yet.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) {
        self.0.entry(path.into()).or_insert_with(|| Node::Link(target.into()));
    }

    /// Where `path` leads in this root, and what stands there; never a link. `..` does not lead out.
    pub(crate) fn resolve(&self, path: &[u8]) -> Option<(Vec<u8>, &Node)> {
        let mut links = MOST_LINKS;
        let mut at: Vec<u8> = Vec::new();
        let mut todo: Vec<&[u8]> = parts(path).collect();
        let mut found = &Node::Folder;
        while let Some(part) = todo.pop() {
            if !matches!(found, Node::Folder) {
                return None;
            }
            if part == b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let parent = at.len();
            if parent > 0 {
                at.push(b'/');
            }
            at.extend(part);
            match self.0.get(at.as_slice())? {
                Node::Link(target) => {
                    links = links.checked_sub(1)?;
                    at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                    todo.extend(parts(target));
                }
                other => found = other,
            }
        }
        Some((at, found))
    }

    /// The file that `path` leads to: whose it is, and its own path.
    pub(crate) fn file(&self, path: &[u8]) -> Option<(usize, Vec<u8>)> {
        match self.resolve(path)? {
            (path, Node::File(subject)) => Some((*subject, path)),
            _ => None,
        }
    }

    /// Whether `path` leads to a folder.
    pub(crate) fn has_folder(&self, path: &[u8]) -> bool {
        matches!(self.resolve(path), Some((_, Node::Folder)))
    }

    /// The names in a folder that are UTF-8, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Some((folder, Node::Folder)) = self.resolve(folder.as_bytes()) else {
            return Vec::new();
        };
        let start = if folder.is_empty() { folder } else { [&folder[..], b"/"].concat() };
        let bounds = (Bound::Included(&start[..]), Bound::Unbounded);
        let below = self.0.range::<[u8], _>(bounds);
        let below = below.map_while(|(path, _)| path.strip_prefix(&start[..]));
        let names = below.filter(|name| !name.is_empty() && !name.contains(&b'/'));
        names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect()
    }
}

/// The parts of a path, the last one first.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.rsplit(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, Kind};

    use super::World;

    fn world(list: &[(&str, &str)]) -> World {
        let mut world = World::default();
        for (at, (path, what)) in list.iter().enumerate() {
            let kind = match *what {
                "d" => Kind::Directory,
                "f" => Kind::File { size: 0, digest: Digest::of(b"") },
                "w" => Kind::Whiteout,
                target => Kind::Symlink { target: target.as_bytes().to_vec() },
            };
            world.add(path.as_bytes(), &kind, at);
        }
        world
    }

    #[test]
    fn links_lead_where_they_lead_in_a_root() {
        let world = world(&[
            ("usr", "d"),
            ("usr/lib", "d"),
            ("usr/lib/libc.so.6", "f"),
            ("lib", "usr/lib"),
            ("lib64", "d"),
            ("lib64/ld.so", "../lib/libc.so.6"),
            ("abs", "/lib64/ld.so"),
            ("out", "../../../usr/lib"),
            ("loop", "loop"),
            ("through", "usr/lib/libc.so.6/x"),
            ("usr/lib/gone", "w"),
        ]);
        for path in ["/lib/libc.so.6", "abs", "lib64/../lib//./libc.so.6", "/out/libc.so.6"] {
            assert_eq!(world.file(path.as_bytes()), Some((2, b"usr/lib/libc.so.6".to_vec())));
        }
        for path in ["loop", "through", "lib/none", "usr/lib/libc.so.6/..", "usr/lib/gone", "lib"] {
            assert_eq!(world.file(path.as_bytes()), None, "{path}");
        }
        assert!(world.has_folder(b"/") && world.has_folder(b"out/") && !world.has_folder(b"abs"));
        assert_eq!(world.names("lib"), ["libc.so.6"]);
        assert_eq!(world.names("/").len(), 7);
        assert!(world.names("none").is_empty() && world.names("abs").is_empty());
    }

    #[test]
    fn a_link_is_added_where_nothing_stands() {
        let mut world = world(&[("sh", "f"), ("bash", "f")]);
        world.link(b"sh", b"bash");
        world.link(b"ash", b"bash");
        assert_eq!(world.file(b"sh").map(|f| f.0), Some(0));
        assert_eq!(world.file(b"ash").map(|f| f.0), Some(1));
    }
}
