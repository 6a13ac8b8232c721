//! Packages: an output with metadata, as the vocabulary that solver, store and package file share.
//!
//! [`PackageFields`] is what one fills in, [`PackageManifest`] the same after every rule was checked. Only the
//! second is ever stored or signed. Its bytes are those of postcard (`docs/formats/mpk.md`).

mod account;
mod actions;
mod arch;
mod check;
mod dependency;
mod file;
mod limit;
mod path;

use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use account::{Account, AccountError, AccountName};
pub use actions::{
    Actions, DirectoryAction, GroupAction, LinkAction, ServiceAction, SysctlAction, UserAction,
};
pub use arch::{Arch, ArchError};
pub use check::PackageError;
pub use dependency::{Dependency, DependencyKind, OptionalGroup};
pub use file::{FileKind, PackageFile, Xattr};
pub use limit::{MAX_FILES, MAX_LIST, MAX_XATTRS};
pub use path::{MAX_COMPONENT, MAX_PATH, PackagePath, PathError};

use crate::capability::Capability;
use crate::digest::Digest;
use crate::name::{Name, StepId};
use crate::requirement::Requirement;
use crate::version::Version;

/// Which build a package came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The step.
    pub recipe: StepId,
    /// Its task key.
    pub task_key: Digest,
    /// Its output: the digest of the output's manifest.
    pub output: Digest,
}

impl PackageFields {
    /// A package that needs, provides and asks for nothing and has no files. Description and licence are still to be
    /// written: no package is without.
    pub fn bare(name: Name, version: Version, arch: Arch, origin: Origin) -> Self {
        Self {
            name,
            version,
            arch,
            description: String::new(),
            licence: String::new(),
            origin,
            dependencies: Vec::new(),
            groups: Vec::new(),
            provides: Vec::new(),
            conflicts: Vec::new(),
            replaces: Vec::new(),
            config: Vec::new(),
            actions: Actions::default(),
            files: Vec::new(),
        }
    }
}

/// Everything a package says about itself, not yet checked. All lists are sorted and without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFields {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// The machine it is for.
    pub arch: Arch,
    /// One line for people: 1 to 255 bytes of UTF-8 without control characters.
    pub description: String,
    /// An SPDX expression: `MIT`, `GPL-2.0-or-later AND MIT`. 1 to 255 of `A-Z a-z 0-9 . - + ( ) :` and space.
    pub licence: String,
    /// The build it came from.
    pub origin: Origin,
    /// What it needs.
    #[serde(deserialize_with = "limit::list")]
    pub dependencies: Vec<Dependency>,
    /// Optional groups of dependencies.
    #[serde(deserialize_with = "limit::list")]
    pub groups: Vec<OptionalGroup>,
    /// What it provides beside its name.
    #[serde(deserialize_with = "limit::list")]
    pub provides: Vec<Capability>,
    /// What cannot be installed beside it. A package never conflicts with itself.
    #[serde(deserialize_with = "limit::list")]
    pub conflicts: Vec<Requirement>,
    /// What it takes the place of: installed packages that match are removed, and their files may be taken over.
    #[serde(deserialize_with = "limit::list")]
    pub replaces: Vec<Requirement>,
    /// Regular files that users edit: merged at an update, never simply overwritten.
    #[serde(deserialize_with = "limit::list")]
    pub config: Vec<PackagePath>,
    /// What is to be done beside the files.
    pub actions: Actions,
    /// The files: sorted by path, so that a directory stands before what is in it.
    #[serde(deserialize_with = "limit::files")]
    pub files: Vec<PackageFile>,
}

/// A package that keeps all rules, also when it came by serde. Its fields are read through `Deref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageManifest(PackageFields);

impl PackageManifest {
    /// Checks the fields. Nothing is put in order: what is not sorted is an error, so that one package has one
    /// encoding.
    ///
    /// # Errors
    /// The first rule that is broken, and by what.
    pub fn new(fields: PackageFields) -> Result<Self, PackageError> {
        check::check(&fields)?;
        Ok(Self(fields))
    }

    /// The fields, to make another package of them.
    pub fn into_fields(self) -> PackageFields {
        self.0
    }

    /// Sum of the lengths of its regular files in bytes; a hard link counts nothing.
    pub fn installed_size(&self) -> u64 {
        // The sum was checked against overflow when the package was made.
        self.files.iter().filter_map(PackageFile::content).map(|(size, _)| size).sum()
    }

    /// `NAME-VERSION-RELEASE.ARCH.mpk`. The epoch is part of VERSION where it is not 0.
    pub fn file_name(&self) -> String {
        format!("{}-{}.{}.mpk", self.name, self.version.with_release(), self.arch)
    }

    /// What stands at `path`.
    pub fn file(&self, path: &[u8]) -> Option<&PackageFile> {
        check::find(&self.files, path)
    }
}

impl Deref for PackageManifest {
    type Target = PackageFields;

    fn deref(&self) -> &PackageFields {
        &self.0
    }
}

impl Serialize for PackageManifest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for PackageManifest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(PackageFields::deserialize(d)?).map_err(de::Error::custom)
    }
}
