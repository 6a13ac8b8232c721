//! What a client may ask of pkgd, and what it answers.

use minos_model::{StepId, TestLevel};
use serde::{Deserialize, Serialize};

use crate::event::Recorded;
use crate::packages::{PackageRequest, Proposal};
use crate::report::{
    Attempt, AuditLine, Check, JobReport, LintReport, PlanReport, RecipeReport, Status, StepReport,
    VerifyReport,
};
use crate::sheet::Sheet;

/// How a build is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOptions {
    /// Go on with what does not depend on a failed step.
    pub keep_going: bool,
    /// `make -j` within a step; 0 takes the number of CPUs.
    pub jobs: u16,
    /// Which of the packages' own test suites are run. A step that the target names is built again for a suite
    /// that has not been run on what is cached.
    pub tests: TestLevel,
    /// Steps to build again although they are cached.
    pub rebuild: Vec<StepId>,
    /// Note which of its dependencies each step uses that is built now: the linter tells those it did not.
    pub observe: bool,
    /// Build each step that the target names a second time, under other conditions, and compare. The test
    /// suites are not run a second time. Steps that are only needed by those are not compared.
    pub compare: bool,
}

/// One request. Each gets exactly one reply; `Watch` is followed by events until the job ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// How the daemon stands. Idempotent.
    Status,
    /// What a build of `target` would do. Idempotent.
    Plan {
        /// A group (`lfs/toolchain`), `stage/name`, or a step (`gcc:pass1`).
        target: String,
        /// As for the build.
        options: BuildOptions,
    },
    /// Starts a build and answers with its job number at once.
    Build {
        /// As for [`Request::Plan`].
        target: String,
        /// How to build.
        options: BuildOptions,
    },
    /// All jobs, newest first. Idempotent.
    Jobs {
        /// At most this many; 0 takes 100.
        limit: u32,
    },
    /// One job with its steps. Idempotent.
    Job {
        /// The job's number; `None` takes the newest.
        job: Option<u64>,
    },
    /// As [`Request::Job`], then events of that job until it ends.
    Watch {
        /// The job's number; `None` takes the newest.
        job: Option<u64>,
    },
    /// The attempts of a step, newest first. Idempotent.
    Attempts {
        /// The step.
        step: StepId,
    },
    /// A piece of the log of an attempt. Idempotent.
    Log {
        /// The step.
        step: StepId,
        /// The attempt's number; `None` takes the newest.
        attempt: Option<u64>,
        /// First byte wanted of the uncompressed log.
        offset: u64,
    },
    /// Stops a job. Steps already built stay built.
    Cancel {
        /// The job.
        job: u64,
    },
    /// Starts a new job for the target of a failed or cancelled one.
    Retry {
        /// The job.
        job: u64,
    },
    /// All recipes. Idempotent.
    RecipeList,
    /// One recipe. Idempotent.
    RecipeShow {
        /// The step.
        step: StepId,
    },
    /// What the linter finds. Idempotent.
    RecipeLint {
        /// Only this step; `None` takes all.
        step: Option<StepId>,
    },
    /// Checks the machine. Idempotent.
    Doctor,
    /// Powers the machine off, or reboots it. Refused in host mode.
    Shutdown {
        /// Reboot instead.
        reboot: bool,
    },
    /// The newest recorded events, oldest of them first. Idempotent.
    Events {
        /// Only those of this job.
        job: Option<u64>,
        /// At most this many; 0 takes 100.
        limit: u32,
    },
    /// The newest lines of the audit trail, oldest of them first. Idempotent.
    Audit {
        /// At most this many; 0 takes 100.
        limit: u32,
    },
    /// Looks at the files of every output. Idempotent without `repair`. pkgd tells how far it is.
    Verify {
        /// Only whether all is there, in kind and size: contents are not read.
        quick: bool,
        /// Drop the rows of what is missing or damaged, so that it is built again. Refused while a job
        /// runs, since its root may stand on what is to go.
        repair: bool,
    },
    /// Anything of the package manager.
    Package(PackageRequest),
    /// What came of the second builds of a job with [`BuildOptions::compare`]. Idempotent.
    Compared {
        /// The job's number; `None` takes the newest.
        job: Option<u64>,
    },
    /// What the steps of a target cost when they were built. Idempotent.
    Costs {
        /// As for [`Request::Plan`].
        target: String,
        /// As a page of HTML.
        page: bool,
    },
    /// What came of the test suite of a step. Idempotent.
    Tests {
        /// The step.
        step: StepId,
        /// The attempt's number; `None` takes the newest that ran a suite.
        attempt: Option<u64>,
    },
}

impl Request {
    /// Whether the request changes anything, and so needs [`crate::Role::Admin`].
    pub const fn changes(&self) -> bool {
        match self {
            Self::Build { .. }
            | Self::Cancel { .. }
            | Self::Retry { .. }
            | Self::Shutdown { .. }
            | Self::Verify { repair: true, .. } => true,
            Self::Package(request) => request.changes(),
            _ => false,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Plan`].
    Plan(PlanReport),
    /// To [`Request::Build`] and [`Request::Retry`]: the job's number.
    Started {
        /// The job's number.
        job: u64,
    },
    /// To [`Request::Jobs`].
    Jobs(Vec<JobReport>),
    /// To [`Request::Job`] and [`Request::Watch`].
    Job {
        /// The job.
        job: JobReport,
        /// Its steps in the order of the plan.
        steps: Vec<StepReport>,
    },
    /// To [`Request::Attempts`].
    Attempts(Vec<Attempt>),
    /// To [`Request::Log`]: bytes from the offset asked for.
    Log {
        /// The attempt this is of.
        attempt: Attempt,
        /// At most 256 KiB of the log.
        bytes: Vec<u8>,
        /// No more can follow: the attempt is over and this is its end.
        end: bool,
    },
    /// To [`Request::Cancel`] and [`Request::Shutdown`].
    Done,
    /// To [`Request::RecipeList`].
    Recipes(Vec<RecipeReport>),
    /// To [`Request::RecipeShow`]: the report and the recipe's files, name and text.
    Recipe {
        /// Its metadata.
        recipe: RecipeReport,
        /// `recipe.toml` and scripts.
        files: Vec<(String, String)>,
    },
    /// To [`Request::RecipeLint`].
    Lints(Vec<LintReport>),
    /// To [`Request::Doctor`].
    Doctor(Vec<Check>),
    /// To [`Request::Events`].
    Events(Vec<Recorded>),
    /// To [`Request::Audit`].
    Audit(Vec<AuditLine>),
    /// To [`Request::Verify`].
    Verified(VerifyReport),
    /// To [`PackageRequest::Propose`].
    Proposal(Proposal),
    /// To every other [`Request::Package`], to [`Request::Compared`], [`Request::Costs`] and [`Request::Tests`].
    Sheet(Sheet),
    /// To [`Request::Costs`] where a page was asked for.
    Page(String),
}
