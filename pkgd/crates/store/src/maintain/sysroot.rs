//! Roots made of exactly the packages that something needs, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minos_model::{Digest, Name};

use crate::fs::Attributes;
use crate::generations::{Placed, place_all, remove_tree};
use crate::packages::{Node, Tree};
use crate::transaction::{Problem, System, SystemError};

/// The folder of all composed roots.
const SYSROOTS: &str = "sysroots";

/// How the files of a composed root relate to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SysrootMode {
    /// They are links of objects, made in no time. Who writes into one writes into the store: what is composed
    /// stands as `.links-NAME`, and the caller shows it read-only as `NAME`.
    Hardlink,
    /// They are copies, free to be written.
    Copy,
}

/// A composed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Where it stands: below the state root, from where the caller may rename it to another place of
    /// the same file system, or bind it anywhere.
    pub path: PathBuf,
    /// How many paths it has.
    pub paths: usize,
    /// The lengths of its files added up, in bytes.
    pub bytes: u64,
}

impl System<'_> {
    /// Composes a root of these packages (digests of their manifests; the closure is the caller's) as
    /// `sysroots/NAME` (links: `sysroots/.links-NAME`), in the place of what stands there. It is not durable and not
    /// collected: who
    /// wants it gone calls [`System::remove_sysroot`].
    ///
    /// # Errors
    /// [`SystemError::NoPackage`] when the store does not have one, [`SystemError::Refused`] when two of
    /// them cannot have the same path; a file cannot be made.
    pub fn compose(
        &self,
        packages: &[Digest],
        name: &Name,
        mode: SysrootMode,
    ) -> Result<Composed, SystemError> {
        let mut trees = self.trees();
        let mut list = Vec::with_capacity(packages.len());
        let unique: BTreeSet<&Digest> = packages.iter().collect();
        for digest in unique {
            let number = self.store.read()?.package_number(digest)?;
            let what = || SystemError::NoPackage { what: format!("package {digest}") };
            list.push(trees.tree(number.ok_or_else(what)?)?);
        }
        let nodes = union(&list)?;
        let staging = self.empty_staging(name)?;
        let copy = mode == SysrootMode::Copy;
        let list: Vec<Placed<'_>> = nodes.iter().map(|(path, (_, n))| (*path, *n, copy)).collect();
        place_all(self.fs, &staging, &list, self.options.threads)?;
        self.remove_sysroot(name)?;
        let path = match mode {
            SysrootMode::Hardlink => links(name),
            SysrootMode::Copy => Path::new(SYSROOTS).join(name.to_string()),
        };
        let moved = self.fs.rename(&staging, &path);
        moved.map_err(|e| SystemError::io("move into place", &path, e))?;
        let size = |node: &Node| if let Node::File { size, .. } = node { *size } else { 0 };
        let bytes = nodes.values().map(|(_, node)| size(node)).sum();
        let path = self.store.layout.root().join(path);
        Ok(Composed { path, paths: nodes.len(), bytes })
    }

    /// Deletes a composed root, and the folder it was shown in. One that is not there is fine.
    ///
    /// # Errors
    /// A file cannot be deleted; it is still mounted.
    pub fn remove_sysroot(&self, name: &Name) -> Result<(), SystemError> {
        // First what it is shown in: while that is mounted, nothing is taken away.
        remove_tree(self.fs, &Path::new(SYSROOTS).join(name.to_string()))?;
        remove_tree(self.fs, &links(name))
    }

    fn empty_staging(&self, name: &Name) -> Result<PathBuf, SystemError> {
        let folder = Path::new(SYSROOTS);
        let make = |path: &Path| {
            let made = self.fs.mkdir(path, &Attributes::root(0o755));
            made.map_err(|e| SystemError::io("create", path, e))
        };
        let there = self.fs.stat(folder).map_err(|e| SystemError::io("look at", folder, e))?;
        if there.is_none() {
            make(folder)?;
        }
        let staging = folder.join(format!(".staging-{name}"));
        remove_tree(self.fs, &staging)?;
        make(&staging)?;
        Ok(staging)
    }
}

/// Where a root of links stands.
fn links(name: &Name) -> PathBuf {
    Path::new(SYSROOTS).join(format!(".links-{name}"))
}

/// All paths of the trees; two that have the same one must agree that it is a directory.
fn union(trees: &[Arc<Tree>]) -> Result<BTreeMap<&[u8], (&Name, &Node)>, SystemError> {
    let mut nodes: BTreeMap<&[u8], (&Name, &Node)> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for tree in trees {
        if !names.insert(tree.name()) {
            problems.push(Problem::Twice { package: tree.name().clone() });
            continue;
        }
        for (path, node) in tree.iter() {
            let (owner, there) = *nodes.entry(path).or_insert((tree.name(), node));
            if owner != tree.name() && !(node.is_directory() && there == node) {
                problems.push(Problem::Path {
                    path: String::from_utf8_lossy(path).escape_debug().to_string(),
                    owner: Some(owner.clone()),
                    package: tree.name().clone(),
                    why: "both have this path",
                });
            }
        }
    }
    if problems.is_empty() { Ok(nodes) } else { Err(SystemError::Refused(problems)) }
}
