//! Facts from the rules, and sentences from the facts.

use core::fmt;
use std::collections::BTreeMap;

use super::state::Core;
use super::{Fact, Proof, Refusal, WayOut, Why};
use crate::goal::{Exclusion, Goal, Must, Origin};
use crate::index::Term;
use crate::request::Want;
use crate::rules::{Clause, Rules};
use crate::universe::{PackageId, Universe, term_text};

/// How many versions or near names a fact lists.
const FEW: usize = 4;

/// How many sentences of the start and of the end of a long proof are told.
const HEAD: usize = 6;
const TAIL: usize = 6;

/// Where a condition of the goal comes from, and what of it cannot be had.
pub fn must(goal: &Goal<'_>, must: &Must, core: &mut Core) {
    match &must.origin {
        Origin::Asked(want) => {
            core.add(Fact::Asked(want.clone()));
            want_options(goal, want, must, core);
        }
        Origin::Kept(want) => {
            core.add(Fact::Kept(want.clone()));
            want_options(goal, want, must, core);
        }
        Origin::Held(package) => {
            core.add(Fact::Held { package: goal.universe.label(*package) });
            excluded(goal, &[*package], core);
        }
    }
}

fn want_options(goal: &Goal<'_>, want: &Want, must: &Must, core: &mut Core) {
    let universe = goal.universe;
    let all = match universe.symbol(&want.term.target) {
        Some(target) => universe.matching(target, &want.term.constraint),
        None => Vec::new(),
    };
    excluded(goal, &all, core);
    let allowed = all.iter().any(|p| goal.is_allowed(*p));
    if must.options.is_empty() && allowed {
        core.add(Fact::NoGroup(want.clone()));
    } else if all.is_empty() {
        core.add(nothing(universe, &want.term));
    }
}

/// A need of a package, and what would meet it but cannot be taken.
pub fn need(rules: &Rules<'_>, package: PackageId, clause: &Clause, core: &mut Core) {
    let universe = rules.goal.universe;
    let terms: Vec<_> = universe.alternatives(clause.need).collect();
    let texts: Vec<String> = terms.iter().map(|term| universe.term_text(*term)).collect();
    core.add(Fact::Needs {
        name: universe.name(package).to_owned(),
        version: universe.version_text(package).to_owned(),
        need: texts.join(" | "),
        when: universe.condition(clause.need).map(|term| universe.term_text(term)),
    });
    for term in terms {
        let all = universe.matches(term);
        excluded(rules.goal, &all, core);
        if all.is_empty() && clause.options.is_empty() {
            core.add(nothing(universe, &universe.term(term)));
        }
    }
}

/// Why some of `packages` cannot be taken: the newest few.
fn excluded(goal: &Goal<'_>, packages: &[PackageId], core: &mut Core) {
    let mut sorted = packages.to_vec();
    sorted.sort_by_cached_key(|p| core::cmp::Reverse(goal.universe.version(*p)));
    let reasons = sorted.iter().filter_map(|p| Some((*p, goal.exclusion(*p)?)));
    for (package, exclusion) in reasons.take(FEW) {
        let text = |p: PackageId| goal.universe.version_text(p).to_owned();
        let why = match exclusion {
            Exclusion::Removed => Why::Removed,
            Exclusion::Held(held) => Why::Held(text(held)),
            Exclusion::Pinned(pin) => Why::Pinned(pin),
            Exclusion::Repository(name) => Why::Repository(name),
            Exclusion::Downgrade(installed) => Why::Downgrade(text(installed)),
        };
        let name = goal.universe.name(package).to_owned();
        core.add(Fact::Excluded { name, version: text(package), why });
    }
}

/// Nothing meets the term: there is no such name, or no such version.
fn nothing(universe: &Universe, term: &Term) -> Fact {
    let all = universe.symbol(&term.target).map(|s| universe.named_symbol(s)).unwrap_or_default();
    let mut versions: Vec<_> = all.iter().filter_map(|p| universe.version(*p)).collect();
    if versions.is_empty() {
        let similar = universe.similar(&term.target, FEW);
        return Fact::Unknown { term: term.clone(), similar };
    }
    versions.sort();
    let versions = versions.iter().rev().take(FEW).map(ToString::to_string).collect();
    Fact::NoVersion { term: term.clone(), versions }
}

/// Two packages of one name.
pub fn one_version(universe: &Universe, a: PackageId, b: PackageId) -> Fact {
    let mut versions = [a, b].map(|p| universe.version_text(p).to_owned());
    versions.sort();
    Fact::OneVersion { name: universe.name(a).to_owned(), versions }
}

/// `a, b and c`.
fn list(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., end] => format!("{} {last} {end}", init.join(", ")),
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |term: &Term| term_text(&term.target, &term.constraint.to_string());
        match self {
            Self::Asked(want) => write!(f, "{want} is asked for"),
            Self::Kept(want) => write!(f, "{want} is installed because you asked for it"),
            Self::Held { package } => write!(f, "{package} is held"),
            Self::Unknown { term, similar } => {
                write!(f, "no package is called {} or provides it", term.target)?;
                if similar.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (near: {})", similar.join(", "))
                }
            }
            Self::NoVersion { term, versions } => {
                write!(f, "there is no {}, only {}", text(term), versions.join(", "))
            }
            Self::NoGroup(want) => {
                write!(
                    f,
                    "no version of {} that may be taken has the group {}",
                    want.term.target,
                    want.groups.join(", ")
                )
            }
            Self::Needs { name, version, need, when } => {
                write!(f, "{name} {version} needs {need}")?;
                when.as_ref().map_or(Ok(()), |when| write!(f, " beside {when}"))
            }
            Self::Excluded { name, version, why } => write!(f, "{name} {version} {why}"),
            Self::OneVersion { name, versions: [a, b] } => {
                write!(f, "{name} can be installed once only, as {a} or as {b}")
            }
            Self::Conflict { package, other, term } => {
                let (name, _) = other.split_once(' ').unwrap_or((other, ""));
                match term.strip_prefix(name) {
                    Some("") => write!(f, "{package} conflicts with {other}"),
                    Some(rest) if rest.starts_with(' ') => {
                        write!(f, "{package} conflicts with {term}, and so with {other}")
                    }
                    _ => write!(f, "{package} conflicts with {term}, which {other} provides"),
                }
            }
            Self::Role { role, packages: [a, b] } => {
                write!(f, "only one of {a} and {b} can be {role}")
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("is to be removed"),
            Self::Held(version) => write!(f, "cannot be taken because {version} is held"),
            Self::Pinned(pin) => write!(f, "is against the pin {pin}"),
            Self::Repository(name) => {
                write!(f, "cannot be taken because the name belongs to the repository {name}")
            }
            Self::Downgrade(version) => {
                write!(f, "would be a downgrade, {version} is installed")
            }
        }
    }
}

/// Facts that say the same of several versions of one package become one sentence.
fn sentences(facts: &[Fact]) -> Vec<String> {
    let mut versions: BTreeMap<(&str, &str, Option<&str>), Vec<String>> = BTreeMap::new();
    for fact in facts {
        if let Fact::Needs { name, version, need, when } = fact {
            versions.entry((name, need, when.as_deref())).or_default().push(version.clone());
        }
    }
    let mut told = Vec::new();
    for fact in facts {
        let Fact::Needs { name, need, when, .. } = fact else {
            told.push(fact.to_string());
            continue;
        };
        match versions.remove(&(name.as_str(), need.as_str(), when.as_deref())) {
            Some(several) if several.len() > 1 => {
                let beside = when.as_ref().map(|w| format!(" beside {w}")).unwrap_or_default();
                told.push(format!("{name} {} need {need}{beside}", list(&several, "and")));
            }
            Some(_) => told.push(fact.to_string()),
            None => {}
        }
    }
    told
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.complete {
            f.write_str("no short proof was found; the trouble is with: ")?;
        }
        let told = sentences(&self.facts);
        match told.get(HEAD..told.len().saturating_sub(TAIL)) {
            Some(middle) if middle.len() > 1 => {
                let (head, tail) = (&told[..HEAD], &told[told.len() - TAIL..]);
                write!(
                    f,
                    "{}; … {} steps more …; {}.",
                    head.join("; "),
                    middle.len(),
                    tail.join("; ")
                )
            }
            _ => write!(f, "{}.", told.join("; ")),
        }
    }
}

impl fmt::Display for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove { name, beside } if beside.is_empty() => {
                write!(f, "let {name} go: `pkgctl remove {name}` first")
            }
            Self::Remove { name, beside } => {
                write!(f, "let {name} go too: `pkgctl remove {} {name}`", beside.join(" "))
            }
            Self::Unhold(name) => write!(f, "end the hold: `pkgctl unhold {name}`"),
            Self::Unpin(pins) => {
                let pins: Vec<_> = pins.iter().map(|pin| format!("'{pin}'")).collect();
                write!(f, "let go of it: `pkgctl unhold {}`", pins.join(" "))
            }
            Self::Downgrade(want) => {
                write!(f, "allow the older version: `pkgctl install --downgrade '{want}'`")
            }
            Self::Instead { asked: _, instead } => write!(f, "`pkgctl install '{instead}'`"),
            Self::Without(want) => write!(f, "leave {want} out"),
            Self::Spare(name) => write!(f, "keep {name}"),
            Self::From { name, repository } => {
                write!(f, "take it from that repository: `pkgctl hold {name}@{repository}`")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this cannot be done: {}", self.proof)?;
        match &self.way_out {
            Some(way_out) => write!(f, " What would work: {way_out}."),
            None => Ok(()),
        }
    }
}
