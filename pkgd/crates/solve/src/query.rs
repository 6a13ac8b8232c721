//! Questions about a universe that change nothing.

use std::collections::BTreeSet;

use crate::answer::Answer;
use crate::budget::Limits;
use crate::explain::Refusal;
use crate::goal::Goal;
use crate::index::Package;
use crate::reach::reached;
use crate::request::{Ask, Request, System, Want};
use crate::rules::Rules;
use crate::solve::{SolveError, solve};
use crate::universe::{PackageId, Universe};

/// A package that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The newest version of it.
    pub package: PackageId,
    /// How well it fits: 0 the name itself, 1 a name that starts so, 2 a name with it inside, 3 the description.
    pub rank: u8,
}

/// Why something is not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// It is installed.
    Installed(PackageId),
    /// Only because nobody asked: this would do it.
    Possible(Box<Answer>),
    /// It cannot be.
    Impossible(Box<Refusal>),
}

impl Universe {
    /// The packages that have each word of `text` in their name or description, without regard to case; the best first,
    /// then by name. Of several versions only the newest. No words find nothing.
    pub fn search(&self, text: &str) -> Vec<Found> {
        let text = text.to_ascii_lowercase();
        let needles: Vec<&[u8]> = text.split_whitespace().map(str::as_bytes).collect();
        let mut found = Vec::new();
        if needles.is_empty() {
            return found;
        }
        let base = self.base();
        for number in 0..base.len() {
            let package = Package(number);
            let name = base.name(package);
            if number + 1 < base.len() && base.name(Package(number + 1)) == name {
                continue;
            }
            let of = |needle: &&[u8]| {
                rank(base.symbol(name).as_bytes(), needle)
                    .or_else(|| contains(base.description_bytes(package), needle).then_some(3))
            };
            // As good as the word that it is found by best.
            let ranks: Option<Vec<_>> = needles.iter().map(of).collect();
            let best = ranks.and_then(|ranks| ranks.into_iter().min());
            found.extend(best.map(|rank| Found { package: PackageId(number), rank }));
        }
        // Stable: within a rank the names stay sorted.
        found.sort_by_key(|found| found.rank);
        found
    }

    /// Names of packages like `text`, the nearest first: those that differ in few letters, then those that start
    /// alike.
    pub fn similar(&self, text: &str, count: usize) -> Vec<String> {
        let base = self.base();
        let mut best: Vec<(usize, &str)> = Vec::new();
        let limit = 1 + text.len() / 4;
        let mut last = None;
        for number in 0..base.len() {
            let symbol = base.name(Package(number));
            if last.replace(symbol) == Some(symbol) {
                continue;
            }
            let name = base.symbol(symbol);
            if name.len().abs_diff(text.len()) <= limit
                && let Some(distance) = distance(name.as_bytes(), text.as_bytes(), limit)
            {
                best.push((distance, name));
            }
        }
        best.sort_unstable();
        best.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
    }

    /// The description of a package.
    pub fn description(&self, package: PackageId) -> &str {
        let (table, local) = self.locate(package);
        table.description(local)
    }

    /// The architecture of a package.
    pub fn arch(&self, package: PackageId) -> &str {
        let (table, local) = self.locate(package);
        table.arch(local)
    }

    /// The optional groups of a package: name and reason.
    pub fn groups(&self, package: PackageId) -> Vec<(&str, &str)> {
        let (table, local) = self.locate(package);
        table.groups(local).map(|(name, reason, _)| (name, reason)).collect()
    }

    /// What the package needs, as text: `zlib >=1.2 | zlib-ng`, with ` if X` behind it where it has a condition.
    pub fn depends(&self, package: PackageId) -> Vec<String> {
        let text = |need| {
            let terms: Vec<String> = self.alternatives(need).map(|t| self.term_text(t)).collect();
            let when = self.condition(need).map(|t| format!(" if {}", self.term_text(t)));
            terms.join(" | ") + &when.unwrap_or_default()
        };
        self.needs(package).map(text).collect()
    }

    /// The packages that could meet a need of this one; its optional groups do not count.
    pub fn providers(&self, package: PackageId) -> Vec<PackageId> {
        let terms = self.needs(package).flat_map(|need| self.alternatives(need));
        let found: BTreeSet<PackageId> = terms.flat_map(|term| self.matches(term)).collect();
        found.into_iter().collect()
    }

    /// The packages of the repositories with a need, also one of a group, that this package could meet.
    pub fn dependants(&self, package: PackageId) -> Vec<PackageId> {
        let base = self.base();
        let own = base.find_symbol(self.name(package));
        let provided = self.provides(package).filter_map(|p| base.find_symbol(p.target));
        let symbols: BTreeSet<u32> = own.into_iter().chain(provided).collect();
        let mut candidates: Vec<Package> =
            symbols.iter().flat_map(|symbol| base.dependants(*symbol)).collect();
        candidates.sort_unstable();
        candidates.dedup();
        let meets = |candidate: &Package| {
            let of_groups = base.groups(*candidate).flat_map(|(_, _, needs)| needs);
            let needs = base.needs(*candidate).chain(of_groups);
            let terms = needs.flat_map(|need| base.alternatives(need));
            let mut terms = terms.filter(|term| symbols.contains(&base.term(*term).0));
            terms.any(|term| base.matches(term).any(|p| PackageId(p.0) == package))
        };
        candidates.into_iter().filter(meets).map(|p| PackageId(p.0)).collect()
    }

    /// Why `name` is installed: a shortest chain from something that was asked for down to it. Empty if it is not
    /// installed; only itself if it was asked for, or if nothing needs it.
    pub fn why(&self, system: &System, name: &str) -> Vec<PackageId> {
        let goal = Goal::new(self, system, &Request::default());
        let rules = Rules::new(&goal);
        let installed: BTreeSet<PackageId> = self.installed().iter().copied().collect();
        let named = |p: &&PackageId| self.name(**p) == name;
        let Some(mut at) = installed.iter().find(named).copied() else { return Vec::new() };
        let roots: Vec<_> =
            goal.musts.iter().flat_map(|must| must.options.iter().copied()).collect();
        let from = reached(&rules, roots, &installed);
        let mut chain = vec![at];
        while let Some(Some(by)) = from.get(&at) {
            at = *by;
            chain.push(at);
        }
        chain.reverse();
        chain
    }

    /// Why what is wanted is not installed.
    ///
    /// # Errors
    /// As [`solve`], but a refusal is an answer here.
    pub fn why_not(
        &self,
        system: &System,
        want: &Want,
        limits: &Limits<'_>,
    ) -> Result<WhyNot, SolveError> {
        let target = self.symbol(&want.term.target);
        let meeting = target.map(|t| self.matching(t, &want.term.constraint)).unwrap_or_default();
        if let Some(there) = meeting.iter().find(|p| self.installed().contains(p)) {
            return Ok(WhyNot::Installed(*there));
        }
        match solve(self, system, &Request::of([Ask::Install(want.clone())]), limits) {
            Ok(answer) => Ok(WhyNot::Possible(Box::new(answer))),
            Err(SolveError::Refused(refusal)) => Ok(WhyNot::Impossible(refusal)),
            Err(error) => Err(error),
        }
    }
}

fn rank(name: &[u8], needle: &[u8]) -> Option<u8> {
    if name.eq_ignore_ascii_case(needle) {
        Some(0)
    } else if name.get(..needle.len()).is_some_and(|start| start.eq_ignore_ascii_case(needle)) {
        Some(1)
    } else {
        contains(name, needle).then_some(2)
    }
}

/// Whether `needle`, in lower case and not empty, is in `text`.
fn contains(text: &[u8], needle: &[u8]) -> bool {
    let [first, rest @ ..] = needle else { return true };
    let upper = first.to_ascii_uppercase();
    let mut text = text;
    while let Some(at) = text.iter().position(|b| b == first || *b == upper) {
        text = text.get(at + 1..).unwrap_or_default();
        match text.get(..rest.len()) {
            None => return false,
            Some(start) if start.eq_ignore_ascii_case(rest) => return true,
            Some(_) => {}
        }
    }
    false
}

/// The number of letters to insert, delete or exchange to get from `a` to `b` (Levenshtein); `None` above `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut least = left;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = change.min(left + 1).min(*cell + 1);
            *cell = left;
            least = least.min(left);
        }
        if least > limit {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}
