//! Packages as the state knows them: a row each, their file trees, and who owns which path.

mod config;
mod load;
mod paths;
mod tree;

use minos_model::{
    CapabilityKind, Dependency, DependencyKind, Digest, Name, PackageManifest, PackagePath, Target,
    Version,
};
use serde::{Deserialize, Serialize};

use crate::objects::ObjectId;

pub(crate) use load::{Trees, decode_manifest, read_manifest};
pub(crate) use paths::Delta;
pub use paths::PathRow;
pub use tree::Node;
pub(crate) use tree::{Change, Tree, encode};

/// Numbers of the users and groups that a package names among its actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// User name and number, sorted by name.
    pub users: Vec<(String, u32)>,
    /// Group name and number, sorted by name.
    pub groups: Vec<(String, u32)>,
}

/// A file that users edit, as its package has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Where it stands.
    pub path: PackagePath,
    /// What the package has there.
    pub object: ObjectId,
    /// Its length in bytes.
    pub size: u64,
}

/// A package that some generation has. What a list, a search or a check of sonames needs stands here,
/// so that manifests are read only for packages that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRow {
    /// Number, from 1; never given twice.
    pub number: u32,
    /// Digest of its manifest's bytes: its identity.
    pub digest: Digest,
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// Sum of the lengths of its files in bytes.
    pub size: u64,
    /// How many paths it has.
    pub files: u64,
    /// Numbers of its named owners.
    pub accounts: Accounts,
    /// Its config files, sorted by path: those it names, and those that are by their place.
    pub config: Vec<ConfigFile>,
    /// Shared libraries it provides, sorted.
    pub sonames: Vec<String>,
    /// Shared libraries it needs, sorted.
    pub needs: Vec<String>,
    /// When it came in first.
    pub added_ms: u64,
}

impl PackageRow {
    pub(crate) fn new(number: u32, digest: Digest, tree: &Tree, added_ms: u64) -> Self {
        let manifest = tree.manifest();
        Self {
            number,
            digest,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            size: manifest.installed_size(),
            files: manifest.files.len() as u64,
            accounts: tree.accounts().clone(),
            config: tree.config().collect(),
            sonames: sonames(manifest),
            needs: needs(manifest),
            added_ms,
        }
    }
}

/// Shared libraries a package provides.
pub(crate) fn sonames(manifest: &PackageManifest) -> Vec<String> {
    let provided = manifest.provides.iter().map(|capability| &capability.id);
    let mut list: Vec<_> = provided
        .filter(|id| id.kind() == CapabilityKind::Soname)
        .map(|id| id.name().to_owned())
        .collect();
    list.sort();
    list.dedup();
    list
}

/// Shared libraries a package always needs where it is installed.
pub(crate) fn needs(manifest: &PackageManifest) -> Vec<String> {
    let always = |d: &&Dependency| d.kind == DependencyKind::Runtime && d.condition.is_none();
    let mut list = Vec::new();
    for dependency in manifest.dependencies.iter().filter(always) {
        if let Target::Capability(id) = &dependency.requirement.target
            && id.kind() == CapabilityKind::Soname
        {
            list.push(id.name().to_owned());
        }
    }
    list.sort();
    list.dedup();
    list
}
