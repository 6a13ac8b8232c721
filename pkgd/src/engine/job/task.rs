//! What a step is run with: its layers, scripts and limits, and its share of the machine.

use std::path::PathBuf;
use std::time::Duration;

use minos_exec::{Allowed, Limits, Pool, Suite, Task, UnderWay, Variation, vary};
use minos_model::{Digest, Hasher, Phase, StepId};
use minos_plan::runs_suite;
use minos_proto::BuildOptions;
use minos_recipe::Recipe;
use minos_store::Layout;

use super::{Lane, RunningJob, Work};
use crate::config::Sandbox;
use crate::engine::plan;
use crate::service::Service;

impl RunningJob {
    /// The lowest slot, hence range of user ids, that no running step has.
    pub(super) fn free_slot(&self) -> u16 {
        let taken: Vec<u16> = self.lanes.values().map(|lane| lane.slot).collect();
        (0..u16::MAX).find(|slot| !taken.contains(slot)).unwrap_or(0)
    }

    /// The whole of what the worker has to know.
    pub(super) fn task(
        &self,
        service: &Service,
        work: &Work<'_>,
        lane: &Lane,
        limits: Limits,
        suite: Suite,
    ) -> Task {
        let recipe = work.recipe;
        let layout = service.store.layout();
        let seed = service.seed.as_ref().ok().filter(|_| recipe.stage.seeded());
        // Inputs are listed lowest layer first, a root is described from the top.
        let tree = |(step, digest): &(StepId, Digest)| {
            let input = self.recipes.set.get(step);
            let root = input.map_or("/", |input| recipe.stage.root_of(input.stage));
            layout.output_tree(digest).join(root.trim_start_matches('/'))
        };
        // A second build says nothing about the test suites.
        let check = runs_suite(recipe, self.options.tests) && lane.second.is_none();
        let scripts = recipe.phases().into_iter().filter(|(p, _)| check || *p != Phase::Check);
        let jobs = jobs(service, &self.options);
        let cap = recipe.needs.jobs_max;
        let task = Task {
            step: recipe.id.clone(),
            inputs: work.inputs.iter().rev().map(tree).collect(),
            seed: seed.map(|seed| seed.dir.clone()),
            scratch: lane.scratch(layout, &recipe.id),
            done: lane.phases.iter().map(|(phase, _)| *phase).collect(),
            observe: self.options.observe && lane.second.is_none(),
            scripts: scripts.collect(),
            files: recipe.files.clone().into_iter().collect(),
            sources: Vec::new(),
            env: recipe.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            prefix: recipe.install.prefix.clone(),
            suite: Suite {
                inputs: work.check_inputs.iter().rev().map(tree).collect(),
                under_way: recipe.check.resume.then(|| under_way(layout, work)),
                ..suite
            },
            allowed: Allowed {
                setuid: recipe.install.setuid.clone(),
                xattrs: recipe.install.xattrs.clone(),
            },
            jobs: if cap > 0 { jobs.min(cap) } else { jobs },
            pool: self.pool.clone(),
            epoch: plan::SOURCE_DATE_EPOCH,
            slot: lane.slot,
            variation: Variation::Usual,
            limits,
            weak: service.args.sandbox == Sandbox::Weak,
            cancel: lane.cancel.clone(),
        };
        if lane.second.is_some() { vary(task, cap) } else { task }
    }
}

/// The mark of a suite that can go on. It goes on with the same script in the same root, and in no other build tree.
fn under_way(layout: &Layout, work: &Work<'_>) -> UnderWay {
    let mut hasher = Hasher::new();
    hasher.field(work.key.as_bytes());
    let script = work.recipe.scripts.get(&Phase::Check);
    hasher.field(script.map_or(&[][..], |script| script.text.as_bytes()));
    work.check_inputs.iter().for_each(|(_, output)| hasher.field(output.as_bytes()));
    UnderWay { mark: layout.under_way(&work.step, &work.key), suite: hasher.finish() }
}

impl Lane {
    /// Its scratch folder. That of a second build is named by no row, so that the next start sweeps it, and
    /// its path is of another length.
    pub(super) fn scratch(&self, layout: &Layout, step: &StepId) -> PathBuf {
        let mut scratch = layout.scratch_of(step, &self.key).into_os_string();
        if self.second.is_some() {
            scratch.push("-built-a-second-time");
        }
        scratch.into()
    }
}

/// Jobs of all steps together.
fn jobs(service: &Service, options: &BuildOptions) -> u16 {
    if options.jobs > 0 { options.jobs } else { service.args.default_jobs() }
}

/// Every lane runs a job at least, or it would be none.
pub(super) fn pool(service: &Service, options: &BuildOptions) -> Option<Pool> {
    let lanes = service.args.lanes;
    (lanes > 1).then(|| Pool::new(jobs(service, options).max(lanes)))
}

/// What the step may use, by its recipe and by the command line of pkgd.
pub(super) fn limits(service: &Service, recipe: &Recipe) -> Limits {
    let mut limits = Limits {
        silence: Duration::from_secs(recipe.limits.silence_s.into()),
        memory_bytes: service.args.memory << 20,
        processes: service.args.processes,
        log_bytes: service.args.log_limit << 20,
        ..Limits::default()
    };
    if let Some(wall) = recipe.limits.wall_s {
        limits.wall = Duration::from_secs(wall.into());
    }
    limits
}
