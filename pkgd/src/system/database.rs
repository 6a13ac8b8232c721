//! Care of the database.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use minos_proto::{DatabaseTask, ErrorReport, Field, Sheet};

use super::Asked;
use super::errors::{invalid, on_named, system_error};
use crate::service::state_error;

impl Asked<'_> {
    pub(super) fn database(&self, task: &DatabaseTask) -> Result<Sheet, ErrorReport> {
        match task {
            DatabaseTask::Backup { path } => self.backup(Path::new(path)),
            DatabaseTask::Verify => self.check(),
            DatabaseTask::Rebuild => self.rebuild(),
        }
    }

    fn backup(&self, path: &Path) -> Result<Sheet, ErrorReport> {
        if !path.is_absolute() {
            let hint = "pkgd does not know your working directory";
            return Err(invalid(format!("'{}' is no absolute path", path.display()), hint));
        }
        self.audit(format!("database backed up to {}", path.display()))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut out = BufWriter::new(file.map_err(|e| on_named("create", path, &e))?);
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let done = read.backup(&mut out).map_err(|e| state_error(&e)).and_then(|report| {
            let synced = out.flush().and_then(|()| out.get_ref().sync_all());
            synced.map(|()| report).map_err(|e| on_named("write", path, &e))
        });
        let report = done.inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })?;
        Ok(Sheet::new("backup")
            .fact("file", path.display().to_string())
            .fact("rows", report.rows)
            .fact("bytes", Field::Bytes(report.bytes))
            .note("'pkgctl db restore FILE --root DIR' makes a database of it, while no pkgd runs there"))
    }

    fn check(&self) -> Result<Sheet, ErrorReport> {
        let found = self.system()?.check().map_err(|e| system_error(&e))?;
        let rows: Vec<_> = found.contradictions.iter().map(|c| vec![c.clone().into()]).collect();
        let verdict = match rows.len() {
            0 => "the rows agree with each other and with the store".to_owned(),
            n => format!("{n} contradictions; 'pkgctl db rebuild' makes the rows of packages anew"),
        };
        let mut sheet = Sheet::new("database");
        sheet.alarm = !rows.is_empty();
        Ok(sheet.grid("contradictions", &["contradiction"], rows).note(verdict))
    }

    fn rebuild(&self) -> Result<Sheet, ErrorReport> {
        let _changing = self.packages.turn.take()?;
        self.audit("database rebuilt".to_owned())?;
        let done = self.system()?.rebuild().map_err(|e| system_error(&e))?;
        let rows = done
            .unusable
            .iter()
            .map(|(file, why)| vec![Field::from(file.clone()), why.clone().into()]);
        let mut sheet = Sheet::new("rebuilt")
            .fact(
                "generations",
                done.generations.iter().map(|n| Field::from(*n)).collect::<Field>(),
            )
            .fact("packages", done.packages)
            .fact("current", done.current)
            .grid("unusable", &["record", "why"], rows.collect());
        sheet.alarm = !done.unusable.is_empty();
        if done.generations.is_empty() && !sheet.alarm {
            return Ok(sheet.note("every generation has its row: nothing was made anew"));
        }
        Ok(sheet.note("history, holds, pins and proofs are not in the records and are lost"))
    }
}
