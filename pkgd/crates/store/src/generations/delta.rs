//! What differs between two generations: packages first, files only inside packages that differ.

use std::collections::BTreeMap;

use minos_model::Name;

use super::ConfigMap;
use crate::packages::{Change, Node, Trees};
use crate::transaction::SystemError;

/// A path before and after.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileChange<'a> {
    pub(crate) old: Option<&'a Node>,
    pub(crate) new: Option<&'a Node>,
}

/// The packages that differ between two sets of package numbers, each sorted; by name. Nothing is read
/// of packages that both have.
pub(crate) fn compare(
    trees: &mut Trees<'_>,
    old: &[u32],
    new: &[u32],
) -> Result<BTreeMap<Name, Change>, SystemError> {
    let only = |a: &[u32], b: &[u32]| -> Vec<u32> {
        a.iter().filter(|n| b.binary_search(n).is_err()).copied().collect()
    };
    let mut changes: BTreeMap<Name, Change> = BTreeMap::new();
    let none = Change { old: None, new: None };
    for package in only(old, new) {
        let tree = trees.tree(package)?;
        let name = tree.name().clone();
        changes.entry(name).or_insert_with(|| none.clone()).old = Some(tree);
    }
    for package in only(new, old) {
        let tree = trees.tree(package)?;
        let name = tree.name().clone();
        changes.entry(name).or_insert_with(|| none.clone()).new = Some(tree);
    }
    Ok(changes)
}

/// The paths at which `changes` change something, and those of `config`: the copies of the old root,
/// which may be links in the new one. Where several packages have a directory, one of them stands for
/// all: they agree on it.
pub(crate) fn changed_files<'a>(
    changes: impl Iterator<Item = &'a Change>,
    config: &ConfigMap,
) -> BTreeMap<&'a [u8], FileChange<'a>> {
    let mut files: BTreeMap<&[u8], FileChange<'_>> = BTreeMap::new();
    for change in changes {
        change.each(|path, old, new| {
            if old != new || config.contains_key(path) {
                let file = files.entry(path).or_default();
                file.old = file.old.or(old);
                file.new = file.new.or(new);
            }
        });
    }
    files
}
