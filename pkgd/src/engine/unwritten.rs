//! Ends that the state did not take.
//!
//! When the disk of the state dies, its rows stop: on the disk a job runs and its step runs, for ever. Those who
//! ask this pkgd are told how it ended all the same, from memory. The next pkgd knows nothing of it, and
//! goes on from the rows, as after a kill.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use minos_model::{Failure, JobState, Metrics, StepId, StepState};
use minos_proto::{JobReport, StepReport};

/// What is known of one job beyond its rows.
#[derive(Debug, Default)]
struct Ends {
    job: Option<JobState>,
    steps: BTreeMap<StepId, Failure>,
}

/// What is known of jobs beyond their rows: nothing, as long as the state can be written.
#[derive(Debug, Default)]
pub struct Unwritten(Mutex<BTreeMap<u64, Ends>>);

impl Unwritten {
    /// A step was lost.
    pub fn step(&self, job: u64, step: &StepId, failure: &Failure) {
        self.with(|jobs| {
            jobs.entry(job).or_default().steps.insert(step.clone(), failure.clone());
        });
    }

    /// A job is over.
    pub fn job(&self, job: u64, state: JobState) {
        self.with(|jobs| jobs.entry(job).or_default().job = Some(state));
    }

    /// Corrects the report of a job's row.
    pub fn correct_job(&self, report: &mut JobReport) {
        self.with(|jobs| {
            let Some(ends) = jobs.get(&report.id) else { return };
            report.state = ends.job.unwrap_or(report.state);
            report.failed += u32::try_from(ends.steps.len()).unwrap_or(u32::MAX);
        });
    }

    /// Corrects the reports of a job's steps.
    pub fn correct_steps(&self, job: u64, steps: &mut [StepReport]) {
        self.with(|jobs| {
            let Some(ends) = jobs.get(&job) else { return };
            for report in steps {
                if let Some(failure) = ends.steps.get(&report.step) {
                    report.state = StepState::Failed(failure.clone());
                }
            }
        });
    }

    /// The lost steps of a job, for when its rows cannot even be read.
    pub fn steps(&self, job: u64) -> Vec<StepReport> {
        let report = |(step, failure): (&StepId, &Failure)| StepReport {
            step: step.clone(),
            state: StepState::Failed(failure.clone()),
            output: None,
            size: 0,
            files: 0,
            metrics: Metrics::default(),
            attempt: None,
            weak_sandbox: false,
            tests: None,
        };
        self.with(|jobs| {
            jobs.get(&job).map(|ends| ends.steps.iter().map(report).collect()).unwrap_or_default()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<u64, Ends>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use minos_model::{Failure, FailureClass, JobState, Phase, StepState};
    use minos_proto::JobReport;

    use super::Unwritten;

    fn failure() -> Failure {
        Failure {
            class: FailureClass::State,
            phase: Some(Phase::Build),
            what: "cannot write".into(),
            hint: "look at the disk".into(),
        }
    }

    fn running(id: u64) -> JobReport {
        JobReport {
            id,
            target: "lfs/toolchain".into(),
            state: JobState::Running,
            created_ms: 1,
            finished_ms: None,
            steps: 3,
            built: 1,
            cached: 0,
            failed: 0,
            resumed: 0,
            compares: false,
        }
    }

    /// The step that ran when the disk died was told as "running", and the verdict had no failure.
    #[test]
    fn what_the_disk_did_not_take_is_told_from_memory() {
        let unwritten = Unwritten::default();
        let (gcc, glibc) = ("gcc".parse().unwrap(), "glibc".parse().unwrap());
        unwritten.step(7, &gcc, &failure());
        let mut steps = unwritten.steps(7);
        assert_eq!(steps.len(), 1);
        steps[0].state = StepState::Running(Some(Phase::Build));
        steps.push(minos_proto::StepReport { step: glibc, ..steps[0].clone() });
        unwritten.correct_steps(7, &mut steps);
        assert_eq!(steps[0].state, StepState::Failed(failure()));
        assert_eq!(
            steps[1].state,
            StepState::Running(Some(Phase::Build)),
            "the other one is as its row says"
        );
        unwritten.job(7, JobState::Failed);
        let mut report = running(7);
        unwritten.correct_job(&mut report);
        assert_eq!((report.state, report.failed), (JobState::Failed, 1));
    }

    #[test]
    fn other_jobs_are_as_their_rows_say() {
        let unwritten = Unwritten::default();
        unwritten.step(7, &"gcc".parse().unwrap(), &failure());
        unwritten.job(7, JobState::Failed);
        let mut report = running(8);
        unwritten.correct_job(&mut report);
        assert_eq!(report, running(8));
        assert_eq!(unwritten.steps(8), []);
    }
}
