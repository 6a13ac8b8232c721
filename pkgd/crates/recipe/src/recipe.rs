//! A recipe as the rest of the system sees it: checked, with its scripts and pinned sources.

use std::collections::BTreeMap;

use minos_model::{Digest, Name, NameError, Phase, Stage, StepId, Triplet, Version};
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::cross::ForTarget;
use crate::package::Package;

/// What a source is to the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Unpacked as `/build/src`, where every phase starts.
    #[default]
    Main,
    /// Only readable in `$SRC_DIR`, or unpacked into a folder of the main tree (`into`).
    Extra,
}

/// A source of a step, already looked up in the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name in `$SRC_DIR` and in the lock.
    pub file: String,
    /// Its pinned SHA-256.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Main or extra.
    pub role: Role,
    /// Leading path components that unpacking takes off.
    pub strip: u8,
    /// Folder of the main tree into which an extra source is unpacked.
    pub into: Option<String>,
}

/// The text of a phase, to be sourced by bash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// File name in the recipe's folder.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// What a step is expected to need. Only `jobs_max` can change its result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Hundredths of a standard build unit (binutils pass 1 = 100).
    pub sbu_centi: u32,
    /// Disk for build tree and output, in MB (10^6 bytes); 0 when unknown.
    pub disk_mb: u32,
    /// Memory in MB; 0 when unknown.
    pub ram_mb: u32,
    /// The most `make -j` may run; 0 sets no limit.
    pub jobs_max: u16,
}

/// Deadlines of each phase, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time without a byte of output.
    pub silence_s: u32,
    /// The longest time in all; `None` leaves it to the daemon.
    pub wall_s: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { silence_s: 1800, wall_s: None }
    }
}

/// What the install phase may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// The folder below which it may write, at or below the stage's.
    pub prefix: String,
    /// Files that may be set-user-id or set-group-id and directories that may be set-group-id, as absolute
    /// paths.
    pub setuid: Vec<String>,
    /// Files and directories that may carry extended attributes, as absolute paths.
    pub xattrs: Vec<String>,
}

/// What is said of the package's own test suite, whose script is that of the phase [`Phase::Check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A suite that fails, fails the step. A failing assertion always does.
    pub fatal: bool,
    /// Steps whose outputs only the suite sees, above those the step is built of, sorted.
    pub build: Vec<StepId>,
    /// The book calls it critical: it is run at that level too.
    pub critical: bool,
    /// Its script, interrupted, goes on where it was when it is started again in the tree that it left.
    pub resume: bool,
    /// The tests that are known to fail, in the form of [`minos_suite::Expected`].
    pub expected: Option<Script>,
}

impl Default for Check {
    /// That of a recipe that says nothing.
    fn default() -> Self {
        Self { fatal: true, build: Vec::new(), critical: false, resume: false, expected: None }
    }
}

/// How to build one package in one pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Package and pass: the node of the build graph.
    pub id: StepId,
    /// Version and release.
    pub version: Version,
    /// The part of the book it belongs to.
    pub stage: Stage,
    /// Chapter and section of the book (`503` = 5.3): breaks ties, nothing else.
    pub order: u32,
    /// One line about the package.
    pub description: String,
    /// Licence as an SPDX expression.
    pub license: String,
    /// In the order of the file; at most one is main.
    pub sources: Vec<Source>,
    /// Steps whose outputs its root is made of, sorted.
    pub build: Vec<StepId>,
    /// The phases that have a script of their own. `Assert` runs last, on the finished output.
    pub scripts: BTreeMap<Phase, Script>,
    /// What else of its folder the scripts find in `$RECIPE_DIR`: contents by path below it.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Additions to the fixed environment.
    pub env: BTreeMap<String, String>,
    /// Expected cost.
    pub needs: Needs,
    /// Deadlines.
    pub limits: Limits,
    /// What install may do.
    pub install: Install,
    /// Its test suite.
    pub check: Check,
    /// What it does otherwise for another machine. Never part of its own task key: only of the key of that step.
    pub targets: BTreeMap<Triplet, ForTarget>,
    /// What the package made of its output says.
    pub package: Package,
    /// Groups it belongs to, without the leading `lfs/`.
    pub groups: Vec<Name>,
    /// Its folder below the recipes' folder.
    pub folder: String,
    /// `recipe.toml` as written, for people; the fields above are what counts.
    pub text: String,
}

/// What can change the result of a step, scripts, files, source digests and inputs apart. The order of the
/// fields is the format: a change of it needs a new number in the domain of the task key.
#[derive(Serialize)]
struct Keyed<'a> {
    schema: u32,
    id: &'a StepId,
    version: &'a Version,
    stage: Stage,
    sources: Vec<(&'a str, Role, u8, Option<&'a str>)>,
    env: &'a BTreeMap<String, String>,
    jobs_max: u16,
    install: &'a Install,
    check_fatal: bool,
}

impl Recipe {
    /// The name of the package made of its output: the table's, else the step's, where `gcc:pass1` becomes
    /// `gcc-pass1`: each pass is a package of its own.
    ///
    /// # Errors
    /// The step's name is longer than one of a package may be.
    pub fn package_name(&self) -> Result<Name, NameError> {
        self.package.name.clone().map_or_else(|| self.id.file_stem().parse(), Ok)
    }

    /// The steps it depends on: those it is built of, then those its test suite needs besides.
    pub fn needs(&self) -> impl Iterator<Item = &StepId> {
        let suite = self.check.build.iter().filter(|step| !self.build.contains(step));
        self.build.iter().chain(suite)
    }

    /// The script of each phase the step has, in running order: its own, or for `unpack` the one
    /// made from its sources. Without sources and script there is no unpack phase.
    pub fn phases(&self) -> Vec<(Phase, String)> {
        let text = |phase| match self.scripts.get(&phase) {
            Some(script) => Some(script.text.clone()),
            None if phase == Phase::Unpack => self.generated_unpack(),
            None => None,
        };
        Phase::ALL.iter().filter_map(|phase| Some((*phase, text(*phase)?))).collect()
    }

    /// One `tar` for each source that is to be unpacked. It runs in the empty `/build/src`.
    /// File names and `into` are plain words (checked when parsed), so that they need no quoting.
    fn generated_unpack(&self) -> Option<String> {
        let mut text = String::new();
        for source in &self.sources {
            let into = match (source.role, source.into.as_deref()) {
                (Role::Main, _) => ".",
                (Role::Extra, Some(into)) => into,
                (Role::Extra, None) => continue,
            };
            let Source { file, strip, .. } = source;
            text.push_str(&format!(
                "mkdir -p {into}\n\
                 tar -xf \"$SRC_DIR/{file}\" -C {into} --strip-components={strip} --no-same-owner\n"
            ));
        }
        (!text.is_empty()).then_some(text)
    }

    /// The bytes that stand for this recipe's fields in its task key: the postcard encoding of every
    /// field that can change the result. `docs/formats/task-key.md` has it field by field.
    ///
    /// Scripts, files, source digests and inputs enter the key beside this, so that a change can be named.
    /// Comments and layout of `recipe.toml` are in neither, nor are description, licence, order, package,
    /// groups, deadlines and expected cost: none of them can change what comes out.
    pub fn canonical(&self) -> Vec<u8> {
        // Writing to memory with derived encoders: postcard has no way to fail here.
        postcard::to_allocvec(&self.keyed()).unwrap_or_default()
    }

    /// As [`Self::canonical`], without what changes nothing before the phase `install`: where that may write, what
    /// its files may carry, and whether a failed test suite counts. Only ever compared, and only with its like.
    pub fn canonical_before_install(&self) -> Vec<u8> {
        let install = Install { prefix: String::new(), setuid: Vec::new(), xattrs: Vec::new() };
        let keyed = Keyed { install: &install, check_fatal: false, ..self.keyed() };
        // Writing to memory with derived encoders: postcard has no way to fail here.
        postcard::to_allocvec(&keyed).unwrap_or_default()
    }

    fn keyed(&self) -> Keyed<'_> {
        let sources = self.sources.iter();
        Keyed {
            schema: SCHEMA,
            id: &self.id,
            version: &self.version,
            stage: self.stage,
            sources: sources.map(|s| (&*s.file, s.role, s.strip, s.into.as_deref())).collect(),
            env: &self.env,
            jobs_max: self.needs.jobs_max,
            install: &self.install,
            check_fatal: self.check.fatal,
        }
    }
}
