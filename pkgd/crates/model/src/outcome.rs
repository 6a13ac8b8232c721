//! How steps and jobs stand, and how they end.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::phase::Phase;

/// Why a step failed, in the words shown to people and matched by tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The script ended with a non-zero status.
    Script,
    /// The package's own test suite failed.
    Test,
    /// An assertion of the recipe about the output failed.
    Assert,
    /// The script ended with status 0 before its last line.
    EarlyExit,
    /// The script ended and left processes running.
    LeftProcesses,
    /// The phase ran longer than its limit.
    Timeout,
    /// The phase printed nothing for longer than its limit.
    Silence,
    /// A process was killed because the step's memory was used up.
    OutOfMemory,
    /// The disk (or its inodes) is full.
    DiskFull,
    /// The step reached its limit of processes.
    TooManyProcesses,
    /// The log reached its limit.
    LogLimit,
    /// The script was refused access to something outside what it declared.
    DeniedAccess,
    /// A process of the step was killed by a signal that pkgd did not send.
    Signal,
    /// A source is missing, truncated or has the wrong digest.
    Source,
    /// The output is empty or holds something the recipe did not declare.
    Output,
    /// The sandbox could not be set up.
    Sandbox,
    /// The state could not be read or written.
    State,
}

impl FailureClass {
    /// The name used on the wire, in reports and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Test => "test",
            Self::Assert => "assert",
            Self::EarlyExit => "early-exit",
            Self::LeftProcesses => "left-processes",
            Self::Timeout => "timeout",
            Self::Silence => "silence",
            Self::OutOfMemory => "out-of-memory",
            Self::DiskFull => "disk-full",
            Self::TooManyProcesses => "too-many-processes",
            Self::LogLimit => "log-limit",
            Self::DeniedAccess => "denied-access",
            Self::Signal => "signal",
            Self::Source => "source",
            Self::Output => "output",
            Self::Sandbox => "sandbox",
            Self::State => "state",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failed step, told so that a person knows what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub class: FailureClass,
    /// The phase it happened in; `None` before the first one began.
    pub phase: Option<Phase>,
    /// What happened: one line, names the file or program.
    pub what: String,
    /// What to do next: one line.
    pub hint: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phase {
            Some(phase) => write!(f, "{} in {phase}: {}", self.class, self.what),
            None => write!(f, "{}: {}", self.class, self.what),
        }
    }
}

/// Where a step of a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Waits for its dependencies or for a free lane.
    Waiting,
    /// Runs now, in this phase.
    Running(Option<Phase>),
    /// Built in this job.
    Built,
    /// Its task key was found in the cache.
    Cached,
    /// Failed.
    Failed(Failure),
    /// Not tried, since something it needs failed.
    Skipped,
    /// Stopped on request.
    Cancelled,
}

/// Where a job stands. A job survives restarts: one found `Running` at start is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Accepted, not begun.
    Queued,
    /// Runs.
    Running,
    /// Every step is built or cached.
    Done,
    /// At least one step failed.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will happen to the job by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The name used on the wire and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
