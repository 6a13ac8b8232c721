//! Makes a database from its backup.

use std::path::PathBuf;

use argh::FromArgs;
use minos_proto::{ErrorKind, ErrorReport, Sheet};
use minos_store::{Options, Store, StoreError};

use super::open;

/// Makes a state root's database from a backup.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "restore")]
pub struct Restore {
    /// the backup
    #[argh(positional)]
    file: PathBuf,
    /// the state root, which must not have a database
    #[argh(option)]
    root: PathBuf,
}

impl Restore {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let mut backup = open::file(&self.file)?;
        let now = crate::now_ms();
        let restored = Store::restore(&self.root, &mut backup, now, Options::default());
        restored.map_err(|e| {
            let what = format!("cannot restore '{}': {e}", self.file.display());
            let kind = match e {
                StoreError::Exists { .. } => ErrorKind::Conflict,
                StoreError::NoBackup { .. } => ErrorKind::Invalid,
                _ => ErrorKind::State,
            };
            ErrorReport::new(kind, what, e.hint())
        })?;
        let note = "start pkgd on it, then 'pkgctl db verify' tells whether its files fit";
        Ok(Sheet::new("restored")
            .fact("file", self.file.display().to_string())
            .fact("root", self.root.display().to_string())
            .note(note))
    }
}
