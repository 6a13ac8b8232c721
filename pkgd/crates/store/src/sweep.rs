//! After a kill: what no row names goes, and rows without bytes are reported.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use minos_model::{Digest, Phase};

use crate::build::AttemptEnd;
use crate::db::Store;
use crate::error::StoreError;
use crate::layout::{Layout, scratch_name};
use crate::rows::Layer;

/// What [`Store::sweep`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Paths moved to the trash: scratch, captures and outputs that no row names.
    pub discarded: Vec<PathBuf>,
    /// Task keys whose checkpoint was shortened or forgotten, since layers were gone (as they are
    /// after a restart when scratch stands on a tmpfs).
    pub lost_checkpoints: Vec<Digest>,
    /// Output rows whose tree or manifest is not there. Must be empty: bytes are synced before rows.
    pub rows_without_bytes: Vec<Digest>,
}

impl Store {
    /// Moves to the trash whatever no row names below `scratch/` and `outputs/`, but for what a step left whose newest
    /// attempt failed: somebody may want to look into that. Shortens
    /// checkpoints to the layers that exist. Only while nothing is built: at start, before any
    /// attempt begins. Deletes nothing; that is [`Store::empty_trash`], which may take its time.
    ///
    /// # Errors
    /// A folder cannot be read or moved, or the database cannot be read or written.
    pub fn sweep(&self) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        self.sweep_checkpoints(&mut report)?;
        let failed = self.failed_scratch()?;
        self.sweep_scratch(&mut report, |folder| failed.contains(folder))?;
        self.sweep_outputs(&mut report)?;
        Ok(report)
    }

    fn sweep_checkpoints(&self, report: &mut SweepReport) -> Result<(), StoreError> {
        let read = self.read()?;
        let mut shorter = Vec::new();
        for (key, stored) in read.checkpoints()? {
            let whole = read.checkpoint(&key)?.map_or(0, |row| row.layers.len());
            if whole < stored.layers.len() {
                shorter.push((key, whole));
            }
        }
        if shorter.is_empty() {
            return Ok(());
        }
        self.write(|w| shorter.iter().try_for_each(|(key, n)| w.shorten_checkpoint(key, *n)))?;
        report.lost_checkpoints.extend(shorter.iter().map(|(key, _)| *key));
        Ok(())
    }

    /// The scratch folders of those steps whose newest attempt failed.
    fn failed_scratch(&self) -> Result<HashSet<String>, StoreError> {
        let mut newest = self.read()?.newest_attempts()?;
        newest.retain(|row| matches!(row.end, Some(AttemptEnd::Failed(_))));
        Ok(newest.iter().map(|row| scratch_name(&row.step, &row.key)).collect())
    }

    /// Moves to the trash what failed attempts left, as [`Self::sweep`] does with what any other left: for when the disk
    /// is nearly full. Checkpoints stay, and so do the scratch folders that are `in_use` by their names.
    ///
    /// # Errors
    /// As [`Self::sweep`].
    pub fn discard_failed(&self, in_use: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        self.sweep_scratch(&mut SweepReport::default(), in_use)
    }

    fn sweep_scratch(
        &self,
        report: &mut SweepReport,
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let mut live: HashMap<String, HashSet<String>> = HashMap::new();
        for (key, row) in self.read()?.checkpoints()? {
            // A layer may be named deeper (`build/upper`); what is swept are whole entries.
            let entry = |layer: Layer| layer.name.split('/').next().map(str::to_owned);
            let layers = row.layers.into_iter().filter_map(entry).collect();
            live.insert(scratch_name(&row.step, &key), layers);
        }
        for dir in entries(&self.layout.scratch())?.into_iter().filter(|dir| !keep(&name(dir))) {
            let Some(layers) = live.get(&name(&dir)) else {
                self.discard_swept(dir, report)?;
                continue;
            };
            let under_way = dir.join(Layout::UNDER_WAY).is_file();
            let kept = |entry: &str| match entry {
                Layout::BASIS => true,
                Layout::UNDER_WAY => under_way,
                layer => layers.contains(layer) || (under_way && layer == Phase::Check.as_str()),
            };
            for entry in entries(&dir)?.into_iter().filter(|entry| !kept(&name(entry))) {
                self.discard_swept(entry, report)?;
            }
        }
        Ok(())
    }

    fn sweep_outputs(&self, report: &mut SweepReport) -> Result<(), StoreError> {
        let rows: HashSet<Digest> = self.read()?.outputs()?.iter().map(|row| row.digest).collect();
        for dir in entries(&self.layout.outputs())? {
            if !name(&dir).parse().is_ok_and(|digest| rows.contains(&digest)) {
                self.discard_swept(dir, report)?;
            }
        }
        let lost = rows.into_iter().filter(|digest| !self.has_bytes(digest));
        report.rows_without_bytes.extend(lost);
        report.rows_without_bytes.sort();
        Ok(())
    }

    fn discard_swept(&self, path: PathBuf, report: &mut SweepReport) -> Result<(), StoreError> {
        self.layout.discard(&path)?;
        report.discarded.push(path);
        Ok(())
    }

    /// Deletes what is in the trash with `remove`, and returns the number of entries deleted. Slow
    /// for large trees: run it beside the builds. One thread at a time; the next one waits, so that what was in the
    /// trash when it was called is gone when it returns.
    ///
    /// `remove` deletes a file or a whole tree. It is the caller's, since a step may leave a tree made
    /// to harm who deletes it (thousands of levels deep, for one): `std::fs::remove_dir_all`, which
    /// holds a descriptor for each level, is good enough only for trees that can be trusted.
    ///
    /// # Errors
    /// The first entry that cannot be deleted; the others are deleted all the same.
    pub fn empty_trash(
        &self,
        mut remove: impl FnMut(&Path) -> io::Result<()>,
    ) -> Result<usize, StoreError> {
        // What a thread left that died is deleted by the next.
        let _sweeping = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = Ok(0);
        for path in entries(&self.layout.trash())? {
            match (remove(&path), &mut result) {
                (Ok(()), Ok(count)) => *count += 1,
                (Err(e), Ok(_)) => result = Err(StoreError::io("delete", path, e)),
                (_, Err(_)) => {}
            }
        }
        result
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut found = list().map_err(|e| StoreError::io("list", dir, e))?;
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
