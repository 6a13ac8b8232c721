//! A request, compiled: what must hold, what should stay, and which packages cannot be taken.

mod policy;
mod prefer;

use std::collections::{BTreeMap, BTreeSet};

use minos_model::Constraint;

use crate::request::{Ask, Pin, Request, System, Want};
use crate::universe::{PackageId, Symbol, Universe, constraint};

pub(crate) use policy::Exclusion;

/// Where a condition of the goal comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This request asks for it.
    Asked(Want),
    /// The user asked for it earlier and has it.
    Kept(Want),
    /// It is held.
    Held(PackageId),
}

/// One of `options` must be installed.
#[derive(Debug, Clone)]
pub(crate) struct Must {
    pub options: Vec<PackageId>,
    pub origin: Origin,
}

/// An installed package that should stay, in some version.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    pub options: Vec<PackageId>,
}

/// A compiled request.
pub(crate) struct Goal<'u> {
    pub universe: &'u Universe,
    pub musts: Vec<Must>,
    pub keeps: Vec<Keep>,
    pub installed: BTreeMap<Symbol, PackageId>,
    /// What will be the list of asked packages.
    pub asked: Vec<Want>,
    pub autoremove: bool,
    removed: BTreeSet<Symbol>,
    upgrade: bool,
    updated: BTreeSet<Symbol>,
    /// Names whose installed package gives way to another one of the same version.
    exchanged: BTreeSet<Symbol>,
    downgrade: BTreeSet<Symbol>,
    held: BTreeMap<Symbol, PackageId>,
    pins: BTreeMap<Symbol, Vec<Pin>>,
    groups: BTreeMap<Symbol, BTreeSet<String>>,
    /// Installed package -> packages that replace it.
    replacers: BTreeMap<PackageId, Vec<PackageId>>,
}

impl<'u> Goal<'u> {
    pub fn new(universe: &'u Universe, system: &System, request: &Request) -> Self {
        let installed =
            universe.installed().iter().map(|p| (universe.name_symbol(*p), *p)).collect();
        let mut goal = Self {
            universe,
            musts: Vec::new(),
            keeps: Vec::new(),
            installed,
            asked: Vec::new(),
            autoremove: request.asks.contains(&Ask::Autoremove),
            removed: BTreeSet::new(),
            upgrade: request.asks.contains(&Ask::Upgrade),
            updated: BTreeSet::new(),
            exchanged: BTreeSet::new(),
            downgrade: BTreeSet::new(),
            held: BTreeMap::new(),
            pins: BTreeMap::new(),
            groups: BTreeMap::new(),
            replacers: BTreeMap::new(),
        };
        goal.policies(system);
        let wants = goal.asks(system, request);
        goal.find_replacers(&wants);
        goal.conditions(wants);
        goal
    }

    fn policies(&mut self, system: &System) {
        for name in &system.holds {
            if let Some(symbol) = self.universe.symbol(name)
                && let Some(package) = self.installed.get(&symbol)
            {
                self.held.insert(symbol, *package);
            }
        }
        for pin in &system.pins {
            if let Some(symbol) = self.universe.symbol(&pin.name) {
                self.pins.entry(symbol).or_default().push(pin.clone());
            }
        }
    }

    /// Reads the asks; returns all wants with whether this request has them.
    fn asks(&mut self, system: &System, request: &Request) -> Vec<(Want, bool)> {
        let mut new = Vec::new();
        for ask in &request.asks {
            match ask {
                Ask::Install(want) => new.push(want.clone()),
                Ask::Downgrade(want) => {
                    self.downgrade.extend(self.universe.symbol(&want.term.target));
                    new.push(want.clone());
                }
                Ask::Remove(name) => self.removed.extend(self.universe.symbol(name)),
                Ask::Update(name) => self.updated.extend(self.universe.symbol(name)),
                Ask::Exchange(name) => self.exchanged.extend(self.universe.symbol(name)),
                Ask::Upgrade | Ask::Autoremove => {}
            }
        }
        new.sort();
        new.dedup();
        let gone = |want: &Want| {
            let symbol = self.universe.symbol(&want.term.target);
            symbol.is_some_and(|symbol| self.removed.contains(&symbol))
        };
        let renewed = |want: &Want| new.iter().any(|n| n.term.target == want.term.target);
        let mut old: Vec<Want> = system.asked.clone();
        old.retain(|want| !gone(want) && !renewed(want));
        old.sort();
        old.dedup();
        let wants = new.into_iter().map(|w| (w, true)).chain(old.into_iter().map(|w| (w, false)));
        wants.collect()
    }

    /// Installed packages that some package of the repositories replaces. A name belongs to the repository of the
    /// highest priority that has it: a package of another one takes its place only where the user names that package
    /// or pins it to its repository.
    fn find_replacers(&mut self, wants: &[(Want, bool)]) {
        if self.installed.is_empty() {
            return;
        }
        for package in self.universe.replacing() {
            for term in self.universe.replaces(package) {
                let (target, text) = self.universe.term_symbols(term);
                let Some(old) = self.installed.get(&target).copied() else { continue };
                if constraint(text).is_some_and(|wanted| meets(self.universe, old, &wanted))
                    && self.is_allowed(package)
                    && self.may_replace(package, target, wants)
                {
                    self.replacers.entry(old).or_default().push(package);
                }
            }
        }
    }

    fn may_replace(&self, package: PackageId, old: Symbol, wants: &[(Want, bool)]) -> bool {
        let Some((_, own)) = self.universe.repository(package) else { return true };
        let name = self.universe.name_symbol(package);
        let pins = self.pins.get(&name).map_or(&[][..], Vec::as_slice);
        let asked =
            |(want, new): &(Want, bool)| *new && want.term.target == self.universe.text(name);
        own >= self.name_priority(old)
            || pins.iter().any(|pin| pin.repository.is_some())
            || wants.iter().any(asked)
    }

    fn conditions(&mut self, wants: Vec<(Want, bool)>) {
        for (want, _) in &wants {
            if let Some(symbol) = self.universe.symbol(&want.term.target) {
                self.groups.entry(symbol).or_default().extend(want.groups.iter().cloned());
            }
        }
        for (want, is_new) in &wants {
            let options = self.want_options(want);
            let origin =
                if *is_new { Origin::Asked(want.clone()) } else { Origin::Kept(want.clone()) };
            self.musts.push(Must { options, origin });
        }
        for package in self.held.values() {
            let options = Some(*package).filter(|p| self.is_allowed(*p)).into_iter().collect();
            self.musts.push(Must { options, origin: Origin::Held(*package) });
        }
        let asked = |symbol: &Symbol| {
            wants.iter().any(|(w, _)| w.term.target == self.universe.text(*symbol))
        };
        for (symbol, package) in &self.installed {
            // What is asked for by its name stays by that.
            if !self.removed.contains(symbol) && !self.held.contains_key(symbol) && !asked(symbol) {
                self.keeps.push(Keep { options: self.stay_options(*package) });
            }
        }
        self.asked = wants.into_iter().map(|(want, _)| want).collect();
    }

    /// The packages that are what the user wants, the best first.
    fn want_options(&self, want: &Want) -> Vec<PackageId> {
        let Some(target) = self.universe.symbol(&want.term.target) else { return Vec::new() };
        let mut found = self.universe.matching(target, &want.term.constraint);
        found.retain(|p| {
            self.is_allowed(*p)
                && want.groups.iter().all(|g| self.universe.group_needs(*p, g).is_some())
        });
        self.sort(&mut found, &[target]);
        self.with_replacers(found, target)
    }

    /// A package that replaces the installed package of this name can stand in for it, unless the request removes it.
    fn with_replacers(&self, mut options: Vec<PackageId>, name: Symbol) -> Vec<PackageId> {
        let stays = self.installed.get(&name).filter(|_| !self.removed.contains(&name));
        let Some(current) = stays else { return options };
        let mut replacers = self.replacers.get(current).cloned().unwrap_or_default();
        self.sort(&mut replacers, &[]);
        if self.is_fresh(name) {
            options.retain(|p| !replacers.contains(p));
            replacers.append(&mut options);
            return replacers;
        }
        replacers.retain(|p| !options.contains(p));
        options.append(&mut replacers);
        options
    }

    fn stay_options(&self, current: PackageId) -> Vec<PackageId> {
        let name = self.universe.name_symbol(current);
        let mut options = self.universe.named_symbol(name);
        options.retain(|p| self.is_allowed(*p));
        self.sort(&mut options, &[name]);
        self.with_replacers(options, name)
    }

    /// The chosen package that replaced what this want was about.
    pub fn successor(&self, want: &Want, chosen: &BTreeSet<PackageId>) -> Option<PackageId> {
        let name = self.universe.symbol(&want.term.target)?;
        let current = self.installed.get(&name)?;
        let target = self.universe.matching(name, &want.term.constraint);
        if target.iter().any(|p| chosen.contains(p)) {
            return None;
        }
        self.replacers.get(current)?.iter().find(|p| chosen.contains(p)).copied()
    }

    /// The optional groups of this name that are chosen.
    pub fn groups(&self, name: Symbol) -> impl Iterator<Item = &str> {
        self.groups.get(&name).into_iter().flatten().map(String::as_str)
    }
}

/// Whether a package's own version is inside.
pub(crate) fn meets(universe: &Universe, package: PackageId, wanted: &Constraint) -> bool {
    wanted.is_any() || universe.version(package).is_some_and(|version| wanted.matches(&version))
}
