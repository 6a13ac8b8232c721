//! The search: the rules as resolvo sees them.
//!
//! Everything is said in plain clauses. Two things that resolvo has no word for become names of their own: a *role*
//! is a name whose versions are the packages that play it, of which one can be installed; a *condition* is a name
//! with the versions "holds" and "does not". resolvo has conditions too; they are not used because a condition that
//! held once stays encoded after the search went back (its `conditions.rs`), which loses answers.

use core::any::Any;
use core::cell::RefCell;
use core::fmt::Display;
use std::collections::HashMap;
use std::rc::Rc;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache,
    StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use crate::budget::Budget;
use crate::rules::Rules;
use crate::universe::{PackageId, Symbol};

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Found(Vec<PackageId>),
    /// There is no answer.
    None,
    /// The budget ended first.
    GaveUp,
}

/// A list of packages of one name, preferred one first.
struct VersionSet {
    name: NameId,
    members: Rc<[SolvableId]>,
}

/// A name or package that stands for a role or a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Virtual {
    /// The name: at most one package plays it.
    Role(Symbol),
    /// The name: it holds or it does not.
    Condition(u32),
}

#[derive(Default)]
struct Tables {
    sets: Vec<VersionSet>,
    set_numbers: HashMap<(NameId, Rc<[SolvableId]>), VersionSetId>,
    unions: Vec<Vec<VersionSetId>>,
    clauses: HashMap<u32, Requirement>,
    virtuals: Vec<Virtual>,
    virtual_names: HashMap<Virtual, u32>,
    /// Virtual packages by number: the name each belongs to.
    virtual_packages: Vec<u32>,
    /// Name and what distinguishes the package within it.
    virtual_numbers: HashMap<(u32, u32), u32>,
}

struct Provider<'r> {
    rules: &'r Rules<'r>,
    budget: &'r Budget<'r>,
    packages: u32,
    symbols: u32,
    tables: RefCell<Tables>,
}

/// The packages that fulfil all of `wanted`, each a list of options.
pub(crate) fn search(rules: &Rules<'_>, wanted: &[&[PackageId]], budget: &Budget<'_>) -> Outcome {
    if wanted.iter().any(|options| options.is_empty()) {
        return Outcome::None;
    }
    let universe = rules.goal.universe;
    let provider = Provider {
        rules,
        budget,
        packages: universe.len(),
        symbols: universe.symbol_count(),
        tables: RefCell::default(),
    };
    let requirements = wanted.iter().map(|options| provider.requirement(options, None).into());
    let requirements: Vec<ConditionalRequirement> = requirements.collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(found) => {
            let real = found.into_iter().map(|s| PackageId(s.into_raw()));
            let mut real: Vec<PackageId> = real.filter(|p| p.0 < universe.len()).collect();
            real.sort_unstable();
            Outcome::Found(real)
        }
        Err(UnsolvableOrCancelled::Unsolvable(_)) => Outcome::None,
        Err(UnsolvableOrCancelled::Cancelled(_)) => Outcome::GaveUp,
    }
}

impl Provider<'_> {
    fn name_of(&self, package: PackageId) -> NameId {
        NameId::from_raw(self.rules.goal.universe.name_symbol(package).0)
    }

    /// The set of these packages, all of one name.
    fn set(&self, name: NameId, members: Vec<SolvableId>) -> VersionSetId {
        let tables = &mut *self.tables.borrow_mut();
        let members: Rc<[SolvableId]> = members.into();
        let next = VersionSetId(tables.sets.len() as u32);
        let known = *tables.set_numbers.entry((name, Rc::clone(&members))).or_insert(next);
        if known == next {
            tables.sets.push(VersionSet { name, members });
        }
        known
    }

    /// One of `options`, or `instead`: a union of one set a name, in the order in which the names first occur.
    fn requirement(&self, options: &[PackageId], instead: Option<VersionSetId>) -> Requirement {
        let mut by_name: Vec<(NameId, Vec<SolvableId>)> = Vec::new();
        for package in options {
            let (name, solvable) = (self.name_of(*package), SolvableId::from_raw(package.0));
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, members)) => members.push(solvable),
                None => by_name.push((name, vec![solvable])),
            }
        }
        let sets = by_name.into_iter().map(|(name, members)| self.set(name, members));
        let sets: Vec<VersionSetId> = instead.into_iter().chain(sets).collect();
        if let [only] = sets[..] {
            return Requirement::Single(only);
        }
        let tables = &mut *self.tables.borrow_mut();
        tables.unions.push(sets);
        Requirement::Union(VersionSetUnionId(tables.unions.len() as u32 - 1))
    }

    fn virtual_name(&self, it: Virtual) -> u32 {
        let tables = &mut *self.tables.borrow_mut();
        let next = tables.virtuals.len() as u32;
        let number = *tables.virtual_names.entry(it).or_insert(next);
        if number == next {
            tables.virtuals.push(it);
        }
        number
    }

    /// The set of one virtual package: `member` tells it from others of its name.
    fn virtual_set(&self, it: Virtual, member: u32) -> VersionSetId {
        let name = self.virtual_name(it);
        let solvable = self.virtual_package(name, member);
        self.set(NameId::from_raw(self.symbols + name), vec![solvable])
    }

    fn virtual_package(&self, name: u32, member: u32) -> SolvableId {
        let tables = &mut *self.tables.borrow_mut();
        let next = tables.virtual_packages.len() as u32;
        let number = *tables.virtual_numbers.entry((name, member)).or_insert(next);
        if number == next {
            tables.virtual_packages.push(name);
        }
        SolvableId::from_raw(self.packages + number)
    }

    /// All packages of a virtual name. Roles list every name that can play them, so that a player met later finds
    /// its place.
    fn virtual_candidates(&self, name: u32) -> Vec<SolvableId> {
        let it = self.tables.borrow().virtuals.get(name as usize).copied();
        let members: Vec<u32> = match it {
            Some(Virtual::Condition(_)) => vec![0, 1],
            Some(Virtual::Role(symbol)) => {
                let universe = self.rules.goal.universe;
                let players = universe.matching(symbol, &minos_model::Constraint::ANY);
                let mut names: Vec<u32> =
                    players.into_iter().map(|p| universe.name_symbol(p).0).collect();
                names.sort_unstable();
                names.dedup();
                names
            }
            None => Vec::new(),
        };
        members.into_iter().map(|member| self.virtual_package(name, member)).collect()
    }

    fn dependencies(&self, package: PackageId) -> KnownDependencies {
        let facts = self.rules.facts(package);
        let name = self.rules.goal.universe.name_symbol(package).0;
        let mut known = KnownDependencies::default();
        for clause in &facts.clauses {
            let seen = self.tables.borrow().clauses.get(&clause.number).copied();
            let requirement = seen.unwrap_or_else(|| {
                let not =
                    clause.when.as_ref().map(|(c, _)| self.virtual_set(Virtual::Condition(*c), 0));
                let requirement = self.requirement(&clause.options, not);
                self.tables.borrow_mut().clauses.insert(clause.number, requirement);
                requirement
            });
            known.requirements.push(requirement.into());
        }
        for role in &facts.roles {
            known.requirements.push(self.virtual_set(Virtual::Role(*role), name).into());
        }
        for condition in &facts.fulfils {
            known.requirements.push(self.virtual_set(Virtual::Condition(*condition), 1).into());
        }
        known.constrains = self.constraints(&facts.enemies);
        known
    }

    /// For each name with an enemy, the set of its packages that are none.
    fn constraints(&self, enemies: &[(PackageId, crate::universe::TermRef)]) -> Vec<VersionSetId> {
        let universe = self.rules.goal.universe;
        let mut names: Vec<Symbol> =
            enemies.iter().map(|(e, _)| universe.name_symbol(*e)).collect();
        names.sort();
        names.dedup();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let mut friends = self.rules.candidates(name);
            if friends.is_empty() {
                continue;
            }
            friends.retain(|p| enemies.iter().all(|(enemy, _)| enemy != p));
            let friends = friends.into_iter().map(|p| SolvableId::from_raw(p.0)).collect();
            found.push(self.set(NameId::from_raw(name.0), friends));
        }
        found
    }

    fn virtual_name_of(&self, solvable: SolvableId) -> Option<NameId> {
        let number = solvable.into_raw().checked_sub(self.packages)?;
        let name = self.tables.borrow().virtual_packages.get(number as usize).copied()?;
        Some(NameId::from_raw(self.symbols + name))
    }
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    // resolvo shows these only in its own messages, which are not used: [`crate::explain`] makes ours.
    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        solvable.into_raw()
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        name.into_raw()
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        version_set.0
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        string_id.0
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        let tables = self.tables.borrow();
        tables.sets.get(version_set.0 as usize).map_or(NameId::from_raw(0), |set| set.name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.virtual_name_of(solvable)
            .unwrap_or_else(|| self.name_of(PackageId(solvable.into_raw())))
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        let tables = self.tables.borrow();
        tables.unions.get(union.0 as usize).cloned().unwrap_or_default().into_iter()
    }

    /// Never asked: no requirement carries one of resolvo's own conditions.
    fn resolve_condition(&self, _condition: ConditionId) -> Condition {
        Condition::Requirement(VersionSetId(0))
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let tables = self.tables.borrow();
        let Some(set) = tables.sets.get(version_set.0 as usize) else { return Vec::new() };
        let wanted = |s: &&SolvableId| set.members.contains(s) != inverse;
        candidates.iter().filter(wanted).copied().collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let candidates = match name.into_raw().checked_sub(self.symbols) {
            Some(number) => self.virtual_candidates(number),
            None => {
                let found = self.rules.candidates(Symbol(name.into_raw()));
                found.into_iter().map(|p| SolvableId::from_raw(p.0)).collect()
            }
        };
        Some(Candidates { candidates, ..Candidates::default() })
    }

    /// The candidates came in their order, and [`Self::filter_candidates`] keeps it.
    async fn sort_candidates(&self, _cache: &SolverCache<Self>, _solvables: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        if solvable.into_raw() >= self.packages {
            return Dependencies::Known(KnownDependencies::default());
        }
        Dependencies::Known(self.dependencies(PackageId(solvable.into_raw())))
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        if self.budget.step() { None } else { Some(Box::new(())) }
    }
}
