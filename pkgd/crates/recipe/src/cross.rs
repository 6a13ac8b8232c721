//! The same recipe for another machine.
//!
//! A step for another machine is another step with a recipe of its own, derived from the one that stands in the
//! folder: the machine is in its name and in `LFS_TGT`, so that everything that knows steps by name and recipes by
//! their canonical form keeps them apart, task keys included. The recipe it comes from does not change by it.

use std::collections::BTreeMap;

use minos_model::{Phase, Stage, StepId, Triplet};
use serde::{Deserialize, Serialize};

use crate::package::Package;
use crate::recipe::{Recipe, Script};

/// What a recipe does otherwise for one machine: its table `[target.TRIPLET]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForTarget {
    /// Scripts in the place of the recipe's own.
    pub instead: BTreeMap<Phase, Script>,
    /// Scripts behind the recipe's own, in the same shell.
    pub append: BTreeMap<Phase, Script>,
    /// Additions to the environment.
    pub env: BTreeMap<String, String>,
}

impl ForTarget {
    /// All scripts that it names.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (&Phase, &Script)> {
        self.instead.iter().chain(&self.append)
    }
}

/// Whether steps of this stage can be built for another machine. The cross toolchain runs where it is built, whatever
/// it makes programs for; from chapter 6 on steps run what they built, or are made of what did.
pub const fn crosses(stage: Stage) -> bool {
    matches!(stage, Stage::Cross)
}

/// The recipes for all other machines of those among `recipes` that have them.
pub(crate) fn derive(recipes: &BTreeMap<StepId, Recipe>) -> BTreeMap<StepId, Recipe> {
    let of = |id: &StepId| recipes.get(id).is_some_and(|recipe| crosses(recipe.stage));
    let sources = recipes.values().filter(|recipe| crosses(recipe.stage));
    let all = sources.flat_map(|recipe| Triplet::ALL.map(|target| recipe.on(target, of)));
    all.map(|recipe| (recipe.id.clone(), recipe)).collect()
}

impl Recipe {
    /// This recipe for `target`. What `crosses` among its dependencies is taken for the same machine.
    fn on(&self, target: Triplet, crosses: impl Fn(&StepId) -> bool) -> Self {
        let dep = |dep: &StepId| if crosses(dep) { dep.on(Some(target)) } else { dep.clone() };
        let mut build: Vec<StepId> = self.build.iter().map(dep).collect();
        build.sort();
        let other = self.targets.get(&target).cloned().unwrap_or_default();
        let mut scripts = self.scripts.clone();
        scripts.extend(other.instead);
        for (phase, more) in other.append {
            let text = scripts.get(&phase).map_or("", |own| &own.text);
            let text = format!("{text}{}", more.text);
            scripts.insert(phase, Script { text, ..more });
        }
        let mut env = self.env.clone();
        env.extend(other.env);
        env.insert("LFS_TGT".to_owned(), target.to_string());
        Self {
            id: self.id.on(Some(target)),
            build,
            scripts,
            env,
            package: Package::default(),
            targets: BTreeMap::new(),
            ..self.clone()
        }
    }
}
