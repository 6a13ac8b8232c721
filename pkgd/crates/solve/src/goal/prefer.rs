//! Which of several packages is preferred.

use super::Goal;
use crate::universe::{PackageId, Symbol};

impl Goal<'_> {
    /// Whether the newest version of this name is wanted rather than the installed one.
    pub fn is_fresh(&self, name: Symbol) -> bool {
        self.upgrade || self.updated.contains(&name)
    }

    /// Sorts packages by preference: alternatives in their order, what is installed before what is not, the
    /// package of that name before those that provide it, higher priority, then the name, then the version.
    pub fn sort(&self, options: &mut [PackageId], targets: &[Symbol]) {
        if options.len() < 2 {
            return;
        }
        let universe = self.universe;
        options.sort_by_cached_key(|p| {
            let name = universe.name_symbol(*p);
            let absent = !self.installed.contains_key(&name);
            let provides = !targets.contains(&name);
            let priority = universe.repository(*p).map_or(i32::MIN, |(_, priority)| priority);
            (absent, provides, core::cmp::Reverse(priority.max(self.name_priority(name))), name)
        });
        // Now the packages of one name stand together, with one key each; sort them by version.
        for run in options.chunk_by_mut(|a, b| universe.name_symbol(*a) == universe.name_symbol(*b))
        {
            self.sort_versions(run);
        }
    }

    /// Sorts what may meet a need of a package by priority before all else but the order it has: a repository of low
    /// priority must not be able to meet the needs of others by a package that is named like a capability.
    pub fn sort_by_repository(&self, options: &mut [PackageId]) {
        if options.len() > 1 && self.universe.base().repositories() > 1 {
            options.sort_by_cached_key(|p| {
                core::cmp::Reverse(self.name_priority(self.universe.name_symbol(*p)))
            });
        }
    }

    /// The highest priority of a repository that has the name; the lowest there is where none has.
    pub(super) fn name_priority(&self, name: Symbol) -> i32 {
        let all = self.universe.named_symbol(name).into_iter();
        let priorities =
            all.filter_map(|p| self.universe.repository(p)).map(|(_, priority)| priority);
        priorities.max().unwrap_or(i32::MIN)
    }

    fn sort_versions(&self, run: &mut [PackageId]) {
        let [first, _, ..] = run else { return };
        let name = self.universe.name_symbol(*first);
        let installed = self.installed.get(&name).copied();
        let fresh = self.is_fresh(name);
        run.sort_by_cached_key(|p| {
            let is_other = installed != Some(*p);
            let version = core::cmp::Reverse(self.universe.version(*p));
            (!self.is_exchange(*p, name), !fresh && is_other, version, is_other, *p)
        });
    }

    /// Whether the package is one of the repositories that is to take the place of the installed one of its version,
    /// which no repository has any more.
    fn is_exchange(&self, package: PackageId, name: Symbol) -> bool {
        let universe = self.universe;
        let offered = |p| universe.repository(p).is_some();
        let old = self.installed.get(&name).filter(|_| self.exchanged.contains(&name)).copied();
        old.is_some_and(|old| {
            !offered(old) && offered(package) && universe.version(old) == universe.version(package)
        })
    }
}
