//! What came of the second builds of a job, as a sheet.

use minos_compare::{Kind, Report};
use minos_model::StepState;
use minos_proto::sheet::Field;
use minos_proto::{ErrorKind, ErrorReport, Sheet};
use minos_store::{ComparisonRow, JobRow, StepRow, Store};

use crate::service::state_error;

/// What is told of the conditions. That they were other in this or that says what "equal" is worth.
const CONDITIONS: &str = "The second build had another time, host name, number of jobs and CPUs, order of \
    directories, process numbers, user ids and paths outside; the first one was kept.";

/// The steps that were built twice, and all that differs.
///
/// # Errors
/// No such job; one that compares nothing; the state cannot be read.
pub fn sheet(store: &Store, job: u64) -> Result<Sheet, ErrorReport> {
    let snapshot = store.read().map_err(|e| state_error(&e))?;
    let row = snapshot.job(job).map_err(|e| state_error(&e))?;
    let compares = |row: &JobRow| crate::views::options(row).is_ok_and(|o| o.compare);
    let row = row.filter(compares).ok_or_else(|| {
        let what = format!("job {job} compares nothing");
        ErrorReport::new(ErrorKind::NotFound, what, "'pkgctl build --check TARGET' does")
    })?;
    let steps = snapshot.steps(job).map_err(|e| state_error(&e))?;
    let mut rows = snapshot.comparisons(job).map_err(|e| state_error(&e))?;
    // In the order of the plan.
    rows.sort_by_key(|row| steps.iter().position(|step| step.step == row.step));
    let found: Vec<(ComparisonRow, Report)> = rows
        .into_iter()
        .map(|row| {
            let report = report(&row);
            (row, report)
        })
        .collect();
    let differ = found.iter().filter(|(row, _)| row.first != row.second).count();
    let mut table: Vec<Vec<Field>> = found.iter().map(|(row, report)| line(row, report)).collect();
    table.extend(steps.iter().filter_map(missed));
    let details = found.iter().flat_map(|(row, report)| details(row, report)).collect();
    let mut sheet = Sheet::new("comparison")
        .fact("job", job)
        .fact("target", row.target)
        .fact("equal", found.len() - differ)
        .fact("differ", differ)
        .grid("steps", &["step", "result", ">files", "first", "second", "kinds"], table)
        .grid("differences", &["step", "kind", "path", "what"], details);
    for (row, report) in found.iter().filter(|(_, report)| report.unlisted() > 0) {
        sheet = sheet.note(format!(
            "{}: {} more differences are not listed.",
            row.step,
            report.unlisted()
        ));
    }
    sheet.alarm = differ > 0;
    Ok(sheet.note(CONDITIONS))
}

/// A report of another version of pkgd may not be readable; that something differs is known all the same.
fn report(row: &ComparisonRow) -> Report {
    postcard::from_bytes(&row.report).unwrap_or_default()
}

fn line(row: &ComparisonRow, report: &Report) -> Vec<Field> {
    let equal = row.first == row.second;
    let kind = |(kind, count): &(Kind, u64)| format!("{kind} {count}");
    vec![
        row.step.to_string().into(),
        if equal { "equal" } else { "differs" }.into(),
        row.files.into(),
        row.first.short().into(),
        row.second.short().into(),
        report.kinds.iter().map(kind).collect(),
    ]
}

/// A step of the job that did not come to it.
fn missed(row: &StepRow) -> Option<Vec<Field>> {
    let state = match row.state {
        StepState::Failed(_) => "failed",
        StepState::Skipped => "skipped",
        StepState::Cancelled => "cancelled",
        _ => return None,
    };
    let first = row.output.map(|output| output.short());
    Some(vec![
        row.step.to_string().into(),
        state.into(),
        Field::None,
        first.into(),
        Field::None,
        Field::None,
    ])
}

fn details(row: &ComparisonRow, report: &Report) -> Vec<Vec<Field>> {
    let line = |difference: &minos_compare::Difference| {
        vec![
            row.step.to_string().into(),
            difference.kind.as_str().into(),
            format!("/{}", difference.path).into(),
            difference.what.clone().into(),
        ]
    };
    report.differences.iter().map(line).collect()
}
