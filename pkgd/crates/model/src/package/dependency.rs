//! What a package depends on.

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::requirement::Requirement;

/// When a dependency counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DependencyKind {
    /// Always, where the package is installed.
    Runtime,
    /// Only where it is built.
    Build,
    /// Where it is installed and this optional group of it is chosen.
    Group(Name),
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dependency {
    /// When it counts.
    pub kind: DependencyKind,
    /// What must be there.
    pub requirement: Requirement,
    /// Only where this is met by what is installed (`if X`): a plugin between two packages.
    pub condition: Option<Requirement>,
}

/// An optional group of dependencies that a user may choose: `documentation`, `tls`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OptionalGroup {
    /// Its name.
    pub name: Name,
    /// What one gets by choosing it: 1 to 255 bytes, one line.
    pub reason: String,
}
