//! Backup of the database: one file, one consistent view, taken while pkgd works.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use minos_model::{Digest, Hasher};
use redb::ReadableTable as _;

use crate::db::{Options, Store};
use crate::error::StoreError;
use crate::journal::Change;
use crate::schema::{APPLIED, CURRENT};
use crate::snapshot::{Snapshot, Source as _};
use crate::table::{ALL, META};

const MAGIC: [u8; 8] = *b"MINOSBK1";
/// Takes the place of a table's number behind the last row.
const END: u8 = 0xff;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes, counts and hashes.
struct Tally<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    bytes: u64,
}

impl Tally<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn field(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }
}

impl Snapshot<'_> {
    /// Writes every row of this view to `out` (`docs/formats/generations.md`). Objects, outputs and logs
    /// are files: they are not in it.
    ///
    /// # Errors
    /// The database cannot be read, or `out` cannot be written.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupReport, StoreError> {
        let error = |e| StoreError::io("write a backup of", self.path(), e);
        let mut tally = Tally { out, hasher: Hasher::new(), bytes: 0 };
        tally.put(&MAGIC).map_err(error)?;
        tally.put(&CURRENT.version.to_le_bytes()).map_err(error)?;
        let mut rows = 0;
        for (index, definition) in (0u8..).zip(ALL) {
            let read = |e| self.failed(StoreError::redb("read", &self.path(), e));
            for row in self.open_raw(definition)?.iter().map_err(read)? {
                let (key, value) = row.map_err(read)?;
                tally.put(&[index]).map_err(error)?;
                tally.field(key.value()).map_err(error)?;
                tally.field(value.value()).map_err(error)?;
                rows += 1;
            }
        }
        tally.put(&[END]).map_err(error)?;
        let sum = tally.hasher.clone().finish();
        tally.put(sum.as_bytes()).map_err(error)?;
        Ok(BackupReport { rows, bytes: tally.bytes })
    }
}

impl Store {
    /// Makes a state root's database from a backup. What files there are stays as it is;
    /// [`crate::System::check`] tells whether they fit.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is a database already, [`StoreError::NoBackup`] when the backup cannot be
    /// read, is not whole, or is of another schema: nothing was made then.
    pub fn restore(
        root: impl Into<PathBuf>,
        backup: &mut dyn Read,
        now_ms: u64,
        options: Options,
    ) -> Result<Self, StoreError> {
        let root: PathBuf = root.into();
        if root.join("state.redb").exists() {
            return Err(StoreError::Exists { root });
        }
        let mut bytes = Vec::new();
        backup.read_to_end(&mut bytes).map_err(|e| StoreError::NoBackup { what: e.to_string() })?;
        let changes = parse(&bytes)?;
        let store = Self::open(root, now_ms, options)?;
        store.write(|w| {
            w.make_durable();
            changes.iter().try_for_each(|change| w.redo(change))
        })?;
        Ok(store)
    }
}

/// The rows of a backup.
fn parse(bytes: &[u8]) -> Result<Vec<Change>, StoreError> {
    let damaged = |what: &str| StoreError::NoBackup { what: what.into() };
    let at = bytes.len().checked_sub(32).ok_or_else(|| damaged("it is too short"))?;
    let (body, sum) = bytes.split_at(at);
    if Digest::of(body).as_bytes() != sum {
        return Err(damaged("its check sum does not match"));
    }
    let mut rest = body.strip_prefix(&MAGIC).ok_or_else(|| damaged("it does not begin as one"))?;
    let schema = take(&mut rest, 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let known = CURRENT.version;
    if let Some(found) = schema.filter(|found| *found != known) {
        return Err(damaged(&format!("it has schema {found}, this pkgd reads {known} alone")));
    }
    let mut changes = Vec::new();
    loop {
        match take(&mut rest, 1) {
            Some([END]) if rest.is_empty() => return Ok(changes),
            Some([table]) if usize::from(*table) < ALL.len() => {
                let row = field(&mut rest).zip(field(&mut rest));
                let (key, value) = row.ok_or_else(|| damaged("a row is cut short"))?;
                // The number of the last commit belongs to the journal of the new database.
                if !(*table == META.index && key == APPLIED) {
                    let (key, value) = (key.to_vec(), Some(value.to_vec()));
                    changes.push(Change { table: *table, key, value });
                }
            }
            _ => return Err(damaged("it names a table that is not")),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    take(rest, length as usize)
}
