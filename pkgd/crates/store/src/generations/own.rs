//! The own files of a generation while they are worked on.

use std::collections::BTreeMap;

use super::{OwnFile, OwnKind, OwnRow};
use crate::objects::ObjectId;
use crate::packages::Node;

/// Own files by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Own(BTreeMap<Vec<u8>, (OwnKind, Option<Node>)>);

impl Own {
    pub(crate) fn from_row(row: OwnRow) -> Self {
        Self(row.files.into_iter().map(|f| (f.path, (f.kind, f.node))).collect())
    }

    pub(crate) fn to_row(&self) -> OwnRow {
        let file = |(path, (kind, node)): (&Vec<u8>, &(OwnKind, Option<Node>))| OwnFile {
            path: path.clone(),
            kind: *kind,
            node: node.clone(),
        };
        OwnRow { files: self.0.iter().map(file).collect() }
    }

    pub(crate) fn set(&mut self, path: &[u8], kind: OwnKind, node: Option<Node>) {
        self.0.insert(path.to_vec(), (kind, node));
    }

    pub(crate) fn remove(&mut self, path: &[u8]) {
        self.0.remove(path);
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&(OwnKind, Option<Node>)> {
        self.0.get(path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], OwnKind, Option<&Node>)> {
        self.0.iter().map(|(path, (kind, node))| (path.as_slice(), *kind, node.as_ref()))
    }

    /// Objects named by own files.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.0.values().filter_map(|(_, node)| node.as_ref()?.object())
    }
}
