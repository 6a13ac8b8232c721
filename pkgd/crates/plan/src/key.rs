//! The task key: one digest over everything that can change the result of a step.
//!
//! `docs/formats/task-key.md` has it byte by byte.

use core::fmt;
use std::collections::BTreeMap;

use minos_model::{Digest, Hasher, Phase, StepId};
use minos_recipe::{Recipe, RecipeSet, SCHEMA};
use serde::{Deserialize, Serialize};

/// Keeps task keys apart from every other digest, and keys of one layout from those of another.
const DOMAIN: &[u8] = b"minos.task-key.2";

/// In front of the names of a recipe's own files among the sources. No source has a `/` in its name.
const FILE: &str = "recipe/";

/// What all steps of a build share and depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Digest of the seed: the host tools at the bottom of the roots that stand on one.
    pub seed: Digest,
    /// Version of all that the executor does to a step: mounts, fixed environment, user, limits.
    /// To be raised whenever any of it changes.
    pub sandbox_version: u32,
    /// The CPU that is built for, such as `x86-64`; never the one that happens to build.
    pub cpu: String,
    /// Seconds since the Unix epoch that stand for "now" in every output (`SOURCE_DATE_EPOCH`).
    pub epoch: i64,
}

/// The parts of a task key. Kept with each output, they tell later why it no longer fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyParts {
    /// Schema of the recipe.
    pub schema: u32,
    /// SHA-256 of [`Recipe::canonical`].
    pub fields: Digest,
    /// Phases in running order but for the test suite, with the SHA-256 of their scripts.
    pub scripts: Vec<(Phase, Digest)>,
    /// Sources in the recipe's order, with their pinned SHA-256; behind them the recipe's own files as `recipe/NAME`.
    pub sources: Vec<(String, Digest)>,
    /// Inputs in the order of their layers, with the digests of their outputs.
    pub inputs: Vec<(StepId, Digest)>,
    /// Digest of the seed; zeros for a step whose root does not stand on it.
    pub seed: Digest,
    /// Version of the sandbox.
    pub sandbox_version: u32,
    /// CPU baseline.
    pub cpu: String,
    /// The time that stands for "now".
    pub epoch: i64,
}

/// One part of a key that differs from before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The schema of recipes.
    Schema,
    /// A field of `recipe.toml` that matters.
    Fields,
    /// The script of a phase, or its coming or going.
    Script(Phase),
    /// A source, or its coming or going.
    Source(String),
    /// One of the recipe's own files, or its coming or going.
    File(String),
    /// The output of an input.
    Input(StepId),
    /// A step that is an input now and was none.
    InputAdded(StepId),
    /// A step that was an input and is none any more.
    InputGone(StepId),
    /// The same inputs in another order.
    InputOrder,
    /// The seed.
    Seed,
    /// What the sandbox does.
    Sandbox {
        /// Version before.
        old: u32,
        /// Version now.
        new: u32,
    },
    /// The CPU baseline.
    Cpu {
        /// Baseline before.
        old: String,
        /// Baseline now.
        new: String,
    },
    /// The time that stands for "now" in outputs.
    Epoch {
        /// Seconds before.
        old: i64,
        /// Seconds now.
        new: i64,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema => f.write_str("recipe schema changed"),
            Self::Fields => f.write_str("recipe.toml changed"),
            Self::Script(phase) => write!(f, "{phase} script changed"),
            Self::Source(file) => write!(f, "source {file} changed"),
            Self::File(file) => write!(f, "file {file} changed"),
            Self::Input(step) => write!(f, "output of {step} changed"),
            Self::InputAdded(step) => write!(f, "{step} is a new input"),
            Self::InputGone(step) => write!(f, "{step} is no input any more"),
            Self::InputOrder => f.write_str("order of inputs changed"),
            Self::Seed => f.write_str("seed changed"),
            Self::Sandbox { old, new } => write!(f, "sandbox changed from {old} to {new}"),
            Self::Cpu { old, new } => write!(f, "CPU baseline changed from {old} to {new}"),
            Self::Epoch { old, new } => {
                write!(f, "SOURCE_DATE_EPOCH changed from {old} to {new}")
            }
        }
    }
}

/// The digests of all recipes of a set. Made once when recipes are loaded, so that a plan hashes
/// some hundred bytes a step and not every script again.
#[derive(Debug, Clone, Default)]
pub struct Fingerprints(BTreeMap<StepId, Fingerprint>);

#[derive(Debug, Clone)]
struct Fingerprint {
    seeded: bool,
    fields: Digest,
    /// As `fields`, of those that count before install.
    early: Digest,
    scripts: Vec<(Phase, Digest)>,
    sources: Vec<(String, Digest)>,
}

impl Fingerprint {
    fn of(recipe: &Recipe) -> Self {
        // What a test suite leaves is seen by no later phase: whether there is one, which, and whether it was
        // run changes nothing about the output.
        let scripts = recipe.phases().into_iter().filter(|(phase, _)| *phase != Phase::Check);
        let sources = recipe.sources.iter();
        let file =
            |(name, bytes): (&String, &Vec<u8>)| (format!("{FILE}{name}"), Digest::of(bytes));
        let files = recipe.files.iter().map(file);
        Self {
            seeded: recipe.stage.seeded(),
            fields: Digest::of(&recipe.canonical()),
            early: Digest::of(&recipe.canonical_before_install()),
            scripts: scripts.map(|(phase, text)| (phase, Digest::of(text.as_bytes()))).collect(),
            sources: sources.map(|s| (s.file.clone(), s.sha256)).chain(files).collect(),
        }
    }

    fn parts(self, inputs: Vec<(StepId, Digest)>, world: &World) -> KeyParts {
        let Self { seeded, fields, early: _, scripts, sources } = self;
        let World { seed, sandbox_version, cpu, epoch } = world.clone();
        // Who does not see the seed is not built anew for another one.
        let seed = if seeded { seed } else { Digest::from_bytes([0; 32]) };
        KeyParts {
            schema: SCHEMA,
            fields,
            scripts,
            sources,
            inputs,
            seed,
            sandbox_version,
            cpu,
            epoch,
        }
    }
}

impl Fingerprints {
    /// Of all recipes of `set`, for whatever machine.
    pub fn of(set: &RecipeSet) -> Self {
        Self(
            set.with_crossed().map(|recipe| (recipe.id.clone(), Fingerprint::of(recipe))).collect(),
        )
    }

    /// The parts of the key of `step`; `inputs` in layer order. `None` for a step that the set does
    /// not have.
    pub fn parts(
        &self,
        step: &StepId,
        inputs: Vec<(StepId, Digest)>,
        world: &World,
    ) -> Option<KeyParts> {
        self.0.get(step).map(|print| print.clone().parts(inputs, world))
    }

    /// As [`Self::parts`], with what says which phases of it another key has in common.
    pub fn basis(
        &self,
        step: &StepId,
        inputs: Vec<(StepId, Digest)>,
        world: &World,
    ) -> Option<Basis> {
        let print = self.0.get(step)?;
        Some(Basis { early: print.early, parts: print.clone().parts(inputs, world) })
    }
}

/// What the phases of a step are made of. Kept beside their layers, it tells which of them still hold when the step's
/// task key has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// What the task key is made of.
    pub parts: KeyParts,
    /// SHA-256 of [`Recipe::canonical_before_install`].
    early: Digest,
}

impl Basis {
    /// The phases, in running order, that come out the same as under `old`: all that could change them is equal. Those of
    /// the first scripts that are equal, as long as only scripts differ; what the recipe says of install
    /// alone counts from install on. Never the test suite, of which no key says anything, nor the assertion, which
    /// leaves nothing.
    pub fn shared(&self, old: &Self) -> Vec<Phase> {
        if self.early != old.early || self.parts.around() != old.parts.around() {
            return Vec::new();
        }
        let same_install = self.parts.fields == old.parts.fields;
        let pairs = self.parts.scripts.iter().zip(&old.parts.scripts);
        pairs
            .take_while(|(new, old)| new == old)
            .map(|((phase, _), _)| *phase)
            .take_while(|phase| *phase < Phase::Install || *phase == Phase::Install && same_install)
            .collect()
    }
}

impl KeyParts {
    /// All of it that each phase depends on. Taken away is what is known to count for some phases alone, so that a new
    /// part counts for all.
    fn around(&self) -> Self {
        Self { fields: Digest::from_bytes([0; 32]), scripts: Vec::new(), ..self.clone() }
    }

    /// The key itself.
    pub fn key(&self) -> Digest {
        let mut hash = Hasher::new();
        hash.field(DOMAIN);
        hash.field(&self.schema.to_le_bytes());
        hash.field(self.fields.as_bytes());
        list(&mut hash, &self.scripts, |phase| phase.as_str().to_owned());
        list(&mut hash, &self.sources, Clone::clone);
        list(&mut hash, &self.inputs, StepId::to_string);
        hash.field(self.seed.as_bytes());
        hash.field(&self.sandbox_version.to_le_bytes());
        hash.field(self.cpu.as_bytes());
        hash.field(&self.epoch.to_le_bytes());
        hash.finish()
    }

    /// What differs from `old`; empty exactly when the keys are equal.
    pub fn changes(&self, old: &Self) -> Vec<Change> {
        let mut out = Vec::new();
        let mut say = |differs: bool, change: Change| {
            if differs {
                out.push(change);
            }
        };
        say(self.schema != old.schema, Change::Schema);
        say(self.fields != old.fields, Change::Fields);
        let (old_cpu, cpu) = (old.cpu.clone(), self.cpu.clone());
        let sandbox = Change::Sandbox { old: old.sandbox_version, new: self.sandbox_version };
        say(self.seed != old.seed, Change::Seed);
        say(self.sandbox_version != old.sandbox_version, sandbox);
        say(self.cpu != old.cpu, Change::Cpu { old: old_cpu, new: cpu });
        let epoch = Change::Epoch { old: old.epoch, new: self.epoch };
        say(self.epoch != old.epoch, epoch);
        out.extend(differing(&self.scripts, &old.scripts).map(Change::Script));
        let sources: Vec<String> = differing(&self.sources, &old.sources).collect();
        // the order of sources is a field of the recipe and shows there
        out.extend(sources.into_iter().map(|name| match name.strip_prefix(FILE) {
            Some(file) => Change::File(file.to_owned()),
            None => Change::Source(name),
        }));
        let inputs: Vec<StepId> = differing(&self.inputs, &old.inputs).collect();
        if inputs.is_empty() && self.inputs != old.inputs {
            out.push(Change::InputOrder);
        }
        let has =
            |list: &[(StepId, Digest)], step: &StepId| list.iter().any(|(own, _)| own == step);
        out.extend(inputs.into_iter().map(|step| match has(&self.inputs, &step) {
            false => Change::InputGone(step),
            true if !has(&old.inputs, &step) => Change::InputAdded(step),
            true => Change::Input(step),
        }));
        out.sort();
        out
    }
}

/// A list: its length, then name and digest of each entry.
fn list<T>(hash: &mut Hasher, entries: &[(T, Digest)], name: impl Fn(&T) -> String) {
    hash.field(&(entries.len() as u64).to_le_bytes());
    for (key, digest) in entries {
        hash.field(name(key).as_bytes());
        hash.field(digest.as_bytes());
    }
}

/// The names whose digest differs, or that only one side has, sorted.
fn differing<T: Ord + Clone>(
    new: &[(T, Digest)],
    old: &[(T, Digest)],
) -> impl Iterator<Item = T> + use<T> {
    let entries = |list: &[(T, Digest)]| list.iter().cloned().collect::<BTreeMap<T, Digest>>();
    let (new, old) = (entries(new), entries(old));
    let mut names: Vec<T> = new.keys().chain(old.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.into_iter().filter(move |name| new.get(name) != old.get(name))
}
