//! What was done to the system: all of it in lines, or one change in full.

use minos_proto::{ErrorReport, Field, Sheet};
use minos_store::{Outcome, PackageChange, TransactionKind, TransactionRow};

use super::look::unknown;
use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::not_found;
use crate::system::generations::{CHANGE_COLUMNS, change_row};

/// Lines shown where nobody says how many.
const LINES: u32 = 100;
/// A change of more packages than this is not told in full in a line.
const MANY: usize = 5;

impl Asked<'_> {
    /// What was done, newest first; of a package, or of the change of this number, which is told in full.
    pub(in crate::system) fn history(
        &self,
        limit: u32,
        package: Option<&str>,
    ) -> Result<Sheet, ErrorReport> {
        let limit = if limit == 0 { LINES } else { limit };
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        if let Some(number) = package.and_then(|text| text.parse().ok()) {
            let rows = read.transactions(usize::MAX).map_err(|e| state_error(&e))?;
            let found = rows.iter().find(|row| row.number == number);
            return found.map(one).ok_or_else(|| {
                not_found(format!("there is no change {number}"), "'pkgctl history' shows all")
            });
        }
        let all = if package.is_some() { usize::MAX } else { limit as usize };
        let rows = read.transactions(all).map_err(|e| state_error(&e))?;
        let touches = |row: &&TransactionRow| {
            package.is_none_or(|p| row.changes.iter().any(|c| c.name.to_string() == p))
        };
        let lines: Vec<_> = rows.iter().filter(touches).take(limit as usize).collect();
        let is_long = |row: &&TransactionRow| row.changes.len() > MANY;
        let long = lines.iter().copied().find(is_long).map(|row| {
            format!(
                "'pkgctl history {}' shows one change in full, with all its packages",
                row.number
            )
        });
        let quiet = match package.filter(|_| lines.is_empty()) {
            Some(name) => Some(self.untouched(name)?),
            None => None,
        };
        let columns = ["number", "at", ">from", ">to", "outcome", "what", "changes"];
        let rows = lines.into_iter().map(history_row).collect();
        let sheet = Sheet::new("history").grid("transactions", &columns, rows);
        Ok(quiet.into_iter().chain(long).fold(sheet, Sheet::note))
    }

    /// What there is to say of a package that no change touched: that there is one at all.
    fn untouched(&self, name: &str) -> Result<String, ErrorReport> {
        let universe = self.view()?.universe;
        if universe.named(name).is_empty() {
            return Err(unknown(&universe, name));
        }
        Ok(format!("no change that is remembered touched {name}"))
    }
}

/// One change, all there is to know of it.
fn one(row: &TransactionRow) -> Sheet {
    let intent = &row.intent;
    let by = intent.peer.map(|(uid, pid)| format!("user {uid}, process {pid}"));
    Sheet::new("change")
        .fact("number", row.number)
        .fact("what", what(row))
        .fact("outcome", outcome(row))
        .fact("by", by.unwrap_or_else(|| "pkgd".to_owned()))
        .fact("from", intent.from)
        .fact("to", intent.to)
        .fact("began", Field::Time(intent.at_ms))
        .fact("ended", Field::Time(row.finished_ms))
        .grid("packages", &CHANGE_COLUMNS, row.changes.iter().map(change_row).collect())
}

fn outcome(row: &TransactionRow) -> String {
    match &row.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Completed => "done after a restart".to_owned(),
        Outcome::TakenBack { why } => format!("taken back: {why}"),
    }
}

fn what(row: &TransactionRow) -> String {
    let word = match row.intent.kind {
        TransactionKind::Change => "",
        TransactionKind::Switch => "switch: ",
        TransactionKind::Collect => "collect: ",
    };
    format!("{word}{}", row.intent.note)
}

fn history_row(row: &TransactionRow) -> Vec<Field> {
    let change = |c: &PackageChange| match (&c.from, &c.to) {
        (None, Some(to)) => format!("+{} {}", c.name, to.with_release()),
        (Some(from), None) => format!("-{} {}", c.name, from.with_release()),
        (Some(from), Some(to)) => {
            format!("{} {} -> {}", c.name, from.with_release(), to.with_release())
        }
        (None, None) => c.name.to_string(),
    };
    vec![
        row.number.into(),
        Field::Time(row.finished_ms),
        row.intent.from.into(),
        row.intent.to.into(),
        outcome(row).into(),
        what(row).into(),
        row.changes.iter().map(change).collect(),
    ]
}
