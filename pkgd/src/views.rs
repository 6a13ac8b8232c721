//! Rows of the state as the reports that clients see.

use std::path::Path;

use minos_model::{Digest, StepId};
use minos_proto::{
    Attempt, AuditLine, BuildOptions, ErrorKind, ErrorReport, JobReport, LintReport, RecipeReport,
    Reply, StepReport,
};
use minos_recipe::{Level, Lint, Recipe, RecipeSet};
use minos_store::{AttemptEnd, AttemptRow, AuditRow, JobRow, LogReader, StepRow, Store};

use crate::engine::unwritten::Unwritten;
use crate::service::state_error;

/// Jobs shown when the client does not say how many.
const DEFAULT_JOBS: u32 = 100;
/// Audit lines shown when the client does not say how many.
const DEFAULT_AUDIT: u32 = 100;
/// Attempts of one step shown at most.
const MAX_ATTEMPTS: usize = 100;
/// The largest data file of a recipe that is shown, in bytes. All of them together fit into one answer.
const SHOWN: usize = 8 << 10;
/// Bytes of a log in one answer.
const LOG_CHUNK: usize = 256 << 10;

/// The options of a job.
///
/// # Errors
/// Another version of pkgd wrote them in its own way: to go on with others would be another job.
pub fn options(row: &JobRow) -> Result<BuildOptions, ErrorReport> {
    postcard::from_bytes(&row.options).map_err(|_| {
        ErrorReport::new(
            ErrorKind::Conflict,
            format!("the options of job {} were written by another version of pkgd", row.id),
            format!("'pkgctl build {}' begins it anew; what is built stays", row.target),
        )
    })
}

/// All jobs, newest first.
pub fn jobs(
    store: &Store,
    unwritten: &Unwritten,
    limit: u32,
) -> Result<Vec<JobReport>, ErrorReport> {
    let limit = if limit == 0 { DEFAULT_JOBS } else { limit.min(10_000) };
    let rows = store.read().and_then(|s| s.jobs(limit as usize)).map_err(|e| state_error(&e))?;
    let mut reports: Vec<JobReport> = rows.into_iter().map(job_report).collect();
    reports.iter_mut().for_each(|report| unwritten.correct_job(report));
    Ok(reports)
}

/// One job and its steps.
pub fn job(store: &Store, unwritten: &Unwritten, id: u64) -> Result<Reply, ErrorReport> {
    let snapshot = store.read().map_err(|e| state_error(&e))?;
    let row = snapshot.job(id).map_err(|e| state_error(&e))?;
    let row = row.ok_or_else(|| {
        ErrorReport::new(ErrorKind::NotFound, format!("there is no job {id}"), "")
    })?;
    let steps = snapshot.steps(id).map_err(|e| state_error(&e))?;
    let mut steps: Vec<StepReport> = steps.into_iter().map(step_report).collect();
    for step in steps.iter_mut().filter(|step| step.attempt.is_some()) {
        let newest = snapshot.suites_of(&step.step, 1).map_err(|e| state_error(&e))?;
        step.tests = newest.into_iter().find(|row| row.job == id).map(|row| row.tested);
    }
    let mut job = job_report(row);
    unwritten.correct_job(&mut job);
    unwritten.correct_steps(id, &mut steps);
    Ok(Reply::Job { job, steps })
}

fn job_report(row: JobRow) -> JobReport {
    JobReport {
        compares: options(&row).is_ok_and(|o| o.compare),
        id: row.id,
        target: row.target,
        state: row.state,
        created_ms: row.created_ms,
        finished_ms: row.finished_ms,
        steps: row.steps,
        built: row.built,
        cached: row.cached,
        failed: row.failed,
        resumed: row.resumed,
    }
}

fn step_report(row: StepRow) -> StepReport {
    StepReport {
        step: row.step,
        state: row.state,
        output: row.output,
        size: row.size,
        files: row.files,
        metrics: row.metrics,
        attempt: row.attempt,
        weak_sandbox: row.weak,
        tests: None,
    }
}

/// The attempts of a step, newest first.
pub fn attempts(store: &Store, step: &StepId) -> Result<Vec<Attempt>, ErrorReport> {
    let rows = store.read().and_then(|s| s.attempts_of(step, MAX_ATTEMPTS));
    Ok(rows.map_err(|e| state_error(&e))?.into_iter().map(attempt_report).collect())
}

fn attempt_report(row: AttemptRow) -> Attempt {
    let failure = match row.end {
        Some(AttemptEnd::Failed(failure)) => Some(failure),
        _ => None,
    };
    Attempt {
        id: row.id,
        job: row.job,
        step: row.step,
        started_ms: row.started_ms,
        finished_ms: row.finished_ms,
        failure,
        log_bytes: row.log_bytes,
        phases: row.phases,
    }
}

/// A piece of an attempt's log.
pub fn log(
    store: &Store,
    step: &StepId,
    attempt: Option<u64>,
    offset: u64,
) -> Result<Reply, ErrorReport> {
    let rows = store.read().and_then(|s| s.attempts_of(step, MAX_ATTEMPTS));
    let rows = rows.map_err(|e| state_error(&e))?;
    let found = rows.into_iter().find(|row| attempt.is_none_or(|id| row.id == id));
    let row = found.ok_or_else(|| {
        let what = match attempt {
            Some(id) => format!("attempt {id} of '{step}' does not exist"),
            None => format!("'{step}' was never built"),
        };
        ErrorReport::new(
            ErrorKind::NotFound,
            what,
            "'pkgctl jobs' and 'pkgctl log STEP' show what there is",
        )
    })?;
    let path = store.layout().log(row.id, &row.step);
    let read = LogReader::open(&path).and_then(|mut reader| reader.read_at(offset, LOG_CHUNK));
    let bytes = read.map_err(|e| state_error(&e))?;
    // Finished, and less than a whole piece came: there is nothing after it.
    let end = row.finished_ms.is_some() && bytes.len() < LOG_CHUNK;
    Ok(Reply::Log { attempt: attempt_report(row), bytes, end })
}

/// The newest lines of the audit trail, oldest of them first.
pub fn audit(store: &Store, limit: u32) -> Result<Vec<AuditLine>, ErrorReport> {
    let limit = if limit == 0 { DEFAULT_AUDIT } else { limit.min(10_000) };
    let rows = store.read().and_then(|s| s.audit(limit as usize)).map_err(|e| state_error(&e))?;
    let line = |row: AuditRow| AuditLine {
        number: row.seq,
        at_ms: row.at_ms,
        uid: row.uid,
        pid: row.pid,
        what: row.what,
    };
    Ok(rows.into_iter().rev().map(line).collect())
}

/// All recipes.
pub fn recipes(set: &RecipeSet) -> Vec<RecipeReport> {
    set.iter().map(recipe_report).collect()
}

fn recipe_report(recipe: &Recipe) -> RecipeReport {
    RecipeReport {
        step: recipe.id.clone(),
        version: recipe.version.clone(),
        stage: recipe.stage,
        description: recipe.description.clone(),
        groups: recipe.groups.iter().map(|g| format!("lfs/{g}")).collect(),
        needs: recipe.build.clone(),
        sbu_centi: recipe.needs.sbu_centi,
    }
}

/// One recipe with its files.
pub fn recipe(set: &RecipeSet, step: &StepId) -> Result<Reply, ErrorReport> {
    let recipe = set.get(step).ok_or_else(|| unknown_step(set, step))?;
    let mut files = vec![("recipe.toml".to_owned(), recipe.text.clone())];
    files.extend(recipe.scripts.values().map(|s| (s.file.clone(), s.text.clone())));
    let shown = |(name, bytes): (&String, &Vec<u8>)| (name.clone(), shown(bytes));
    files.extend(recipe.files.iter().map(shown));
    Ok(Reply::Recipe { recipe: recipe_report(recipe), files })
}

/// A data file as a reader sees it: its text, or how much there is.
fn shown(bytes: &[u8]) -> String {
    match core::str::from_utf8(bytes).ok().filter(|text| text.len() <= SHOWN) {
        Some(text) => text.to_owned(),
        None => format!("({} bytes, SHA-256 {})\n", bytes.len(), Digest::of(bytes)),
    }
}

/// What the linter found, of one recipe or of all.
pub fn lints(
    set: &RecipeSet,
    lints: &[Lint],
    observed: Vec<LintReport>,
    step: Option<&StepId>,
) -> Result<Reply, ErrorReport> {
    let folder = match step {
        None => None,
        Some(step) => Some(folder_of(set, lints, step).ok_or_else(|| unknown_step(set, step))?),
    };
    let wanted = |file: &str| folder.is_none_or(|folder| Path::new(file).starts_with(folder));
    let report = |lint: &Lint| LintReport {
        error: lint.level() == Level::Error,
        file: lint.file.clone(),
        line: lint.line.unwrap_or(0),
        what: lint.message.clone(),
        hint: lint.hint.clone(),
    };
    let read = lints.iter().map(report);
    Ok(Reply::Lints(read.chain(observed).filter(|lint| wanted(&lint.file)).collect()))
}

/// The folder of a recipe. One that cannot be read says nothing of itself: then it is the folder of that name in which
/// something is wrong.
fn folder_of<'a>(set: &'a RecipeSet, lints: &'a [Lint], step: &StepId) -> Option<&'a Path> {
    if let Some(recipe) = set.get(step) {
        return Some(Path::new(&recipe.folder));
    }
    let folders = lints.iter().filter_map(|lint| Path::new(&lint.file).parent());
    let names = [step.file_stem(), step.name().to_string()];
    folders
        .into_iter()
        .find(|f| f.file_name().is_some_and(|leaf| names.iter().any(|n| leaf == &**n)))
}

fn unknown_step(set: &RecipeSet, step: &StepId) -> ErrorReport {
    let names: Vec<String> = set.iter().map(|r| r.id.to_string()).collect();
    let near = minos_model::suggest::nearest(&step.to_string(), names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean '{near}'? 'pkgctl recipe list' shows all"),
        None => "'pkgctl recipe list' shows all".to_owned(),
    };
    ErrorReport::new(ErrorKind::NotFound, format!("there is no recipe '{step}'"), hint)
}
