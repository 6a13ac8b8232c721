//! After a kill: which of the two generations holds, and away with what belongs to neither.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::SystemError;
use super::apply::is_directory;
use super::system::{System, package_changes};
use crate::audit::{AuditEntry, Peer};
use crate::generations::{
    self, GENERATIONS_DIR, GenerationRow, IntentRow, NEXT, Outcome, ROOTS, TransactionKind,
    TransactionRow, current_link, discard_root, point_at, realised, remove_tree, root_path,
};
use crate::objects::{OBJECTS, ObjectId, key_of};
use crate::snapshot::Source as _;
use crate::table::{GENERATION_OWN, INTENTS, META, PACKAGE_OBJECTS, TRANSACTIONS, number};
use crate::write::Write;

/// What [`System::settle`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// No transaction was cut off.
    Nothing,
    /// One was cut off behind its commit and is now done.
    Completed,
    /// One was cut off before its commit; the system is as it was before.
    TakenBack,
}

impl System<'_> {
    /// Ends what a kill or power cut interrupted: to be called once at start. Afterwards exactly one
    /// generation is current, its root is whole, and nothing is left that no row names.
    ///
    /// # Errors
    /// The database or a file cannot be read or written; then it can be called again.
    pub fn settle(&self, clock: &dyn Fn() -> u64) -> Result<Settled, SystemError> {
        self.mark_config()?;
        let settled = self.settle_because("it was cut off", clock)?;
        if settled == Settled::Nothing {
            self.discard_again()?;
            self.repoint()?;
        }
        Ok(settled)
    }

    /// Roots that could not be deleted because something was mounted in them: perhaps it is not any more.
    fn discard_again(&self) -> Result<(), SystemError> {
        for (name, _) in self.list(Path::new(ROOTS))? {
            if name.starts_with(b".") {
                discard_root(self.fs, &Path::new(ROOTS).join(OsStr::from_bytes(&name)))?;
            }
        }
        Ok(())
    }

    /// [`System::settle`], with the reason that goes into the history.
    pub(crate) fn settle_because(
        &self,
        why: &str,
        clock: &dyn Fn() -> u64,
    ) -> Result<Settled, SystemError> {
        let Some(intent) = self.store.read()?.intent()? else { return Ok(Settled::Nothing) };
        let forward = match intent.kind {
            TransactionKind::Change => self.store.read()?.generation(intent.to)?.is_some(),
            TransactionKind::Switch => current_link(self.fs)? == Some(intent.to),
            TransactionKind::Collect => true,
        };
        if forward {
            self.complete(&intent, Outcome::Completed, clock)?;
            return Ok(Settled::Completed);
        }
        if intent.kind == TransactionKind::Switch {
            self.unswitch(&intent)?;
        }
        self.sweep()?;
        self.repoint()?;
        self.sync()?;
        let outcome = Outcome::TakenBack { why: why.to_owned() };
        self.conclude(&intent, outcome, intent.from, clock)?;
        Ok(Settled::TakenBack)
    }

    /// A root that was being made goes. One that was there may have lost half of what is kept to a
    /// power cut, and gets it again.
    fn unswitch(&self, intent: &IntentRow) -> Result<(), SystemError> {
        let root = root_path(intent.to);
        if intent.makes_root {
            return discard_root(self.fs, &root);
        }
        let packages = self.generation(intent.to)?.numbers();
        self.carry_kept(&mut self.trees(), intent.from, (intent.to, &packages), false)
    }

    fn sync(&self) -> Result<(), SystemError> {
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))
    }

    /// Does what is left of a transaction whose commit is there.
    pub(crate) fn complete(
        &self,
        intent: &IntentRow,
        outcome: Outcome,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), SystemError> {
        if intent.kind == TransactionKind::Collect || outcome == Outcome::Completed {
            self.sweep()?;
        }
        let current = if intent.kind == TransactionKind::Collect { intent.from } else { intent.to };
        if current > 0 && current_link(self.fs)? != Some(current) {
            point_at(self.fs, current)?;
        }
        self.sync()?;
        self.conclude(intent, outcome, current, clock)
    }

    /// The last commit of a transaction: which generation is current, and the line of the history.
    pub(crate) fn conclude(
        &self,
        intent: &IntentRow,
        outcome: Outcome,
        current: u64,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), SystemError> {
        let read = self.store.read()?;
        let members = |n: u64| {
            Ok::<_, SystemError>(
                read.generation(n)?.map_or(vec![], |row: GenerationRow| row.numbers()),
            )
        };
        let changes = if current == intent.from {
            Vec::new()
        } else {
            package_changes(&mut self.trees(), &members(intent.from)?, &members(current)?)?
        };
        let edited = self.edits_left(intent, current)?;
        drop(read);
        let at_ms = clock();
        Ok(self.store.write(|w| {
            if let Some(own) = &edited {
                w.put(GENERATION_OWN, &number(intent.from), &own.to_row())?;
            }
            let last = w.last_number(TRANSACTIONS)?;
            let row = TransactionRow {
                number: last + 1,
                intent: intent.clone(),
                outcome,
                finished_ms: at_ms,
                changes,
            };
            w.put(META, generations::CURRENT_KEY, &current)?;
            w.put(TRANSACTIONS, &number(row.number), &row)?;
            w.remove(INTENTS, generations::OPEN)?;
            audit(w, &row)
        })?)
    }

    /// The own files of a generation that a switch leaves, if they were edited. A change has recorded
    /// them with its own rows.
    fn edits_left(
        &self,
        intent: &IntentRow,
        current: u64,
    ) -> Result<Option<generations::Own>, SystemError> {
        let leaves = intent.kind == TransactionKind::Switch && current != intent.from;
        let root = root_path(intent.from);
        if !leaves || intent.from == 0 || !is_directory(self, &root)? {
            return Ok(None);
        }
        let row = self.generation(intent.from)?;
        let mut trees = self.trees();
        let numbers = row.numbers();
        let config = Self::config_of(&mut trees, &numbers)?;
        let recorded = self.own_of(intent.from)?;
        let own = self.edits((intent.from, &numbers), &config, &mut trees, &recorded)?;
        if own == recorded {
            return Ok(None);
        }
        self.write_record(&row, &own, &mut trees)?;
        self.sync()?;
        Ok(Some(own))
    }

    /// Makes `current` name the current generation, should it not, and its root, should it be gone.
    fn repoint(&self) -> Result<(), SystemError> {
        let Some(current) = self.store.read()?.current_generation()? else { return Ok(()) };
        let whole = is_directory(self, &root_path(current))?;
        if whole && current_link(self.fs)? == Some(current) {
            return Ok(());
        }
        if !whole {
            self.refresh_paths()?;
            let row = self.generation(current)?;
            self.realise_again(&row, current)?;
            self.carry_kept(&mut self.trees(), current, (current, &row.numbers()), true)?;
            self.sync()?;
        }
        point_at(self.fs, current)?;
        self.sync()
    }

    /// Deletes roots, records and objects that no row names, and what is half made.
    pub(crate) fn sweep(&self) -> Result<(), SystemError> {
        let read = self.store.read()?;
        let generations = read.generations()?;
        let known = |name: &[u8]| {
            let number = std::str::from_utf8(name).ok().and_then(|n| n.parse().ok());
            number.is_some_and(|n: u64| generations.iter().any(|row| row.number == n))
        };
        for folder in [ROOTS, GENERATIONS_DIR] {
            for (name, _) in self.list(Path::new(folder))? {
                let path = Path::new(folder).join(OsStr::from_bytes(&name));
                match known(&name) {
                    true => {}
                    false if folder == ROOTS => discard_root(self.fs, &path)?,
                    false => remove_tree(self.fs, &path)?,
                }
            }
        }
        remove_tree(self.fs, Path::new(NEXT))?;
        let live = self.live_objects()?;
        self.sweep_objects(&live)
    }

    fn list(&self, path: &Path) -> Result<Vec<(Vec<u8>, crate::fs::FileType)>, SystemError> {
        self.fs.list(path).map_err(|e| SystemError::io("list", path, e))
    }

    fn sweep_objects(&self, live: &HashSet<u64>) -> Result<(), SystemError> {
        for (fan, _) in self.list(Path::new(OBJECTS))? {
            let folder = Path::new(OBJECTS).join(OsStr::from_bytes(&fan));
            for (name, _) in self.list(&folder)? {
                let path = folder.join(OsStr::from_bytes(&name));
                if !live.contains(&key_of(&path)) {
                    self.fs.unlink(&path).map_err(|e| SystemError::io("delete", path, e))?;
                }
            }
        }
        Ok(())
    }

    /// Keys of all objects that a row names.
    pub(crate) fn live_objects(&self) -> Result<HashSet<u64>, SystemError> {
        let read = self.store.read()?;
        let rows = read.rows(PACKAGE_OBJECTS, crate::snapshot::ALL, false, usize::MAX)?;
        let mut live: HashSet<u64> = rows.into_iter().flat_map(|(_, keys)| keys).collect();
        for row in read.generations()? {
            live.extend(read.own(row.number)?.objects().map(ObjectId::key));
        }
        Ok(live)
    }

    /// Generations whose roots are there, in ascending order.
    ///
    /// # Errors
    /// The folder of roots cannot be read.
    pub fn realised(&self) -> Result<Vec<u64>, SystemError> {
        realised(self.fs)
    }
}

fn audit(w: &mut Write<'_>, row: &TransactionRow) -> Result<(), crate::error::StoreError> {
    let IntentRow { kind, from, to, peer, note, .. } = &row.intent;
    let what = match kind {
        TransactionKind::Change => "change",
        TransactionKind::Switch => "switch",
        TransactionKind::Collect => "collect",
    };
    let end = match &row.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Completed => "completed after a cut".to_owned(),
        Outcome::TakenBack { why } => format!("taken back: {why}"),
    };
    let peer = peer.map(|(uid, pid)| Peer { uid, pid });
    let what = format!("{what} from generation {from} to {to}, {end}: {note}");
    w.audit(AuditEntry { peer, what }, row.finished_ms).map(drop)
}
