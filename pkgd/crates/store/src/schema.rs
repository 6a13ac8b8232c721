//! The schema version and the way from an older one to the present one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::db::Store;
use crate::error::StoreError;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::table::{self, META};
use crate::write::Write;

/// Key of the schema version in `meta`.
pub(crate) const SCHEMA: &[u8] = b"schema";
/// Key of the number of the last commit.
pub(crate) const APPLIED: &[u8] = b"applied";
/// Key of the lowest number the first attempt of this database may have.
pub(crate) const FIRST_ATTEMPT: &[u8] = b"first-attempt";
/// Key of the time at which the database was made.
const CREATED: &[u8] = b"created";

/// Key of the features without which the state cannot be read, one bit each.
const INCOMPATIBLE: &[u8] = b"incompat";
/// Key of the features without which the state cannot be written.
const READ_ONLY: &[u8] = b"ro-compat";
/// Features this program knows. Features that any program may ignore have the key `compat` and are
/// never looked at.
const KNOWN: u64 = 0;

/// What a state with features of a newer program allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// All of it is known.
    Write,
    /// It may be read.
    Read(u64),
}

/// Looks at the features of the state. A schema version says how the rows are written; a feature says
/// that there is more to know beside them, without a new version for programs that can do without.
pub(crate) fn access(store: &Store) -> Result<Access, StoreError> {
    let read = store.read()?;
    if read.schema()?.is_none() {
        return Ok(Access::Write);
    }
    let unknown = |key| Ok::<_, StoreError>(read.counter(key)? & !KNOWN);
    match (unknown(INCOMPATIBLE)?, unknown(READ_ONLY)?) {
        (0, 0) => Ok(Access::Write),
        (0, bits) => Ok(Access::Read(bits)),
        (bits, _) => Err(StoreError::UnknownFeatures { path: store.layout.database(), bits }),
    }
}

/// A step from one schema version to the next, inside the one commit of the whole migration.
pub(crate) type Migration = fn(&mut Write<'_>) -> Result<(), StoreError>;

/// A schema: its version and how older ones are brought up to it.
pub(crate) struct Schema {
    /// The version, from 1.
    pub(crate) version: u32,
    /// `(version it starts from, what to do)`, one for every version that can be migrated.
    pub(crate) migrations: &'static [(u32, Migration)],
}

/// What this program writes.
pub(crate) const CURRENT: Schema =
    Schema { version: 4, migrations: &[(1, add_packages), (2, add_comparisons), (3, add_suites)] };

/// Schema 2 has the tables of packages and generations; those of schema 1 stay as they are.
fn add_packages(w: &mut Write<'_>) -> Result<(), StoreError> {
    make(w, &table::ALL[table::SCHEMA_1..table::SCHEMA_2])
}

/// Schema 3 has the table of comparisons, and a further end of an attempt.
fn add_comparisons(w: &mut Write<'_>) -> Result<(), StoreError> {
    make(w, &table::ALL[table::SCHEMA_2..table::SCHEMA_3])
}

/// Schema 4 has the table of test suites.
fn add_suites(w: &mut Write<'_>) -> Result<(), StoreError> {
    make(w, &table::ALL[table::SCHEMA_3..])
}

fn make(w: &mut Write<'_>, tables: &[table::Definition]) -> Result<(), StoreError> {
    tables.iter().try_for_each(|definition| w.make_table(*definition))
}

/// Makes the tables of a new database, migrates an older one, refuses a newer one.
pub(crate) fn prepare(store: &Store, schema: &Schema, now_ms: u64) -> Result<(), StoreError> {
    match store.read()?.schema()? {
        None => {
            store.write(|w| create(w, schema.version))?;
            // The first commit through the journal ends the making of the database.
            store.write(|w| w.put(META, CREATED, &now_ms))
        }
        Some(found) if found == schema.version => Ok(()),
        Some(found) if found > schema.version => Err(StoreError::NewerSchema {
            path: store.layout.database(),
            found,
            known: schema.version,
        }),
        Some(found) => migrate(store, schema, found),
    }
}

fn create(w: &mut Write<'_>, version: u32) -> Result<(), StoreError> {
    w.make_durable();
    table::ALL.iter().try_for_each(|definition| w.make_table(*definition))?;
    let first = highest_log(w.store()) + 1;
    w.put(META, FIRST_ATTEMPT, &first)?;
    w.put(META, SCHEMA, &u64::from(version))
}

/// The highest attempt number among the logs. A database made anew beside old logs (the old one was
/// moved aside as damaged) must not give out their numbers again.
fn highest_log(store: &Store) -> u64 {
    let entries = |dir| fs::read_dir(dir).into_iter().flatten().flatten();
    entries(store.layout.logs())
        .flat_map(|bucket| entries(bucket.path()))
        .filter_map(|log| log.file_name().to_str()?.split('-').next()?.parse().ok())
        .max()
        .unwrap_or(0)
}

/// Where the file at `path` is kept as it was before the migration from a schema.
fn kept(path: &Path, schema: u32) -> PathBuf {
    let mut copy = path.to_owned().into_os_string();
    copy.push(format!(".schema{schema}"));
    copy.into()
}

/// Puts a copy of `from` in the place of `to`; durable when it returns.
fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let next = to.with_extension("next");
    let write = || {
        fs::copy(from, &next)?;
        File::open(&next)?.sync_all()?;
        fs::rename(&next, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|e| StoreError::io("copy the old state to", to, e))
}

/// Copies database and journal beside themselves, as `state.redb.schema0` and `state.log.schema0`.
fn keep_copy(store: &Store, found: u32) -> Result<(), StoreError> {
    for path in [store.layout.database(), store.layout.journal()] {
        if path.exists() {
            copy(&path, &kept(&path, found))?;
        }
    }
    Ok(())
}

/// Sets the state below `root` back to what it was before a newer program migrated it from the schema that this one
/// writes; false where that is not kept. What the newer program wrote down is lost. A cut is made good by the next
/// [`Store::open`]: the two files belong together, and a mark stands beside them until both are there.
///
/// # Errors
/// [`StoreError::Locked`] while somebody has it open; the files cannot be written.
pub fn set_back(root: impl Into<PathBuf>) -> Result<bool, StoreError> {
    set_back_to(&CURRENT, &Layout::new(root))
}

fn set_back_to(schema: &Schema, layout: &Layout) -> Result<bool, StoreError> {
    let _lock = Lock::take(&layout.lock())?;
    let files = [layout.journal(), layout.database()];
    if !files.iter().all(|path| kept(path, schema.version).is_file()) {
        return Ok(false);
    }
    let mark = mark(layout);
    let write = || {
        let mut file = File::create(&mark)?;
        write!(file, "{}", schema.version)?;
        file.sync_all()
    };
    write().map_err(|e| StoreError::io("write", &mark, e))?;
    put_back(layout, schema.version)?;
    Ok(true)
}

/// Says that files are being put back, and of which schema.
fn mark(layout: &Layout) -> PathBuf {
    layout.root().join("state.set-back")
}

fn put_back(layout: &Layout, schema: u32) -> Result<(), StoreError> {
    for path in [layout.journal(), layout.database()] {
        copy(&kept(&path, schema), &path)?;
    }
    let mark = mark(layout);
    fs::remove_file(&mark).map_err(|e| StoreError::io("delete", mark, e))
}

/// Ends a setting back that was cut off.
pub(crate) fn resume_set_back(layout: &Layout) -> Result<(), StoreError> {
    let Ok(text) = fs::read_to_string(mark(layout)) else { return Ok(()) };
    let _lock = Lock::take(&layout.lock())?;
    match text.parse() {
        Ok(schema) => put_back(layout, schema),
        // Cut off before a file was touched.
        Err(_) => {
            fs::remove_file(mark(layout)).map_err(|e| StoreError::io("delete", mark(layout), e))
        }
    }
}

impl Store {
    /// Deletes what was kept before migrations: nobody will go back behind this one.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn forget_older(&self) -> Result<(), StoreError> {
        for path in [self.layout.database(), self.layout.journal()] {
            for schema in 0..CURRENT.version {
                let copy = kept(&path, schema);
                match fs::remove_file(&copy) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        return Err(StoreError::io("delete", copy, e));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn migrate(store: &Store, schema: &Schema, found: u32) -> Result<(), StoreError> {
    let path = store.layout.database();
    let step = |version| schema.migrations.iter().find(|(from, _)| *from == version);
    if !(found..schema.version).all(|version| step(version).is_some()) {
        return Err(StoreError::OlderSchema { path, found });
    }
    keep_copy(store, found)?;
    store.write(|w| {
        w.make_durable();
        for version in found..schema.version {
            if let Some((_, migration)) = step(version) {
                migration(w)?;
            }
        }
        w.put(META, SCHEMA, &u64::from(schema.version))
    })
}

#[cfg(test)]
mod tests {
    use redb::backends::{FileBackend, InMemoryBackend};

    use super::*;
    use crate::db::Options;
    use crate::snapshot::Source as _;
    use crate::table::HISTORY;

    /// A past that never was: version 0 had no history, version 1 has an empty one for m4.
    const ZERO: Schema = Schema { version: 0, migrations: &[] };
    const ONE: Schema = Schema { version: 1, migrations: &[(0, add_history)] };
    const BROKEN: Schema = Schema { version: 2, migrations: &[(0, add_history), (1, fail)] };

    fn add_history(w: &mut Write<'_>) -> Result<(), StoreError> {
        let last_key = minos_model::Digest::of(b"");
        w.put(HISTORY, b"m4", &crate::rows::HistoryRow { last_key, samples: Vec::new() })
    }

    fn fail(_: &mut Write<'_>) -> Result<(), StoreError> {
        Err(StoreError::Invalid { what: "a row of version 1 makes no sense".to_owned() })
    }

    fn open(schema: &Schema, dir: &tempfile::TempDir) -> Result<Store, StoreError> {
        let media = |layout: &Layout| {
            let file = |path| {
                let options = fs::OpenOptions::new();
                let file = options.clone().read(true).write(true).create(true).open(path);
                FileBackend::new(file.unwrap()).unwrap()
            };
            Ok((file(layout.database()), file(layout.journal())))
        };
        Store::open_as(schema, media, Layout::new(dir.path()), 5, Options::default())
    }

    #[test]
    fn older_state_is_migrated_and_kept_beside() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(&ZERO, &dir).unwrap());
        let before = fs::read(dir.path().join("state.redb")).unwrap();
        let store = open(&ONE, &dir).unwrap();
        assert!(store.read().unwrap().history(&"m4".parse().unwrap()).unwrap().is_some());
        assert_eq!(store.read().unwrap().schema().unwrap(), Some(1));
        let copy = fs::read(dir.path().join("state.redb.schema0")).unwrap();
        assert_eq!(copy.len(), before.len());
        assert!(dir.path().join("state.log.schema0").exists());
        drop(store);
        drop(open(&ONE, &dir).unwrap());
        // A trial that failed: the program before cannot read what it left, until that is set back.
        assert!(matches!(open(&ZERO, &dir), Err(StoreError::NewerSchema { found: 1, .. })));
        assert!(set_back_to(&ZERO, &Layout::new(dir.path())).unwrap());
        let store = open(&ZERO, &dir).unwrap();
        assert!(store.read().unwrap().history(&"m4".parse().unwrap()).unwrap().is_none());
        drop(store);
        // A cut after the first of the two files.
        drop(open(&ONE, &dir).unwrap());
        super::copy(&dir.path().join("state.log.schema0"), &dir.path().join("state.log")).unwrap();
        fs::write(dir.path().join("state.set-back"), "0").unwrap();
        resume_set_back(&Layout::new(dir.path())).unwrap();
        assert!(!dir.path().join("state.set-back").exists());
        drop(open(&ZERO, &dir).unwrap());
        // Once nobody goes back behind it, nothing is kept.
        let store = open(&ONE, &dir).unwrap();
        store.forget_older().unwrap();
        drop(store);
        assert!(!dir.path().join("state.redb.schema0").exists());
        assert!(
            !set_back_to(&ZERO, &Layout::new(dir.path())).unwrap(),
            "there is nothing to set back to"
        );
    }

    #[test]
    fn failed_migration_leaves_the_older_state() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(&ZERO, &dir).unwrap());
        assert!(matches!(open(&BROKEN, &dir), Err(StoreError::Invalid { .. })));
        let store = open(&ZERO, &dir).unwrap();
        assert_eq!(store.read().unwrap().get(HISTORY, b"m4").unwrap(), None);
    }

    #[test]
    fn newer_state_is_refused_by_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(&Schema { version: 7, migrations: &[] }, &dir).unwrap());
        let error = open(&CURRENT, &dir).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 7, known: 4, .. }), "{error}");
        assert!(error.to_string().contains("schema 7"), "{error}");
        drop(open(&Schema { version: 7, migrations: &[] }, &dir).unwrap());
    }

    #[test]
    fn state_with_unknown_features_is_refused_or_only_read() {
        let dir = tempfile::tempdir().unwrap();
        let reopen = || open(&CURRENT, &dir);
        let set =
            |key: &'static [u8], bits: u64| reopen().unwrap().write(|w| w.put(META, key, &bits));
        set(b"compat", 1 << 63).unwrap();
        set(READ_ONLY, 4).unwrap();
        let store = reopen().unwrap();
        assert_eq!(store.read().unwrap().schema().unwrap(), Some(CURRENT.version));
        let error = store.write(|w| w.put(META, b"x", &1)).unwrap_err();
        assert!(error.to_string().contains("feature"), "{error}");
        drop(store);
        let dir = tempfile::tempdir().unwrap();
        let store = open(&CURRENT, &dir).unwrap();
        store.write(|w| w.put(META, INCOMPATIBLE, &2)).unwrap();
        drop(store);
        let error = open(&CURRENT, &dir).unwrap_err();
        assert!(matches!(error, StoreError::UnknownFeatures { bits: 2, .. }), "{error}");
    }

    #[test]
    fn gap_in_the_migrations_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(&ZERO, &dir).unwrap());
        let gap = Schema { version: 2, migrations: &[(1, fail)] };
        assert!(matches!(open(&gap, &dir), Err(StoreError::OlderSchema { found: 0, .. })));
    }

    /// A state of an older schema, as the programs of its time left it: without the tables behind `tables`.
    fn older(version: u32, tables: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&Schema { version, migrations: &[] }, &dir).unwrap();
        let mut txn = store.db.begin_write().unwrap();
        for table in table::ALL.iter().skip(tables) {
            assert!(txn.delete_table(*table).unwrap());
        }
        txn.set_quick_repair(true);
        txn.commit().unwrap();
        dir
    }

    #[test]
    fn older_schemas_get_the_tables_they_lack() {
        for (version, tables) in [(1, table::SCHEMA_1), (2, table::SCHEMA_2), (3, table::SCHEMA_3)]
        {
            let dir = older(version, tables);
            let store = open(&CURRENT, &dir).unwrap();
            assert_eq!(store.read().unwrap().schema().unwrap(), Some(CURRENT.version));
            assert_eq!(store.read().unwrap().generations().unwrap(), []);
            assert_eq!(store.read().unwrap().comparisons(1).unwrap(), []);
            assert_eq!(store.read().unwrap().suites().unwrap(), []);
            assert!(dir.path().join(format!("state.redb.schema{version}")).exists());
            drop(store);
            let old = Schema { version, migrations: &[] };
            assert!(matches!(open(&old, &dir), Err(StoreError::NewerSchema { found: 4, .. })));
        }
    }

    #[test]
    fn every_migration_of_the_present_schema_is_there() {
        let from: Vec<u32> = CURRENT.migrations.iter().map(|(from, _)| *from).collect();
        assert_eq!(from, (1..CURRENT.version).collect::<Vec<_>>());
        let dir = tempfile::tempdir().unwrap();
        let media = |_: &Layout| Ok((InMemoryBackend::new(), InMemoryBackend::new()));
        let layout = Layout::new(dir.path());
        Store::open_as(&CURRENT, media, layout, 5, Options::default()).unwrap();
    }
}
