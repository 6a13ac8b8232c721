//! Plans that were proposed: kept as files, carried out exactly or refused.

use std::path::PathBuf;

use minos_model::Digest;
use minos_proto::{ErrorReport, Field, Sheet};
use minos_store::{Foreign, Plan, Reason};

use crate::system::errors::{invalid, not_found, system_error};
use crate::system::{Asked, files};

/// Plans kept; the oldest go.
const KEPT: usize = 20;
/// Fewest digits that name a plan.
const SHORTEST: usize = 8;

/// The folder of plans.
pub struct Plans {
    folder: PathBuf,
}

impl Plans {
    /// Plans in `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a plan, under the digest of its bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, plan: &Plan) -> Result<Digest, ErrorReport> {
        let bytes = plan.encode().map_err(|e| system_error(&e))?;
        let digest = Digest::of(&bytes);
        files::folder(&self.folder)?;
        self.forget_old();
        files::replace(&self.folder.join(format!("{digest}.plan")), &bytes, 0o600)?;
        Ok(digest)
    }

    /// The plan whose digest begins so.
    ///
    /// # Errors
    /// There is none, or more than one; it is damaged.
    pub fn find(&self, start: &str) -> Result<(Digest, Plan), ErrorReport> {
        let hint = "'pkgctl plans' lists those that are kept";
        if start.len() < SHORTEST || !start.bytes().all(|b| b.is_ascii_hexdigit()) {
            let what = format!("'{start}' is no plan: at least {SHORTEST} hexadecimal digits");
            return Err(invalid(what, hint));
        }
        let mut found = self.all()?;
        found.retain(|(digest, _)| digest.to_string().starts_with(start));
        match found.len() {
            1 => {}
            0 => return Err(not_found(format!("there is no plan {start}"), hint)),
            _ => return Err(invalid(format!("several plans begin with {start}"), hint)),
        }
        let (digest, path) = found.remove(0);
        let bytes = files::read(&path)?.unwrap_or_default();
        let plan = Plan::decode(&bytes).map_err(|e| system_error(&e))?;
        Ok((digest, plan))
    }

    /// All of them, oldest first.
    fn all(&self) -> Result<Vec<(Digest, PathBuf)>, ErrorReport> {
        let mut found = Vec::new();
        for name in files::names(&self.folder)? {
            let digest = name.strip_suffix(".plan").and_then(|text| text.parse().ok());
            let path = self.folder.join(&name);
            let made = path.metadata().and_then(|meta| meta.modified());
            if let (Some(digest), Ok(made)) = (digest, made) {
                found.push((made, digest, path));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, digest, path)| (digest, path)).collect())
    }

    fn forget_old(&self) {
        let all = self.all().unwrap_or_default();
        for (_, path) in all.iter().take((all.len() + 1).saturating_sub(KEPT)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What a plan changes, for people.
pub fn sheet(plan: &Plan, kind: &str) -> Sheet {
    let count = |wanted: fn(bool, bool) -> bool| {
        plan.changes.iter().filter(|c| wanted(c.from.is_some(), c.to.is_some())).count()
    };
    let (new, gone) = (count(|from, to| !from && to), count(|from, to| from && !to));
    let changed = count(|from, to| from && to);
    let rows = plan.changes.iter().map(|change| {
        let word = match (&change.from, &change.to) {
            (None, _) => "install",
            (Some(_), None) => "remove",
            (Some(from), Some(to)) if to < from => "downgrade",
            (Some(from), Some(to)) if to == from => "replace",
            _ => "update",
        };
        let version =
            |v: &Option<minos_model::Version>| v.as_ref().map(|v| v.with_release()).into();
        vec![
            word.into(),
            change.name.to_string().into(),
            version(&change.from),
            version(&change.to),
        ]
    });
    let sheet = Sheet::new(kind)
        .fact("generation", plan.base)
        .fact("install", new)
        .fact("update", changed)
        .fact("remove", gone)
        .fact("write", Field::Bytes(plan.write_bytes))
        .fact("write_files", plan.write_files)
        .fact("grows", Field::Change(plan.grows));
    let sheet = sheet.grid("changes", &["change", "package", "from", "to"], rows.collect());
    let marked = plan.reasons.iter().map(|(name, reason)| match reason {
        Reason::Asked => format!("{name} counts as asked for"),
        Reason::Dependency => format!("{name} counts as needed by others"),
    });
    marked.fold(sheet, Sheet::note)
}

/// What stands in the root of a generation that nobody brought, if anything: a change leaves it there.
pub fn left_behind(foreign: &Foreign, generation: u64) -> Option<String> {
    let paths = foreign.first.iter().map(|path| format!("/{}", String::from_utf8_lossy(path)));
    let paths = paths.collect::<Vec<_>>().join(", ");
    let more = if foreign.count > foreign.first.len() { ", ..." } else { "" };
    match foreign.count {
        0 => None,
        1 => Some(format!(
            "a path that nobody brought stays behind in generation {generation}: {paths}"
        )),
        n => Some(format!(
            "{n} paths that nobody brought stay behind in generation {generation}: {paths}{more}"
        )),
    }
}

impl Asked<'_> {
    pub(in crate::system) fn plans(&self, plan: Option<&str>) -> Result<Sheet, ErrorReport> {
        let plans = &self.packages.plans;
        if let Some(start) = plan {
            let (digest, plan) = plans.find(start)?;
            return Ok(sheet(&plan, "plan").fact("plan", digest.to_string()));
        }
        let current = self.packages.store.read().and_then(|s| s.current_generation());
        let current = current.ok().flatten().unwrap_or(0);
        let mut rows = Vec::new();
        for (digest, path) in plans.all()?.into_iter().rev() {
            let bytes = files::read(&path)?.unwrap_or_default();
            let Ok(plan) = Plan::decode(&bytes) else { continue };
            let stale = if plan.base == current { "ready" } else { "stale" };
            let changes = plan.changes.len();
            rows.push(vec![
                digest.short().to_string().into(),
                plan.base.into(),
                stale.into(),
                changes.into(),
                plan.note.clone().into(),
            ]);
        }
        let columns = ["plan", ">generation", "state", ">changes", "note"];
        let note =
            "'pkgctl apply PLAN' carries one out; a stale one was made for another generation";
        Ok(Sheet::new("plans").grid("plans", &columns, rows).note(note))
    }
}
