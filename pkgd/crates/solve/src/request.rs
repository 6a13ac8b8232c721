//! What is asked, and of which system.

use core::fmt;
use core::str::FromStr;

use minos_model::{Constraint, Requirement};

use crate::index::Term;

/// A package that the user wants to have, with groups of it: `emacs[gui]>=29`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Want {
    /// Which package, or which capability, in which versions.
    pub term: Term,
    /// The optional groups, sorted.
    pub groups: Vec<String>,
}

/// The text is not a want, a pin or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    text: String,
    why: String,
}

impl RequestError {
    fn new(text: &str, why: &str) -> Self {
        Self { text: text.chars().take(80).collect(), why: why.to_owned() }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        write!(
            f,
            "'{}' cannot be asked for: {why}; write NAME, NAME[GROUP] or NAME>=VERSION",
            text.escape_debug()
        )
    }
}

impl std::error::Error for RequestError {}

impl Want {
    /// Any version of `name`, without groups.
    pub fn any(name: &str) -> Self {
        Self { term: Term::any(name), groups: Vec::new() }
    }
}

impl FromStr for Want {
    type Err = RequestError;

    fn from_str(s: &str) -> Result<Self, RequestError> {
        let (target, groups, rest) = match s.split_once('[') {
            None => (s.to_owned(), Vec::new(), ""),
            Some((target, rest)) => {
                let (groups, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| RequestError::new(s, "a '[' without its ']'"))?;
                (target.to_owned(), group_list(s, groups)?, rest)
            }
        };
        let requirement = format!("{target}{rest}").parse::<Requirement>();
        let requirement = requirement.map_err(|e| RequestError::new(s, &e.to_string()))?;
        Ok(Self { term: crate::convert::term(&requirement), groups })
    }
}

fn group_list(whole: &str, text: &str) -> Result<Vec<String>, RequestError> {
    let mut groups: Vec<String> = text.split(',').map(|g| g.trim().to_owned()).collect();
    if groups.iter().any(|group| group.parse::<minos_model::Name>().is_err()) {
        return Err(RequestError::new(whole, "a group is a name"));
    }
    groups.sort();
    groups.dedup();
    Ok(groups)
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.term.target)?;
        if !self.groups.is_empty() {
            write!(f, "[{}]", self.groups.join(","))?;
        }
        write!(f, "{}", self.term.constraint)
    }
}

/// A package that must stay inside some versions, or come from one repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The package's name.
    pub name: String,
    /// The versions it may have.
    pub constraint: Constraint,
    /// The repository it must come from, whatever the priorities say.
    pub repository: Option<String>,
}

/// As `pkgctl hold` takes it, and as it is kept.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.constraint)?;
        self.repository.as_ref().map_or(Ok(()), |repository| write!(f, "@{repository}"))
    }
}

impl FromStr for Pin {
    type Err = RequestError;

    /// `zlib<2`, `zlib@testing`, `zlib<2@testing`.
    fn from_str(s: &str) -> Result<Self, RequestError> {
        let (text, repository) =
            s.split_once('@').map_or((s, None), |(t, r)| (t, Some(r.to_owned())));
        let place =
            repository.as_ref().is_none_or(|name| name.parse::<minos_model::Name>().is_ok());
        if !place {
            return Err(RequestError::new(s, "behind '@' stands the name of a repository"));
        }
        let want: Want = text.parse()?;
        if !want.groups.is_empty() {
            return Err(RequestError::new(s, "a pin has no groups"));
        }
        Ok(Self { name: want.term.target, constraint: want.term.constraint, repository })
    }
}

/// The system that the request is about.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// What the user asked for and has: it stays until the user removes it.
    pub asked: Vec<Want>,
    /// Packages, by name, that stay exactly as they are.
    pub holds: Vec<String>,
    /// Packages that are bound to some versions or to a repository.
    pub pins: Vec<Pin>,
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Have it; where it is installed already and meets the want, nothing changes.
    Install(Want),
    /// Have it, also where that means an older version.
    Downgrade(Want),
    /// Do not have this package.
    Remove(String),
    /// Have this package in the newest version that goes.
    Update(String),
    /// Have the package that a repository offers in place of the installed one of the same name and version, where no
    /// repository offers that one any more: it was built anew.
    Exchange(String),
    /// Have everything in the newest version that goes.
    Upgrade,
    /// Remove what nobody asked for and nothing needs.
    Autoremove,
}

/// What is asked, all of it at once.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In any order: the answer is the same.
    pub asks: Vec<Ask>,
}

impl Request {
    /// A request of these.
    pub fn of(asks: impl IntoIterator<Item = Ask>) -> Self {
        Self { asks: asks.into_iter().collect() }
    }
}
