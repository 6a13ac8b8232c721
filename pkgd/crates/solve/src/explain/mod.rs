//! Why a request cannot be met: a short proof, and a way out that was tried.

mod prove;
mod state;
mod way_out;
mod words;

use crate::budget::{Budget, Limits};
use crate::goal::{Goal, Origin};
use crate::index::Term;
use crate::request::{Ask, Pin, Request, System, Want};
use crate::rules::Rules;
use crate::sat::{Outcome, search};
use crate::universe::Universe;

/// One sentence of a proof. Packages are named by name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The request asks for it.
    Asked(Want),
    /// The user asked for it before and has it.
    Kept(Want),
    /// It is held.
    Held {
        /// Which package.
        package: String,
    },
    /// Nothing is called this or provides it; these names are near.
    Unknown {
        /// What is not there.
        term: Term,
        /// Names like it, the nearest first.
        similar: Vec<String>,
    },
    /// The name is there, but no version of it is inside.
    NoVersion {
        /// What is wanted.
        term: Term,
        /// The versions there are, the newest first.
        versions: Vec<String>,
    },
    /// No package with this name has the group.
    NoGroup(Want),
    /// The package needs one of these.
    Needs {
        /// Name.
        name: String,
        /// Version.
        version: String,
        /// The need: `zlib >=1.2 | zlib-ng`.
        need: String,
        /// Where it needs it only beside something.
        when: Option<String>,
    },
    /// A package that would do cannot be taken.
    Excluded {
        /// Name.
        name: String,
        /// Version.
        version: String,
        /// Why not.
        why: Why,
    },
    /// Only one version of a name can be installed.
    OneVersion {
        /// The name.
        name: String,
        /// The two versions, sorted as text.
        versions: [String; 2],
    },
    /// One package cannot be beside another.
    Conflict {
        /// Who says so.
        package: String,
        /// The other.
        other: String,
        /// In these words.
        term: String,
    },
    /// Both play a role that only one can play.
    Role {
        /// The role.
        role: String,
        /// The two packages, sorted.
        packages: [String; 2],
    },
}

/// Why a package cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The request removes it.
    Removed,
    /// This version is held.
    Held(String),
    /// This pin is against it.
    Pinned(String),
    /// Its name belongs to this repository, which has a higher priority.
    Repository(String),
    /// This newer version is installed.
    Downgrade(String),
}

/// Facts that cannot all be true at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// In an order in which they can be read.
    pub facts: Vec<Fact>,
    /// Whether they are a whole proof. Otherwise the limits ended it, and they are only where to look.
    pub complete: bool,
}

/// A change of the request or the system with which there is an answer. It was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayOut {
    /// Let this package go.
    Remove {
        /// Which.
        name: String,
        /// What the request removes, if that is all it does: one command removes them together.
        beside: Vec<String>,
    },
    /// End the hold of this package.
    Unhold(String),
    /// End these pins, which are all of one package.
    Unpin(Vec<Pin>),
    /// Allow an older version of this.
    Downgrade(Want),
    /// Ask for this instead.
    Instead {
        /// What was asked.
        asked: Want,
        /// What can be had.
        instead: Want,
    },
    /// Leave this out of the request.
    Without(Want),
    /// Leave the removal of this out of the request.
    Spare(String),
    /// Take this package from that repository.
    From {
        /// Name of the package.
        name: String,
        /// Name of the repository.
        repository: String,
    },
}

/// A request that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub proof: Proof,
    /// What to do, if something was found that works.
    pub way_out: Option<WayOut>,
}

/// Explains why `request`, which has no answer, has none.
pub(crate) fn refusal(
    universe: &Universe,
    system: &System,
    request: &Request,
    limits: &Limits<'_>,
) -> Refusal {
    let goal = Goal::new(universe, system, request);
    let rules = Rules::new(&goal);
    let budget = Budget::new(limits.explain, limits.cancel);
    let proof = match prove::prove(&rules, &budget) {
        Some(facts) => Proof { facts, complete: true },
        None => Proof { facts: where_to_look(&rules, limits), complete: false },
    };
    let way_out = way_out::find(universe, system, request, &proof, limits);
    Refusal { proof, way_out }
}

/// Without a proof: the wants of the request that cannot be met even alone, or else all of them.
fn where_to_look(rules: &Rules<'_>, limits: &Limits<'_>) -> Vec<Fact> {
    let budget = Budget::new(limits.explain / 4, limits.cancel);
    let asked = rules.goal.musts.iter().filter_map(|must| match &must.origin {
        Origin::Asked(want) => Some((want, &must.options)),
        _ => None,
    });
    let asked: Vec<_> = asked.take(16).collect();
    let fails = |options: &[crate::PackageId]| search(rules, &[options], &budget) == Outcome::None;
    let alone: Vec<Fact> = asked
        .iter()
        .filter(|(_, o)| fails(o))
        .map(|(want, _)| Fact::Asked((*want).clone()))
        .collect();
    if alone.is_empty() {
        asked.into_iter().map(|(want, _)| Fact::Asked(want.clone())).collect()
    } else {
        alone
    }
}

/// Whether the request asks for this want.
fn asks_for(request: &Request, want: &Want) -> bool {
    let named = |ask: &Ask| matches!(ask, Ask::Install(w) | Ask::Downgrade(w) if w == want);
    request.asks.iter().any(named)
}
