//! Which files of a package users edit: those it names, and whatever else it has in `/etc`.
//!
//! Few packages name all of their files in `/etc`, and an edit of one that is not named would be gone with the next
//! update. So the place decides, also for packages that were made before there was this rule. A package that wants it
//! otherwise has the file below `/usr` and a link to it in `/etc`: links are the package's.

use super::{ConfigFile, Node, Tree};
use crate::transaction::DEFAULT_KEEP;

/// The folder whose files users edit.
const FOLDER: &[u8] = b"etc/";
/// The longest file that counts as edited by its place, in bytes: what is longer is data, as it is for files that users
/// add.
const LONGEST: u64 = 1 << 20;
/// Beginnings of paths that pkgd and its triggers write: a package that has one stands in their way.
const WRITTEN: [&[u8]; 3] = [b"etc/ld.so.cache", b"etc/minos/", b"etc/sysctl.d/50-"];

/// Whether what stands at a path is edited by users because of where it stands. What follows the machine is not: its
/// contents are in no generation.
fn by_place(path: &[u8], node: &Node) -> bool {
    let short = matches!(node, Node::File { size, .. } if *size <= LONGEST);
    let kept = || DEFAULT_KEEP.iter().any(|keep| keep.as_bytes() == path);
    path.starts_with(FOLDER)
        && short
        && !WRITTEN.iter().any(|start| path.starts_with(start))
        && !kept()
}

impl Tree {
    /// Whether what the package has at `path`, which is `node`, is a file that users edit.
    pub(crate) fn is_config(&self, path: &[u8], node: &Node) -> bool {
        let named = &self.manifest().config;
        by_place(path, node) || named.binary_search_by(|c| c.as_bytes().cmp(path)).is_ok()
    }

    /// The files that users edit, sorted by path.
    pub(crate) fn config(&self) -> impl Iterator<Item = ConfigFile> + '_ {
        let files = self.manifest().files.iter().map(|file| &file.path);
        let edited = files.zip(self.iter()).filter(|(_, (path, node))| self.is_config(path, node));
        edited.filter_map(|(path, (_, node))| match node {
            Node::File { object, size } => {
                Some(ConfigFile { path: path.clone(), object: object.clone(), size: *size })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use minos_model::Digest;

    use super::*;
    use crate::fs::Attributes;
    use crate::objects::ObjectId;

    #[test]
    fn the_place_decides() {
        let object = ObjectId { digest: Digest::of(b"x"), attributes: Attributes::root(0o644) };
        let file = |size| Node::File { object: object.clone(), size };
        let yes = ["etc/login.defs", "etc/ssl/openssl.cnf", "etc/sysctl.d/10-x.conf"];
        let no = [
            "etc/shadow",
            "etc/hostname",
            "etc/ld.so.cache",
            "etc/minos/services.d/a",
            "etc/sysctl.d/50-a.conf",
            "etcetera",
            "usr/etc/x",
        ];
        for path in yes {
            assert!(by_place(path.as_bytes(), &file(1 << 20)), "{path}");
        }
        for path in no {
            assert!(!by_place(path.as_bytes(), &file(1)), "{path}");
        }
        assert!(!by_place(b"etc/udev/hwdb.bin", &file((1 << 20) + 1)), "data");
        let link = Node::Symlink { target: b"../usr/lib/x".to_vec(), uid: 0, gid: 0 };
        assert!(!by_place(b"etc/x", &link), "a link is the package's");
    }
}
