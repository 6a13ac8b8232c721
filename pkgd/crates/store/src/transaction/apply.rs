//! Carrying a plan out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minos_model::{Digest, Name, PackagePath};

use super::hooks::{ContentSource, Made, MadeNode, Staged, Triggers};
use super::plan::Plan;
use super::prepare::{Install, Prepared, Wish, digest_of};
use super::settle::Settled;
use super::system::{By, System};
use super::{Problem, SystemError};
use crate::error::StoreError;
use crate::fs::FileType;
use crate::generations::{
    self, ConfigMap, ConfigOutcome, Copies, GenerationRow, IntentRow, Left, Own, OwnKind, Record,
    RecordMember, Stage, TransactionKind, changed_files, compare, place, put_record, record_path,
    remove_tree, root_path, staging_path,
};
use crate::objects::{Ingest, ObjectId, key_of, manifest_path, put_bytes};
use crate::packages::{Delta, Node, PathRow, Tree, Trees, decode_manifest};
use crate::snapshot::Source as _;
use crate::table::{
    GENERATION_OWN, GENERATIONS, META, PACKAGE_NUMBERS, PACKAGE_OBJECTS, PACKAGES, number,
};
use crate::write::Write;

/// From so many rows on the journal is not even tried.
const MANY_ROWS: usize = 1000;

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The new generation, which is current now.
    pub generation: u64,
    /// Paths at which the root changed.
    pub changed: usize,
    /// Edited config files that needed attention, by path.
    pub config: Vec<(Vec<u8>, ConfigOutcome)>,
}

/// The generation being made and the one it is made from.
struct Making<'a> {
    intent: &'a IntentRow,
    /// Config files of the packages before.
    old_config: ConfigMap,
    /// Own files before: as recorded, and as they are now.
    old_own: (Own, Own),
    config: ConfigMap,
    own: Own,
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
        let edited = match &from_root {
            Some(root) => generations::capture(self.fs, root, &old_config, &recorded)?,
            None => recorded.clone(),
        };
        let left = Left { config: &old_config, own: &edited, root: from_root.as_deref() };
        let (own, outcomes) = generations::merge(self.fs, &left, &config)?;
        let mut making = Making { intent, old_config, old_own: (recorded, edited), config, own };
        self.drop_shadowed(&mut making, prepared)?;
        let copies = Copies { own: &making.own, config: &making.config };
        self.realise(intent.to, &numbers, &mut prepared.trees, &prepared.delta, copies)?;
        if let Some(root) = &from_root {
            self.keep.carry(self.fs, root, &root_path(intent.to))?;
        }
        let changed = changed_paths(prepared, &making.old_config);
        self.run_triggers(&mut making, prepared, &changed, triggers)?;
        self.write_records(&making, prepared)?;
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))?;
        self.store.write(|w| Self::write_rows(w, &making, prepared))?;
        Ok(Applied { generation: intent.to, changed: changed.len(), config: outcomes })
    }

    /// The generation exists: what is left is to switch to it. A failure here is not taken back.
    fn finish(
        &self,
        intent: &IntentRow,
        applied: Applied,
        clock: &dyn Fn() -> u64,
    ) -> Result<Applied, SystemError> {
        let done = self.complete(intent, crate::generations::Outcome::Done, clock);
        let Err(error) = done else { return Ok(applied) };
        match self.settle(clock) {
            Ok(Settled::Completed) => Ok(applied),
            _ => Err(SystemError::Unfinished { generation: intent.to, why: error.to_string() }),
        }
    }

    /// Manifests and contents that the store does not have.
    fn take_in(
        &self,
        wish: &Wish,
        prepared: &Prepared<'_>,
        source: &dyn ContentSource,
    ) -> Result<(), SystemError> {
        let mut ids: Vec<&ObjectId> = Vec::new();
        for change in prepared.changes.values() {
            change.each(|_, old, new| {
                if old != new {
                    ids.extend(new.and_then(Node::object));
                }
            });
        }
        let ingest = Ingest::new(self.fs, ids.into_iter().cloned())?;
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), SystemError> {
            let mut buffer = Vec::new();
            while let Some(install) = wish.install.get(next.fetch_add(1, Ordering::Relaxed)) {
                take_package(&ingest, install, source, &mut buffer)?;
            }
            Ok(())
        };
        parallel(self.options.threads.min(wish.install.len()), &work)?;
        if let Some(digest) = ingest.missing() {
            let why = "no package delivered it".to_owned();
            return Err(SystemError::Content { digest, why });
        }
        for install in &wish.install {
            let path = manifest_path(&install.digest);
            let there = self.fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))?;
            if there.is_none() {
                let attributes = crate::fs::Attributes::root(0o600);
                put_bytes(self.fs, &path, &install.bytes, &attributes)?;
            }
        }
        Ok(())
    }

    /// Where a package now has what a trigger made, or what stands beside a config file, the package
    /// goes before.
    fn drop_shadowed(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(), SystemError> {
        let mut shadowed = Vec::new();
        for (path, kind, _) in making.own.iter() {
            if kind != OwnKind::Config && self.view(&prepared.delta, path)?.is_some() {
                shadowed.push(path.to_vec());
            }
        }
        shadowed.iter().for_each(|path| making.own.remove(path));
        Ok(())
    }

    /// What the packages of the new generation have at a path.
    fn view(&self, delta: &Delta, path: &[u8]) -> Result<Option<PathRow>, StoreError> {
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
        let staging = staging_path(to);
        let spare = self.spare()?;
        let (old, own, config) = match spare {
            Some(spare) => {
                let root = root_path(spare);
                self.fs.rename(&root, &staging).map_err(|e| SystemError::io("move", root, e))?;
                let old = self.generation(spare)?.numbers();
                let config = Self::config_of(trees, &old)?;
                (old, self.own_of(spare)?, config)
            }
            None => {
                let mode = crate::fs::Attributes::root(0o755);
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

    fn run_triggers(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
        changed: &[Vec<u8>],
        triggers: &mut dyn Triggers,
    ) -> Result<(), SystemError> {
        let root = root_path(making.intent.to);
        let staged = Staged { root: &root, changed };
        let made = triggers.run(&staged).map_err(|why| SystemError::Trigger { why })?;
        made.into_iter().try_for_each(|made| self.put_made(making, prepared, &root, made))
    }

    fn put_made(
        &self,
        making: &mut Making<'_>,
        prepared: &Prepared<'_>,
        root: &Path,
        made: Made,
    ) -> Result<(), SystemError> {
        let path =
            PackagePath::new(made.path).map_err(|e| SystemError::Trigger { why: e.to_string() })?;
        let bytes = path.as_bytes();
        let is_config = making.config.contains_key(bytes);
        if !is_config && self.view(&prepared.delta, bytes)?.is_some() && !self.keep.has(bytes) {
            let why = format!("it made /{path}, which belongs to a package");
            return Err(SystemError::Trigger { why });
        }
        let at = root.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
        let kind = if is_config { OwnKind::Config } else { OwnKind::Trigger };
        let node = match self.node_of(made.node)? {
            Some(node) => node,
            None => {
                remove_tree(self.fs, &at)?;
                making.own.remove(bytes);
                return Ok(());
            }
        };
        place(self.fs, &at, &node, true)?;
        if !self.keep.has(bytes) {
            making.own.set(bytes, kind, Some(node));
        }
        Ok(())
    }

    fn node_of(&self, made: MadeNode) -> Result<Option<Node>, SystemError> {
        Ok(match made {
            MadeNode::Removed => None,
            MadeNode::Directory(attributes) => Some(Node::Directory(attributes)),
            MadeNode::Symlink { target } => Some(Node::Symlink { target, uid: 0, gid: 0 }),
            MadeNode::File { attributes, content } => {
                let object = ObjectId { digest: Digest::of(&content), attributes };
                let path = object.path();
                let there = self.fs.stat(&path);
                if there.map_err(|e| SystemError::io("look for", &path, e))?.is_none() {
                    put_bytes(self.fs, &path, &content, &object.attributes)?;
                }
                Some(Node::File { object, size: content.len() as u64 })
            }
        })
    }

    /// The record of the new generation, and that of the old one if it was edited.
    fn write_records(
        &self,
        making: &Making<'_>,
        prepared: &mut Prepared<'_>,
    ) -> Result<(), SystemError> {
        let row = new_row(making.intent, prepared);
        self.write_record(&row, &making.own, &mut prepared.trees)?;
        let (recorded, edited) = &making.old_own;
        match &prepared.base {
            Some(base) if recorded != edited => {
                self.write_record(base, edited, &mut prepared.trees)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn write_record(
        &self,
        row: &GenerationRow,
        own: &Own,
        trees: &mut Trees<'_>,
    ) -> Result<(), SystemError> {
        let rows = trees.rows(&row.numbers())?;
        let member =
            |(package, member): (Arc<crate::packages::PackageRow>, &generations::Member)| {
                RecordMember {
                    manifest: package.digest,
                    reason: member.reason,
                    accounts: package.accounts.clone(),
                    added_ms: if package.added_ms == 0 { row.created_ms } else { package.added_ms },
                    package: package.number,
                }
            };
        let members = rows.into_iter().zip(&row.members).map(member).collect();
        let record = Record::new(row, members, own.to_row());
        let bytes = record.encode().map_err(|what| SystemError::Damaged { what })?;
        put_record(self.fs, &record_path(row.number), &bytes)
    }

    fn write_rows(
        w: &mut Write<'_>,
        making: &Making<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(), StoreError> {
        let row = new_row(making.intent, prepared);
        if prepared.delta.rows.len() > MANY_ROWS {
            w.make_durable();
        }
        for package in &prepared.new_rows {
            let mut package = package.clone();
            package.added_ms = row.created_ms;
            let tree = prepared.changes.get(&package.name).and_then(|c| c.new.as_deref());
            put_package(w, &package, tree)?;
        }
        prepared.delta.write(w)?;
        w.put(GENERATIONS, &number(row.number), &row)?;
        w.put(GENERATION_OWN, &number(row.number), &making.own.to_row())?;
        if making.old_own.0 != making.old_own.1 {
            w.put(GENERATION_OWN, &number(making.intent.from), &making.old_own.1.to_row())?;
        }
        w.put(META, generations::LAST_GENERATION, &row.number)?;
        w.put(META, generations::PATHS_OF, &row.number)
    }
}

/// Puts the rows of a package and takes note of its number.
pub(crate) fn put_package(
    w: &mut Write<'_>,
    row: &crate::packages::PackageRow,
    tree: Option<&Tree>,
) -> Result<(), StoreError> {
    let key = number(u64::from(row.number));
    let mut objects: Vec<u64> =
        tree.map_or(Vec::new(), |tree| tree.objects().map(ObjectId::key).collect());
    objects.push(key_of(&manifest_path(&row.digest)));
    objects.sort_unstable();
    objects.dedup();
    w.put(PACKAGES, &key, row)?;
    w.put(PACKAGE_NUMBERS, row.digest.as_bytes(), &row.number)?;
    w.put(PACKAGE_OBJECTS, &key, &objects)?;
    let last: u64 = w.get(META, generations::LAST_PACKAGE)?.unwrap_or(0);
    w.put(META, generations::LAST_PACKAGE, &last.max(u64::from(row.number)))
}

fn new_row(intent: &IntentRow, prepared: &Prepared<'_>) -> GenerationRow {
    GenerationRow {
        number: intent.to,
        parent: prepared.base.as_ref().map(|row| row.number),
        created_ms: intent.at_ms,
        note: intent.note.clone(),
        members: prepared.members.clone(),
    }
}

fn changed_paths(prepared: &Prepared<'_>, config: &ConfigMap) -> Vec<Vec<u8>> {
    let files = changed_files(prepared.changes.values(), config);
    let differ = files.into_iter().filter(|(_, file)| file.old != file.new);
    differ.map(|(path, _)| path.to_vec()).collect()
}

/// The wish of a plan, with its manifests.
fn fetch(plan: &Plan, source: &dyn ContentSource) -> Result<Wish, SystemError> {
    let mut install = Vec::with_capacity(plan.install.len());
    for one in &plan.install {
        let content = |why: String| SystemError::Content { digest: one.manifest, why };
        let bytes = source.manifest(&one.manifest).map_err(|e| content(e.to_string()))?;
        let manifest = decode_manifest(&bytes, &one.manifest)?;
        let package: Name = manifest.name.clone();
        let tree = Tree::new(manifest, one.accounts.clone()).map_err(|account| {
            SystemError::Refused(vec![Problem::NoAccount { package, account }])
        })?;
        let (digest, reason) = (one.manifest, one.reason);
        install.push(Install { digest, bytes, tree: Arc::new(tree), reason });
    }
    let (remove, reasons) = (plan.remove.clone(), plan.reasons.clone());
    Ok(Wish { install, remove, reasons, override_holds: plan.override_holds })
}

/// One package's contents, as far as they are wanted.
fn take_package(
    ingest: &Ingest<'_>,
    install: &Install,
    source: &dyn ContentSource,
    buffer: &mut Vec<u8>,
) -> Result<(), SystemError> {
    let wanted = |digest: &Digest| ingest.wants(digest);
    let mut sink =
        |digest: &Digest, content: &mut dyn std::io::Read| ingest.take(digest, content, buffer);
    let done = source.contents(&install.digest, &wanted, &mut sink);
    done.map_err(|e| {
        ingest.failure().unwrap_or_else(|| SystemError::Content {
            digest: install.digest,
            why: format!("its contents cannot be read: {e}"),
        })
    })
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
