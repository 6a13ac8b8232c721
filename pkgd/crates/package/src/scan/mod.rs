//! What a tree depends on and provides, found in its files: shared libraries with symbol versions, commands,
//! interpreters of scripts, pkg-config, Python.
//!
//! Files are data here: nothing is run, and a file that is not what it seems gives a note, never an error.

mod elf;
mod pkgconfig;
mod python;
mod script;

use std::collections::BTreeSet;
use std::io::{self, Read};

use minos_model::package::{FileKind, PackageFile, PackagePath};
use minos_model::{Capability, CapabilityKind, CapabilityName, Constraint, Requirement, Target};

use crate::error::Error;
use crate::writer::Source;

/// Longer ELF files are not looked into, in bytes.
const MAX_ELF: u64 = 1 << 30;
/// Of a text file as much is read, in bytes.
const MAX_TEXT: u64 = 256 << 10;
/// Of any other file as much is read to see what it is, in bytes.
const HEAD: u64 = 256;
/// Folders of commands.
const BIN: [&[u8]; 4] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin"];

/// What was found. All lists are sorted and without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What the tree provides.
    pub provides: BTreeSet<Capability>,
    /// What it needs at run time and does not provide itself.
    pub requires: BTreeSet<Requirement>,
    /// Machines of its programs and libraries; empty if it has none.
    pub machines: BTreeSet<String>,
    /// Files that could not be understood: path and why.
    pub notes: Vec<(PackagePath, String)>,
}

/// Looks into all files of a tree.
///
/// # Errors
/// A file cannot be read.
pub fn scan(files: &[PackageFile], source: &mut Source<'_>) -> Result<Findings, Error> {
    let mut scanner = Scanner::default();
    for file in files {
        scanner.path(file);
        if file.content().is_some_and(|(size, _)| size > 0) {
            let mut reader = source(file).map_err(Error::io("open a file of the tree"))?;
            scanner.content(file, &mut *reader).map_err(Error::io("read a file of the tree"))?;
        }
    }
    Ok(scanner.finish())
}

#[derive(Default)]
struct Scanner {
    found: Findings,
    /// Libraries that only the package itself can use: in folders the loader does not search.
    private: BTreeSet<CapabilityName>,
}

impl Scanner {
    /// What the path alone tells.
    fn path(&mut self, file: &PackageFile) {
        let folder = file.path.parent().unwrap_or_default();
        let runs = match file.kind {
            FileKind::Regular { .. } => file.mode & 0o111 != 0,
            FileKind::Symlink { .. } | FileKind::Hardlink { .. } => true,
            FileKind::Directory => false,
        };
        if runs && BIN.contains(&folder) {
            let name = String::from_utf8_lossy(file.path.file_name()).into_owned();
            self.provide(&file.path, CapabilityKind::Cmd, &name, None);
        }
        python::path(self, file);
    }

    fn content(&mut self, file: &PackageFile, reader: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        reader.take(HEAD).read_to_end(&mut bytes)?;
        if bytes.starts_with(b"\x7fELF") {
            if file.content().is_some_and(|(size, _)| size > MAX_ELF) {
                self.note(&file.path, "an ELF file of more than 1 GiB is not looked into");
                return Ok(());
            }
            reader.take(MAX_ELF).read_to_end(&mut bytes)?;
            elf::file(self, &file.path, &bytes);
        } else if bytes.starts_with(b"#!") && file.mode & 0o111 != 0 {
            script::file(self, &file.path, &bytes);
        } else if pkgconfig::is_one(&file.path) || python::is_metadata(&file.path) {
            reader.take(MAX_TEXT).read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            if pkgconfig::is_one(&file.path) {
                pkgconfig::file(self, &file.path, &text);
            } else {
                python::metadata(self, &file.path, &text);
            }
        }
        Ok(())
    }

    fn note(&mut self, path: &PackagePath, why: impl Into<String>) {
        self.found.notes.push((path.clone(), why.into()));
    }

    /// The name, or a note where it cannot be one.
    fn name(
        &mut self,
        path: &PackagePath,
        kind: CapabilityKind,
        name: &str,
    ) -> Option<CapabilityName> {
        CapabilityName::new(kind, name).map_err(|error| self.note(path, error.to_string())).ok()
    }

    fn provide(
        &mut self,
        path: &PackagePath,
        kind: CapabilityKind,
        name: &str,
        version: Option<minos_model::Version>,
    ) {
        if let Some(id) = self.name(path, kind, name) {
            self.found.provides.insert(Capability { id, version });
        }
    }

    fn require(
        &mut self,
        path: &PackagePath,
        kind: CapabilityKind,
        name: &str,
        constraint: Constraint,
    ) {
        if let Some(id) = self.name(path, kind, name) {
            let target = Target::Capability(id);
            self.found.requires.insert(Requirement { target, constraint });
        }
    }

    /// One version of each capability, and no requirement that the tree meets itself.
    fn finish(mut self) -> Findings {
        let mut last: Option<CapabilityName> = None;
        self.found.provides.retain(|c| last.replace(c.id.clone()).as_ref() != Some(&c.id));
        let Findings { provides, requires, .. } = &mut self.found;
        requires.retain(|requirement| {
            let Target::Capability(id) = &requirement.target else { return true };
            let own = provides.iter().find(|c| c.id == *id);
            let met = own.is_some_and(|c| requirement.accepts(c.version.as_ref()));
            !met && !self.private.contains(id)
        });
        self.found
    }
}
