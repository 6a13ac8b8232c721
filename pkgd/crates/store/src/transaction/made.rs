//! What triggers make becomes part of the generation.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use minos_model::{Digest, PackagePath};

use super::SystemError;
use super::apply::Making;
use super::hooks::{Made, MadeNode, Staged, Triggers};
use super::prepare::Prepared;
use super::system::System;
use crate::generations::{OwnKind, place, remove_tree, root_path};
use crate::objects::{ObjectId, put_bytes};
use crate::packages::Node;

impl System<'_> {
    /// Runs the triggers on the root of the new generation, takes in what they made, and then what it lacks still.
    pub(crate) fn run_triggers(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
        changed: &[Vec<u8>],
        triggers: &mut dyn Triggers,
    ) -> Result<(), SystemError> {
        let root = root_path(making.intent.to);
        let staged = Staged { root: &root, changed };
        let made = triggers.run(&staged).map_err(|why| SystemError::Trigger { why })?;
        made.into_iter().try_for_each(|made| self.put_made(making, prepared, &root, made))?;
        let lacked = triggers.complete(&staged).map_err(|why| SystemError::Boot { why })?;
        lacked.into_iter().try_for_each(|made| self.put_made(making, prepared, &root, made))
    }

    fn put_made(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
        root: &Path,
        made: Made,
    ) -> Result<(), SystemError> {
        let path =
            PackagePath::new(made.path).map_err(|e| SystemError::Trigger { why: e.to_string() })?;
        let bytes = path.as_bytes();
        let is_config = making.config.contains_key(bytes);
        if !is_config && self.view(&prepared.delta, bytes)?.is_some() && !self.keep.has(bytes) {
            let why = format!("it made /{path}, which belongs to a package");
            return Err(SystemError::Trigger { why });
        }
        if is_privileged(&made.node) {
            let why = format!("it made /{path} with rights that only a package may give");
            return Err(SystemError::Trigger { why });
        }
        let at = root.join(OsStr::from_bytes(bytes));
        let kind = if is_config { OwnKind::Config } else { OwnKind::Trigger };
        let node = match self.node_of(made.node)? {
            Some(node) => node,
            None => {
                remove_tree(self.fs, &at)?;
                making.own.remove(bytes);
                return Ok(());
            }
        };
        place(self.fs, &at, &node, true)?;
        if !self.keep.has(bytes) {
            making.own.set(bytes, kind, Some(node));
        }
        Ok(())
    }

    fn node_of(&self, made: MadeNode) -> Result<Option<Node>, SystemError> {
        Ok(match made {
            MadeNode::Removed => None,
            MadeNode::Directory(attributes) => Some(Node::Directory(attributes)),
            MadeNode::Symlink { target } => Some(Node::Symlink { target, uid: 0, gid: 0 }),
            MadeNode::File { attributes, content } => {
                let object = ObjectId { digest: Digest::of(&content), attributes };
                let path = object.path();
                let there = self.fs.stat(&path);
                if there.map_err(|e| SystemError::io("look for", &path, e))?.is_none() {
                    put_bytes(self.fs, &path, &content, &object.attributes)?;
                }
                Some(Node::File { object, size: content.len() as u64 })
            }
        })
    }
}

/// Whether a file gives rights to whoever runs it. A trigger reads what packages brought: one that was led astray by
/// it must not be able to leave such a file.
fn is_privileged(node: &MadeNode) -> bool {
    let (MadeNode::Directory(attributes) | MadeNode::File { attributes, .. }) = node else {
        return false;
    };
    attributes.mode & !0o1777 != 0
        || attributes.xattrs.iter().any(|(name, _)| !name.starts_with("user."))
}
