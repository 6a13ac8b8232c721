//! The rows and records by which a generation exists.

use std::sync::Arc;

use super::SystemError;
use super::apply::Making;
use super::prepare::Prepared;
use super::system::System;
use crate::error::StoreError;
use crate::generations::{
    self, GenerationRow, IntentRow, Member, Own, Record, RecordMember, put_record, record_path,
};
use crate::objects::{ObjectId, key_of, manifest_path};
use crate::packages::{PackageRow, Tree, Trees};
use crate::snapshot::Source as _;
use crate::table::{
    GENERATION_OWN, GENERATIONS, META, PACKAGE_NUMBERS, PACKAGE_OBJECTS, PACKAGES, number,
};
use crate::write::Write;

/// From so many rows on the journal is not even tried.
const MANY_ROWS: usize = 1000;

impl System<'_> {
    /// The record of the new generation, and that of the old one if it was edited.
    pub(crate) fn write_records(
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

    /// Writes the record of a generation with these own files.
    pub(crate) fn write_record(
        &self,
        row: &GenerationRow,
        own: &Own,
        trees: &mut Trees<'_>,
    ) -> Result<(), SystemError> {
        let bytes = self.record_bytes(row, own, trees)?;
        put_record(self.fs, &record_path(row.number), &bytes)
    }

    /// The record of a generation with these own files.
    pub(crate) fn record_bytes(
        &self,
        row: &GenerationRow,
        own: &Own,
        trees: &mut Trees<'_>,
    ) -> Result<Vec<u8>, SystemError> {
        let rows = trees.rows(&row.numbers())?;
        let member = |(package, member): (Arc<PackageRow>, &Member)| RecordMember {
            manifest: package.digest,
            reason: member.reason,
            accounts: package.accounts.clone(),
            added_ms: if package.added_ms == 0 { row.created_ms } else { package.added_ms },
            package: package.number,
        };
        let members = rows.into_iter().zip(&row.members).map(member).collect();
        let record = Record::new(row, members, own.to_row());
        record.encode().map_err(|what| SystemError::Damaged { what })
    }

    /// The commit that makes the generation exist.
    pub(crate) fn write_rows(
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
    row: &PackageRow,
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
    let (now, looked_at) = (last.max(u64::from(row.number)), w.get(META, generations::CONFIG_OF)?);
    if looked_at.unwrap_or(0) == last {
        w.put(META, generations::CONFIG_OF, &now)?;
    }
    w.put(META, generations::LAST_PACKAGE, &now)
}

fn new_row(intent: &IntentRow, prepared: &Prepared<'_>) -> GenerationRow {
    GenerationRow {
        number: intent.to,
        parent: prepared.base.as_ref().map(|row| row.number),
        created_ms: intent.at_ms,
        note: intent.note.clone(),
        members: prepared.members.clone(),
        asked: prepared.asked.clone(),
    }
}
