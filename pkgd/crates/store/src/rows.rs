//! The rows of the database. Times are milliseconds since the Unix epoch.
//!
//! A row is stored as its postcard bytes, so the order of fields, and of the variants of every enum
//! in them (also those of `minos-model`), is part of the format: the test `stored_bytes_of_every_row_stay_the_same` holds it. Change
//! one and the schema version must go up, with a migration.

use minos_model::{Digest, JobState, Metrics, Phase, StepId, StepState, Version};
use serde::{Deserialize, Serialize};

use crate::build::AttemptEnd;

/// A job: one request that takes time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Number, from 1.
    pub id: u64,
    /// What it builds, as asked for.
    pub target: String,
    /// The caller's options, opaque to the store.
    pub options: Vec<u8>,
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
    /// How often it was taken up again after a kill or restart.
    pub resumed: u32,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The job.
    pub job: u64,
    /// Place in the plan's order, from 0.
    pub index: u32,
    /// The step.
    pub step: StepId,
    /// Where it stands.
    pub state: StepState,
    /// Its task key, once known.
    pub key: Option<Digest>,
    /// The latest attempt in this job.
    pub attempt: Option<u64>,
    /// Its output, once there is one.
    pub output: Option<Digest>,
    /// Size of the output in bytes.
    pub size: u64,
    /// Number of entries in the output.
    pub files: u64,
    /// The output was built in a weaker sandbox.
    pub weak: bool,
    /// Sum over the phases done, also those taken over from a checkpoint.
    pub metrics: Metrics,
}

/// One try at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Number, from 1, over all steps; never used twice.
    pub id: u64,
    /// The job.
    pub job: u64,
    /// The step.
    pub step: StepId,
    /// The task key.
    pub key: Digest,
    /// When it began.
    pub started_ms: u64,
    /// When it ended; `None` while it runs.
    pub finished_ms: Option<u64>,
    /// How it ended; `None` while it runs.
    pub end: Option<AttemptEnd>,
    /// Length of the uncompressed log in bytes; 0 while it runs.
    pub log_bytes: u64,
    /// Phases that ran in this attempt, with their cost.
    pub phases: Vec<(Phase, Metrics)>,
}

/// The layer that a finished phase left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The phase.
    pub phase: Phase,
    /// What it cost.
    pub metrics: Metrics,
    /// Its folder inside the task's scratch folder: a name, or a relative path with `/`.
    pub name: String,
}

/// The phases done of a task that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRow {
    /// The step.
    pub step: StepId,
    /// Phases done, in the order in which they ran.
    pub layers: Vec<Layer>,
}

/// An output in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRow {
    /// Its name: the digest of its manifest.
    pub digest: Digest,
    /// The step that made it first.
    pub step: StepId,
    /// The version of the package.
    pub version: Version,
    /// Size in bytes.
    pub size: u64,
    /// Number of entries.
    pub files: u64,
    /// Only ever built in a weaker sandbox.
    pub weak: bool,
    /// When it was committed first.
    pub created_ms: u64,
    /// The attempt that made it first.
    pub attempt: u64,
    /// What that cost.
    pub metrics: Metrics,
}

/// The claim "this task key gives this output".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRow {
    /// The output.
    pub output: Digest,
    /// The step.
    pub step: StepId,
    /// The claim comes from a weaker sandbox.
    pub weak: bool,
    /// When it was made.
    pub created_ms: u64,
    /// What the key was made of.
    pub parts: Vec<u8>,
}

/// The cost of one successful build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was committed.
    pub at_ms: u64,
    /// What it cost.
    pub metrics: Metrics,
    /// Size of the output in bytes.
    pub size: u64,
    /// The cost of each phase.
    pub phases: Vec<(Phase, Metrics)>,
}

/// What a step cost lately, and the key it was last built under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The latest task key that was built.
    pub last_key: Digest,
    /// The latest builds, oldest first.
    pub samples: Vec<Sample>,
}

impl HistoryRow {
    /// Wall time to expect, in milliseconds: the median of the samples. The median, since one build
    /// on a busy machine must not spoil the estimate.
    pub fn expected_ms(&self) -> u64 {
        let mut walls: Vec<u64> = self.samples.iter().map(|s| s.metrics.wall_ms).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).copied().unwrap_or(0)
    }
}

/// What came of building a step of a job a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// The job.
    pub job: u64,
    /// The step.
    pub step: StepId,
    /// The attempt that was the second build.
    pub attempt: u64,
    /// When it was compared.
    pub at_ms: u64,
    /// The output that the step has, and keeps.
    pub first: Digest,
    /// What the second build gave; the same digest where nothing differs. It is not kept.
    pub second: Digest,
    /// Paths that differ.
    pub files: u64,
    /// What differs, in the caller's bytes, opaque to the store; empty where nothing does.
    pub report: Vec<u8>,
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Number, from 1, without gaps.
    pub seq: u64,
    /// The job.
    pub job: u64,
    /// When.
    pub at_ms: u64,
    /// What: the caller's bytes, opaque to the store.
    pub body: Vec<u8>,
}

/// One line of the audit trail. Each names the digest of the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Number, from 1, without gaps.
    pub seq: u64,
    /// [`AuditRow::digest`] of the line before; all zero for the first.
    pub previous: Digest,
    /// When.
    pub at_ms: u64,
    /// User number of the one who asked; `None` for pkgd itself.
    pub uid: Option<u32>,
    /// Process number of the one who asked; `None` for pkgd itself.
    pub pid: Option<u32>,
    /// What was done.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use minos_model::{Failure, FailureClass};

    use super::*;

    fn golden(row: &impl Serialize) -> String {
        Digest::of(&postcard::to_extend(row, Vec::new()).unwrap()).short()
    }

    fn cost() -> Metrics {
        Metrics {
            wall_ms: 1,
            user_us: 2,
            system_us: 3,
            max_rss_kib: 4,
            memory_peak_kib: 5,
            disk_kib: 600,
        }
    }

    fn every_state() -> Vec<StepState> {
        let failure = Failure {
            class: FailureClass::State,
            phase: Some(Phase::Assert),
            what: "what".to_owned(),
            hint: "hint".to_owned(),
        };
        let running = Phase::ALL.map(|phase| StepState::Running(Some(phase)));
        let mut states = vec![StepState::Waiting, StepState::Running(None), StepState::Built];
        states.extend(running);
        states.extend([StepState::Cached, StepState::Failed(failure), StepState::Skipped]);
        states.push(StepState::Cancelled);
        states
    }

    fn steps(step: &StepId, digest: Digest) -> Vec<StepRow> {
        every_state()
            .into_iter()
            .map(|state| StepRow {
                job: 1,
                index: 2,
                step: step.clone(),
                state,
                key: Some(digest),
                attempt: Some(3),
                output: None,
                size: 4,
                files: 5,
                weak: true,
                metrics: cost(),
            })
            .collect()
    }

    fn jobs() -> [JobRow; 5] {
        let states = [
            JobState::Queued,
            JobState::Running,
            JobState::Done,
            JobState::Failed,
            JobState::Cancelled,
        ];
        states.map(|state| JobRow {
            id: 1,
            target: "t".to_owned(),
            options: vec![1],
            state,
            created_ms: 2,
            finished_ms: Some(3),
            steps: 4,
            built: 5,
            cached: 6,
            failed: 7,
            resumed: 8,
        })
    }

    /// A digest that differs here means that rows already on disks can no longer be read: put the old
    /// form back, or raise the schema version and write a migration. Never just change the digest.
    #[test]
    fn stored_bytes_of_every_row_stay_the_same() {
        let step: StepId = "gcc:pass1".parse().unwrap();
        let digest = Digest::of(b"abc");
        let steps = steps(&step, digest);
        let ends = [AttemptEnd::Built, AttemptEnd::Cancelled, AttemptEnd::Interrupted];
        let phases = vec![(Phase::Check, cost())];
        let attempt = ends.map(|end| AttemptRow {
            id: 1,
            job: 2,
            step: step.clone(),
            key: digest,
            started_ms: 3,
            finished_ms: None,
            end: Some(end),
            log_bytes: 4,
            phases: phases.clone(),
        });
        let layers = vec![Layer { phase: Phase::Unpack, metrics: cost(), name: "l".to_owned() }];
        let output = OutputRow {
            digest,
            step: step.clone(),
            version: "1:2.0-3".parse().unwrap(),
            size: 1,
            files: 2,
            weak: false,
            created_ms: 3,
            attempt: 4,
            metrics: cost(),
        };
        let cache = CacheRow {
            output: digest,
            step: step.clone(),
            weak: false,
            created_ms: 1,
            parts: vec![7, 8],
        };
        let sample = Sample { at_ms: 1, metrics: cost(), size: 2, phases };
        let audit = AuditRow {
            seq: 1,
            previous: digest,
            at_ms: 2,
            uid: Some(3),
            pid: None,
            what: "w".to_owned(),
        };
        let found = [
            golden(&jobs()),
            golden(&steps),
            golden(&attempt),
            golden(&CheckpointRow { step: step.clone(), layers }),
            golden(&output),
            golden(&cache),
            golden(&HistoryRow { last_key: digest, samples: vec![sample] }),
            golden(&EventRow { seq: 1, job: 2, at_ms: 3, body: vec![4] }),
            golden(&audit),
            golden(&ComparisonRow {
                job: 1,
                step: step.clone(),
                attempt: 2,
                at_ms: 3,
                first: digest,
                second: digest,
                files: 4,
                report: vec![5],
            }),
            golden(&AttemptEnd::Compared),
        ];
        assert_eq!(found, GOLDEN);
    }

    const GOLDEN: [&str; 11] = [
        "2a43ed082b5d",
        "29f219e87ba7",
        "0591181b5c72",
        "b7b0b486eeae",
        "3fe97dae4144",
        "488a84fec576",
        "d3195e7b8f6e",
        "04a13d3951b3",
        "96beb5bfa5ab",
        "1585297a2e3e",
        "e52d9c508c50",
    ];
}
