//! What a package asks of another: a name or capability and a conjunction of version comparisons.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::capability::CapabilityName;
use crate::name::{Name, serde_as_text};
use crate::version::{Upstream, Version, parse_parts};

/// The most comparisons one requirement may have.
pub const MAX_COMPARISONS: usize = 16;

/// How a version is compared. The order of the variants is the canonical order within a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `=V`: this version.
    Equal,
    /// `=V.*`: `V` itself and every version that goes on from it, but none before it (`V~rc1`).
    Wildcard,
    /// `^V`: not before `V`, and the components up to the first that is not 0 stay.
    Caret,
    /// `~V`: not before `V`, and the first two components (or the only one) stay.
    Tilde,
    /// `>=V`
    GreaterEqual,
    /// `>V`
    Greater,
    /// `<V`
    Less,
    /// `<=V`
    LessEqual,
    /// `!=V`
    NotEqual,
}

impl Op {
    /// As it is written in front of the version. A wildcard also has `.*` behind it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal | Self::Wildcard => "=",
            Self::Caret => "^",
            Self::Tilde => "~",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::NotEqual => "!=",
        }
    }
}

/// One comparison: `>=1.2`, `=1.0-3`, `^2`.
///
/// A bound without release stands for every release of its upstream version: `=1.0` matches `1.0-7`, `>1.0` does
/// not. A bound without epoch has epoch 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comparison {
    op: Op,
    epoch: u32,
    upstream: Upstream,
    release: Option<u32>,
}

impl Comparison {
    /// How it compares.
    pub fn op(&self) -> Op {
        self.op
    }

    /// Exactly this version with its release.
    pub fn exactly(version: &Version) -> Self {
        let (epoch, upstream, release) = version.parts();
        Self { op: Op::Equal, epoch, upstream: upstream.clone(), release: Some(release) }
    }

    /// Whether `version` is inside.
    pub fn matches(&self, version: &Version) -> bool {
        let order = self.order(version);
        match self.op {
            Op::Equal => order.is_eq(),
            Op::NotEqual => order.is_ne(),
            Op::Less => order.is_lt(),
            Op::LessEqual => order.is_le(),
            Op::Greater => order.is_gt(),
            Op::GreaterEqual => order.is_ge(),
            Op::Wildcard => self.within(version, self.upstream.as_str()),
            Op::Caret | Op::Tilde => {
                order.is_ge()
                    && prefix(self.op, self.upstream.as_str())
                        .is_some_and(|prefix| self.within(version, prefix))
            }
        }
    }

    /// How `version` stands to the bound.
    fn order(&self, version: &Version) -> Ordering {
        let (epoch, upstream, release) = version.parts();
        let by_name = epoch.cmp(&self.epoch).then_with(|| upstream.cmp(&self.upstream));
        by_name.then_with(|| self.release.map_or(Ordering::Equal, |bound| release.cmp(&bound)))
    }

    /// Whether `version` is `prefix` or goes on from it with something that is not another digit and not `~`.
    fn within(&self, version: &Version, prefix: &str) -> bool {
        let rest = version.upstream().strip_prefix(prefix);
        let next = rest.map(|rest| rest.as_bytes().first());
        version.epoch() == self.epoch
            && next.is_some_and(|b| b.is_none_or(|b| !b.is_ascii_digit() && *b != b'~'))
    }
}

/// The components of `upstream` that stay under `^` or `~`; `None` if it does not start with a number.
fn prefix(op: Op, upstream: &str) -> Option<&str> {
    let mut end = 0;
    for (index, part) in upstream.split('.').enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        end += usize::from(index > 0) + digits;
        let zero = part.bytes().take(digits).all(|b| b == b'0');
        let last = if op == Op::Tilde { index == 1 } else { !zero };
        if last || digits < part.len() {
            break;
        }
    }
    upstream.get(..end).filter(|prefix| !prefix.is_empty())
}

impl FromStr for Comparison {
    type Err = RequirementError;

    fn from_str(s: &str) -> Result<Self, RequirementError> {
        const OPS: [Op; 8] = [
            Op::GreaterEqual,
            Op::LessEqual,
            Op::NotEqual,
            Op::Equal,
            Op::Greater,
            Op::Less,
            Op::Caret,
            Op::Tilde,
        ];
        let error = |why| RequirementError::new(s, why);
        let found = OPS.iter().find_map(|op| Some((*op, s.strip_prefix(op.as_str())?)));
        let (mut op, text) =
            found.ok_or_else(|| error("a comparison starts with one of = != < <= > >= ^ ~"))?;
        let mut text = text.trim_start_matches(' ');
        if let (Op::Equal, Some(shorter)) = (op, text.strip_suffix(".*")) {
            (op, text) = (Op::Wildcard, shorter);
        }
        let (epoch, upstream, release) = parse_parts(text)
            .map_err(|_| error("its version is not [EPOCH:]UPSTREAM[-RELEASE]"))?;
        if op == Op::Wildcard && release.is_some() {
            return Err(error("a version with .* has no release"));
        }
        if matches!(op, Op::Caret | Op::Tilde) && prefix(op, upstream.as_str()).is_none() {
            return Err(error("^ and ~ need a version that starts with a number"));
        }
        Ok(Self { op, epoch, upstream, release })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(self.upstream.as_str())?;
        match (self.op, self.release) {
            (Op::Wildcard, _) => f.write_str(".*"),
            (_, Some(release)) => write!(f, "-{release}"),
            (_, None) => Ok(()),
        }
    }
}

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
