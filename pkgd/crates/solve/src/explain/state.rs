//! A partial choice of packages in which each has its reason.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::Fact;
use crate::rules::{Clause, Rules};
use crate::universe::{PackageId, Symbol, TermRef};

/// Facts that contradict each other, under the assumptions of these levels.
#[derive(Debug, Default, Clone)]
pub struct Core {
    pub facts: Vec<Fact>,
    pub levels: BTreeSet<u32>,
    known: HashSet<Fact>,
}

impl Core {
    pub fn add(&mut self, fact: Fact) {
        if self.known.insert(fact.clone()) {
            self.facts.push(fact);
        }
    }

    pub fn join(&mut self, other: &Self) {
        other.facts.iter().for_each(|fact| self.add(fact.clone()));
        self.levels.extend(&other.levels);
    }
}

/// Why a package is chosen.
#[derive(Debug, Clone)]
pub enum Cause {
    /// It is assumed, at this level.
    Assumed(u32),
    /// It is the last option of this condition of the goal.
    Must(usize),
    /// It is the last option of this need of that package.
    Need(PackageId, Rc<Clause>),
}

#[derive(Debug, Clone)]
struct Chosen {
    package: PackageId,
    cause: Cause,
    /// When it was chosen: what came later is no reason for it.
    at: u32,
}

/// Something that waits to be met.
#[derive(Debug, Clone)]
pub enum Duty {
    Must(usize),
    Need(PackageId, Rc<Clause>),
}

/// Packages chosen so far, and what follows.
#[derive(Clone)]
pub struct State<'r> {
    pub rules: &'r Rules<'r>,
    chosen: HashMap<Symbol, Chosen>,
    forbidden: HashMap<PackageId, (PackageId, TermRef)>,
    roles: HashMap<Symbol, PackageId>,
    refuted: HashMap<PackageId, (Rc<Core>, u32)>,
    pub duties: Vec<Duty>,
    seen: HashSet<u32>,
    clock: u32,
}

impl<'r> State<'r> {
    pub fn new(rules: &'r Rules<'r>) -> Self {
        Self {
            rules,
            chosen: HashMap::new(),
            forbidden: HashMap::new(),
            roles: HashMap::new(),
            refuted: HashMap::new(),
            duties: (0..rules.goal.musts.len()).map(Duty::Must).collect(),
            seen: HashSet::new(),
            clock: 1,
        }
    }

    pub fn options<'a>(&'a self, duty: &'a Duty) -> &'a [PackageId] {
        match duty {
            Duty::Must(index) => self.rules.goal.musts.get(*index).map_or(&[], |m| &m.options),
            Duty::Need(_, clause) => &clause.options,
        }
    }

    fn name(&self, package: PackageId) -> Symbol {
        self.rules.goal.universe.name_symbol(package)
    }

    pub fn is_chosen(&self, package: PackageId) -> bool {
        self.chosen.get(&self.name(package)).is_some_and(|chosen| chosen.package == package)
    }

    /// Whether the duty asks for anything now.
    pub fn is_due(&self, duty: &Duty) -> bool {
        let holds = match duty {
            Duty::Must(_) => true,
            Duty::Need(_, clause) => {
                clause.when.as_ref().is_none_or(|(_, by)| by.iter().any(|p| self.is_chosen(*p)))
            }
        };
        holds && !self.options(duty).iter().any(|p| self.is_chosen(*p))
    }

    pub fn is_out(&self, package: PackageId) -> bool {
        self.reason_out(package, u32::MAX).is_some()
    }

    /// Chooses a package that is not out.
    pub fn take(&mut self, package: PackageId, cause: Cause) {
        let facts = self.rules.facts(package);
        let at = self.clock;
        self.clock += 1;
        self.chosen.insert(self.name(package), Chosen { package, cause, at });
        for (enemy, term) in &facts.enemies {
            self.forbidden.entry(*enemy).or_insert((package, *term));
        }
        for role in &facts.roles {
            self.roles.entry(*role).or_insert(package);
        }
        for clause in &facts.clauses {
            if self.seen.insert(clause.number) {
                self.duties.push(Duty::Need(package, Rc::clone(clause)));
            }
        }
    }

    /// Notes that assuming the package leads to a contradiction.
    pub fn refute(&mut self, package: PackageId, core: Core) {
        self.refuted.insert(package, (Rc::new(core), self.clock));
        self.clock += 1;
    }

    fn chosen_at(&self, package: PackageId) -> Option<u32> {
        let chosen = self.chosen.get(&self.name(package))?;
        (chosen.package == package).then_some(chosen.at)
    }

    /// Why the package is out, by what was known before `before`.
    fn reason_out(&self, package: PackageId, before: u32) -> Option<Out> {
        if let Some((core, at)) = self.refuted.get(&package)
            && *at < before
        {
            return Some(Out::Refuted(Rc::clone(core)));
        }
        let earlier = |other: PackageId| self.chosen_at(other).is_some_and(|at| at < before);
        if let Some(other) = self.chosen.get(&self.name(package))
            && other.package != package
            && other.at < before
        {
            return Some(Out::Version(other.package));
        }
        if let Some((by, term)) = self.forbidden.get(&package).filter(|(by, _)| earlier(*by)) {
            return Some(Out::Enemy { by: *by, of: package, term: *term, chosen: *by });
        }
        let facts = self.rules.facts(package);
        if let Some((enemy, term)) = facts.enemies.iter().find(|(enemy, _)| earlier(*enemy)) {
            return Some(Out::Enemy { by: package, of: *enemy, term: *term, chosen: *enemy });
        }
        let taken = |role: &&Symbol| {
            let player = self.roles.get(role).copied();
            player.is_some_and(|player| player != package && earlier(player))
        };
        let role = facts.roles.iter().find(taken)?;
        self.roles.get(role).map(|player| Out::Role(*role, *player))
    }

    /// Everything that speaks for this duty having no option left.
    pub fn blame(&self, duty: &Duty) -> Core {
        let mut trace = Trace {
            state: self,
            core: Core::default(),
            told: HashSet::new(),
            open: vec![Open::Duty(duty.clone(), None, u32::MAX)],
        };
        trace.run();
        trace.core
    }
}

/// Why a package is out.
enum Out {
    Refuted(Rc<Core>),
    /// Another version of its name is chosen.
    Version(PackageId),
    /// `by` conflicts with `of`, in the words of `term`; `chosen` is the one of the two that is chosen.
    Enemy {
        by: PackageId,
        of: PackageId,
        term: TermRef,
        chosen: PackageId,
    },
    /// This package plays the role.
    Role(Symbol, PackageId),
}

/// What is still to be told.
enum Open {
    /// Why the duty exists, and why none of its options but this one could be taken before then.
    Duty(Duty, Option<PackageId>, u32),
    /// Why the package is chosen.
    Chosen(PackageId),
    /// Why the package was out before then.
    Out(PackageId, u32),
    /// This, now that what it rests on has been told.
    Tell(Fact),
    /// The need, with what of it cannot be had.
    TellNeed(PackageId, Rc<Clause>),
}

/// Collects the facts behind a contradiction, backwards through the causes. What is open stands on a stack of its
/// own: a chain of causes is as long as a chain of packages, which no thread's stack bears.
struct Trace<'a, 'r> {
    state: &'a State<'r>,
    core: Core,
    told: HashSet<PackageId>,
    open: Vec<Open>,
}

impl Trace<'_, '_> {
    fn run(&mut self) {
        while let Some(open) = self.open.pop() {
            match open {
                Open::Duty(duty, except, before) => self.duty(&duty, except, before),
                Open::Chosen(package) => self.chosen(package),
                Open::Out(package, before) => self.out(package, before),
                Open::Tell(fact) => self.core.add(fact),
                Open::TellNeed(package, clause) => {
                    super::words::need(self.state.rules, package, &clause, &mut self.core);
                }
            }
        }
    }

    /// These next, the first one first.
    fn next(&mut self, open: Vec<Open>) {
        self.open.extend(open.into_iter().rev());
    }

    fn duty(&mut self, duty: &Duty, except: Option<PackageId>, before: u32) {
        let mut open = Vec::new();
        match duty {
            Duty::Must(index) => {
                if let Some(must) = self.state.rules.goal.musts.get(*index) {
                    super::words::must(self.state.rules.goal, must, &mut self.core);
                }
            }
            Duty::Need(package, clause) => {
                open.push(Open::Chosen(*package));
                let earlier =
                    |p: &&PackageId| self.state.chosen_at(**p).is_some_and(|at| at < before);
                let mut conditions = clause.when.iter().flat_map(|(_, by)| by.iter());
                open.extend(conditions.find(earlier).map(|p| Open::Chosen(*p)));
                open.push(Open::TellNeed(*package, Rc::clone(clause)));
            }
        }
        let others = self.state.options(duty).iter().filter(|option| Some(**option) != except);
        open.extend(others.map(|option| Open::Out(*option, before)));
        self.next(open);
    }

    fn chosen(&mut self, package: PackageId) {
        if !self.told.insert(package) {
            return;
        }
        let Some(chosen) = self.state.chosen.get(&self.state.name(package)) else { return };
        let duty = match &chosen.cause {
            Cause::Assumed(level) => {
                self.core.levels.insert(*level);
                return;
            }
            Cause::Must(index) => Duty::Must(*index),
            Cause::Need(by, clause) => Duty::Need(*by, Rc::clone(clause)),
        };
        self.open.push(Open::Duty(duty, Some(package), chosen.at));
    }

    fn out(&mut self, package: PackageId, before: u32) {
        let universe = self.state.rules.goal.universe;
        let Some(out) = self.state.reason_out(package, before) else { return };
        let (chosen, fact) = match out {
            Out::Refuted(core) => return self.core.join(&core),
            Out::Version(other) => (other, super::words::one_version(universe, other, package)),
            Out::Enemy { by, of, term, chosen } => {
                let [package, other] = [by, of].map(|p| universe.label(p));
                (chosen, Fact::Conflict { package, other, term: universe.term_text(term) })
            }
            Out::Role(role, player) => {
                let mut packages = [player, package].map(|p| universe.label(p));
                packages.sort();
                (player, Fact::Role { role: universe.text(role).to_owned(), packages })
            }
        };
        self.next(vec![Open::Chosen(chosen), Open::Tell(fact)]);
    }
}
