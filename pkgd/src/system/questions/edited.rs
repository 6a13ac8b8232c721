//! Config files that are not as their packages have them, whenever that came about: no fault, and good to know.

use minos_model::Name;
use minos_proto::{ErrorReport, Sheet};
use minos_store::{ConfigFinding, ConfigState};

use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::system_error;

impl Asked<'_> {
    /// Adds to what was found of the current generation what became of its config files; of these packages, or of all.
    pub(in crate::system) fn with_config(
        &self,
        sheet: Sheet,
        names: &[Name],
    ) -> Result<Sheet, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let Some(current) = read.current_generation().map_err(|e| state_error(&e))? else {
            return Ok(sheet);
        };
        let found = self.system()?.config_state(current).map_err(|e| system_error(&e))?;
        Ok(added(sheet, &found, names))
    }
}

fn added(sheet: Sheet, found: &[ConfigFinding], names: &[Name]) -> Sheet {
    let of = |finding: &&ConfigFinding| {
        names.is_empty() || finding.package.as_ref().is_some_and(|name| names.contains(name))
    };
    let rows: Vec<_> = found
        .iter()
        .filter(of)
        .map(|finding| {
            let word = match finding.state {
                ConfigState::Edited => "edited",
                ConfigState::Deleted => "deleted",
                ConfigState::Waiting => "new version waits",
            };
            let package = finding.package.as_ref().map(ToString::to_string);
            let path = format!("/{}", String::from_utf8_lossy(&finding.path));
            vec![word.into(), package.into(), path.into()]
        })
        .collect();
    if rows.is_empty() { sheet } else { sheet.grid("config", &["state", "package", "path"], rows) }
}
