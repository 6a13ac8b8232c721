//! What a package asks of another: a name or capability and a conjunction of version comparisons.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::capability::CapabilityName;
use crate::comparison::Comparison;
use crate::name::{Name, serde_as_text};
use crate::version::Version;

/// The most comparisons one requirement may have.
pub const MAX_COMPARISONS: usize = 16;

/// A conjunction of comparisons; the empty one matches every version. Written `>=1.2,<2`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constraint(Vec<Comparison>);

impl Constraint {
    /// Matches every version.
    pub const ANY: Self = Self(Vec::new());

    /// The comparisons, in canonical order, none twice.
    pub fn comparisons(&self) -> &[Comparison] {
        &self.0
    }

    /// Whether it lets every version through.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Exactly this version with its release.
    pub fn exactly(version: &Version) -> Self {
        Self(vec![Comparison::exactly(version)])
    }

    /// Whether `version` passes all comparisons.
    pub fn matches(&self, version: &Version) -> bool {
        self.0.iter().all(|comparison| comparison.matches(version))
    }
}

impl FromStr for Constraint {
    type Err = RequirementError;

    fn from_str(s: &str) -> Result<Self, RequirementError> {
        let trimmed = s.trim_matches(' ');
        if matches!(trimmed, "" | "*" | "=*") {
            return Ok(Self::ANY);
        }
        let parts = trimmed.split(',').map(|part| part.trim_matches(' ').parse());
        let mut list: Vec<Comparison> = parts.collect::<Result<_, _>>()?;
        list.sort();
        list.dedup();
        if list.len() > MAX_COMPARISONS {
            return Err(RequirementError::new(s, "it has more than 16 comparisons"));
        }
        Ok(Self(list))
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, comparison) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{comparison}")?;
        }
        Ok(())
    }
}

/// Who can meet a requirement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The package of this name, or one that provides `cap:NAME` (with a version, if the requirement has a
    /// constraint).
    Package(Name),
    /// Any package that provides this capability.
    Capability(CapabilityName),
}

impl FromStr for Target {
    type Err = RequirementError;

    fn from_str(s: &str) -> Result<Self, RequirementError> {
        let error = |e: &dyn fmt::Display| RequirementError::new(s, &e.to_string());
        if s.contains(':') {
            s.parse().map(Self::Capability).map_err(|e| error(&e))
        } else {
            s.parse().map(Self::Package).map_err(|e| error(&e))
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(name) => name.fmt(f),
            Self::Capability(name) => name.fmt(f),
        }
    }
}

/// A requirement: `zlib`, `zlib>=1.2,<2`, `soname:libz.so.1(x86_64)`, `pkgconfig:zlib>=1.2.11`.
///
/// Spaces are allowed around operators and commas when read; the canonical text has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// Who can meet it.
    pub target: Target,
    /// Which versions do.
    pub constraint: Constraint,
}

impl Requirement {
    /// Any version of the package `name`.
    pub fn any(name: Name) -> Self {
        Self { target: Target::Package(name), constraint: Constraint::ANY }
    }

    /// Whether a provider with this version meets it. A provider without version meets only what asks for none.
    pub fn accepts(&self, version: Option<&Version>) -> bool {
        self.constraint.is_any() || version.is_some_and(|v| self.constraint.matches(v))
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(s: &str) -> Result<Self, RequirementError> {
        if s.len() > 1024 {
            return Err(RequirementError::new(s, "it is longer than 1024 bytes"));
        }
        let end = s.find([' ', '=', '!', '<', '>', '^', '~', '*']).unwrap_or(s.len());
        let (target, constraint) = s.split_at(end);
        Ok(Self { target: target.parse()?, constraint: constraint.parse()? })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", self.target, self.constraint))
    }
}

/// Why a text is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementError {
    text: String,
    why: String,
}

impl RequirementError {
    pub(crate) fn new(text: &str, why: &str) -> Self {
        Self { text: text.chars().take(80).collect(), why: why.to_owned() }
    }
}

impl fmt::Display for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a requirement: {}", self.text.escape_debug(), self.why)
    }
}

impl std::error::Error for RequirementError {}

serde_as_text!(Constraint);
serde_as_text!(Requirement);
