//! The parts replies are made of. Times are milliseconds since the Unix epoch unless said otherwise.

use minos_model::{
    Digest, Failure, JobState, Metrics, Phase, Stage, StepId, StepState, Tested, Version,
};
use serde::{Deserialize, Serialize};

/// How the daemon stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Program and version.
    pub server: String,
    /// Kernel release.
    pub kernel: String,
    /// Host mode (not the appliance).
    pub host_mode: bool,
    /// Landlock ABI proven at start; 0 when pkgd refuses to build.
    pub landlock_abi: u32,
    /// Why pkgd refuses to build, where it does.
    pub refuses: Option<String>,
    /// Milliseconds since pkgd started.
    pub uptime_ms: u64,
    /// Jobs not yet final.
    pub active_jobs: u32,
    /// Outputs in the store.
    pub outputs: u64,
    /// Free bytes on the state's file system.
    pub free_bytes: u64,
    /// Why the last boot ended, where init told.
    pub last_boot: Option<String>,
    /// The change of the system that runs now.
    pub changing: Option<Changing>,
}

/// A change of the system that runs: of its packages, generations or database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changing {
    /// What was asked for, as the audit trail has it; empty until that is written.
    pub what: String,
    /// The user who asked.
    pub uid: u32,
    /// The process that asked; 0 where it is on another machine.
    pub pid: u32,
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// What is done now, as in [`crate::Progress`]; `None` before anything was told.
    pub stage: Option<String>,
    /// The package or program it is at, where it is at one.
    pub subject: Option<String>,
}

/// A job as a line of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Number, from 1.
    pub id: u64,
    /// What it builds.
    pub target: String,
    /// Where it stands.
    pub state: JobState,
    /// When it was accepted.
    pub created_ms: u64,
    /// When it became final.
    pub finished_ms: Option<u64>,
    /// Steps in all.
    pub steps: u32,
    /// Steps built in this job.
    pub built: u32,
    /// Steps found in the cache.
    pub cached: u32,
    /// Steps that failed.
    pub failed: u32,
    /// How often pkgd took the job up again after it was killed or restarted.
    pub resumed: u32,
    /// Its steps are built a second time: [`crate::Request::Compared`] tells what came of it.
    pub compares: bool,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step.
    pub step: StepId,
    /// Where it stands.
    pub state: StepState,
    /// The output's digest once there is one.
    pub output: Option<Digest>,
    /// Size of the output in bytes.
    pub size: u64,
    /// Number of entries in the output.
    pub files: u64,
    /// Sum over the phases that ran.
    pub metrics: Metrics,
    /// The attempt of this job, where one began.
    pub attempt: Option<u64>,
    /// Outputs built in a weaker sandbox say so.
    pub weak_sandbox: bool,
    /// What came of its test suite, where this job ran it.
    pub tests: Option<Tested>,
}

/// One try at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number, from 1, over all steps.
    pub id: u64,
    /// The job it belongs to.
    pub job: u64,
    /// The step.
    pub step: StepId,
    /// When it began.
    pub started_ms: u64,
    /// When it ended; `None` while it runs.
    pub finished_ms: Option<u64>,
    /// How it ended; `None` while it runs or when it was built.
    pub failure: Option<Failure>,
    /// Length of the uncompressed log in bytes.
    pub log_bytes: u64,
    /// Phases done, with their cost.
    pub phases: Vec<(Phase, Metrics)>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The step.
    pub step: StepId,
    /// The version it builds.
    pub version: Version,
    /// Its stage.
    pub stage: Stage,
    /// Found in the cache: nothing to do.
    pub cached: bool,
    /// Why it is to be built; empty when cached.
    pub reason: String,
    /// Expected wall time in milliseconds, from history, else from the SBU figure; 0 when unknown.
    pub expected_ms: u64,
    /// On the critical path.
    pub critical: bool,
}

/// What a build would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// What was asked for.
    pub target: String,
    /// Steps in the order in which they would run on one lane.
    pub steps: Vec<PlanStep>,
    /// Expected wall time of the whole in milliseconds.
    pub expected_ms: u64,
    /// Length of the critical path in milliseconds.
    pub critical_ms: u64,
    /// Time the plan took inside pkgd, in microseconds.
    pub took_us: u64,
}

/// A recipe as a line of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeReport {
    /// The step.
    pub step: StepId,
    /// The version it builds.
    pub version: Version,
    /// Its stage.
    pub stage: Stage,
    /// One line about the package.
    pub description: String,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// Steps that must be built first.
    pub needs: Vec<StepId>,
    /// Size in standard build units, times 100.
    pub sbu_centi: u32,
}

/// A finding of the linter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintReport {
    /// An error keeps the recipe from being used; a warning does not.
    pub error: bool,
    /// The file, relative to the recipes' folder.
    pub file: String,
    /// The line, from 1; 0 when the finding is about the whole file.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// One line of the audit trail: who asked pkgd for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Number, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at_ms: u64,
    /// The user who asked; `None` for pkgd itself.
    pub uid: Option<u32>,
    /// The process that asked; `None` for pkgd itself.
    pub pid: Option<u32>,
    /// What was asked for, and by which program.
    pub what: String,
}

/// An output whose files are not what its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The output.
    pub output: Digest,
    /// The step that made it.
    pub step: StepId,
    /// What was found.
    pub why: String,
}

/// What a look at every output found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Outputs looked at.
    pub outputs: u64,
    /// Paths looked at.
    pub paths: u64,
    /// Rows of the state that contradict each other, one line each.
    pub contradictions: Vec<String>,
    /// Outputs that are missing or damaged.
    pub lost: Vec<Loss>,
    /// The rows of [`Self::lost`] were dropped: their steps will be built again.
    pub repaired: bool,
    /// Contents were not read.
    pub quick: bool,
}

/// How a check of `doctor` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Good,
    /// Works, but not as well as it could.
    Warning,
    /// Keeps pkgd from building.
    Bad,
}

/// One check of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// What was found.
    pub found: String,
    /// What to do; empty when good.
    pub hint: String,
}
