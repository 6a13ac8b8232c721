//! Outputs whose bytes are gone: forgotten, so that their steps are built again.

use minos_model::Digest;

use crate::db::Store;
use crate::error::StoreError;
use crate::rows::OutputRow;
use crate::snapshot::Source as _;
use crate::table::{CACHE, OUTPUTS};
use crate::write::Write;

impl Store {
    /// Whether tree and manifest of an output are there. Reads neither: cheap enough to be asked each
    /// time an output is about to be used; [`Store::verify_output`] looks closer.
    pub fn has_bytes(&self, digest: &Digest) -> bool {
        self.layout.output_tree(digest).is_dir() && self.layout.output_manifest(digest).is_file()
    }
}

impl Write<'_> {
    /// Forgets an output and every claim that a task key gives it, and returns its row; `None` when it
    /// is not known. Steps of past jobs keep its name, as history. What is left of its folder is the
    /// caller's to discard, after the commit.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn forget_output(&mut self, digest: &Digest) -> Result<Option<OutputRow>, StoreError> {
        let Some(row) = self.get(OUTPUTS, digest.as_bytes())? else { return Ok(None) };
        self.remove(OUTPUTS, digest.as_bytes())?;
        for (key, claim) in self.prefixed(CACHE, &[])? {
            if claim.output == *digest {
                self.remove(CACHE, &key)?;
            }
        }
        Ok(Some(row))
    }
}
