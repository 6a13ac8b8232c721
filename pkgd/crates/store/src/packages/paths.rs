//! Who owns which path: the index that finds conflicts of files before anything is written.
//!
//! The table describes one generation, whose number stands in `meta`. A file or link has one owner; a
//! directory is counted, since several packages may have it if mode and owner agree. Every package
//! lists the directories its files stand in, so a path that leads through another package's link shows
//! as a conflict at the link: one wants a directory where the other has a link.

use std::collections::{BTreeMap, HashMap};

use minos_model::Name;
use serde::{Deserialize, Serialize};

use super::{Change, Node};
use crate::error::StoreError;
use crate::fs::Attributes;
use crate::snapshot::Source;
use crate::table::PATHS;

/// What stands at a path, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathRow {
    /// A regular file or symbolic link.
    File {
        /// The package.
        owner: Name,
        /// It is a link.
        link: bool,
    },
    /// A directory.
    Directory {
        /// How many packages have it.
        owners: u32,
        /// What they agree on.
        attributes: Attributes,
    },
}

/// Two packages that cannot both have a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PathConflict {
    pub(crate) path: Vec<u8>,
    /// Who has the path; `None` for a directory of several packages.
    pub(crate) owner: Option<Name>,
    pub(crate) package: Name,
    pub(crate) why: &'static str,
}

/// What a change of packages changes in the table.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    pub(crate) rows: BTreeMap<Vec<u8>, Option<PathRow>>,
    pub(crate) conflicts: Vec<PathConflict>,
}

/// Everything that happens to one path.
#[derive(Default)]
struct Touch<'a> {
    minus: Vec<(&'a Name, &'a Node)>,
    plus: Vec<(&'a Name, &'a Node)>,
}

impl Delta {
    /// What `changes` do to the table of `source`. Reads rows only of paths that come or go.
    pub(crate) fn new<'a>(
        source: &impl Source,
        changes: impl Iterator<Item = &'a Change> + Clone,
    ) -> Result<Self, StoreError> {
        let mut touches: HashMap<&[u8], Touch<'_>> = HashMap::new();
        for change in changes {
            let (old, new) = (change.old.as_ref(), change.new.as_ref());
            change.each(|path, before, after| {
                if before.zip(after).is_some_and(|(a, b)| same_row(a, b)) {
                    return;
                }
                let touch = touches.entry(path).or_default();
                touch.minus.extend(old.map(|tree| tree.name()).zip(before));
                touch.plus.extend(new.map(|tree| tree.name()).zip(after));
            });
        }
        let mut delta = Self::default();
        let table = source.open(PATHS)?;
        for (path, touch) in touches {
            let before = source.get_from(&table, PATHS, path)?;
            let after = delta.resolve(path, before.as_ref(), &touch);
            if after != before {
                delta.rows.insert(path.to_vec(), after);
            }
        }
        delta.conflicts.sort();
        Ok(delta)
    }

    fn resolve(
        &mut self,
        path: &[u8],
        row: Option<&PathRow>,
        touch: &Touch<'_>,
    ) -> Option<PathRow> {
        let mut now = remaining(row, &touch.minus);
        for (package, node) in &touch.plus {
            let next = match (now.take(), *node) {
                (None, Node::Directory(attributes)) => {
                    Ok(PathRow::Directory { owners: 1, attributes: attributes.clone() })
                }
                (None, node) => Ok(file(package, node)),
                (Some(PathRow::Directory { owners, attributes }), Node::Directory(other))
                    if attributes == *other =>
                {
                    Ok(PathRow::Directory { owners: owners + 1, attributes })
                }
                (Some(there), node) => Err((why(&there, node), there)),
            };
            now = Some(next.unwrap_or_else(|(why, there)| {
                let owner = if let PathRow::File { owner, .. } = &there {
                    Some(owner.clone())
                } else {
                    None
                };
                let package = (*package).clone();
                self.conflicts.push(PathConflict { path: path.to_vec(), owner, package, why });
                there
            }));
        }
        now
    }
}

fn file(package: &Name, node: &Node) -> PathRow {
    PathRow::File { owner: package.clone(), link: matches!(node, Node::Symlink { .. }) }
}

/// Whether the table has the same row for both, so that it need not be read.
fn same_row(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Directory(a), Node::Directory(b)) => a == b,
        (Node::Symlink { .. }, Node::Symlink { .. }) | (Node::File { .. }, Node::File { .. }) => {
            true
        }
        _ => false,
    }
}

/// The row without those who leave.
fn remaining(row: Option<&PathRow>, minus: &[(&Name, &Node)]) -> Option<PathRow> {
    match row? {
        PathRow::File { owner, .. } if minus.iter().any(|(name, _)| *name == owner) => None,
        PathRow::Directory { owners, attributes } => {
            let gone = minus.iter().filter(|(_, node)| node.is_directory()).count();
            let owners = owners.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
            let row = PathRow::Directory { owners, attributes: attributes.clone() };
            (owners > 0).then_some(row)
        }
        row => Some(row.clone()),
    }
}

fn why(there: &PathRow, node: &Node) -> &'static str {
    match (there, node) {
        (PathRow::File { link: true, .. }, Node::Directory(_)) => {
            "one has a symbolic link where the other has a directory"
        }
        (PathRow::Directory { .. }, Node::Symlink { .. }) => {
            "one has a directory where the other has a symbolic link"
        }
        (PathRow::File { .. }, Node::Directory(_)) => {
            "one has a file where the other has a directory"
        }
        (PathRow::Directory { .. }, Node::Directory(_)) => {
            "mode, owner or extended attributes of the directory differ"
        }
        (PathRow::Directory { .. }, _) => "one has a directory where the other has a file",
        (PathRow::File { .. }, _) => "both have this file",
    }
}
