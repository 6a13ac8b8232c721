//! One generation by itself, as the beginning of another machine's state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fs::Attributes;
use crate::generations::{
    GENERATIONS_DIR, ROOTS, capture, place, put_record, record_path, remove_tree, root_path,
};
use crate::objects::{OBJECTS, manifest_path};
use crate::packages::Node;
use crate::transaction::{System, SystemError};

/// What was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// How many paths its packages have.
    pub paths: u64,
    /// Lengths of all contents and manifests, each once, in bytes.
    pub bytes: u64,
}

impl System<'_> {
    /// Makes the folder `to` (relative to the state root, in the place of whatever stands there) the beginning of a state
    /// with this generation alone: its objects, as links; its manifests; its record, with config files as they are edited
    /// now, and without what was added to `/etc`. There [`System::rebuild`] makes the rows, and [`System::settle`] the root. Nothing of it is durable.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; a manifest cannot be read, a file cannot be made.
    pub fn export(&self, generation: u64, to: &Path) -> Result<Exported, SystemError> {
        let row = self.generation(generation)?;
        let mut trees = self.trees();
        let (numbers, recorded) = (row.numbers(), self.own_of(generation)?);
        let config = Self::config_of(&mut trees, &numbers)?;
        let root = root_path(generation);
        let own = match self.has_etc(&root)? {
            true => capture(self.fs, &root, &config, &recorded)?.without_added(&config),
            false => recorded.without_added(&config),
        };
        let mut export = Export { paths: 0, files: BTreeMap::new() };
        let mut manifests = Vec::new();
        for package in trees.rows(&numbers)? {
            manifests.push(manifest_path(&package.digest));
            for (_, node) in trees.tree(package.number)?.iter() {
                export.paths += 1;
                export.node(node);
            }
        }
        own.iter().filter_map(|(_, _, node)| node).for_each(|node| export.node(node));
        self.prepare_export(to)?;
        for (path, (node, _)) in &export.files {
            place(self.fs, &to.join(path), node, false)?;
        }
        let mut bytes: u64 = export.files.values().map(|(_, bytes)| bytes).sum();
        for path in manifests {
            let failed = |e| SystemError::io("link", &path, e);
            bytes += self.fs.stat(&path).map_err(failed)?.map_or(0, |stat| stat.size);
            self.fs.link(&path, &to.join(&path)).map_err(failed)?;
        }
        let record = self.record_bytes(&row, &own, &mut trees)?;
        put_record(self.fs, &to.join(record_path(generation)), &record)?;
        Ok(Exported { paths: export.paths, bytes })
    }

    /// The folders that a state has before there is anything in it.
    fn prepare_export(&self, to: &Path) -> Result<(), SystemError> {
        remove_tree(self.fs, to)?;
        let fans = (0..=u8::MAX).map(|fan| (format!("{OBJECTS}/{fan:02x}"), 0o700));
        let folders = [
            (String::new(), 0o755),
            (OBJECTS.into(), 0o700),
            (ROOTS.into(), 0o755),
            (GENERATIONS_DIR.into(), 0o700),
        ];
        for (folder, mode) in folders.into_iter().chain(fans) {
            let path = to.join(folder);
            let made = self.fs.mkdir(&path, &Attributes::root(mode));
            made.map_err(|e| SystemError::io("create", path, e))?;
        }
        Ok(())
    }
}

/// What is to be linked: path below a state root, and length.
struct Export {
    paths: u64,
    files: BTreeMap<PathBuf, (Node, u64)>,
}

impl Export {
    fn node(&mut self, node: &Node) {
        if let Node::File { object, size } = node {
            self.files.insert(object.path(), (node.clone(), *size));
        }
    }
}
