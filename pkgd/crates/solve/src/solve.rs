//! From a request to an answer.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use crate::answer::{Answer, Effort, Reason};
use crate::budget::{Budget, Limits};
use crate::check::{Violation, check};
use crate::explain::{Refusal, refusal};
use crate::goal::{Goal, Origin};
use crate::greedy;
use crate::reach::reached;
use crate::request::{Ask, Request, System};
use crate::rules::Rules;
use crate::sat::{Outcome, search};
use crate::transaction;
use crate::universe::{PackageId, Universe};

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SolveError {
    /// The request names an installed package that is not installed.
    NotInstalled {
        /// The name as given.
        name: String,
    },
    /// What is asked cannot be, and why.
    Refused(Box<Refusal>),
    /// The limits ended the search before it knew.
    GaveUp {
        /// Steps taken.
        steps: u64,
    },
    /// The solver's answer did not pass the checker. A fault of this program, never of the request.
    Wrong(Vec<Violation>),
}

impl fmt::Display for SolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { name } => {
                write!(f, "'{}' is not installed", name.escape_debug())
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::GaveUp { steps } => write!(
                f,
                "gave up after {steps} steps without knowing whether there is an answer; ask for fewer packages \
                 at once, or give versions"
            ),
            Self::Wrong(violations) => {
                f.write_str(
                    "the solver's answer is wrong and was thrown away, nothing was changed: ",
                )?;
                let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
                write!(f, "{}; this is a fault of pkgd, please report it", texts.join("; "))
            }
        }
    }
}

impl std::error::Error for SolveError {}

/// Answers `request`.
///
/// The same universe, system, request and limits give the same answer, on every machine and in any order of the
/// asks.
///
/// # Errors
/// See [`SolveError`]. A refusal comes with its proof and, where one was found, a way out that was tried.
pub fn solve(
    universe: &Universe,
    system: &System,
    request: &Request,
    limits: &Limits<'_>,
) -> Result<Answer, SolveError> {
    match attempt(universe, system, request, limits)? {
        Some(answer) => Ok(answer),
        None => {
            let refusal = refusal(universe, system, request, limits);
            Err(SolveError::Refused(Box::new(refusal)))
        }
    }
}

/// As [`solve`], but a request that cannot be met is only `None`, without explanation.
pub(crate) fn attempt(
    universe: &Universe,
    system: &System,
    request: &Request,
    limits: &Limits<'_>,
) -> Result<Option<Answer>, SolveError> {
    names_are_installed(universe, request)?;
    let goal = Goal::new(universe, system, request);
    let rules = Rules::new(&goal);
    let mut solving = Solving::new(&rules, limits);
    let Some(found) = solving.run()? else { return Ok(None) };
    let answer = solving.answer(found);
    let violations = check(universe, system, request, &answer.packages);
    if violations.is_empty() { Ok(Some(answer)) } else { Err(SolveError::Wrong(violations)) }
}

fn names_are_installed(universe: &Universe, request: &Request) -> Result<(), SolveError> {
    let installed: BTreeSet<&str> =
        universe.installed().iter().map(|p| universe.name(*p)).collect();
    for ask in &request.asks {
        if let Ask::Remove(name) | Ask::Update(name) | Ask::Exchange(name) = ask
            && !installed.contains(name.as_str())
        {
            return Err(SolveError::NotInstalled { name: name.clone() });
        }
    }
    Ok(())
}

/// One request while it is answered.
struct Solving<'s> {
    rules: &'s Rules<'s>,
    limits: &'s Limits<'s>,
    budget: Budget<'s>,
    effort: Effort,
    minimal: bool,
}

impl<'s> Solving<'s> {
    fn new(rules: &'s Rules<'s>, limits: &'s Limits<'s>) -> Self {
        let budget = Budget::new(limits.steps, limits.cancel);
        Self { rules, limits, budget, effort: Effort::default(), minimal: true }
    }

    /// One attempt: first without search.
    fn find(&mut self, wanted: &[&[PackageId]]) -> Outcome {
        self.effort.passes += 1;
        if let Some(found) = greedy::try_preferred(self.rules, wanted, &self.budget) {
            return Outcome::Found(found);
        }
        self.effort.searches += 1;
        search(self.rules, wanted, &self.budget)
    }

    /// The packages that are the answer, with as little change as the tiers of `docs/SOLVER.md` say.
    fn run(&mut self) -> Result<Option<BTreeSet<PackageId>>, SolveError> {
        let goal = self.rules.goal;
        let musts: Vec<&[PackageId]> = goal.musts.iter().map(|m| &m.options[..]).collect();
        let keeps: Vec<&[PackageId]> = goal.keeps.iter().map(|k| &k.options[..]).collect();
        let mut wanted: Vec<&[PackageId]> = musts.clone();
        wanted.extend(&keeps);
        let mut found = match self.find(&wanted) {
            Outcome::Found(found) => set(found),
            Outcome::GaveUp => return Err(SolveError::GaveUp { steps: self.budget.used() }),
            Outcome::None if keeps.is_empty() => return Ok(None),
            Outcome::None => match self.find(&musts) {
                Outcome::Found(found) => {
                    wanted = musts;
                    self.refine(&mut wanted, &keeps, set(found))
                }
                Outcome::None => return Ok(None),
                Outcome::GaveUp => return Err(SolveError::GaveUp { steps: self.budget.used() }),
            },
        };
        let preferred = self.preferred();
        let preferred: Vec<&[PackageId]> = preferred.iter().map(core::slice::from_ref).collect();
        found = self.refine(&mut wanted, &preferred, found);
        self.prune(&mut found);
        Ok(Some(found))
    }

    /// The package that is best for each must and each keep: first what this request asks for.
    fn preferred(&self) -> Vec<PackageId> {
        let goal = self.rules.goal;
        let is_asked = |origin: &Origin| matches!(origin, Origin::Asked(_));
        let asked = goal.musts.iter().filter(|m| is_asked(&m.origin)).map(|m| &m.options);
        let kept = goal.musts.iter().filter(|m| !is_asked(&m.origin)).map(|m| &m.options);
        let all = asked.chain(kept).chain(goal.keeps.iter().map(|k| &k.options));
        all.filter_map(|options| options.first().copied()).collect()
    }

    /// Meets as many of `extra` as go together with `wanted`, one after the other; no further one could be met
    /// beside those that are.
    fn refine<'o>(
        &mut self,
        wanted: &mut Vec<&'o [PackageId]>,
        extra: &[&'o [PackageId]],
        mut found: BTreeSet<PackageId>,
    ) -> BTreeSet<PackageId> {
        let is_met = |options: &[PackageId], found: &BTreeSet<PackageId>| {
            options.iter().any(|p| found.contains(p))
        };
        let (met, open): (Vec<_>, Vec<_>) = extra.iter().partition(|o| is_met(o, &found));
        wanted.extend(met);
        for options in open {
            if is_met(options, &found) {
                wanted.push(options);
                continue;
            }
            if self.effort.searches >= self.limits.refinements || self.budget.is_spent() {
                self.minimal = false;
                break;
            }
            wanted.push(options);
            match self.find(wanted) {
                Outcome::Found(better) => found = set(better),
                Outcome::None => {
                    wanted.pop();
                }
                Outcome::GaveUp => {
                    wanted.pop();
                    self.minimal = false;
                    break;
                }
            }
        }
        found
    }

    /// The packages of `found` that the user asked for or holds.
    fn roots(&self, found: &BTreeSet<PackageId>) -> Vec<PackageId> {
        let options = self.rules.goal.musts.iter().flat_map(|must| &must.options);
        options.filter(|p| found.contains(p)).copied().collect()
    }

    /// Takes out new packages that the search left behind without need, and what `autoremove` is to take.
    fn prune(&self, found: &mut BTreeSet<PackageId>) {
        let goal = self.rules.goal;
        let mut roots = self.roots(found);
        if !goal.autoremove {
            let stays =
                |p: &&PackageId| goal.installed.contains_key(&goal.universe.name_symbol(**p));
            roots.extend(found.iter().filter(stays));
            let keeps = goal.keeps.iter().flat_map(|keep| &keep.options);
            roots.extend(keeps.filter(|p| found.contains(p)));
        }
        let needed = reached(self.rules, roots, found);
        found.retain(|p| needed.contains_key(p));
    }

    fn answer(&self, found: BTreeSet<PackageId>) -> Answer {
        let roots = self.roots(&found);
        let needed = reached(self.rules, roots, &found);
        let why = |package: &PackageId| match needed.get(package) {
            Some(None) => Reason::Asked,
            Some(Some(by)) => Reason::NeededBy(*by),
            None => Reason::Unneeded,
        };
        let reasons: BTreeMap<_, _> = found.iter().map(|p| (*p, why(p))).collect();
        let unneeded = found.iter().filter(|p| !needed.contains_key(p)).copied().collect();
        Answer {
            steps: transaction::steps(self.rules, &found, &reasons),
            asked: self.asked(&found),
            unneeded,
            packages: found.into_iter().collect(),
            minimal: self.minimal,
            effort: Effort { steps: self.budget.used(), ..self.effort },
        }
    }

    /// The wants from now on: one whose package was replaced is the want of what replaced it.
    fn asked(&self, found: &BTreeSet<PackageId>) -> Vec<crate::request::Want> {
        let goal = self.rules.goal;
        let mut asked = Vec::new();
        for want in &goal.asked {
            let mut want = want.clone();
            if let Some(new) = goal.successor(&want, found) {
                want = crate::request::Want::any(goal.universe.name(new));
            }
            asked.push(want);
        }
        asked.sort();
        asked.dedup();
        asked
    }
}

fn set(packages: Vec<PackageId>) -> BTreeSet<PackageId> {
    packages.into_iter().collect()
}
