//! From the output of a build to a package.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use minos_model::package::{
    Account, Actions, Arch, DependencyKind, FileKind, OptionalGroup, Origin, PackageFields,
    PackageFile, PackageManifest, PackagePath, Xattr,
};
use minos_model::{
    Capability, CapabilityName, Dependency, Entry, Kind, Manifest, Name, Requirement, Version,
};

use crate::error::Error;
use crate::keys::SecretKey;
use crate::scan::{Findings, scan};
use crate::writer::{Options, Source, Written, write};

/// What a recipe says about a package; the rest is found in the tree. Lists may be in any order.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// One line for people.
    pub description: String,
    /// An SPDX expression.
    pub licence: String,
    /// The build it comes from.
    pub origin: Origin,
    /// The machine; without it that of the programs in the tree, or `noarch` if there are none.
    pub arch: Option<Arch>,
    /// Dependencies beside those that are found.
    pub dependencies: Vec<Dependency>,
    /// Capabilities beside those that are found.
    pub provides: Vec<Capability>,
    /// Requirements that are found but not meant (a script for another system), as they are written.
    pub ignore: Vec<Requirement>,
    /// What cannot be installed beside it.
    pub conflicts: Vec<Requirement>,
    /// What it takes the place of.
    pub replaces: Vec<Requirement>,
    /// Optional groups.
    pub groups: Vec<OptionalGroup>,
    /// Files that users edit.
    pub config: Vec<PackagePath>,
    /// Beside the files. Names of users and groups in it may own files: see `owners`.
    pub actions: Actions,
    /// Owners by name instead of by the number they have in the tree.
    pub owners: BTreeMap<u16, Account>,
    /// The folder of the tree that becomes the root (`lfs` for the cross stage); the root itself if `None`.
    pub prefix: Option<PackagePath>,
    /// Folders of the package whose programs run on another system than the one it is installed into (cross
    /// tools): what they need and provide is not this package's.
    pub foreign: Vec<PackagePath>,
}

impl Metadata {
    /// The least that a package needs.
    pub fn new(
        name: Name,
        version: Version,
        description: &str,
        licence: &str,
        origin: Origin,
    ) -> Self {
        Self {
            name,
            version,
            description: description.to_owned(),
            licence: licence.to_owned(),
            origin,
            arch: None,
            dependencies: Vec::new(),
            provides: Vec::new(),
            ignore: Vec::new(),
            conflicts: Vec::new(),
            replaces: Vec::new(),
            groups: Vec::new(),
            config: Vec::new(),
            actions: Actions::default(),
            owners: BTreeMap::new(),
            prefix: None,
            foreign: Vec::new(),
        }
    }
}

/// Gives the contents of a package out of the tree of an output.
///
/// The tree must not be changed by anybody meanwhile: it is one of the store's. A symbolic link in the place of a
/// file is refused, and a content other than the manifest's ends the packing.
#[derive(Debug, Clone)]
pub struct DirSource {
    root: PathBuf,
}

impl DirSource {
    /// Contents below `root`, to which the paths of the package are relative.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Opens the content of a file.
    ///
    /// # Errors
    /// It is not there, or not a regular file.
    pub fn open(&self, file: &PackageFile) -> io::Result<Box<dyn Read>> {
        let path = self.root.join(OsStr::from_bytes(file.path.as_bytes()));
        if !path.symlink_metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is no file", path.display()),
            ));
        }
        Ok(Box::new(File::open(path)?))
    }
}

/// Packs a tree: `manifest` is that of the output, `source` gives contents by the paths of the *package*.
/// Returns the manifest, what was found in the tree, and what was written.
///
/// # Errors
/// The tree has what no package can have, the metadata breaks a rule, a content changed, or I/O.
pub fn pack(
    manifest: &Manifest,
    source: &mut Source<'_>,
    metadata: Metadata,
    keys: &[SecretKey],
    options: &Options,
    out: &mut (impl Write + Seek),
) -> Result<(PackageManifest, Findings, Written), Error> {
    let files = files(manifest, &metadata)?;
    let here = |file: &&PackageFile| !metadata.foreign.iter().any(|f| is_below(&file.path, f));
    let (here, foreign): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| here(&file));
    let mut findings = scan(&here, source)?;
    // Which machine they run on counts all the same.
    findings.machines.extend(scan(&foreign, source)?.machines);
    let manifest = PackageManifest::new(fields(metadata, files, &findings)?)?;
    let written = write(&manifest, source, keys, options, out)?;
    Ok((manifest, findings, written))
}

/// The files of a tree as a package has them, sorted.
///
/// # Errors
/// A path outside of the prefix or where no package should have one, a deletion, a number of an owner above 65535, a bad path, an extended attribute
/// whose name is no text or that stands on the prefix itself. What else no package can have, [`PackageManifest`]
/// refuses: nothing is left out.
pub fn files(manifest: &Manifest, metadata: &Metadata) -> Result<Vec<PackageFile>, Error> {
    let mut files = Vec::with_capacity(manifest.entries().len());
    for entry in manifest.entries() {
        let tree =
            |why| Error::Tree { path: String::from_utf8_lossy(&entry.path).into_owned(), why };
        let Some(path) = inside(metadata.prefix.as_ref(), &entry.path).map_err(tree)? else {
            if entry.xattrs.is_empty() {
                continue;
            }
            return Err(tree(
                "it becomes the root, and the attributes of a root are in no package",
            ));
        };
        let file = file(metadata, entry, path).map_err(tree)?;
        if let Some(why) = file.path.misplaced() {
            return Err(tree(why));
        }
        files.push(file);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_below(path: &PackagePath, folder: &PackagePath) -> bool {
    path.as_bytes().strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The path below the prefix; `None` for the prefix itself and the folders above it.
fn inside<'a>(
    prefix: Option<&PackagePath>,
    path: &'a [u8],
) -> Result<Option<&'a [u8]>, &'static str> {
    let Some(prefix) = prefix.map(PackagePath::as_bytes) else { return Ok(Some(path)) };
    if let Some(rest) = path.strip_prefix(prefix) {
        if rest.is_empty() {
            return Ok(None);
        }
        if let Some(below) = rest.strip_prefix(b"/") {
            return Ok(Some(below));
        }
    }
    let above = prefix.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
    if above { Ok(None) } else { Err("it is outside of the folder that becomes the root") }
}

fn file(metadata: &Metadata, entry: &Entry, path: &[u8]) -> Result<PackageFile, &'static str> {
    let to_path = |bytes: &[u8]| {
        PackagePath::new(bytes.to_vec()).map_err(|_| "no package can have such a path")
    };
    let kind = match &entry.kind {
        // An opaque directory hides what other layers have; between packages nothing is hidden.
        Kind::Directory | Kind::Opaque => FileKind::Directory,
        Kind::File { size, digest } => FileKind::Regular { size: *size, digest: *digest },
        Kind::Symlink { target } => FileKind::Symlink { target: target.clone() },
        Kind::Hardlink { to } => {
            let to = inside(metadata.prefix.as_ref(), to)?.ok_or("a hard link to a directory")?;
            FileKind::Hardlink { to: to_path(to)? }
        }
        Kind::Whiteout => {
            return Err(
                "the build deleted what another package installed: a package cannot. Delete it in the \
                        recipe that installs it",
            );
        }
    };
    let owner = |id: u32| -> Result<Account, &'static str> {
        let id = u16::try_from(id).map_err(|_| "its owner has a number above 65535")?;
        Ok(metadata.owners.get(&id).cloned().unwrap_or(Account::Id(id)))
    };
    let (user, group) = match kind {
        FileKind::Hardlink { .. } => (Account::ROOT, Account::ROOT),
        _ => (owner(entry.uid)?, owner(entry.gid)?),
    };
    let mode = u16::try_from(entry.mode).map_err(|_| "its mode is above 7777")?;
    Ok(PackageFile { path: to_path(path)?, kind, mode, user, group, xattrs: xattrs(entry)? })
}

/// All extended attributes of an entry. Which of them a package may have is a rule of the package.
fn xattrs(entry: &Entry) -> Result<Vec<Xattr>, &'static str> {
    let text = |name: &[u8]| {
        String::from_utf8(name.to_vec())
            .map_err(|_| "the name of an extended attribute is not text: no package can have it")
    };
    let xattr = |x: &minos_model::Xattr| Ok(Xattr { name: text(&x.name)?, value: x.value.clone() });
    entry.xattrs.iter().map(xattr).collect()
}

/// Joins what the recipe says with what was found, in canonical order.
fn fields(
    metadata: Metadata,
    files: Vec<PackageFile>,
    found: &Findings,
) -> Result<PackageFields, Error> {
    let arch = match metadata.arch {
        Some(arch) => arch,
        None => arch_of(&found.machines)?,
    };
    // What the recipe says about a capability counts before what was found.
    let mut provides: BTreeMap<CapabilityName, Option<Version>> =
        found.provides.iter().map(|c| (c.id.clone(), c.version.clone())).collect();
    provides.extend(metadata.provides.into_iter().map(|c| (c.id, c.version)));
    let automatic =
        found.requires.iter().filter(|requirement| !metadata.ignore.contains(requirement));
    let automatic = automatic.map(|requirement| Dependency {
        kind: DependencyKind::Runtime,
        requirement: requirement.clone(),
        condition: None,
    });
    let mut groups = metadata.groups;
    groups.sort();
    Ok(PackageFields {
        name: metadata.name,
        version: metadata.version,
        arch,
        description: metadata.description,
        licence: metadata.licence,
        origin: metadata.origin,
        dependencies: sorted(metadata.dependencies.into_iter().chain(automatic)),
        groups,
        provides: provides.into_iter().map(|(id, version)| Capability { id, version }).collect(),
        conflicts: sorted(metadata.conflicts),
        replaces: sorted(metadata.replaces),
        config: sorted(metadata.config),
        actions: metadata.actions,
        files,
    })
}

fn sorted<T: Ord>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    list.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}

fn arch_of(machines: &BTreeSet<String>) -> Result<Arch, Error> {
    let many = "programs for several machines: say in the recipe which one the package is for";
    let mut names = machines.iter();
    match (names.next(), names.next()) {
        (None, _) => Ok(parse_arch(Arch::NOARCH)?),
        (Some(one), None) => parse_arch(one),
        (Some(one), Some(other)) => Err(Error::Tree { path: format!("{one}, {other}"), why: many }),
    }
}

fn parse_arch(name: &str) -> Result<Arch, Error> {
    name.parse().map_err(|_| Error::Tree { path: name.to_owned(), why: "not a machine's name" })
}
