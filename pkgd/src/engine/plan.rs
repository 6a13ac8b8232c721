//! From a target to a plan with task keys, and the report of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use minos_model::{Digest, StepId};
use minos_plan::{Estimates, KeyParts, Outlook, Plan, PlanError, Step, Weights, World, outlook};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, PlanReport, PlanStep};
use minos_recipe::{Level, Lint, TargetError};
use minos_store::{Snapshot, StoreError};

use crate::recipes::Recipes;
use crate::service::{Service, state_error};
use crate::suites;

/// The CPU every step is built for, whatever CPU builds it.
const BASELINE: &str = "x86-64";
/// The time that stands for "now" in every output (1 March 2025, the day of LFS 12.3). A constant, so
/// that the same inputs give the same bytes whenever they are built.
pub const SOURCE_DATE_EPOCH: i64 = 1_740_787_200;
/// Wall milliseconds of one standard build unit before anything has been measured: binutils pass 1
/// on one current core. Only estimates depend on it.
const DEFAULT_SBU_MS: u64 = 150_000;

/// A target, resolved against recipes and cache.
pub struct Resolved {
    /// The steps in order.
    pub plan: Arc<Plan>,
    /// What is known of each, by position.
    pub outlook: Vec<Outlook>,
}

impl Resolved {
    /// Nothing is to be built.
    pub fn all_cached(&self) -> bool {
        self.outlook.iter().all(|o| matches!(o, Outlook::Cached { .. }))
    }

    /// The steps whose outputs are there, with their keys.
    pub fn keys(&self) -> impl Iterator<Item = (&StepId, &Digest)> {
        self.plan.steps().iter().zip(&self.outlook).filter_map(|(step, outlook)| match outlook {
            Outlook::Cached { key, .. } => Some((&step.id, key)),
            _ => None,
        })
    }

    /// The steps by name, in order.
    pub fn order(&self) -> Vec<StepId> {
        self.plan.steps().iter().map(|step| step.id.clone()).collect()
    }
}

/// Plans `target` and looks every step up in the cache.
///
/// # Errors
/// Unknown target, missing dependency, circle; a recipe the linter refuses; no seed.
pub fn resolve(
    service: &Service,
    recipes: &Recipes,
    target: &str,
    options: &BuildOptions,
) -> Result<Resolved, ErrorReport> {
    let plan = Plan::tested(&recipes.set, target, options.tests).map_err(|e| {
        // A recipe that cannot be read is no part of the set: say what is wrong with it instead.
        broken(recipes, target).map_or_else(|| plan_error(&e), recipe_error)
    })?;
    usable(recipes, &plan)?;
    complete(recipes, target, &plan)?;
    for step in &options.rebuild {
        if plan.position(step).is_none() {
            let what = format!("'{step}' is to be rebuilt but is no step of '{target}'");
            let hint = format!("'pkgctl plan {target}' shows the steps");
            return Err(ErrorReport::new(ErrorKind::Invalid, what, hint));
        }
    }
    let snapshot = service.store.read().map_err(|e| state_error(&e))?;
    let outlook =
        look_up(service, recipes, &snapshot, &plan, options).map_err(|e| state_error(&e))?;
    Ok(Resolved { plan: Arc::new(plan), outlook })
}

fn look_up(
    service: &Service,
    recipes: &Recipes,
    snapshot: &Snapshot<'_>,
    plan: &Plan,
    options: &BuildOptions,
) -> Result<Vec<Outlook>, StoreError> {
    let world = world(service);
    // A row that cannot be read is not "not cached": it is the state that is broken.
    let broken = RefCell::new(None);
    let cached = |key: &Digest| match snapshot.cached(key) {
        Ok(row) => row.map(|row| row.digest).filter(|digest| service.store.has_bytes(digest)),
        Err(e) => {
            broken.borrow_mut().get_or_insert(e);
            None
        }
    };
    let found = outlook(plan, &recipes.prints, &world, cached);
    let mut refused = Vec::new();
    for (step, outlook) in plan.steps().iter().zip(&found) {
        if let Outlook::Cached { key, .. } = outlook
            && (options.rebuild.contains(&step.id) || owed(recipes, snapshot, step, options, key)?)
        {
            refused.push(*key);
        }
    }
    if refused.is_empty() {
        return broken.take().map_or(Ok(found), Err);
    }
    let kept = |key: &Digest| if refused.contains(key) { None } else { cached(key) };
    let found = outlook(plan, &recipes.prints, &world, kept);
    broken.take().map_or(Ok(found), Err)
}

/// Whether a step that is cached is to be built again for its test suite. Only what was asked for is: a suite
/// is no reason to build all that a step stands on.
///
/// # Errors
/// The state cannot be read.
pub fn owed(
    recipes: &Recipes,
    snapshot: &Snapshot<'_>,
    step: &Step,
    options: &BuildOptions,
    key: &Digest,
) -> Result<bool, StoreError> {
    let recipe = recipes.set.get(&step.id).filter(|_| step.wanted);
    recipe.map_or(Ok(false), |recipe| suites::owed(snapshot, recipe, options.tests, key))
}

/// A recipe with an error of the linter is not built: the error would only show later and worse.
fn usable(recipes: &Recipes, plan: &Plan) -> Result<(), ErrorReport> {
    for step in plan.steps() {
        let Some(recipe) = recipes.set.get(&step.id) else { continue };
        let inside = |lint: &&Lint| {
            lint.file.strip_prefix(&*recipe.folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let errors = recipes.lints.iter().filter(inside);
        if let Some(lint) = errors.into_iter().find(|l| l.level() == Level::Error) {
            return Err(recipe_error(lint));
        }
    }
    Ok(())
}

/// A recipe that cannot be read is in no group, and the group would be built without it and called done. So none is
/// built while such a recipe lies beside those of its members.
fn complete(recipes: &Recipes, target: &str, plan: &Plan) -> Result<(), ErrorReport> {
    let read: BTreeSet<&str> = recipes.set.iter().map(|recipe| &*recipe.folder).collect();
    let errors = recipes.lints.iter().filter(|lint| lint.level() == Level::Error);
    let mut unread = errors.filter(|lint| !read.contains(parent(&lint.file))).peekable();
    let name = target.split('@').next().unwrap_or(target);
    if unread.peek().is_none() || !recipes.set.groups().contains_key(name) {
        return Ok(());
    }
    let steps = plan.steps().iter().filter_map(|step| recipes.set.get(&step.id));
    let near: BTreeSet<&str> = steps.map(|recipe| parent(&recipe.folder)).collect();
    let missing = unread.find(|lint| near.contains(parent(parent(&lint.file))));
    missing.map_or(Ok(()), |lint| {
        let report = recipe_error(lint);
        let what = format!("{}; '{target}' may be without it", report.what);
        Err(ErrorReport { what, ..report })
    })
}

/// The folder of a file or folder below the recipes' folder; that itself is empty.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn recipe_error(lint: &Lint) -> ErrorReport {
    let line = lint.line.map(|n| format!(":{n}")).unwrap_or_default();
    let what = format!("{}{line}: {}", lint.file, lint.message);
    ErrorReport::new(ErrorKind::Recipe, what, lint.hint.clone())
}

/// The first error in the folder that `target` seems to name: `demo/zlib`, `zlib` or `gcc:pass1`.
fn broken<'a>(recipes: &'a Recipes, target: &str) -> Option<&'a Lint> {
    let name = target.split('@').next().unwrap_or(target).replace(':', "-");
    let named = |lint: &&Lint| {
        let folder = parent(&lint.file);
        folder == name || folder.rsplit_once('/').is_some_and(|(_, last)| last == name)
    };
    recipes.lints.iter().filter(named).find(|lint| lint.level() == Level::Error)
}

/// What all task keys share.
pub fn world(service: &Service) -> World {
    // Without a seed nothing is built; plans are still shown, all of them "to be built".
    let seed = service.seed.as_ref().map_or(Digest::from_bytes([0; 32]), |seed| seed.digest);
    World {
        seed,
        sandbox_version: minos_exec::VERSION,
        cpu: BASELINE.to_owned(),
        epoch: SOURCE_DATE_EPOCH,
    }
}

fn plan_error(error: &PlanError) -> ErrorReport {
    let kind = match error {
        PlanError::Target(TargetError::Unknown { .. }) => ErrorKind::NotFound,
        PlanError::Target(_) => ErrorKind::Invalid,
        _ => ErrorKind::Recipe,
    };
    // The plan's own words already say what to do next.
    ErrorReport::new(kind, error.to_string(), "")
}

/// Expected times, from the history of the steps, else from their size in standard build units.
pub fn estimates(snapshot: &Snapshot<'_>, plan: &Plan) -> Estimates {
    // Without its history a step is estimated by its size; that the state is broken is told elsewhere.
    let known = |id: &StepId| snapshot.history(id).ok().flatten().map(|row| row.expected_ms());
    let history: BTreeMap<StepId, u64> =
        plan.steps().iter().filter_map(|step| Some((step.id.clone(), known(&step.id)?))).collect();
    Estimates::new(history, DEFAULT_SBU_MS).calibrated(plan)
}

/// What a build of `target` would do.
///
/// # Errors
/// As [`resolve`].
pub fn report(
    service: &Service,
    recipes: &Recipes,
    target: &str,
    options: &BuildOptions,
) -> Result<PlanReport, ErrorReport> {
    let start = Instant::now();
    let resolved = resolve(service, recipes, target, options)?;
    let Resolved { plan, outlook } = &resolved;
    let snapshot = service.store.read().map_err(|e| state_error(&e))?;
    let cached = |at: usize| matches!(outlook.get(at), Some(Outlook::Cached { .. }));
    let left = |at, ms| if cached(at) { 0 } else { ms };
    let weights = Weights::new(plan, &estimates(&snapshot, plan), left);
    let steps = plan.steps().iter().enumerate().map(|(at, step)| PlanStep {
        step: step.id.clone(),
        version: step.version.clone(),
        stage: step.stage,
        cached: cached(at),
        reason: reason(&snapshot, |digest| service.store.has_bytes(digest), &resolved, at),
        expected_ms: weights.expected_ms(at),
        critical: weights.critical().contains(&at),
    });
    Ok(PlanReport {
        target: target.to_owned(),
        steps: steps.collect(),
        expected_ms: weights.wall_ms(plan, service.args.lane_count()),
        critical_ms: weights.critical_ms(),
        took_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

/// Why a step is to be built; empty when it is cached.
fn reason(
    snapshot: &Snapshot<'_>,
    has_bytes: impl Fn(&Digest) -> bool,
    resolved: &Resolved,
    at: usize,
) -> String {
    let (Some(step), Some(outlook)) = (resolved.plan.steps().get(at), resolved.outlook.get(at))
    else {
        return String::new();
    };
    match outlook {
        Outlook::Cached { .. } => String::new(),
        Outlook::Waits { on } => {
            let input = resolved.plan.steps().get(*on).map(|s| s.id.to_string());
            format!("needs {}, which is not built yet", input.unwrap_or_default())
        }
        Outlook::Build { key, parts } => match snapshot.last_key_parts(&step.id) {
            Ok(Some((last, row))) if last == *key && has_bytes(&row.output) => {
                "asked for".to_owned()
            }
            Ok(Some((last, _))) if last == *key => "its output is gone".to_owned(),
            Ok(Some((_, row))) => changed(&row.parts, parts),
            Ok(None) => match snapshot.history(&step.id) {
                Ok(Some(_)) => "its output is gone".to_owned(),
                Ok(None) => "never built".to_owned(),
                Err(e) => e.to_string(),
            },
            Err(e) => e.to_string(),
        },
    }
}

/// The parts of a key as they are kept with the output, to be compared with later.
pub fn stored(parts: &KeyParts) -> Vec<u8> {
    // Writing to memory with derived encoders: postcard has no way to fail here.
    postcard::to_allocvec(parts).unwrap_or_default()
}

/// What differs from the last build, in one line.
fn changed(old: &[u8], new: &KeyParts) -> String {
    let Ok(old) = postcard::from_bytes::<KeyParts>(old) else {
        return "built by another version of pkgd".to_owned();
    };
    let changes: Vec<String> = new.changes(&old).iter().map(ToString::to_string).collect();
    match changes.get(..4) {
        Some(first) if changes.len() > 4 => format!("{} and more", first.join(", ")),
        _ => changes.join(", "),
    }
}
