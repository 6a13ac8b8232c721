//! Output trees: into place, and verified.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

use minos_model::{Digest, Manifest};

use crate::db::Store;
use crate::error::StoreError;

/// What [`Store::place_output`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The captured tree is now the output.
    New,
    /// The store had this output already; the captured tree went to the trash.
    Known,
}

impl Store {
    /// Moves a capture into place: writes `manifest` beside `stage/tree` and renames `stage` to the
    /// output's folder. The digest is the manifest's.
    ///
    /// The order of a build, from capture to row:
    /// 1. the upper tree is renamed to `stage/tree` ([`crate::Layout::stage`]),
    /// 2. `place_output`,
    /// 3. one `syncfs` of the state's file system (the caller's, since it needs a system call),
    /// 4. [`crate::Write::commit_output`].
    ///
    /// Killed before 4, the folder has no row and the next start's sweep takes it away.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::NoBytes`] when `stage/tree` is not there.
    pub fn place_output(
        &self,
        stage: &Path,
        manifest: &Manifest,
    ) -> Result<(Digest, Placed), StoreError> {
        let capture = Capture::of(stage, manifest)?;
        let place = self.layout.output(&capture.digest);
        // Two steps may come to the same output at the same time.
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if place.exists() {
            if placed.contains(&capture.digest) || self.read()?.output(&capture.digest)?.is_some() {
                self.layout.discard(stage)?;
                return Ok((capture.digest, Placed::Known));
            }
            // Left by a process that was killed: not known to be whole.
            self.layout.discard(&place)?;
        }
        capture.complete()?;
        capture.rename(&place)?;
        placed.insert(capture.digest);
        Ok((capture.digest, Placed::New))
    }

    /// Forgets that this process has put an output into place. From then on it is whole only where a row says so: where it
    /// could not be made durable there is none, and nobody takes it for whole.
    pub fn forget_placed(&self, digest: &Digest) {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    /// Puts a capture in the place of the output of the same digest, whose tree is no longer what its manifest
    /// says. The rows of the output stay as they are. `sync` makes what is below the folder it gets durable: since
    /// there is a row already, the bytes must be on the disk before they get its name.
    ///
    /// Killed between the two renames the row has no bytes, which the next start's sweep reports; killed before
    /// or after them nothing is lost but a capture, or the damaged tree.
    ///
    /// # Errors
    /// As [`Store::place_output`]; [`StoreError::Io`] of `sync`.
    pub fn replace_output(
        &self,
        stage: &Path,
        manifest: &Manifest,
        sync: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<Digest, StoreError> {
        let capture = Capture::of(stage, manifest)?;
        capture.complete()?;
        sync(stage).map_err(|e| StoreError::io("sync", stage, e))?;
        let place = self.layout.output(&capture.digest);
        self.layout.discard(&place)?;
        capture.rename(&place)?;
        Ok(capture.digest)
    }

    /// Reads the manifest of an output and checks that its digest is the output's name. The files of
    /// the tree are not read.
    ///
    /// # Errors
    /// [`StoreError::NoBytes`] when tree or manifest is gone; [`StoreError::Damaged`] when the
    /// manifest is another one.
    pub fn verify_output(&self, digest: &Digest) -> Result<Manifest, StoreError> {
        let tree = self.layout.output_tree(digest);
        if !tree.is_dir() {
            return Err(StoreError::NoBytes { path: tree });
        }
        let path = self.layout.output_manifest(digest);
        let damaged = |what: String| StoreError::Damaged { path: path.clone(), what };
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => StoreError::NoBytes { path: path.clone() },
            _ => StoreError::io("read", &path, e),
        })?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(damaged(format!("its SHA-256 is {found}")));
        }
        let text = String::from_utf8(bytes).map_err(|e| damaged(e.to_string()))?;
        Manifest::parse(&text).map_err(|e| damaged(e.to_string()))
    }
}

/// A captured tree that is not in its place yet.
struct Capture<'a> {
    stage: &'a Path,
    /// The manifest's text, whose digest is the output's name.
    text: String,
    digest: Digest,
}

impl<'a> Capture<'a> {
    fn of(stage: &'a Path, manifest: &Manifest) -> Result<Self, StoreError> {
        let tree = stage.join("tree");
        if !tree.is_dir() {
            return Err(StoreError::NoBytes { path: tree });
        }
        let text = manifest.to_string();
        let digest = Digest::of(text.as_bytes());
        Ok(Self { stage, text, digest })
    }

    /// Writes the manifest beside the tree.
    fn complete(&self) -> Result<(), StoreError> {
        let file = self.stage.join("manifest");
        fs::write(&file, &self.text).map_err(|e| StoreError::io("write", file, e))
    }

    fn rename(&self, place: &Path) -> Result<(), StoreError> {
        fs::rename(self.stage, place).map_err(|e| StoreError::io("move into place", place, e))
    }
}
