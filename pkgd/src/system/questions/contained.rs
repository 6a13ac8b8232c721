//! Whether what was built without the seed needs nothing of it: `pkgctl verify --self-contained`.

use std::collections::BTreeSet;

use minos_contain::{AuditError, Counts, Finding, Kind, Places, Report, Subject, audit};
use minos_model::{Digest, Stage};
use minos_plan::{Outlook, Step};
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, Field, Sheet};

use crate::engine::plan::{self, Resolved};
use crate::recipes::Recipes;
use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::invalid;

/// A step of the plan whose output some root without a seed shows, with its output if there is one.
struct Shown<'a> {
    step: &'a Step,
    output: Option<Digest>,
}

impl Asked<'_> {
    pub(in crate::system) fn contained(&self, target: &str) -> Result<Sheet, ErrorReport> {
        let recipes = self.service.recipes.current()?;
        let resolved = plan::resolve(self.service, &recipes, target, &BuildOptions::default())?;
        let shown = shown(&resolved);
        if shown.is_empty() {
            let what = format!("all of '{target}' is built on the seed, and needs it");
            return Err(invalid(what, "name steps of the chroot, the system or the boot"));
        }
        let built: Vec<(&Step, Digest)> =
            shown.iter().filter_map(|one| Some((one.step, one.output?))).collect();
        let finished = built.iter().any(|(step, _)| is_final(step));
        let subjects: Result<Vec<Subject>, ErrorReport> = built
            .iter()
            .map(|(step, output)| self.subject(&recipes, step, output, finished))
            .collect();
        let total = built.len() as u64;
        let report = audit(&subjects?, &self.places(), &mut |at| {
            let name = built.get(at).map(|(step, _)| step.id.to_string());
            self.progress("checking", name, at as u64, total);
        });
        let names: Vec<String> = built.iter().map(|(step, _)| step.id.to_string()).collect();
        let missing = shown.iter().filter(|one| one.output.is_none());
        let missing: Vec<String> = missing.map(|one| one.step.id.to_string()).collect();
        Ok(sheet(target, &report.map_err(|e| unreadable(&e))?, &names, &missing))
    }

    fn subject(
        &self,
        recipes: &Recipes,
        step: &Step,
        output: &Digest,
        finished: bool,
    ) -> Result<Subject, ErrorReport> {
        let store = &self.packages.store;
        store.verify_output(output).map_err(|e| state_error(&e))?;
        let layout = store.layout();
        let links = recipes.set.get(&step.id).map(|recipe| &recipe.package.actions.links);
        let links = links.into_iter().flatten();
        Ok(Subject {
            tree: layout.output_tree(output),
            manifest: layout.output_manifest(output),
            // As the roots of all stages without a seed show it.
            root: Stage::System.root_of(step.stage).trim_matches('/').to_owned(),
            tool: !(finished && (is_final(step) || step.wanted)),
            seeded: step.stage.seeded(),
            links: links.map(|l| (l.path.as_bytes().to_vec(), l.target.clone())).collect(),
        })
    }

    /// Where builds see the seed, and where their files lie.
    fn places(&self) -> Places {
        let root = self.packages.store.layout().root();
        let below = ["outputs", "scratch"].map(|name| root.join(name));
        let seed = self.service.seed.as_ref().ok().map(|seed| seed.dir.clone());
        let folders = below.into_iter().chain(seed);
        Places { folders: folders.map(|folder| folder.display().to_string()).collect() }
    }
}

/// Part of the finished system, whatever was asked for.
fn is_final(step: &Step) -> bool {
    matches!(step.stage, Stage::System | Stage::Boot)
}

/// The steps without a seed and what their roots show, in the order in which they are laid over each other.
fn shown(resolved: &Resolved) -> Vec<Shown<'_>> {
    let steps = resolved.plan.steps();
    let mut at: BTreeSet<usize> = BTreeSet::new();
    for (position, step) in steps.iter().enumerate().filter(|(_, step)| !step.stage.seeded()) {
        at.insert(position);
        at.extend(&step.inputs);
    }
    let output = |at: usize| match resolved.outlook.get(at) {
        Some(Outlook::Cached { output, .. }) => Some(*output),
        _ => None,
    };
    let one = |at: usize| Some(Shown { step: steps.get(at)?, output: output(at) });
    let mut shown: Vec<Shown<'_>> = at.into_iter().filter_map(one).collect();
    shown.sort_by_key(|one| (!one.step.stage.seeded()).then_some(one.step.stage));
    shown
}

fn unreadable(error: &AuditError) -> ErrorReport {
    let hint = "'pkgctl verify --outputs --repair' has it built again";
    ErrorReport::new(ErrorKind::State, error.to_string(), hint)
}

/// What was looked at, what was found, what is excused, what is not there.
fn sheet(target: &str, report: &Report, names: &[String], missing: &[String]) -> Sheet {
    let Counts { paths, files, bytes, elf, scripts, compressed } = report.counts;
    let kinds = Kind::ALL.into_iter().filter_map(|kind| {
        let count = report.found.get(&kind)?;
        Some(vec![kind.as_str().into(), (*count).into()])
    });
    let reasons = report.reasons.iter().map(|(why, n)| vec![(*why).into(), (*n).into()]);
    let line = |finding: &Finding| -> Vec<Field> {
        let step = names.get(finding.subject).cloned();
        let (kind, path) = (finding.kind.as_str().into(), finding.path.clone().into());
        vec![step.into(), kind, path, finding.what.clone().into()]
    };
    let findings = report.findings.iter().map(line).collect();
    let mut sheet = Sheet::new("self-contained")
        .fact("target", target.to_owned())
        .fact("contained", report.is_contained() && missing.is_empty())
        .fact("steps", names.len())
        .fact("not_built", missing.iter().map(String::as_str).collect::<Field>())
        .fact("paths", paths)
        .fact("files", files)
        .fact("bytes", Field::Bytes(bytes))
        .fact("elf", elf)
        .fact("scripts", scripts)
        .fact("compressed", compressed)
        .grid("kinds", &["kind", ">found"], kinds.collect())
        .grid("findings", &["step", "kind", "path", "what"], findings)
        .grid("excused", &["why", ">found"], reasons.collect());
    if report.unlisted() > 0 {
        sheet = sheet.note(format!("{} more findings are not listed.", report.unlisted()));
    }
    if !missing.is_empty() {
        sheet = sheet.note("Nothing is proven of what is not built.");
    }
    if compressed > 0 {
        sheet = sheet.note(format!("{compressed} compressed files were not unpacked."));
    }
    sheet.alarm = !report.is_contained() || !missing.is_empty();
    sheet
}
