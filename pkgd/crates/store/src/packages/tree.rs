//! The files of a package, with numbers for owners and hard links resolved: what a root is made of.

use core::cmp::Ordering;

use minos_model::package::{Account, AccountName, FileKind, PackageFile};
use minos_model::{Digest, Name, PackageManifest, PackagePath};
use serde::{Deserialize, Serialize};

use super::Accounts;
use crate::fs::Attributes;
use crate::objects::ObjectId;

/// What stands at a path of a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A directory.
    Directory(Attributes),
    /// A regular file.
    File {
        /// Its content and attributes.
        object: ObjectId,
        /// Its length in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// The bytes of its target.
        target: Vec<u8>,
        /// Number of the owner.
        uid: u32,
        /// Number of the group.
        gid: u32,
    },
}

impl Node {
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// Its object, if it is a regular file.
    pub(crate) fn object(&self) -> Option<&ObjectId> {
        if let Self::File { object, .. } = self { Some(object) } else { None }
    }
}

/// A package's manifest and a node for each of its files.
#[derive(Debug)]
pub(crate) struct Tree {
    manifest: PackageManifest,
    accounts: Accounts,
    nodes: Vec<Node>,
}

impl Tree {
    /// Resolves owners by `accounts`. The error is the name that is not there.
    pub(crate) fn new(manifest: PackageManifest, accounts: Accounts) -> Result<Self, String> {
        let mut nodes: Vec<Node> = Vec::with_capacity(manifest.files.len());
        for file in &manifest.files {
            let node = match &file.kind {
                FileKind::Hardlink { to } => linked(&manifest.files, &nodes, to),
                kind => node(file, kind, &accounts)?,
            };
            nodes.push(node);
        }
        Ok(Self { manifest, accounts, nodes })
    }

    pub(crate) fn manifest(&self) -> &PackageManifest {
        &self.manifest
    }

    pub(crate) fn name(&self) -> &Name {
        &self.manifest.name
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Paths and nodes, sorted by path.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Node)> {
        self.manifest.files.iter().map(|file| file.path.as_bytes()).zip(&self.nodes)
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&Node> {
        let files = &self.manifest.files;
        self.nodes.get(files.binary_search_by(|f| f.path.as_bytes().cmp(path)).ok()?)
    }

    /// Every object of the package, some perhaps more than once.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.nodes.iter().filter_map(Node::object)
    }
}

/// The node of an earlier regular file. That it is there is a rule of every manifest.
fn linked(files: &[PackageFile], nodes: &[Node], to: &PackagePath) -> Node {
    let at = files.binary_search_by(|f| f.path.cmp(to)).unwrap_or(0);
    nodes.get(at).cloned().unwrap_or(Node::Directory(Attributes::root(0o755)))
}

fn node(file: &PackageFile, kind: &FileKind, accounts: &Accounts) -> Result<Node, String> {
    let uid = number(&file.user, &accounts.users)?;
    let gid = number(&file.group, &accounts.groups)?;
    let xattrs = || file.xattrs.iter().map(|x| (x.name.clone(), x.value.clone())).collect();
    let attributes = || Attributes { mode: file.mode, uid, gid, xattrs: xattrs() };
    Ok(match kind {
        FileKind::Regular { size, digest } => {
            let object = ObjectId { digest: *digest, attributes: attributes() };
            Node::File { object, size: *size }
        }
        FileKind::Symlink { target } => Node::Symlink { target: target.clone(), uid, gid },
        FileKind::Directory | FileKind::Hardlink { .. } => Node::Directory(attributes()),
    })
}

fn number(account: &Account, known: &[(String, u32)]) -> Result<u32, String> {
    let of = |name: &AccountName| known.iter().find(|(n, _)| n == name.as_str()).map(|(_, id)| *id);
    match account {
        Account::Id(id) => Ok(u32::from(*id)),
        Account::Name(name) => of(name).ok_or_else(|| name.to_string()),
    }
}

/// A package name whose package differs between two sets.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) old: Option<std::sync::Arc<Tree>>,
    pub(crate) new: Option<std::sync::Arc<Tree>>,
}

impl Change {
    /// Calls `f(path, old, new)` for every path of either, in order.
    pub(crate) fn each<'a>(
        &'a self,
        mut f: impl FnMut(&'a [u8], Option<&'a Node>, Option<&'a Node>),
    ) {
        let mut old = self.old.iter().flat_map(|tree| tree.iter()).peekable();
        let mut new = self.new.iter().flat_map(|tree| tree.iter()).peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let left = if order.is_le() { old.next() } else { None };
            let right = if order.is_ge() { new.next() } else { None };
            let path = left.or(right).map_or(&[][..], |(path, _)| path);
            f(path, left.map(|(_, node)| node), right.map(|(_, node)| node));
        }
    }
}

/// The digest of a manifest's bytes, and the bytes.
pub(crate) fn encode(manifest: &PackageManifest) -> Result<(Digest, Vec<u8>), String> {
    let bytes = postcard::to_extend(manifest, Vec::new()).map_err(|e| e.to_string())?;
    Ok((Digest::of(&bytes), bytes))
}
