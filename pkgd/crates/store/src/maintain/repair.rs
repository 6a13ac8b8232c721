//! Repairing what verifying found, from the objects, or with contents fetched anew.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use minos_model::{Digest, Name};

use super::verify::{Depth, Fault, Finding, metadata_fault};
use crate::generations::{place, root_path};
use crate::objects::{self, CHUNK, Ingest, ObjectId};
use crate::packages::Node;
use crate::transaction::{ContentSource, System, SystemError};

/// What [`System::repair`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Paths that are as they should be again.
    pub repaired: Vec<Vec<u8>>,
    /// Paths whose content the store does not have any more, and the package to fetch.
    pub lost: Vec<(Vec<u8>, Digest)>,
    /// Paths that nobody brought: left alone, since they may be somebody's work.
    pub extra: Vec<Vec<u8>>,
    /// Where edited config files stand now that were put back because their package was named.
    pub aside: Vec<Vec<u8>>,
}

impl System<'_> {
    /// Verifies the current root and puts back what is wrong. A damaged object is replaced only when
    /// `source` has its content; without a source, what cannot be put back is listed as lost.
    ///
    /// # Errors
    /// As for [`System::verify`]; a file cannot be written.
    pub fn repair(&self, source: Option<&dyn ContentSource>) -> Result<Repaired, SystemError> {
        self.repair_of(&[], source)
    }

    /// As [`System::repair`], of these packages alone; none takes all that is there. Config files of a package that is
    /// named are put back as well; otherwise an edited one is as it should be.
    ///
    /// # Errors
    /// As for [`System::repair`].
    pub fn repair_of(
        &self,
        names: &[Name],
        source: Option<&dyn ContentSource>,
    ) -> Result<Repaired, SystemError> {
        let current = self.current()?.ok_or(SystemError::NoGeneration { number: 0 })?;
        let found = self.verify_of(names, Depth::Content)?;
        let (mut trees, own) = (self.trees(), self.own_of(current.number)?);
        let mut packages = BTreeMap::new();
        for member in &current.members {
            let row = trees.row(member.package)?;
            packages.insert(row.name.clone(), (member.package, row.digest));
        }
        let root = root_path(current.number);
        let mut report = Repaired::default();
        for Finding { path, fault, package } in found.findings {
            if fault == Fault::Extra {
                report.extra.push(path);
                continue;
            }
            let of = package.and_then(|name| packages.get(&name).copied());
            let (node, edited) = match of {
                Some((number, _)) => {
                    let tree = trees.tree(number)?;
                    let node = tree.get(&path);
                    (node.cloned(), node.is_some_and(|node| tree.is_config(&path, node)))
                }
                None => (own.get(&path).and_then(|(_, node)| node.clone()), true),
            };
            let Some(node) = node else { continue };
            let manifest = of.map(|(_, digest)| digest);
            if !self.restore(&node, manifest, source)? {
                report.lost.push((path, manifest.unwrap_or(current.digest())));
                continue;
            }
            let at = root.join(OsStr::from_bytes(&path));
            // What is edited in place must not be a link of an object.
            place(self.fs, &at, &node, edited)?;
            report.repaired.push(path);
        }
        for number in names.iter().filter_map(|name| Some(packages.get(name)?.0)) {
            let package = trees.row(number)?;
            self.reset_config(current.number, &package, source, &mut report)?;
        }
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))?;
        Ok(report)
    }

    /// Makes sure that the object of a node is whole; says whether it is.
    pub(super) fn restore(
        &self,
        node: &Node,
        package: Option<Digest>,
        source: Option<&dyn ContentSource>,
    ) -> Result<bool, SystemError> {
        let Node::File { object, .. } = node else { return Ok(true) };
        if self.is_whole(object, node)? {
            return Ok(true);
        }
        let (Some(package), Some(source)) = (package, source) else { return Ok(false) };
        let path = object.path();
        crate::generations::remove_tree(self.fs, &path)?;
        let ingest = Ingest::new(self.fs, [object.clone()])?;
        let mut buffer = Vec::new();
        let wanted = |digest: &Digest| ingest.wants(digest);
        let mut sink = |digest: &Digest, content: &mut dyn std::io::Read| {
            ingest.take(digest, content, &mut buffer).map_err(|error| ingest.fail(error))
        };
        let done = source.contents(&package, &wanted, &mut sink);
        let whole = done.is_ok() && ingest.missing().is_none();
        ingest.into_failure().map_or(Ok(whole), Err)
    }

    /// Checks an object. Where only its mode or owner is wrong, they are set right.
    fn is_whole(&self, object: &ObjectId, node: &Node) -> Result<bool, SystemError> {
        let path = object.path();
        let stat = self.fs.stat(&path).map_err(|e| SystemError::io("look at", &path, e))?;
        let Some(stat) = stat else { return Ok(false) };
        let mut buffer = vec![0; CHUNK];
        let whole = match metadata_fault(&stat, node) {
            Some(Fault::Kind | Fault::Size) => false,
            _ => {
                objects::hash(self.fs, &path, &mut buffer)
                    .map_err(|e| SystemError::io("read", &path, e))?
                    == object.digest
            }
        };
        if whole {
            let set = self.fs.set(&path, &object.attributes);
            set.map_err(|e| SystemError::io("set the mode of", &path, e))?;
        }
        Ok(whole)
    }
}
