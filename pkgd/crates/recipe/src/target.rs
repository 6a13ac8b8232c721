//! What may stand behind `build`: groups, steps, and the machine they are for.

use core::fmt;
use std::collections::BTreeMap;

use minos_model::{Name, NameError, Stage, StepId, Triplet};

use crate::recipe::Recipe;
use crate::set::RecipeSet;
use minos_model::suggest::nearest;

/// The group that every step is in, so that none can be forgotten.
const ALL: &str = "all";

/// Why a target cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// It names nothing.
    Unknown {
        /// What was asked for.
        target: String,
        /// The nearest that exists.
        near: Option<String>,
    },
    /// It is to be for a machine that is not known.
    Machine(NameError),
    /// A step of it can be built for the native machine alone.
    NotCrossed {
        /// The step.
        step: StepId,
        /// Its stage, which is the reason.
        stage: Stage,
        /// The machine asked for.
        machine: Triplet,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { target, near } => {
                write!(f, "no group and no step is called '{}'; ", target.escape_debug())?;
                match near {
                    Some(near) => write!(f, "did you mean '{near}'?"),
                    None => f.write_str("'pkgctl recipe list' shows what there is"),
                }
            }
            Self::Machine(error) => error.fmt(f),
            Self::NotCrossed { step, stage, machine } => write!(
                f,
                "{step} is of stage {stage} and cannot be built for {machine}; only steps of stage cross can, \
                 such as those of 'lfs/toolchain'"
            ),
        }
    }
}

impl std::error::Error for TargetError {}

/// The word before the slash in targets of this stage, beside the stage's own name.
pub(crate) fn space(stage: Stage) -> &'static str {
    match stage {
        Stage::Demo => "demo",
        Stage::Cross | Stage::Temporary | Stage::Chroot | Stage::System | Stage::Boot => "lfs",
    }
}

impl RecipeSet {
    /// The groups and their members, by the name a target has: `lfs/toolchain`. Besides those that recipes name
    /// there is one of all steps of a space: `lfs/all`.
    pub fn groups(&self) -> BTreeMap<String, Vec<StepId>> {
        let mut groups: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
        for recipe in self.iter() {
            let named = recipe.groups.iter().map(Name::as_str).filter(|name| *name != ALL);
            for name in named.chain([ALL]) {
                let key = format!("{}/{name}", space(recipe.stage));
                groups.entry(key).or_default().push(recipe.id.clone());
            }
        }
        groups
    }

    /// The steps that `target` names: a group (`lfs/toolchain`), a step (`gcc:pass1`), or a step
    /// with its stage or space before it (`cross/glibc`, `lfs/glibc`, `demo/zlib`); behind an `@` the
    /// machine that it is to be for (`lfs/toolchain@aarch64-lfs-linux-gnu`).
    ///
    /// # Errors
    /// A target that names nothing, with the nearest that exists; a machine that is none of ours; a step that
    /// cannot be built for it.
    pub fn resolve(&self, target: &str) -> Result<Vec<StepId>, TargetError> {
        let (name, machine) = match target.split_once('@') {
            None => (target, None),
            Some((name, machine)) => (name, Triplet::parse(machine).map_err(TargetError::Machine)?),
        };
        let steps = self.named(name)?;
        match machine {
            None => Ok(steps),
            Some(machine) => steps.iter().map(|step| self.crossed(step, machine)).collect(),
        }
    }

    fn crossed(&self, step: &StepId, machine: Triplet) -> Result<StepId, TargetError> {
        let crossed = step.on(Some(machine));
        match self.get(step).filter(|_| self.get(&crossed).is_none()) {
            Some(native) => {
                Err(TargetError::NotCrossed { step: step.clone(), stage: native.stage, machine })
            }
            None => Ok(crossed),
        }
    }

    fn named(&self, target: &str) -> Result<Vec<StepId>, TargetError> {
        if let Some(members) = self.groups().remove(target) {
            return Ok(members);
        }
        let (place, step) = match target.split_once('/') {
            Some((place, step)) => (Some(place), step),
            None => (None, target),
        };
        let fits = |r: &&Recipe| place.is_none_or(|p| p == r.stage.as_str() || p == space(r.stage));
        let found = step.parse().ok().and_then(|id| self.get(&id)).filter(fits);
        match found {
            Some(recipe) => Ok(vec![recipe.id.clone()]),
            None => Err(self.unknown(target)),
        }
    }

    fn unknown(&self, target: &str) -> TargetError {
        let ids = self.iter().map(|r| r.id.to_string());
        let full = self.iter().map(|r| format!("{}/{}", space(r.stage), r.id));
        let staged = self.iter().map(|r| format!("{}/{}", r.stage, r.id));
        let known: Vec<String> =
            self.groups().into_keys().chain(ids).chain(full).chain(staged).collect();
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let step = last(target);
        // no slips of the pen, but surely meant: `gcc` where only `gcc:pass1` exists, and the right
        // step at the wrong place
        let pass = |k: &&String| k.strip_prefix(target).is_some_and(|rest| rest.starts_with(':'));
        let moved = |k: &&String| k.contains('/') && last(k) == step;
        let near = known.iter().find(pass).or_else(|| known.iter().find(moved));
        let near = near.map(String::as_str);
        let near = near.or_else(|| nearest(target, known.iter().map(String::as_str)));
        TargetError::Unknown { target: target.to_owned(), near: near.map(str::to_owned) }
    }
}
