//! Which packages a request may take: removals, holds, pins, repositories, no downgrades.

use super::{Goal, meets};
use crate::request::Pin;
use crate::universe::PackageId;

/// Why a package cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exclusion {
    /// It is to be removed.
    Removed,
    /// Another version of it is held.
    Held(PackageId),
    /// A pin says otherwise.
    Pinned(String),
    /// Its name belongs to a repository of higher priority.
    Repository(String),
    /// It is older than what is installed.
    Downgrade(PackageId),
}

impl Goal<'_> {
    /// Whether the package may be taken.
    pub fn is_allowed(&self, package: PackageId) -> bool {
        self.exclusion(package).is_none()
    }

    /// Why the package may not be taken.
    pub fn exclusion(&self, package: PackageId) -> Option<Exclusion> {
        let name = self.universe.name_symbol(package);
        if self.removed.contains(&name) {
            return Some(Exclusion::Removed);
        }
        let installed = self.installed.get(&name).copied();
        if installed == Some(package) {
            return None;
        }
        if let Some(held) = self.held.get(&name) {
            return Some(Exclusion::Held(*held));
        }
        let pins = self.pins.get(&name).map_or(&[][..], Vec::as_slice);
        if let Some(pin) = pins.iter().find(|pin| !self.obeys(package, pin)) {
            return Some(Exclusion::Pinned(pin.to_string()));
        }
        let bound = pins.iter().any(|pin| pin.repository.is_some());
        if let Some(owner) = self.owner(package).filter(|_| !bound) {
            return Some(Exclusion::Repository(owner));
        }
        let older = installed.filter(|i| self.is_older(package, *i));
        older.filter(|_| !self.downgrade.contains(&name)).map(Exclusion::Downgrade)
    }

    fn obeys(&self, package: PackageId, pin: &Pin) -> bool {
        let repository = self.universe.repository(package).map(|(name, _)| name);
        let from = pin.repository.as_deref().is_none_or(|wanted| repository == Some(wanted));
        from && meets(self.universe, package, &pin.constraint)
    }

    /// The repository that the package's name belongs to, if it is another one of higher priority.
    fn owner(&self, package: PackageId) -> Option<String> {
        let (_, own) = self.universe.repository(package)?;
        if self.universe.base().repositories() < 2 {
            return None;
        }
        let name = self.universe.name_symbol(package);
        let others = self.universe.named_symbol(name).into_iter();
        let owners = others.filter_map(|other| self.universe.repository(other));
        let (owner, priority) = owners.max_by_key(|(_, priority)| *priority)?;
        (priority > own).then(|| owner.to_owned())
    }

    /// Whether `a` is an older version than `b`.
    pub fn is_older(&self, a: PackageId, b: PackageId) -> bool {
        self.universe.version(a) < self.universe.version(b)
    }
}
