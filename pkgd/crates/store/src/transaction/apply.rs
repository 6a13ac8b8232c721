//! Carrying a plan out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::SystemError;
use super::hooks::{ContentSource, Triggers};
use super::plan::Plan;
use super::prepare::{Prepared, Wish, digest_of};
use super::settle::Settled;
use super::system::{By, System};
use super::take_in::fetch;
use crate::error::StoreError;
use crate::fs::{Attributes, FileType};
use crate::generations::{
    self, ConfigMap, ConfigOutcome, Copies, GenerationRow, IntentRow, Left, Outcome, Own, OwnKind,
    Stage, TransactionKind, changed_files, compare, discard_root, free_name, is_edit, remove_tree,
    root_path, staging_path,
};
use crate::maintain::{Depth, Fault, Finding, Foreign, is_foreign};
use crate::packages::{Delta, Node, PathRow, Trees};

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The new generation, which is current now.
    pub generation: u64,
    /// Paths at which the root changed.
    pub changed: usize,
    /// Edited config files that needed attention, by path.
    pub config: Vec<(Vec<u8>, ConfigOutcome)>,
    /// What stays behind in the root of the generation before.
    pub left: Foreign,
}

/// What an older root is as a ground to build the next one on.
enum Ground {
    /// It is as its generation says.
    Sound,
    /// It is not, and is of no use.
    Damaged,
    /// Somebody has put things there that are nowhere else: it stays.
    Foreign,
}

/// The generation being made and the one it is made from.
pub(crate) struct Making<'a> {
    pub(crate) intent: &'a IntentRow,
    /// Config files of the packages before.
    old_config: ConfigMap,
    /// Own files before: as recorded, and as they are now.
    pub(crate) old_own: (Own, Own),
    pub(crate) config: ConfigMap,
    pub(crate) own: Own,
}

impl System<'_> {
    /// Carries out a plan: afterwards the new generation is current and durable. `clock` gives the
    /// time in milliseconds since the Unix epoch, `peer` is the user and process number of who asked.
    ///
    /// # Errors
    /// [`SystemError::Stale`] when the plan was made on another state, [`SystemError::Refused`] when
    /// something stands against it now; then nothing was written. After every other error but
    /// [`SystemError::Unfinished`] the system is as it was.
    pub fn apply(
        &self,
        plan: &Plan,
        source: &dyn ContentSource,
        triggers: &mut dyn Triggers,
        peer: Option<(u32, u32)>,
        clock: &dyn Fn() -> u64,
    ) -> Result<Applied, SystemError> {
        self.settle(clock)?;
        let base = self.current()?;
        if digest_of(base.as_ref()) != plan.base_digest {
            let current = base.map_or(0, |row| row.number);
            return Err(SystemError::Stale { planned: plan.base, current });
        }
        let wish = fetch(plan, source)?;
        let mut prepared = self.prepare(&wish, Vec::new())?;
        let to = self.store.read()?.counter(generations::LAST_GENERATION)? + 1;
        let from = prepared.base.as_ref().map_or(0, |row| row.number);
        let by = By { peer, note: &plan.note };
        let intent = Self::intent(TransactionKind::Change, from, to, by, clock());
        self.store.write(|w| Self::begin(w, &intent))?;
        let made = self.make(&intent, &wish, &mut prepared, source, triggers);
        match made {
            Ok(applied) => self.finish(&intent, applied, clock),
            Err(error) => {
                // Should that fail as well, the intent stays, and the next start does it.
                let _ = self.settle_because(&error.to_string(), clock);
                Err(error)
            }
        }
    }

    /// Everything up to the commit that makes the generation exist.
    fn make(
        &self,
        intent: &IntentRow,
        wish: &Wish,
        prepared: &mut Prepared<'_>,
        source: &dyn ContentSource,
        triggers: &mut dyn Triggers,
    ) -> Result<Applied, SystemError> {
        self.take_in(wish, prepared, source)?;
        let numbers: Vec<u32> = prepared.members.iter().map(|m| m.package).collect();
        let old = prepared.base.as_ref().map_or(Vec::new(), GenerationRow::numbers);
        let old_config = Self::config_of(&mut prepared.trees, &old)?;
        let config = Self::config_of(&mut prepared.trees, &numbers)?;
        let recorded = self.own_of(intent.from)?;
        let from_root = (intent.from > 0).then(|| root_path(intent.from));
        let edited = match intent.from {
            0 => recorded.clone(),
            from => self.edits((from, &old), &old_config, &mut prepared.trees, &recorded)?,
        };
        let before = Left { config: &old_config, own: &edited, root: from_root.as_deref() };
        let (own, outcomes) = generations::merge(self.fs, &before, &config)?;
        // A look that only tells something holds nothing up.
        let left =
            prepared.base.as_ref().and_then(|b| self.foreign_of(b, &mut prepared.trees).ok());
        let left = left.unwrap_or_default();
        let mut making = Making { intent, old_config, old_own: (recorded, edited), config, own };
        self.drop_shadowed(&mut making, prepared)?;
        self.keep_folders(&mut making, prepared)?;
        let copies = Copies { own: &making.own, config: &making.config };
        self.realise(intent.to, &numbers, &mut prepared.trees, &prepared.delta, copies)?;
        self.carry_kept(&mut prepared.trees, intent.from, (intent.to, &numbers), true)?;
        let changed = changed_paths(prepared, &making.old_config);
        self.run_triggers(&mut making, prepared, &changed, triggers)?;
        self.write_records(&making, prepared)?;
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))?;
        self.store.write(|w| Self::write_rows(w, &making, prepared))?;
        Ok(Applied { generation: intent.to, changed: changed.len(), config: outcomes, left })
    }

    /// The generation exists: what is left is to switch to it. A failure here is not taken back.
    fn finish(
        &self,
        intent: &IntentRow,
        applied: Applied,
        clock: &dyn Fn() -> u64,
    ) -> Result<Applied, SystemError> {
        let done = self.complete(intent, Outcome::Done, clock);
        let Err(error) = done else { return Ok(applied) };
        match self.settle(clock) {
            Ok(Settled::Completed) => Ok(applied),
            _ => Err(SystemError::Unfinished { generation: intent.to, why: error.to_string() }),
        }
    }

    /// Where a package now has what a trigger made, what stands beside a config file, or what a user had added, the
    /// package goes before.
    fn drop_shadowed(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(), SystemError> {
        let mut shadowed = Vec::new();
        for (path, kind, _) in making.own.iter() {
            if !is_edit(path, kind, &making.config) && self.view(&prepared.delta, path)?.is_some() {
                shadowed.push(path.to_vec());
            }
        }
        shadowed.iter().for_each(|path| making.own.remove(path));
        Ok(())
    }

    /// What a trigger made or a user added stays where its folder came from a package that goes: the folder stays with
    /// it.
    fn keep_folders(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(), SystemError> {
        let mut folders: BTreeMap<Vec<u8>, OwnKind> = BTreeMap::new();
        for (path, kind, _) in making.own.iter() {
            if kind == OwnKind::New || is_edit(path, kind, &making.config) {
                continue;
            }
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            let above = ends.filter_map(|(end, _)| path.get(..end));
            folders.extend(above.map(|folder| (folder.to_vec(), kind)));
        }
        for (folder, kind) in folders {
            if making.own.get(&folder).is_none() && self.view(&prepared.delta, &folder)?.is_none() {
                let node = Node::Directory(Attributes::root(0o755));
                making.own.set(&folder, kind, Some(node));
            }
        }
        Ok(())
    }

    /// What the packages of the new generation have at a path.
    pub(crate) fn view(&self, delta: &Delta, path: &[u8]) -> Result<Option<PathRow>, StoreError> {
        delta.view(path, || Ok(self.store.read()?.path_row(path)?.1))
    }

    /// Puts the root of generation `to` together, from a spare one where there is one. `delta` leads
    /// from the index of paths to the packages of `to`.
    pub(crate) fn realise(
        &self,
        to: u64,
        numbers: &[u32],
        trees: &mut Trees<'_>,
        delta: &Delta,
        copies: Copies<'_>,
    ) -> Result<(), SystemError> {
        let mut spare = self.spare(trees)?;
        if let Some(root) = spare {
            match self.ground(root, trees)? {
                Ground::Sound => {}
                Ground::Foreign => spare = None,
                Ground::Damaged => {
                    discard_root(self.fs, &root_path(root))?;
                    spare = None;
                }
            }
        }
        match self.realise_from(spare, to, numbers, trees, delta, copies) {
            // Somebody put other things into the older root: it is no ground to build on.
            Err(error) if spare.is_some() && error.is_about_shape() => {
                self.realise_from(None, to, numbers, trees, delta, copies)
            }
            done => done,
        }
    }

    /// Whether a root is as its generation says, so that another can be made of it. What nobody brought and nobody wants
    /// is taken away: it would turn up in the generation that is made.
    fn ground(&self, generation: u64, trees: &mut Trees<'_>) -> Result<Ground, SystemError> {
        let row = self.generation(generation)?;
        let found = match self.verify_row(&row, trees, Depth::Links) {
            Err(error) if error.is_about_shape() => {
                let foreign = self.foreign_of(&row, trees)?;
                return Ok(if foreign.count > 0 { Ground::Foreign } else { Ground::Damaged });
            }
            found => found?,
        };
        let (root, extra) = (root_path(generation), |f: &Finding| f.fault == Fault::Extra);
        if found.findings.iter().any(|f| extra(f) && is_foreign(&f.path)) {
            return Ok(Ground::Foreign);
        }
        if !found.findings.iter().all(extra) || !found.edited.is_empty() {
            return Ok(Ground::Damaged);
        }
        for finding in found.findings {
            match remove_tree(self.fs, &root.join(OsStr::from_bytes(&finding.path))) {
                Err(error) if error.is_held() => return Ok(Ground::Damaged),
                done => done?,
            }
        }
        Ok(Ground::Sound)
    }

    fn realise_from(
        &self,
        spare: Option<u64>,
        to: u64,
        numbers: &[u32],
        trees: &mut Trees<'_>,
        delta: &Delta,
        copies: Copies<'_>,
    ) -> Result<(), SystemError> {
        let mut staging = staging_path(to);
        discard_root(self.fs, &staging)?;
        if self.fs.stat(&staging).map_err(|e| SystemError::io("look at", &staging, e))?.is_some() {
            staging = free_name(self.fs, &staging)?;
        }
        let (old, own, config) = match spare {
            Some(spare) => {
                let root = root_path(spare);
                self.fs.rename(&root, &staging).map_err(|e| SystemError::io("move", root, e))?;
                let old = self.generation(spare)?.numbers();
                let config = Self::config_of(trees, &old)?;
                (old, self.own_of(spare)?, config)
            }
            None => {
                let mode = Attributes::root(0o755);
                let made = self.fs.mkdir(&staging, &mode);
                made.map_err(|e| SystemError::io("create", &staging, e))?;
                (Vec::new(), Own::default(), ConfigMap::new())
            }
        };
        let changes = compare(trees, &old, numbers)?;
        let files = changed_files(changes.values(), &config);
        let read = self.store.read()?;
        let mut view = |path: &[u8]| delta.view(path, || Ok(read.path_row(path)?.1));
        let from = Copies { own: &own, config: &config };
        let (root, threads) = (staging.clone(), self.options.threads);
        let stage = Stage { fs: self.fs, keep: &self.keep, root, threads };
        stage.update(&files, spare.map(|_| from), copies, &mut view)?;
        let root = root_path(to);
        self.fs.rename(&staging, &root).map_err(|e| SystemError::io("move into place", root, e))
    }
}

fn changed_paths(prepared: &Prepared<'_>, config: &ConfigMap) -> Vec<Vec<u8>> {
    let files = changed_files(prepared.changes.values(), config);
    let differ = files.into_iter().filter(|(_, file)| file.old != file.new);
    differ.map(|(path, _)| path.to_vec()).collect()
}

/// Runs `work` on so many threads (in this one, if it is one) and returns the first error.
pub(crate) fn parallel(
    threads: usize,
    work: &(impl Fn() -> Result<(), SystemError> + Sync),
) -> Result<(), SystemError> {
    if threads <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let died = || SystemError::Damaged { what: "a thread died".to_owned() };
        let join = |handle: std::thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|_| Err(died()))
        };
        // All are waited for, whatever the first one says.
        let results: Vec<Result<(), SystemError>> = handles.into_iter().map(join).collect();
        results.into_iter().collect()
    })
}

/// Whether a directory stands at `path`.
pub(crate) fn is_directory(system: &System<'_>, path: &Path) -> Result<bool, SystemError> {
    let stat = system.fs.stat(path).map_err(|e| SystemError::io("look at", path, e))?;
    Ok(stat.is_some_and(|stat| stat.kind == FileType::Directory))
}
