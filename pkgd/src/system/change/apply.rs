//! Carrying a plan out.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use minos_package::TrustStore;
use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_sandbox::Strength;
use minos_store::{Applied, ConfigOutcome, SystemError};

use super::actions::{self, Actions};
use super::contents::Contents;
use super::plans;
use super::stages::{Stages, Switching, Unpacking};
use crate::config::Sandbox;
use crate::system::Asked;
use crate::system::errors::system_error;
use crate::system::repositories::Known;
use crate::system::triggers::{Limits, Runner};

impl Asked<'_> {
    pub(in crate::system) fn apply(&self, plan: &str) -> Result<Sheet, ErrorReport> {
        let packages = self.packages;
        let (digest, plan) = packages.plans.find(plan)?;
        let _changing = packages.changing()?;
        self.audit(format!("apply plan {}: {}", digest.short(), plan.note))?;
        let known = packages.repositories.known(|| self.look(false))?;
        let trust = packages.keys.load()?;
        let system = self.system()?;
        let coming: Vec<&Path> = plan
            .install
            .iter()
            .filter_map(|i| Some(known.files.get(&i.manifest)?.as_path()))
            .collect();
        self.fetch(&known, &coming, &trust)?;
        let total = plan.install.len() as u64;
        let (sender, told) = channel();
        // The store asks from threads of its own; what it asks for is told from this one.
        let applied: Result<Applied, SystemError> = thread::scope(|scope| {
            let (plan, by, known) = (&plan, self.by(), &known);
            let service = self.service;
            let work = scope.spawn(move || {
                let stages = Stages::new(sender, total);
                let tell = |done: u64, name: &str| stages.unpacking(done, name);
                let contents = Contents::new(known, trust, &tell);
                let strength = match service.args.sandbox {
                    Sandbox::Full => Strength::Full,
                    Sandbox::Weak => Strength::Weak,
                };
                let root = &service.args.root;
                let time = Duration::from_secs(service.args.trigger_seconds);
                let limits = Limits::new(time, strength);
                let runs = |program: &str, done, of| {
                    stages.tell("triggers", Some(program), done, of);
                };
                let then = Runner::new(root, limits, &runs);
                let (coming, going) = actions::of_plan(plan, |digest| contents.decoded(digest))?;
                let installed = packages.store.read()?.installed()?;
                let staying = actions::that_stay(&installed, plan, |d| system.manifest(d));
                let state_root = root.clone();
                let actions = Actions { state_root, coming, going, staying, then };
                let (contents, mut actions) =
                    (Unpacking(&stages, &contents), Switching(&stages, actions));
                system.apply(plan, &contents, &mut actions, by, &|| service.now_ms())
            });
            told.into_iter().for_each(|progress| self.pass_on(progress));
            work.join().unwrap_or_else(|_| {
                Err(SystemError::Damaged { what: "the thread of the transaction died".to_owned() })
            })
        });
        let applied = applied.map_err(|e| system_error(&e))?;
        known.fetched.release(coming.into_iter());
        packages.boot_current(applied.generation)?;
        let left = plans::left_behind(&applied.left, plan.base);
        Ok(left.into_iter().fold(sheet(&applied), Sheet::note))
    }

    /// Fetches what is missing of packages, before anything is changed.
    fn fetch(
        &self,
        known: &Known,
        packages: &[&Path],
        trust: &TrustStore,
    ) -> Result<(), ErrorReport> {
        let total: u64 = packages.iter().map(|path| known.fetched.missing(path)).sum();
        let come = Cell::new(0);
        for path in packages {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let tell = |more: u64| {
                let before = come.replace(come.get() + more);
                // Each MiB is told, in KiB: whoever looks wants no long numbers, and a line may be slow.
                if before == 0 || before >> 20 != come.get() >> 20 {
                    let (done, of) = (come.get() >> 10, total >> 10);
                    self.progress("fetching", Some(name.to_string()), done, of);
                }
            };
            known.fetched.complete(path, trust, &tell).map_err(|why| {
                ErrorReport::new(
                    ErrorKind::Machine,
                    format!("{name} cannot be fetched: {why}"),
                    "nothing was changed; the same command goes on with what has come, 'pkgctl repo sync' looks what there is now",
                )
            })?;
        }
        Ok(())
    }
}

fn sheet(applied: &Applied) -> Sheet {
    let mut rows = Vec::new();
    for (path, outcome) in &applied.config {
        let path = format!("/{}", String::from_utf8_lossy(path));
        rows.push(vec![Field::from(path), word(outcome).into()]);
    }
    let mut sheet = Sheet::new("applied")
        .fact("generation", applied.generation)
        .fact("changed_paths", applied.changed);
    if !rows.is_empty() {
        sheet = sheet.grid("config", &["file", "outcome"], rows);
    }
    let back = "'pkgctl rollback' goes back to the generation before";
    sheet.note(format!("generation {} is current; {back}", applied.generation))
}

fn word(outcome: &ConfigOutcome) -> &'static str {
    match outcome {
        ConfigOutcome::Merged => "merged with the package's changes",
        ConfigOutcome::Conflict => "kept as edited; the package's stands beside it as .new",
        ConfigOutcome::LeftBehind => "left with the older generation, where its edits are",
    }
}
