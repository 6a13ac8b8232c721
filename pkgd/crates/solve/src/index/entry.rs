//! One package as it goes into an index.

use minos_model::{Constraint, Version};

/// What a package asks for: a name or capability, and the versions that will do.
///
/// A capability of kind `cap` is written by its bare name, where a package can have that name, because a package
/// provides `cap:` of its own name:
/// `mail` is met by the package `mail` and by every provider of `cap:mail`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// A package name, or a capability with its kind: `soname:libz.so.1(x86_64)`.
    pub target: String,
    /// The versions that meet it.
    pub constraint: Constraint,
}

impl Term {
    /// Any version of `target`.
    pub fn any(target: &str) -> Self {
        Self { target: target.to_owned(), constraint: Constraint::ANY }
    }
}

/// One of `any` must be installed, if `when` is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// The alternatives, the preferred one first. Never empty.
    pub any: Vec<Term>,
    /// The need holds only beside a package that meets this term; `None` is always.
    pub when: Option<Term>,
}

impl Need {
    /// One term, without condition.
    pub fn one(term: Term) -> Self {
        Self { any: vec![term], when: None }
    }
}

/// A capability that a package has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provide {
    /// The capability, written as in [`Term::target`].
    pub target: String,
    /// Without a version it meets only terms that ask for none.
    pub version: Option<Version>,
    /// A role: only one package of those that provide it can be installed.
    pub exclusive: bool,
}

/// Needs that hold only where the user asked for them: `emacs[gui]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The name of the group within its package.
    pub name: String,
    /// What it is good for, in one line.
    pub reason: String,
    /// What it needs in addition.
    pub needs: Vec<Need>,
}

/// One package of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The package's name.
    pub name: String,
    /// Its version, with the release.
    pub version: Version,
    /// Architecture, or `noarch`.
    pub arch: String,
    /// One line.
    pub description: String,
    /// Which of the index's repositories has it.
    pub repository: u32,
    /// SHA-256 of the package file.
    pub digest: [u8; 32],
    /// Bytes to fetch.
    pub size: u64,
    /// Bytes on disk.
    pub installed_size: u64,
    /// What it needs at run time.
    pub needs: Vec<Need>,
    /// What it has to offer beside its name.
    pub provides: Vec<Provide>,
    /// What cannot be installed beside it. Never its own name.
    pub conflicts: Vec<Term>,
    /// Packages, by name, whose place it takes.
    pub replaces: Vec<Term>,
    /// What the user can ask for in addition.
    pub groups: Vec<Group>,
}

impl Entry {
    /// A package with a name and a version and nothing else.
    pub fn new(name: &str, version: Version) -> Self {
        Self {
            name: name.to_owned(),
            version,
            arch: "noarch".to_owned(),
            description: String::new(),
            repository: 0,
            digest: [0; 32],
            size: 0,
            installed_size: 0,
            needs: Vec::new(),
            provides: Vec::new(),
            conflicts: Vec::new(),
            replaces: Vec::new(),
            groups: Vec::new(),
        }
    }
}
