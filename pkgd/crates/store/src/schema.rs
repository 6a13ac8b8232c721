//! The schema version and the way from an older one to the present one.

use std::fs;

use crate::db::Store;
use crate::error::StoreError;
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
pub(crate) const CURRENT: Schema = Schema { version: 1, migrations: &[] };

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

/// Copies database and journal beside themselves, as `state.redb.schema0` and `state.log.schema0`.
fn keep_copy(store: &Store, found: u32) -> Result<(), StoreError> {
    for path in [store.layout.database(), store.layout.journal()] {
        let mut copy = path.clone().into_os_string();
        copy.push(format!(".schema{found}"));
        if path.exists() {
            fs::copy(&path, &copy).map_err(|e| StoreError::io("copy the old state to", copy, e))?;
        }
    }
    Ok(())
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
