//! Everything that can stand against a plan, found at once and before the first write.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use minos_model::{Digest, Name};

use super::plan::PlannedChange;
use super::system::{Changes, Members, System};
use super::{Problem, SystemError};
use crate::error::StoreError;
use crate::generations::{self, GenerationRow, Member, Reason};
use crate::objects::ObjectId;
use crate::packages::{Change, Delta, Node, PackageRow, Tree, Trees, sonames};
use crate::snapshot::Snapshot;

/// Bytes that a file takes more than its length: half a block, and its inode.
const OVERHEAD: u64 = 2048 + 256;

/// A package to come.
pub(crate) struct Install {
    pub(crate) digest: Digest,
    /// The manifest's bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) reason: Reason,
}

/// What a transaction is to do.
pub(crate) struct Wish {
    pub(crate) install: Vec<Install>,
    pub(crate) remove: Vec<Name>,
    pub(crate) reasons: Vec<(Name, Reason)>,
    pub(crate) asked: Vec<String>,
    pub(crate) override_holds: bool,
}

/// What the disk has to take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) inodes: u64,
}

/// A transaction that can be carried out.
pub(crate) struct Prepared<'a> {
    pub(crate) base: Option<GenerationRow>,
    pub(crate) members: Vec<Member>,
    /// What users have asked for afterwards.
    pub(crate) asked: Vec<String>,
    pub(crate) trees: Trees<'a>,
    /// Rows that are not in the database yet.
    pub(crate) new_rows: Vec<PackageRow>,
    pub(crate) changes: Changes,
    pub(crate) delta: Delta,
    pub(crate) cost: Cost,
}

impl Prepared<'_> {
    pub(crate) fn base_digest(&self) -> Digest {
        digest_of(self.base.as_ref())
    }

    pub(crate) fn planned_changes(&self) -> Vec<PlannedChange> {
        let version =
            |tree: &Option<Arc<Tree>>| tree.as_ref().map(|tree| tree.manifest().version.clone());
        let line = |(name, change): (&Name, &Change)| PlannedChange {
            name: name.clone(),
            from: version(&change.old),
            to: version(&change.new),
        };
        self.changes.iter().map(line).collect()
    }

    pub(crate) fn grows(&self) -> i64 {
        let size = |tree: &Option<Arc<Tree>>| {
            tree.as_ref().map_or(0, |tree| tree.manifest().installed_size()).cast_signed()
        };
        self.changes.values().map(|change| size(&change.new) - size(&change.old)).sum()
    }
}

/// What a plan made on this generation carries.
pub(crate) fn digest_of(base: Option<&GenerationRow>) -> Digest {
    base.map_or(Digest::of(b"no generation"), GenerationRow::digest)
}

impl<'a> System<'a> {
    /// Checks a wish against the current generation. `problems` are those found before.
    pub(crate) fn prepare(
        &self,
        wish: &Wish,
        mut problems: Vec<Problem>,
    ) -> Result<Prepared<'a>, SystemError> {
        self.refresh_paths()?;
        let read = self.store.read()?;
        let base = self.current()?;
        let mut trees = self.trees();
        let mut members = named(&mut trees, base.as_ref())?;
        let before = members.clone();
        self.check_names(&read, wish, &members, &mut problems)?;
        check_places(&wish.install, &members, &mut problems);
        let new_rows = take_over(&read, wish, &mut members, &mut trees)?;
        let changes = changed(&before, &members, &mut trees)?;
        let delta = Delta::new(&read, changes.values())?;
        problems.extend(delta.conflicts.iter().map(|conflict| Problem::Path {
            path: String::from_utf8_lossy(&conflict.path).escape_debug().to_string(),
            owner: conflict.owner.clone(),
            package: conflict.package.clone(),
            why: conflict.why,
        }));
        check_sonames(&changes, &members, &mut problems);
        let cost = self.cost(&changes)?;
        self.check_space(cost, &mut problems)?;
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(SystemError::Refused(problems));
        }
        let list =
            members.into_values().map(|(row, reason)| Member { package: row.number, reason });
        let mut members: Vec<Member> = list.collect();
        members.sort_unstable();
        let asked = wish.asked.clone();
        Ok(Prepared { base, members, asked, trees, new_rows, changes, delta, cost })
    }

    fn check_names(
        &self,
        read: &Snapshot<'_>,
        wish: &Wish,
        members: &Members,
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        let coming = wish.install.iter().map(|install| install.tree.name());
        for package in coming.clone().chain(&wish.remove) {
            if !seen.insert(package) {
                problems.push(Problem::Twice { package: package.clone() });
            }
        }
        let stays = wish.reasons.iter().map(|(name, _)| name);
        for package in wish.remove.iter().chain(stays) {
            if !members.contains_key(package) {
                problems.push(Problem::NotInstalled { package: package.clone() });
            }
        }
        for package in coming.chain(&wish.remove).filter(|_| !wish.override_holds) {
            if members.contains_key(package)
                && let Some(hold) = read.hold(package)?
            {
                problems.push(Problem::Held { package: package.clone(), note: hold.note });
            }
        }
        Ok(())
    }

    /// What the objects that are missing take, with the directories and links of a root.
    fn cost(&self, changes: &Changes) -> Result<Cost, SystemError> {
        let mut cost = Cost::default();
        let mut seen: HashSet<&ObjectId> = HashSet::new();
        for change in changes.values() {
            let mut failure = None;
            change.each(|_, old, new| match new {
                Some(node) if old != Some(node) => {
                    let done = self.add_cost(node, &mut seen, &mut cost);
                    failure = failure.take().or(done.err());
                }
                _ => {}
            });
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        Ok(cost)
    }

    fn add_cost<'n>(
        &self,
        node: &'n Node,
        seen: &mut HashSet<&'n ObjectId>,
        cost: &mut Cost,
    ) -> Result<(), SystemError> {
        let Node::File { object, size } = node else {
            cost.inodes += 1;
            return Ok(());
        };
        if !seen.insert(object) {
            return Ok(());
        }
        let path = object.path();
        let there = self.fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))?;
        if there.is_none() {
            // As packages say, and there may be many: a sum that wrapped would fit any disk.
            cost.bytes = cost.bytes.saturating_add(*size);
            cost.files += 1;
            cost.inodes += 1;
        }
        Ok(())
    }

    fn check_space(&self, cost: Cost, problems: &mut Vec<Problem>) -> Result<(), SystemError> {
        let space = self.fs.space().map_err(|e| SystemError::io("ask for free space on", "", e))?;
        let needed = cost.bytes.saturating_add(cost.inodes * OVERHEAD);
        let reserve = self.options.reserve_bytes;
        if needed > 0 && needed.saturating_add(reserve) > space.bytes {
            problems.push(Problem::Space { needed, free: space.bytes, reserve });
        }
        if cost.inodes > space.inodes {
            problems.push(Problem::Inodes { needed: cost.inodes, free: space.inodes });
        }
        Ok(())
    }
}

/// The members of a generation by name.
pub(crate) fn named(
    trees: &mut Trees<'_>,
    row: Option<&GenerationRow>,
) -> Result<Members, StoreError> {
    let Some(row) = row else { return Ok(Members::new()) };
    let rows = trees.rows(&row.numbers())?;
    let member = |(package, member): (Arc<PackageRow>, &Member)| {
        (package.name.clone(), (package, member.reason))
    };
    Ok(rows.into_iter().zip(&row.members).map(member).collect())
}

/// Changes the members as wished and returns the rows of packages seen for the first time.
fn take_over(
    read: &Snapshot<'_>,
    wish: &Wish,
    members: &mut Members,
    trees: &mut Trees<'_>,
) -> Result<Vec<PackageRow>, StoreError> {
    wish.remove.iter().for_each(|name| drop(members.remove(name)));
    for (name, reason) in &wish.reasons {
        if let Some(member) = members.get_mut(name) {
            member.1 = *reason;
        }
    }
    let mut last = u32::try_from(read.counter(generations::LAST_PACKAGE)?).unwrap_or(u32::MAX);
    let mut new_rows = Vec::new();
    for install in &wish.install {
        let row = match read.package_number(&install.digest)? {
            Some(known) => trees.row(known)?,
            None => {
                last = last.checked_add(1).ok_or_else(|| StoreError::Invalid {
                    what: "there are no more numbers for packages".to_owned(),
                })?;
                let row = PackageRow::new(last, install.digest, &install.tree, 0);
                new_rows.push(row.clone());
                trees.add(row, Arc::clone(&install.tree));
                trees.row(last)?
            }
        };
        members.insert(row.name.clone(), (row, install.reason));
    }
    Ok(new_rows)
}

fn changed(
    before: &Members,
    after: &Members,
    trees: &mut Trees<'_>,
) -> Result<Changes, SystemError> {
    let mut changes: Changes = BTreeMap::new();
    let names: BTreeSet<&Name> = before.keys().chain(after.keys()).collect();
    for name in names {
        let number = |members: &Members| members.get(name).map(|(row, _)| row.number);
        let (old, new) = (number(before), number(after));
        if old != new {
            let old = old.map(|n| trees.tree(n)).transpose()?;
            let new = new.map(|n| trees.tree(n)).transpose()?;
            changes.insert(name.clone(), Change { old, new });
        }
    }
    Ok(changes)
}

/// How many such paths of a package are told: there may be thousands.
const MISPLACED_TOLD: usize = 3;

/// Paths that no package should have, of packages that are not installed already.
fn check_places(install: &[Install], members: &Members, problems: &mut Vec<Problem>) {
    let is_there = |one: &&Install| {
        members.get(one.tree.name()).is_some_and(|(row, _)| row.digest == one.digest)
    };
    for one in install.iter().filter(|one| !is_there(one)) {
        let paths = one.tree.manifest().files.iter().map(|file| &file.path);
        let misplaced = paths.filter_map(|path| {
            let (package, why) = (one.tree.name().clone(), path.misplaced()?);
            Some(Problem::Misplaced { package, path: path.to_string(), why })
        });
        problems.extend(misplaced.take(MISPLACED_TOLD));
    }
}

/// Shared libraries that go although something that stays needs them.
fn check_sonames(changes: &Changes, members: &Members, problems: &mut Vec<Problem>) {
    let mut lost: BTreeMap<String, &Name> = BTreeMap::new();
    for (name, change) in changes {
        let old = change.old.iter().flat_map(|tree| sonames(tree.manifest()));
        lost.extend(old.map(|soname| (soname, name)));
    }
    for (row, _) in members.values() {
        for soname in &row.sonames {
            lost.remove(soname);
        }
    }
    if lost.is_empty() {
        return;
    }
    for (name, (row, _)) in members {
        for soname in &row.needs {
            if let Some(package) = lost.get(soname) {
                let (soname, package) = (soname.clone(), (*package).clone());
                problems.push(Problem::Soname { soname, package, needed_by: name.clone() });
            }
        }
    }
}
