//! What pkgd tells those who watch, and the verdict of an unattended run.

use core::fmt;

use minos_model::{Digest, Failure, JobState, Metrics, Phase, StepId, Tested};
use serde::{Deserialize, Serialize};

/// Something happened in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The job.
    pub job: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub body: EventBody,
}

/// A step that runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningStep {
    /// The step.
    pub step: StepId,
    /// Its phase; `None` between phases.
    pub phase: Option<Phase>,
    /// Milliseconds since the attempt began.
    pub elapsed_ms: u64,
    /// Milliseconds it will probably still take; `None` when there is nothing to go by.
    pub left_ms: Option<u64>,
    /// CPU time used so far in milliseconds.
    pub cpu_ms: u64,
    /// Memory used now in KiB, 0 when not measured.
    pub memory_kib: u64,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventBody {
    /// A step's attempt began.
    StepStarted {
        /// The step.
        step: StepId,
        /// The attempt's number.
        attempt: u64,
    },
    /// A phase began.
    PhaseStarted {
        /// The step.
        step: StepId,
        /// The phase.
        phase: Phase,
        /// Taken up from a checkpoint: earlier phases were not run again.
        resumed: bool,
    },
    /// A phase ended well.
    PhaseDone {
        /// The step.
        step: StepId,
        /// The phase.
        phase: Phase,
        /// What it cost.
        metrics: Metrics,
    },
    /// A step was found in the cache.
    StepCached {
        /// The step.
        step: StepId,
        /// Its output.
        output: Digest,
    },
    /// A step was built and committed.
    StepBuilt {
        /// The step.
        step: StepId,
        /// Its output.
        output: Digest,
        /// What it cost.
        metrics: Metrics,
    },
    /// A step failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// How.
        failure: Failure,
    },
    /// A step was not tried.
    StepSkipped {
        /// The step.
        step: StepId,
        /// The failed step it needs.
        because: StepId,
    },
    /// Where the job stands; sent once a second while it runs.
    Progress {
        /// Steps that are built, cached, failed or skipped.
        done: u32,
        /// Steps in all.
        total: u32,
        /// What runs now.
        running: Vec<RunningStep>,
        /// Milliseconds the whole will probably still take; `None` when there is nothing to go by.
        left_ms: Option<u64>,
    },
    /// The job became final. The last event of a watch.
    JobFinished {
        /// How it ended.
        state: JobState,
    },
    /// The job was accepted. Only recorded: nobody can watch a job before it is there.
    JobQueued {
        /// What it builds.
        target: String,
    },
    /// An output's files were missing or damaged; its rows were dropped, and the step that made it will
    /// be built again. Only recorded, of job 0: it belongs to no job.
    OutputLost {
        /// The step that made it.
        step: StepId,
        /// The output.
        output: Digest,
        /// What was found.
        why: String,
    },
    /// A step's output has paths that the output of one of its inputs has too: a warning, since no system can have
    /// both as packages. Comes before the step is told to be built.
    StepClobbers {
        /// The step.
        step: StepId,
        /// Where, and whose.
        clobbers: Clobbers,
    },
    /// A step was built a second time, and compared with the output it has.
    StepCompared {
        /// The step.
        step: StepId,
        /// The output it has, and keeps.
        output: Digest,
        /// Paths in which the second build differs.
        files: u64,
    },
    /// A step's test suite is over. Whether the step goes on is told by the next event of it.
    StepTested {
        /// The step.
        step: StepId,
        /// What the suite came to.
        tested: Tested,
    },
    /// A step was built anew and came out as before, but the stored files of its output were not what they had
    /// been: the new ones took their place.
    OutputMended {
        /// The step that was built.
        step: StepId,
        /// The output.
        output: Digest,
        /// What was found.
        why: String,
    },
}

/// Paths that two outputs of a stack have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clobbers {
    /// The step whose output lies below.
    pub of: StepId,
    /// How many paths.
    pub paths: u32,
    /// How many of them are the same in both.
    pub same: u32,
    /// The first of them that is not the same; where all are, the first.
    pub first: String,
}

impl fmt::Display for Clobbers {
    /// `clobbers: replaces 2 paths of m4 (1 unchanged): /usr/bin/m4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, paths, same, first } = self;
        let word = if *paths == 1 { "path" } else { "paths" };
        write!(f, "clobbers: replaces {paths} {word} of {of} ({same} unchanged): /{first}")
    }
}

/// An event as the state keeps it. [`EventBody::PhaseStarted`] and [`EventBody::Progress`] are not kept:
/// nothing is written when they happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Number, from 1, without gaps. The oldest events go as new ones come.
    pub number: u64,
    /// The event.
    pub event: Event,
}

/// How an unattended run ended. Sent on the control channel just before power-off; the launcher
/// turns it into its exit status, and its absence into a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Everything asked for was built.
    pub success: bool,
    /// The target.
    pub target: String,
    /// One line: counts, or why it failed.
    pub summary: String,
    /// Steps built.
    pub built: u32,
    /// Steps found in the cache.
    pub cached: u32,
    /// Each failed step.
    pub failed: Vec<(StepId, Failure)>,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
}
