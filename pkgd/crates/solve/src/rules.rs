//! What follows from taking a package, compiled when the package is first looked at.

use core::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::goal::Goal;
use crate::universe::{NeedRef, PackageId, Symbol, TermRef};

/// One of `options` must be installed, where `when` is empty or one of it is installed.
#[derive(Debug)]
pub(crate) struct Clause {
    /// Number of the clause in these rules.
    pub number: u32,
    /// Allowed packages, the preferred one first.
    pub options: Vec<PackageId>,
    /// The condition: its number, and the packages that fulfil it.
    pub when: Option<(u32, Rc<[PackageId]>)>,
    /// The need it was made of.
    pub need: NeedRef,
}

/// What follows from one package.
#[derive(Debug)]
pub(crate) struct Facts {
    pub clauses: Vec<Rc<Clause>>,
    /// What cannot be installed beside it, and the term that says so.
    pub enemies: Vec<(PackageId, TermRef)>,
    /// The roles that it plays.
    pub roles: Vec<Symbol>,
    /// The conditions that it fulfils.
    pub fulfils: Vec<u32>,
}

/// The rules of one goal, compiled on demand.
pub(crate) struct Rules<'g> {
    pub goal: &'g Goal<'g>,
    facts: RefCell<Vec<Option<Rc<Facts>>>>,
    clauses: RefCell<HashMap<NeedRef, Rc<Clause>>>,
    count: Cell<u32>,
    /// The conditions there are, and who fulfils them.
    conditions: Vec<(TermRef, Rc<[PackageId]>)>,
    fulfilled: HashMap<PackageId, Vec<u32>>,
}

impl<'g> Rules<'g> {
    pub fn new(goal: &'g Goal<'g>) -> Self {
        let universe = goal.universe;
        let mut conditions: Vec<(TermRef, Rc<[PackageId]>)> = Vec::new();
        let mut fulfilled: HashMap<PackageId, Vec<u32>> = HashMap::new();
        for (number, term) in (0..).zip(universe.all_conditions()) {
            let packages: Rc<[PackageId]> = universe.matches(term).into();
            for package in packages.iter() {
                fulfilled.entry(*package).or_default().push(number);
            }
            conditions.push((term, packages));
        }
        let facts = RefCell::new(vec![None; universe.len() as usize]);
        let clauses = RefCell::new(HashMap::new());
        Self { goal, facts, clauses, count: Cell::new(0), conditions, fulfilled }
    }

    /// What follows from `package`.
    pub fn facts(&self, package: PackageId) -> Rc<Facts> {
        let at = package.0 as usize;
        if let Some(Some(known)) = self.facts.borrow().get(at) {
            return Rc::clone(known);
        }
        let facts = Rc::new(self.compile(package));
        if let Some(slot) = self.facts.borrow_mut().get_mut(at) {
            *slot = Some(Rc::clone(&facts));
        }
        facts
    }

    fn compile(&self, package: PackageId) -> Facts {
        let universe = self.goal.universe;
        let name = universe.name_symbol(package);
        let mut needs: Vec<NeedRef> = universe.needs(package).collect();
        for group in self.goal.groups(name) {
            needs.extend(universe.group_needs(package, group).unwrap_or_default());
        }
        let mut clauses: Vec<Rc<Clause>> = Vec::with_capacity(needs.len());
        for need in needs {
            let clause = self.clause(need);
            // What a package provides itself, it does not need of others.
            if !clause.options.contains(&package) {
                clauses.push(clause);
            }
        }
        let mut roles: Vec<Symbol> = universe.roles(package).collect();
        roles.sort();
        roles.dedup();
        let fulfils = self.fulfilled.get(&package).cloned().unwrap_or_default();
        Facts { clauses, enemies: self.enemies(package, name), roles, fulfils }
    }

    /// What conflicts with `package` by its own word, and what it replaces. Its own name never does: two versions
    /// of a name exclude each other anyway.
    fn enemies(&self, package: PackageId, name: Symbol) -> Vec<(PackageId, TermRef)> {
        let universe = self.goal.universe;
        let mut found = Vec::new();
        for term in universe.conflicts(package) {
            found.extend(universe.matches(term).into_iter().map(|p| (p, term)));
        }
        for term in universe.replaces(package) {
            let (target, _) = universe.term_symbols(term);
            let all = universe.matches(term).into_iter();
            found.extend(all.filter(|p| universe.name_symbol(*p) == target).map(|p| (p, term)));
        }
        found.retain(|(enemy, _)| universe.name_symbol(*enemy) != name);
        found
    }

    fn clause(&self, need: NeedRef) -> Rc<Clause> {
        if let Some(known) = self.clauses.borrow().get(&need) {
            return Rc::clone(known);
        }
        let number = self.count.get();
        self.count.set(number + 1);
        let when = self.goal.universe.condition(need).and_then(|term| self.condition(term));
        let clause = Rc::new(Clause { number, options: self.options(need), when, need });
        self.clauses.borrow_mut().insert(need, Rc::clone(&clause));
        clause
    }

    fn condition(&self, term: TermRef) -> Option<(u32, Rc<[PackageId]>)> {
        let at = self.conditions.iter().position(|(t, _)| *t == term)?;
        Some((at as u32, Rc::clone(&self.conditions.get(at)?.1)))
    }

    fn options(&self, need: NeedRef) -> Vec<PackageId> {
        let universe = self.goal.universe;
        let mut options: Vec<PackageId> = Vec::new();
        for term in universe.alternatives(need) {
            let mut matching = universe.matches(term);
            matching.retain(|p| self.goal.is_allowed(*p) && !options.contains(p));
            self.goal.sort(&mut matching, &[universe.term_symbols(term).0]);
            self.goal.sort_by_repository(&mut matching);
            options.append(&mut matching);
        }
        let installed = |p: &PackageId| self.goal.installed.contains_key(&universe.name_symbol(*p));
        options.sort_by_key(|p| !installed(p));
        options
    }

    /// All allowed versions of a name, the preferred one first.
    pub fn candidates(&self, name: Symbol) -> Vec<PackageId> {
        let mut found = self.goal.universe.named_symbol(name);
        found.retain(|p| self.goal.is_allowed(*p));
        self.goal.sort(&mut found, &[name]);
        found
    }
}
