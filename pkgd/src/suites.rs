//! Test suites of packages: which are run, what is known of them, and what came of one as a sheet.

use minos_exec::Suite;
use minos_model::{Digest, Hasher, Phase, StepId, TestLevel};
use minos_plan::runs_suite;
use minos_proto::sheet::Field;
use minos_proto::{ErrorKind, ErrorReport, Sheet};
use minos_recipe::Recipe;
use minos_store::{Snapshot, Store, StoreError, SuiteRow};
use minos_suite::{Before, Expected, Failing, Report};

use crate::service::state_error;

/// What the suite of `recipe` is: its script and the list of what may fail. Not a part of the task key, since it
/// changes nothing about the output.
pub fn digest(recipe: &Recipe) -> Digest {
    let mut hasher = Hasher::new();
    let texts = [recipe.scripts.get(&Phase::Check), recipe.check.expected.as_ref()];
    texts.iter().for_each(|script| {
        hasher.field(script.map_or(&[][..], |script| script.text.as_bytes()));
    });
    hasher.finish()
}

/// What came of this very suite on what `key` stands for.
fn rows(
    snapshot: &Snapshot<'_>,
    recipe: &Recipe,
    key: &Digest,
) -> Result<impl Iterator<Item = SuiteRow>, StoreError> {
    let (key, suite) = (*key, digest(recipe));
    let rows = snapshot.suites_of(&recipe.id, usize::MAX)?.into_iter();
    Ok(rows.filter(move |row| row.key == key && row.suite == suite))
}

/// Whether the suite was run on what `key` stands for, and came to its end.
///
/// # Errors
/// The state cannot be read.
pub fn was_run(snapshot: &Snapshot<'_>, recipe: &Recipe, key: &Digest) -> Result<bool, StoreError> {
    Ok(rows(snapshot, recipe, key)?.next().is_some())
}

/// Whether a build at `level` has to build a step again that is cached: for a suite that was not run on it, or that
/// failed it.
///
/// # Errors
/// The state cannot be read.
pub fn owed(
    snapshot: &Snapshot<'_>,
    recipe: &Recipe,
    level: TestLevel,
    key: &Digest,
) -> Result<bool, StoreError> {
    Ok(runs_suite(recipe, level) && rows(snapshot, recipe, key)?.all(|row| row.failed))
}

/// What is held against the suite of a step that is about to run.
///
/// # Errors
/// The state cannot be read.
pub fn suite(snapshot: &Snapshot<'_>, recipe: &Recipe) -> Result<Suite, StoreError> {
    let newest = snapshot.suites_of(&recipe.id, 1)?.into_iter().next();
    // The report of another version of pkgd may not be readable: then nothing is compared.
    let before = newest.and_then(|row| {
        let report: Report = postcard::from_bytes(&row.report).ok()?;
        let failing = report.failures.into_iter().map(|failing| failing.name).collect();
        Some(Before { attempt: row.attempt, tested: row.tested, failing })
    });
    // The linter has read it; a list that is none expects nothing.
    let list = recipe.check.expected.as_ref().map(|script| Expected::parse(&script.text));
    let expected = list.and_then(Result::ok).unwrap_or_default();
    Ok(Suite { fatal: recipe.check.fatal, expected, before, ..Suite::default() })
}

/// What came of the suite of a step, the last time or in an attempt.
///
/// # Errors
/// The step's suite was never run; the state cannot be read.
pub fn sheet(store: &Store, step: &StepId, attempt: Option<u64>) -> Result<Sheet, ErrorReport> {
    let rows = store.read().and_then(|s| s.suites_of(step, usize::MAX));
    let mut rows = rows.map_err(|e| state_error(&e))?.into_iter();
    let row = rows.find(|row| attempt.is_none_or(|id| row.attempt == id)).ok_or_else(|| {
        let what = match attempt {
            Some(id) => format!("no test suite was run in attempt {id} of '{step}'"),
            None => format!("the test suite of '{step}' was never run"),
        };
        let hint = "'pkgctl build --tests all STEP' does; results of the last 10 times are kept";
        ErrorReport::new(ErrorKind::NotFound, what, hint)
    })?;
    let report: Report = postcard::from_bytes(&row.report).unwrap_or_default();
    let mut sheet = facts(&row, &report)
        .grid("failures", &["result", "test", "new", "expected"], failures(&report))
        .grid("changes", &["change", "test"], changes(&report))
        .grid("others", &["result", "test"], others(&report));
    if report.more > 0 {
        sheet = sheet.note(format!("{} more failures are not listed.", report.more));
    }
    if !report.passes_now.is_empty() {
        sheet = sheet
            .note("What passes now is to be taken off the recipe's list of expected failures.");
    }
    sheet.alarm = row.failed;
    Ok(sheet)
}

fn facts(row: &SuiteRow, report: &Report) -> Sheet {
    let tested = row.tested;
    let before = report.before.map(|(attempt, tested)| format!("attempt {attempt}: {tested}"));
    Sheet::new("tests")
        .fact("step", row.step.to_string())
        .fact("attempt", row.attempt)
        .fact("job", row.job)
        .fact("at", Field::Time(row.at_ms))
        .fact("passed", tested.passed)
        .fact("failed", tested.failed)
        .fact("new", tested.new)
        .fact("expected", tested.expected)
        .fact("skipped", tested.skipped)
        .fact("before", before)
        .fact("problem", report.problem.clone())
}

fn failures(report: &Report) -> Vec<Vec<Field>> {
    let line = |failing: &Failing| {
        vec![
            failing.status.as_str().into(),
            failing.name.clone().into(),
            Field::Flag(failing.new),
            failing.reason.clone().into(),
        ]
    };
    // What nobody expects comes first.
    let (expected, unexpected): (Vec<_>, Vec<_>) =
        report.failures.iter().partition(|failing| failing.reason.is_some());
    unexpected.into_iter().chain(expected).map(line).collect()
}

/// What is other than the last time, or than the recipe says.
fn changes(report: &Report) -> Vec<Vec<Field>> {
    let kinds = [
        ("fixed", &report.fixed),
        ("gone", &report.gone),
        ("listed, passes now", &report.passes_now),
        ("listed, not seen", &report.not_seen),
    ];
    let lines = |(word, names): (&str, &Vec<String>)| {
        names.iter().map(|name| vec![word.into(), name.clone().into()]).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(lines).collect()
}

fn others(report: &Report) -> Vec<Vec<Field>> {
    let line = |(status, name): &(minos_suite::Status, String)| {
        vec![status.as_str().into(), name.clone().into()]
    };
    report.others.iter().map(line).collect()
}
