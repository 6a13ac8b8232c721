//! What keeps a package from its newest version, in words: holds, bounds, and what was asked for.

use minos_proto::Wish;
use minos_solve::{Answer, PackageId, Pin, System as Asks, Want};

use super::universe::View;

/// What was asked for this name, where it is more than the name: versions or groups.
pub fn bound<'a>(asks: &'a Asks, name: &str) -> Option<&'a Want> {
    let more = |want: &&Want| !want.term.constraint.is_any() || !want.groups.is_empty();
    asks.asked.iter().filter(|want| want.term.target == name).find(more)
}

/// The bounds of this name: versions or a repository that it is held to.
pub fn pins<'a>(asks: &'a Asks, name: &str) -> impl Iterator<Item = &'a Pin> {
    asks.pins.iter().filter(move |pin| pin.name == name)
}

impl View {
    /// The newest version of an installed package that is offered and newer than it.
    pub fn newer(&self, package: PackageId) -> Option<PackageId> {
        let universe = &self.universe;
        let offered = self.offered(universe.name(package)).into_iter();
        let newest = offered.max_by_key(|p| universe.version(*p))?;
        (universe.version(newest) > universe.version(package)).then_some(newest)
    }

    /// The package that is offered in the version of an installed one, where that is not offered itself any more: it was
    /// built anew.
    pub fn rebuilt(&self, package: PackageId) -> Option<PackageId> {
        let universe = &self.universe;
        if universe.repository(package).is_some() {
            return None;
        }
        let mut offered = self.offered(universe.name(package)).into_iter();
        let same = |p: &PackageId| universe.version(*p) == universe.version(package);
        offered.rfind(same)
    }

    /// The packages of a name that a change may take. A name belongs to the repository of the highest priority that has
    /// it, unless it is held to another one.
    fn offered(&self, name: &str) -> Vec<PackageId> {
        let universe = &self.universe;
        let from = pins(&self.asks, name).find_map(|pin| pin.repository.as_deref());
        let offered = || {
            let place = |p| universe.repository(p).map(|place| (p, place));
            universe.named(name).into_iter().filter_map(place)
        };
        let Some(first) = offered().map(|(_, (_, priority))| priority).max() else {
            return Vec::new();
        };
        let owned = |(_, (repository, priority)): &(PackageId, (&str, i32))| match from {
            Some(from) => *repository == from,
            None => *priority == first,
        };
        offered().filter(owned).map(|(p, _)| p).collect()
    }

    /// Sentences about the packages of an answer that a wish for newer ones leaves as they are although newer ones are
    /// there.
    pub fn kept_back(&self, answer: &Answer, wish: &Wish) -> Vec<String> {
        let universe = &self.universe;
        let meant = |package: &&PackageId| {
            let name = universe.name(**package);
            wish.upgrade || wish.update.iter().any(|n| n == name)
        };
        let line = |package: &PackageId| {
            let newer = self.newer(*package)?;
            let (why, there) = (self.why_kept(*package, newer), universe.version_text(newer));
            Some(format!("kept back: {} ({why}; {there} is there)", universe.label(*package)))
        };
        answer.packages.iter().filter(meant).filter_map(line).collect()
    }

    fn why_kept(&self, package: PackageId, newer: PackageId) -> String {
        let name = self.universe.name(package);
        let version = self.universe.version(newer);
        let outside = |constraint: &minos_model::Constraint| {
            version.as_ref().is_some_and(|version| !constraint.matches(version))
        };
        if self.asks.holds.iter().any(|held| held == name) {
            return "held".to_owned();
        }
        if let Some(pin) = pins(&self.asks, name).find(|pin| outside(&pin.constraint)) {
            return format!("held as {pin}");
        }
        match bound(&self.asks, name).filter(|want| outside(&want.term.constraint)) {
            Some(want) => format!("asked for as {want}"),
            None => {
                format!("'pkgctl why {name}={}' tells why", self.universe.version_text(newer))
            }
        }
    }

    /// Sentences about packages that were bound to some versions, and are asked for without that now: what is installed
    /// meets the wish, so it stays.
    pub fn let_go(&self, answer: &Answer, wish: &Wish) -> Vec<String> {
        let universe = &self.universe;
        let line = |package: &PackageId| {
            let name = universe.name(*package);
            let old = bound(&self.asks, name)?;
            let asked = wish.install.iter().any(|text| text == name);
            let newer = self.newer(*package)?;
            let stays = universe.installed().contains(package);
            (asked && stays && !old.term.constraint.is_any()).then(|| {
                let there = universe.version_text(newer);
                format!(
                    "{name} is not bound to {old} any more; 'pkgctl update {name}' takes {there}"
                )
            })
        };
        answer.packages.iter().filter_map(line).collect()
    }
}
