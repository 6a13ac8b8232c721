//! `db verify`: rows of packages and generations against each other and against the files they name.

use std::collections::BTreeMap;

use minos_model::Name;

use crate::check::CheckReport;
use crate::generations::{GenerationRow, Record, current_link, realised, record_path};
use crate::objects;
use crate::packages::{PackageRow, PathRow};
use crate::snapshot::{ALL, Source as _};
use crate::table::{PACKAGES, PATHS};
use crate::transaction::{System, SystemError};

impl System<'_> {
    /// Reads every row and manifest and checks that they agree with each other, that every object they
    /// name is there, and that the index of paths is what the packages say. Time grows with the store;
    /// contents are [`System::verify`]'s.
    ///
    /// # Errors
    /// A row cannot be read or is damaged.
    pub fn check(&self) -> Result<CheckReport, SystemError> {
        let mut report = self.store.read()?.check()?;
        let rows = self.store.read()?.generations()?;
        report.rows += rows.len() as u64;
        self.check_packages(&mut report)?;
        for row in &rows {
            self.check_generation(row, &mut report)?;
        }
        self.check_index(&mut report)?;
        let current = self.store.read()?.current_generation()?;
        if current_link(self.fs)? != current {
            report.say(format!("'current' does not name generation {current:?}"));
        }
        for root in realised(self.fs)? {
            if !rows.iter().any(|row| row.number == root) {
                report.say(format!("root {root} belongs to no generation"));
            }
        }
        Ok(report)
    }

    fn check_packages(&self, report: &mut CheckReport) -> Result<(), SystemError> {
        let packages: Vec<(Vec<u8>, PackageRow)> =
            self.store.read()?.rows(PACKAGES, ALL, false, usize::MAX)?;
        report.rows += packages.len() as u64;
        for (_, row) in packages {
            if self.store.read()?.package_number(&row.digest)? != Some(row.number) {
                report.say(format!("package {} is not found by its digest", row.number));
            }
            let tree = match self.trees().tree(row.number) {
                Ok(tree) => tree,
                Err(e) => {
                    report.say(format!("package {} {}: {e}", row.name, row.version));
                    continue;
                }
            };
            let anew = PackageRow::new(row.number, row.digest, &tree, row.added_ms);
            if anew != row {
                report
                    .say(format!("the row of {} {} is not its manifest's", row.name, row.version));
            }
            for object in tree.objects() {
                let path = object.path();
                let there =
                    self.fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))?;
                if there.is_none() {
                    report.say(format!("{} needs '{}', which is gone", row.name, path.display()));
                }
            }
        }
        Ok(())
    }

    fn check_generation(
        &self,
        row: &GenerationRow,
        report: &mut CheckReport,
    ) -> Result<(), SystemError> {
        let number = row.number;
        for member in &row.members {
            if self.store.read()?.package(member.package)?.is_none() {
                report.say(format!(
                    "generation {number} has package {}, which is not",
                    member.package
                ));
            }
        }
        let own = self.own_of(number)?;
        let record = objects::read(self.fs, &record_path(number))
            .map_err(|e| e.to_string())
            .and_then(|bytes| Record::decode(&bytes));
        match record {
            Err(why) => report.say(format!("record of generation {number}: {why}")),
            Ok(record)
                if record.own != own.to_row() || record.members.len() != row.members.len() =>
            {
                report.say(format!("record of generation {number} is not its row's"));
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// The index must be what it would be if it were made anew.
    fn check_index(&self, report: &mut CheckReport) -> Result<(), SystemError> {
        let described = self.store.read()?.path_row(b"")?.0;
        let mut trees = self.trees();
        let mut expected: BTreeMap<Vec<u8>, (u32, Option<Name>)> = BTreeMap::new();
        let members = self.store.read()?.generation(described)?.map_or(vec![], |g| g.numbers());
        for package in members {
            let tree = trees.tree(package)?;
            for (path, node) in tree.iter() {
                let (count, owner) = expected.entry(path.to_vec()).or_default();
                *count += 1;
                *owner = (!node.is_directory()).then(|| tree.name().clone());
            }
        }
        let rows: Vec<(Vec<u8>, PathRow)> =
            self.store.read()?.rows(PATHS, ALL, false, usize::MAX)?;
        report.rows += rows.len() as u64;
        let what = |row: PathRow| match row {
            PathRow::File { owner, .. } => (1, Some(owner)),
            PathRow::Directory { owners, .. } => (owners, None),
        };
        let found: BTreeMap<_, _> = rows.into_iter().map(|(p, row)| (p, what(row))).collect();
        if found != expected {
            report.say(format!("the index of paths is not that of generation {described}"));
        }
        Ok(())
    }
}
