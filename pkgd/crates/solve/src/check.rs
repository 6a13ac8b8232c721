//! The independent checker: whether a set of packages is an answer to a request.
//!
//! It runs on every answer, in release builds too, because a wrong answer of a solver is the one mistake that
//! nobody sees before the system does not boot. It shares the index with the solver and nothing else: it compares
//! versions itself instead of using the lists of matches in the index, and it knows neither clauses nor search.

use core::cell::RefCell;
use core::fmt;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use minos_model::Version;

use crate::request::{Ask, Pin, Request, System, Want};
use crate::universe::{PackageId, Symbol, TermRef, Universe, constraint};

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two versions of one name.
    Twice(String, String),
    /// A need that nothing meets.
    Need(String, String),
    /// Two packages that conflict.
    Conflict(String, String),
    /// Two packages that play one role.
    Role(String, String, String),
    /// Something asked for is missing.
    Missing(String),
    /// Something that was to be removed is there.
    Present(String),
    /// A held package changed.
    Held(String),
    /// A package is older than the installed one, and nobody asked for that.
    Downgrade(String, String),
    /// A package against a pin.
    Pinned(String, String),
    /// A package of a repository that its name does not belong to.
    Repository(String),
    /// A text of the index that should be a constraint and is none.
    Damaged(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(a, b) => write!(f, "{a} and {b} have one name"),
            Self::Need(package, need) => write!(f, "{package} needs {need}, which is not there"),
            Self::Conflict(a, b) => write!(f, "{a} conflicts with {b}"),
            Self::Role(role, a, b) => write!(f, "{a} and {b} both play {role}"),
            Self::Missing(want) => write!(f, "{want} is asked for and not there"),
            Self::Present(package) => write!(f, "{package} was to be removed and is there"),
            Self::Held(package) => write!(f, "{package} is held and would change"),
            Self::Downgrade(new, old) => write!(f, "{new} is older than {old}"),
            Self::Pinned(package, pin) => write!(f, "{package} is against the pin {pin}"),
            Self::Damaged(text) => {
                write!(f, "the index has '{}' for a constraint", text.escape_debug())
            }
            Self::Repository(package) => {
                write!(f, "{package} is of a repository that its name does not belong to")
            }
        }
    }
}

/// Everything that is wrong with `packages` as the answer to `request`; empty for a right answer.
pub fn check(
    universe: &Universe,
    system: &System,
    request: &Request,
    packages: &[PackageId],
) -> Vec<Violation> {
    let mut checker = Checker::new(universe, packages);
    for package in packages {
        checker.package(*package);
    }
    checker.wants(system, request);
    checker.policies(system, request);
    let damaged = checker.damaged.take().into_iter().map(Violation::Damaged);
    checker.found.extend(damaged);
    checker.found
}

struct Checker<'u> {
    universe: &'u Universe,
    chosen: BTreeSet<PackageId>,
    by_name: HashMap<Symbol, PackageId>,
    /// What is there, by name and capability: who, and in which version.
    offered: HashMap<Symbol, Vec<(PackageId, Option<Version>)>>,
    roles: BTreeMap<Symbol, PackageId>,
    /// Terms that were looked at: whether anything meets them. The same ones come again and again.
    met: RefCell<HashMap<TermRef, bool>>,
    damaged: RefCell<BTreeSet<String>>,
    found: Vec<Violation>,
}

impl<'u> Checker<'u> {
    fn new(universe: &'u Universe, packages: &[PackageId]) -> Self {
        let mut checker = Self {
            universe,
            chosen: packages.iter().copied().collect(),
            by_name: HashMap::with_capacity(packages.len()),
            offered: HashMap::with_capacity(packages.len() * 2),
            roles: BTreeMap::new(),
            met: RefCell::default(),
            damaged: RefCell::default(),
            found: Vec::new(),
        };
        for package in packages {
            checker.offer(*package);
        }
        checker
    }

    fn label(&self, package: PackageId) -> String {
        self.universe.label(package)
    }

    fn offer(&mut self, package: PackageId) {
        let name = self.universe.name_symbol(package);
        if let Some(other) = self.by_name.insert(name, package) {
            self.found.push(Violation::Twice(self.label(other), self.label(package)));
        }
        let version = self.universe.version(package);
        self.offered.entry(name).or_default().push((package, version));
        for provide in self.universe.provides(package) {
            let Some(symbol) = self.universe.symbol(provide.target) else { continue };
            let version = provide.version.and_then(|text| text.parse().ok());
            self.offered.entry(symbol).or_default().push((package, version));
            if !provide.exclusive {
                continue;
            }
            if let Some(other) = self.roles.insert(symbol, package).filter(|o| *o != package) {
                let (a, b) = (self.label(other), self.label(package));
                self.found.push(Violation::Role(provide.target.to_owned(), a, b));
            }
        }
    }

    /// Who of the chosen packages meets the term.
    fn meeting(&self, term: TermRef) -> impl Iterator<Item = PackageId> + '_ {
        let (target, text) = self.universe.term_symbols(term);
        let wanted = constraint(text);
        if wanted.is_none() {
            self.damaged.borrow_mut().insert(text.to_owned());
        }
        let offers = self.offered.get(&target).into_iter().flatten();
        let fits = move |version: &Option<Version>| {
            wanted.as_ref().is_some_and(|wanted| {
                wanted.is_any() || version.as_ref().is_some_and(|v| wanted.matches(v))
            })
        };
        offers.filter(move |(_, version)| fits(version)).map(|(package, _)| *package)
    }

    fn is_met(&self, term: TermRef) -> bool {
        if let Some(known) = self.met.borrow().get(&term) {
            return *known;
        }
        let met = self.meeting(term).next().is_some();
        self.met.borrow_mut().insert(term, met);
        met
    }

    fn package(&mut self, package: PackageId) {
        let universe = self.universe;
        for need in universe.needs(package) {
            let idle = universe.condition(need).is_some_and(|term| !self.is_met(term));
            let met = || universe.alternatives(need).any(|term| self.is_met(term));
            if !idle && !met() {
                let texts: Vec<_> =
                    universe.alternatives(need).map(|t| universe.term_text(t)).collect();
                self.found.push(Violation::Need(self.label(package), texts.join(" | ")));
            }
        }
        let name = universe.name_symbol(package);
        for term in universe.conflicts(package) {
            let enemy = self.meeting(term).find(|p| universe.name_symbol(*p) != name);
            if let Some(enemy) = enemy {
                self.found.push(Violation::Conflict(self.label(package), self.label(enemy)));
            }
        }
        for term in universe.replaces(package) {
            let (target, _) = universe.term_symbols(term);
            let named = |p: &PackageId| universe.name_symbol(*p) == target && target != name;
            let old = self.meeting(term).find(named);
            if let Some(old) = old {
                self.found.push(Violation::Conflict(self.label(package), self.label(old)));
            }
        }
    }

    fn wants(&mut self, system: &System, request: &Request) {
        let mut wants: Vec<&Want> = Vec::new();
        let mut removed: BTreeSet<&str> = BTreeSet::new();
        for ask in &request.asks {
            match ask {
                Ask::Install(want) | Ask::Downgrade(want) => wants.push(want),
                Ask::Remove(name) => {
                    removed.insert(name);
                }
                Ask::Update(_) | Ask::Exchange(_) | Ask::Upgrade | Ask::Autoremove => {}
            }
        }
        let renewed: BTreeSet<&str> = wants.iter().map(|w| w.term.target.as_str()).collect();
        let stays = |want: &&Want| {
            let target = want.term.target.as_str();
            !removed.contains(target) && !renewed.contains(target)
        };
        wants.extend(system.asked.iter().filter(stays));
        for want in wants {
            let target = want.term.target.as_str();
            let replaced = |by: &Self| by.replaced(target, system, request);
            if !self.has(want) && (removed.contains(target) || !replaced(self)) {
                self.found.push(Violation::Missing(want.to_string()));
            }
        }
        for name in removed {
            let there = self.universe.symbol(name).and_then(|s| self.by_name.get(&s)).copied();
            if let Some(package) = there {
                self.found.push(Violation::Present(self.label(package)));
            }
        }
    }

    fn has(&mut self, want: &Want) -> bool {
        let Some(target) = self.universe.symbol(&want.term.target) else { return false };
        let wanted = &want.term.constraint;
        let offers = self.offered.get(&target).cloned().unwrap_or_default();
        offers.iter().any(|(package, version)| {
            let fits = wanted.is_any() || version.as_ref().is_some_and(|v| wanted.matches(v));
            fits && want.groups.iter().all(|group| self.has_group(*package, group))
        })
    }

    fn has_group(&self, package: PackageId, group: &str) -> bool {
        let universe = self.universe;
        let Some(needs) = universe.group_needs(package, group) else { return false };
        needs.iter().all(|need| {
            let idle = universe.condition(*need).is_some_and(|t| !self.is_met(t));
            idle || universe.alternatives(*need).any(|term| self.is_met(term))
        })
    }

    /// Whether the installed package of this name is replaced by a chosen one that may.
    fn replaced(&self, name: &str, system: &System, request: &Request) -> bool {
        let Some(symbol) = self.universe.symbol(name) else { return false };
        let mut installed = self.universe.installed().iter();
        let Some(old) = installed.find(|p| self.universe.name_symbol(**p) == symbol) else {
            return false;
        };
        let Some(version) = self.universe.version(*old) else { return false };
        let best = self.best_priority(name);
        self.chosen.iter().any(|package| {
            let own = self.universe.repository(*package).map(|(_, priority)| priority);
            let foreign = own.is_some_and(|own| Some(own) < best);
            let may = !foreign || self.is_named(*package, system, request);
            may && self.universe.replaces(*package).any(|term| {
                let (target, text) = self.universe.term_symbols(term);
                target == symbol && constraint(text).is_some_and(|wanted| wanted.matches(&version))
            })
        })
    }

    /// Whether the user named this package, or bound its name to a repository.
    fn is_named(&self, package: PackageId, system: &System, request: &Request) -> bool {
        let name = self.universe.name(package);
        let asks =
            |ask: &Ask| matches!(ask, Ask::Install(w) | Ask::Downgrade(w) if w.term.target == name);
        let pins = |pin: &Pin| pin.name == name && pin.repository.is_some();
        request.asks.iter().any(asks) || system.pins.iter().any(pins)
    }

    /// The highest priority of a repository that has the name.
    fn best_priority(&self, name: &str) -> Option<i32> {
        let all = self.universe.named(name).into_iter();
        all.filter_map(|p| self.universe.repository(p)).map(|(_, priority)| priority).max()
    }

    fn policies(&mut self, system: &System, request: &Request) {
        let installed: BTreeMap<Symbol, PackageId> =
            self.universe.installed().iter().map(|p| (self.universe.name_symbol(*p), *p)).collect();
        for name in &system.holds {
            let held = self.universe.symbol(name).and_then(|symbol| installed.get(&symbol));
            if let Some(held) = held.filter(|held| !self.chosen.contains(held)) {
                self.found.push(Violation::Held(self.label(*held)));
            }
        }
        let may_fall = |name: &str| {
            let named = |ask: &Ask| matches!(ask, Ask::Downgrade(want) if want.term.target == name);
            request.asks.iter().any(named)
        };
        for package in self.chosen.clone() {
            let old = installed.get(&self.universe.name_symbol(package)).copied();
            if old == Some(package) {
                continue;
            }
            let falls =
                |old: &PackageId| self.universe.version(package) < self.universe.version(*old);
            if let Some(old) = old.filter(falls)
                && !may_fall(self.universe.name(package))
            {
                self.found.push(Violation::Downgrade(self.label(package), self.label(old)));
            }
            self.pins(package, system);
        }
    }

    fn pins(&mut self, package: PackageId, system: &System) {
        let universe = self.universe;
        let pins = system.pins.iter().filter(|pin| pin.name == universe.name(package));
        let own = universe.repository(package);
        let mut bound = false;
        for pin in pins {
            bound |= pin.repository.is_some();
            let version = universe.version(package);
            let fits = version.is_some_and(|version| pin.constraint.matches(&version));
            let from = pin.repository.as_deref();
            if !fits || from.is_some_and(|from| own.map(|(name, _)| name) != Some(from)) {
                self.found.push(Violation::Pinned(self.label(package), pin.name.clone()));
            }
        }
        let best = self.best_priority(universe.name(package));
        if !bound && own.is_some_and(|(_, priority)| Some(priority) < best) {
            self.found.push(Violation::Repository(self.label(package)));
        }
    }
}
