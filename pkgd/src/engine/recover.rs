//! The start after whatever ended the last pkgd, and the trash that kills and repairs leave.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use minos_exec::Limits;
use minos_model::JobState;
use minos_sandbox::tree;
use minos_store::{JobRow, LogReader, Store, StoreError};

use super::{Engine, Queued, repair};
use crate::service::Service;

impl Engine {
    /// Puts the state in order after whatever ended the last pkgd: attempts without an end were
    /// interrupted, unfinished jobs are queued again, scratch that no row names is deleted.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn recover(&mut self) -> Result<(), StoreError> {
        let store = &self.service.store;
        let now = self.service.now_ms();
        let layout = store.layout().clone();
        store.write(|w| {
            w.interrupt_attempts(
                |row| {
                    LogReader::open(layout.log(row.id, &row.step))
                        .and_then(|mut log| log.len())
                        .unwrap_or(0)
                },
                now,
            )
        })?;
        let report = store.sweep()?;
        let space = tree::free_space(layout.root());
        if space.is_ok_and(|space| space.free < Limits::default().reserve_bytes) {
            store.discard_failed(|_| false)?;
        }
        for digest in &report.rows_without_bytes {
            repair::forget(&self.service, digest, "its files are gone")?;
        }
        let unfinished = store.read()?.unfinished_jobs()?;
        store.write(|w| {
            let begun = unfinished.iter().filter(|row| row.state == JobState::Running);
            begun.map(|row| row.id).try_for_each(|id| w.bump_resumed(id))
        })?;
        let recipes = self.service.recipes.loaded();
        let again = |row: &JobRow| Queued { job: row.id, recipes: Arc::clone(&recipes) };
        self.queue.extend(unfinished.iter().map(again));
        self.empty_trash();
        Ok(())
    }

    /// As [`empty_trash_aside`].
    pub(super) fn empty_trash(&self) {
        empty_trash_aside(&self.service.store);
    }
}

/// Deletes what waits in the trash, on a thread of its own: a build tree takes a while.
pub(super) fn empty_trash_aside(store: &Arc<Store>) {
    let store = Arc::clone(store);
    thread::spawn(move || empty_trash(&store));
}

/// Deletes what waits in the trash.
pub(super) fn empty_trash(store: &Store) {
    if let Err(e) = store.empty_trash(remove) {
        eprintln!("pkgd: {e}");
    }
}

/// Deletes what waits in the trash, and what failed steps left to be looked into: a step that runs has no room.
pub(super) fn make_room(service: &Service) {
    let runs: Vec<String> =
        service.live.all().iter().map(|running| format!("{}-", running.step.file_stem())).collect();
    // Of two steps whose names begin alike both are spared: too much stays rather than too little.
    if let Err(e) = service.store.discard_failed(|dir| runs.iter().any(|own| dir.starts_with(own)))
    {
        eprintln!("pkgd: {e}");
    }
    empty_trash(&service.store);
}

/// Deletes a file or a tree, which may be made to harm who deletes it.
fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    tree::Dir::open(path)?.clear()?;
    fs::remove_dir(path)
}
