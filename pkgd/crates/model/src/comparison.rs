//! One comparison of a version with a bound.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use crate::requirement::RequirementError;
use crate::version::{Upstream, Version, parse_parts};

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
