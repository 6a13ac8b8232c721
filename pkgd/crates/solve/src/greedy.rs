//! The first pass: take the preferred package everywhere, and stop at the first contradiction.
//!
//! Most requests need no search: nothing of what is preferred contradicts anything else. Then this pass finds the
//! answer in one walk over what is reached, many times faster than encoding the same walk for a SAT solver. Where it
//! meets a contradiction it gives no answer at all, and [`crate::sat`] takes over.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use crate::budget::Budget;
use crate::rules::{Clause, Rules};
use crate::universe::{PackageId, Symbol};

struct Pass<'r> {
    rules: &'r Rules<'r>,
    /// The package chosen of each name, by the name's number.
    chosen: Vec<Option<PackageId>>,
    roles: HashMap<Symbol, PackageId>,
    forbidden: HashSet<PackageId>,
    /// Clauses with one option, then those with several: what is forced is known before anything is chosen.
    forced: VecDeque<Rc<Clause>>,
    open: VecDeque<Rc<Clause>>,
    conditional: Vec<Rc<Clause>>,
    seen: HashSet<u32>,
}

/// The packages that follow from `wanted` lists, each the first of its list; `None` if they contradict each other
/// or the budget ends.
pub(crate) fn try_preferred(
    rules: &Rules<'_>,
    wanted: &[&[PackageId]],
    budget: &Budget<'_>,
) -> Option<Vec<PackageId>> {
    let mut pass = Pass {
        rules,
        chosen: vec![None; rules.goal.universe.symbol_count() as usize],
        roles: HashMap::new(),
        forbidden: HashSet::new(),
        forced: VecDeque::new(),
        open: VecDeque::new(),
        conditional: Vec::new(),
        seen: HashSet::new(),
    };
    for options in wanted {
        if !pass.is_met(options) {
            pass.take(*options.first()?)?;
        }
    }
    pass.run(budget)?;
    let mut found: Vec<PackageId> = pass.chosen.into_iter().flatten().collect();
    found.sort_unstable();
    Some(found)
}

impl Pass<'_> {
    fn run(&mut self, budget: &Budget<'_>) -> Option<()> {
        loop {
            if !budget.step() {
                return None;
            }
            if let Some(clause) = self.forced.pop_front() {
                if !self.is_met(&clause.options) {
                    self.take(*clause.options.first()?)?;
                }
            } else if let Some(clause) = self.open.pop_front() {
                if !self.is_met(&clause.options) {
                    self.take(self.preferred(&clause.options)?)?;
                }
            } else if !self.conditions_fire() {
                return Some(());
            }
        }
    }

    /// The first option that nothing speaks against. An option that is ruled out already is no contradiction, so
    /// long as there is another one.
    fn preferred(&self, options: &[PackageId]) -> Option<PackageId> {
        let fits = |p: &&PackageId| self.fits(**p);
        options.iter().find(fits).copied()
    }

    fn fits(&self, package: PackageId) -> bool {
        let name = self.rules.goal.universe.name_symbol(package);
        if self.forbidden.contains(&package) || self.of_name(name).is_some() {
            return false;
        }
        let facts = self.rules.facts(package);
        let friendly = facts.enemies.iter().all(|(enemy, _)| !self.is_chosen(*enemy));
        friendly && facts.roles.iter().all(|role| !self.roles.contains_key(role))
    }

    fn of_name(&self, name: Symbol) -> Option<PackageId> {
        self.chosen.get(name.0 as usize).copied().flatten()
    }

    fn is_chosen(&self, package: PackageId) -> bool {
        self.of_name(self.rules.goal.universe.name_symbol(package)) == Some(package)
    }

    fn is_met(&self, options: &[PackageId]) -> bool {
        options.iter().any(|p| self.is_chosen(*p))
    }

    fn take(&mut self, package: PackageId) -> Option<()> {
        if !self.fits(package) {
            return None;
        }
        let facts = self.rules.facts(package);
        let name = self.rules.goal.universe.name_symbol(package);
        *self.chosen.get_mut(name.0 as usize)? = Some(package);
        self.forbidden.extend(facts.enemies.iter().map(|(enemy, _)| *enemy));
        self.roles.extend(facts.roles.iter().map(|role| (*role, package)));
        for clause in &facts.clauses {
            if !self.seen.insert(clause.number) {
                continue;
            }
            let clause = Rc::clone(clause);
            match (&clause.when, clause.options.len()) {
                (Some(_), _) => self.conditional.push(clause),
                (None, 0 | 1) => self.forced.push_back(clause),
                (None, _) => self.open.push_back(clause),
            }
        }
        Some(())
    }

    /// Opens the conditional clauses whose condition holds now; false if there is none.
    fn conditions_fire(&mut self) -> bool {
        let waiting = core::mem::take(&mut self.conditional);
        let fires = |clause: &Rc<Clause>| {
            clause.when.as_ref().is_some_and(|(_, packages)| self.is_met(packages))
        };
        let (fire, wait): (Vec<_>, Vec<_>) = waiting.into_iter().partition(fires);
        self.conditional = wait;
        let any = !fire.is_empty();
        self.open.extend(fire);
        any
    }
}
