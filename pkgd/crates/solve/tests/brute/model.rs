//! What an answer is, said once more and as plainly as possible.

use std::collections::BTreeSet;

use minos_model::Version;
use minos_solve::index::{Entry, Need, Term};
use minos_solve::{Ask, Pin, Want};

use crate::scenes::NAMES;
use crate::support::Scene;

/// At most this many sets are looked at in one case.
const SETS: usize = 1 << 16;

pub fn accepts(term: &Term, version: Option<&Version>) -> bool {
    term.constraint.is_any() || version.is_some_and(|v| term.constraint.matches(v))
}

pub fn meets(entry: &Entry, term: &Term) -> bool {
    let named = entry.name == term.target && accepts(term, Some(&entry.version));
    let mut provides = entry.provides.iter();
    named || provides.any(|p| p.target == term.target && accepts(term, p.version.as_ref()))
}

fn met(need: &Need, set: &[&Entry]) -> bool {
    let any = |term: &Term| set.iter().any(|e| meets(e, term));
    need.when.as_ref().is_some_and(|when| !any(when)) || need.any.iter().any(any)
}

/// Whether the package can stand in the set.
pub fn is_content(entry: &Entry, set: &[&Entry]) -> bool {
    let others = || set.iter().filter(|o| o.name != entry.name);
    let conflict = |term: &Term| others().any(|o| meets(o, term));
    let replaced =
        |term: &Term| others().any(|o| o.name == term.target && accepts(term, Some(&o.version)));
    let twice = set.iter().filter(|o| o.name == entry.name).count() > 1;
    let role = entry.provides.iter().filter(|p| p.exclusive).any(|role| {
        others().any(|o| o.provides.iter().any(|p| p.exclusive && p.target == role.target))
    });
    entry.needs.iter().all(|need| met(need, set))
        && !entry.conflicts.iter().any(conflict)
        && !entry.replaces.iter().any(replaced)
        && !twice
        && !role
}

/// One scene, looked at by trying everything.
pub struct Brute<'s> {
    pub scene: &'s Scene,
    pub installed: Vec<&'s Entry>,
}

impl<'s> Brute<'s> {
    pub fn new(scene: &'s Scene) -> Self {
        let is = |e: &&Entry| {
            scene.installed.iter().any(|(n, v)| *n == e.name && *v == e.version.to_string())
        };
        Self { scene, installed: scene.packages.iter().filter(is).collect() }
    }

    pub fn current(&self, name: &str) -> Option<&'s Entry> {
        self.installed.iter().find(|e| e.name == name).copied()
    }

    pub fn asks(&self, wanted: impl Fn(&Ask) -> bool) -> bool {
        self.scene.request.asks.iter().any(wanted)
    }

    /// Whether this package may be taken at all.
    pub fn may(&self, entry: &Entry) -> bool {
        let old = self.current(&entry.name);
        if old == Some(entry) {
            return true;
        }
        let system = &self.scene.system;
        let is_pinned =
            |pin: &Pin| pin.name == entry.name && !pin.constraint.matches(&entry.version);
        let held = old.is_some() && system.holds.contains(&entry.name);
        let lower = old.is_some_and(|old| entry.version < old.version)
            && !self.asks(|a| matches!(a, Ask::Downgrade(w) if w.term.target == entry.name));
        !system.pins.iter().any(is_pinned) && !held && !lower
    }

    /// Whether the set is an answer.
    pub fn is_answer(&self, set: &[&Entry]) -> bool {
        let system = &self.scene.system;
        let removed: Vec<&String> = self
            .scene
            .request
            .asks
            .iter()
            .filter_map(|a| match a {
                Ask::Remove(name) => Some(name),
                _ => None,
            })
            .collect();
        let mut wants: Vec<&Want> = Vec::new();
        for ask in &self.scene.request.asks {
            if let Ask::Install(want) | Ask::Downgrade(want) = ask {
                wants.push(want);
            }
        }
        let renewed: BTreeSet<&String> = wants.iter().map(|w| &w.term.target).collect();
        let old = system.asked.iter();
        wants.extend(
            old.filter(|w| !renewed.contains(&w.term.target) && !removed.contains(&&w.term.target)),
        );
        let held = system.holds.iter().filter_map(|name| self.current(name));
        set.iter().all(|e| self.may(e) && is_content(e, set) && !removed.contains(&&e.name))
            && wants.iter().all(|want| {
                set.iter().any(|e| meets(e, &want.term))
                    || (!removed.contains(&&want.term.target)
                        && self.replaced(&want.term.target, set))
            })
            && held.into_iter().all(|held| set.contains(&held))
    }

    fn replaced(&self, name: &str, set: &[&Entry]) -> bool {
        let Some(old) = self.current(name) else { return false };
        let by = |e: &&Entry| {
            e.replaces.iter().any(|t| t.target == name && accepts(t, Some(&old.version)))
        };
        set.iter().any(by)
    }

    /// All answers, or `None` if there are too many sets to look at.
    pub fn answers(&self) -> Option<Vec<Vec<&'s Entry>>> {
        let mut sets: Vec<Vec<&Entry>> = vec![Vec::new()];
        for name in NAMES {
            let versions: Vec<&Entry> =
                self.scene.packages.iter().filter(|e| e.name == name && self.may(e)).collect();
            let without = sets.clone();
            for version in versions {
                sets.extend(without.iter().map(|set| {
                    let mut set = set.clone();
                    set.push(version);
                    set
                }));
            }
            if sets.len() > SETS {
                return None;
            }
        }
        sets.retain(|set| self.is_answer(set));
        Some(sets)
    }

    /// The installed names that are kept in a set, or replaced by something in it.
    pub fn kept(&self, set: &[&Entry]) -> BTreeSet<&'s str> {
        let names = self.installed.iter().map(|e| e.name.as_str());
        let stays = |name: &&str| !self.asks(|a| matches!(a, Ask::Remove(gone) if gone == name));
        names
            .filter(stays)
            .filter(|n| set.iter().any(|e| e.name == *n) || self.replaced(n, set))
            .collect()
    }
}
