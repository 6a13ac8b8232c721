//! `jobs`: the list, one job with its steps, and the summary at the end of a build.

use minos_model::units::{count, date, duration, size, size_kib};
use minos_model::{Failure, JobState, StepState};
use minos_proto::{JobReport, StepReport};

use super::table::{Cell, Table};
use super::text::labelled;
use super::{Tone, View};

/// All jobs as a table, in the order given.
pub fn jobs(jobs: &[JobReport], view: View) -> String {
    if jobs.is_empty() {
        return "no jobs yet: 'pkgctl build TARGET' starts one\n".into();
    }
    let titles = [">job", "state", "begun (UTC)", ">took", ">done", ">failed", "target"];
    let mut table = Table::new(&titles);
    for job in jobs {
        table.row([
            job.id.to_string().into(),
            Cell::toned(job.state.as_str(), job_tone(job.state)),
            date(job.created_ms).into(),
            took(job).unwrap_or_default().into(),
            format!("{}/{}", job.built.saturating_add(job.cached), job.steps).into(),
            job.failed.to_string().into(),
            Cell::from(&job.target),
        ]);
    }
    table.render(view)
}

/// One job: a sentence, its steps, and what to know of each failure. `pkgctl` is the command with the
/// options that lead to this daemon.
pub fn job(job: &JobReport, steps: &[StepReport], pkgctl: &str, view: View) -> String {
    let mut out = labelled("", &sentence(job, steps), view.width);
    if !steps.is_empty() {
        out.push('\n');
        out.push_str(&step_table(steps, view));
    }
    for (step, tested) in steps.iter().filter_map(|step| Some((&step.step, step.tests?))) {
        out.push_str(&labelled("", &format!("{step}: tests: {tested}"), view.width));
    }
    for step in steps {
        if let StepState::Failed(why) = &step.state {
            out.push('\n');
            out.push_str(&failure(step, why, pkgctl, view));
        }
    }
    if matches!(job.state, JobState::Failed | JobState::Cancelled) {
        out.push_str(&labelled("again: ", &format!("{pkgctl} retry {}", job.id), view.width));
    }
    if steps.iter().any(|s| s.weak_sandbox) {
        let note = "outputs marked 'weak' were built without the full sandbox";
        out.push_str(&labelled("note: ", note, view.width));
    }
    out
}

fn sentence(job: &JobReport, steps: &[StepReport]) -> String {
    let mut text = format!("job {} {}: {}", job.id, job.target, job.state);
    if let Some(took) = took(job) {
        text.push_str(&format!(" after {took}"));
    }
    let skipped = steps.iter().filter(|s| s.state == StepState::Skipped).count();
    let parts = [
        (u64::from(job.built), "built"),
        (u64::from(job.cached), "cached"),
        (u64::from(job.failed), "failed"),
        (skipped as u64, "skipped"),
    ];
    text.push_str(&format!("; {}", count(job.steps.into(), "step")));
    for (n, what) in parts.into_iter().filter(|(n, _)| *n > 0) {
        text.push_str(&format!(", {n} {what}"));
    }
    if job.resumed > 0 {
        text.push_str(&format!("; taken up again {}", count(job.resumed.into(), "time")));
    }
    text
}

fn step_table(steps: &[StepReport], view: View) -> String {
    let mut table =
        Table::new(&["step", "state", ">wall", ">cpu", ">peak rss", ">size", ">files", "output"]);
    for step in steps {
        let (state, tone) = state(&step.state);
        let metrics = &step.metrics;
        let time = |ms: u64| if ms == 0 { String::new() } else { duration(ms) };
        let output = step.output.map(|d| d.short()).unwrap_or_default();
        let has = step.output.is_some();
        table.row([
            step.step.to_string().into(),
            Cell::toned(state, tone),
            time(metrics.wall_ms).into(),
            time(metrics.cpu_ms()).into(),
            size_kib(metrics.max_rss_kib).into(),
            if has { size(step.size) } else { String::new() }.into(),
            if has { step.files.to_string() } else { String::new() }.into(),
            if step.weak_sandbox { format!("{output} weak") } else { output }.into(),
        ]);
    }
    table.render(view)
}

fn failure(step: &StepReport, why: &Failure, pkgctl: &str, view: View) -> String {
    let place = why.phase.map(|p| format!(" in {p}")).unwrap_or_default();
    let title = format!("{} failed: {}{place}", step.step, why.class);
    let mut out = view.paint(Tone::Bad, &title);
    out.push('\n');
    out.push_str(&labelled("  what: ", &why.what, view.width));
    if !why.hint.is_empty() {
        out.push_str(&labelled("  hint: ", &why.hint, view.width));
    }
    let attempt = step.attempt.map(|a| format!(" --attempt {a}")).unwrap_or_default();
    let log = format!("{pkgctl} log {}{attempt}", step.step);
    out.push_str(&labelled("  log:  ", &log, view.width));
    out
}

fn took(job: &JobReport) -> Option<String> {
    Some(duration(job.finished_ms?.saturating_sub(job.created_ms)))
}

/// The word for a step's state.
pub fn state(state: &StepState) -> (String, Tone) {
    match state {
        StepState::Waiting => ("waiting".into(), Tone::Plain),
        StepState::Running(None) => ("running".into(), Tone::Strong),
        StepState::Running(Some(phase)) => (phase.to_string(), Tone::Strong),
        StepState::Built => ("built".into(), Tone::Good),
        StepState::Cached => ("cached".into(), Tone::Good),
        StepState::Failed(_) => ("failed".into(), Tone::Bad),
        StepState::Skipped => ("skipped".into(), Tone::Warn),
        StepState::Cancelled => ("cancelled".into(), Tone::Warn),
    }
}

/// The tone of a job's state.
pub fn job_tone(state: JobState) -> Tone {
    match state {
        JobState::Queued => Tone::Plain,
        JobState::Running => Tone::Strong,
        JobState::Done => Tone::Good,
        JobState::Failed => Tone::Bad,
        JobState::Cancelled => Tone::Warn,
    }
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, Failure, FailureClass, JobState, Metrics, Phase, StepState, Tested};
    use minos_proto::{JobReport, StepReport};

    use super::{job, jobs};
    use crate::render::View;

    const VIEW: View = View { width: 80, color: false };

    fn report(state: JobState) -> JobReport {
        JobReport {
            id: 4,
            target: "lfs/toolchain".into(),
            state,
            created_ms: 1_763_696_820_000,
            finished_ms: state.is_final().then_some(1_763_697_570_000),
            steps: 4,
            built: 1,
            cached: 1,
            failed: 1,
            resumed: 0,
            compares: false,
        }
    }

    fn step(name: &str, state: StepState, has_output: bool) -> StepReport {
        let metrics = Metrics {
            wall_ms: 338_000,
            user_us: 500_000_000,
            system_us: 52_000_000,
            max_rss_kib: 421_888,
            ..Metrics::default()
        };
        let ran = matches!(state, StepState::Built | StepState::Failed(_));
        StepReport {
            step: name.parse().unwrap(),
            state,
            output: has_output.then(|| Digest::of(name.as_bytes())),
            size: 102_865_305,
            files: 271,
            metrics: if ran { metrics } else { Metrics::default() },
            attempt: ran.then_some(8),
            weak_sandbox: false,
            tests: None,
        }
    }

    fn failed() -> Vec<StepReport> {
        let failure = Failure {
            class: FailureClass::Script,
            phase: Some(Phase::Build),
            what: "make ended with status 2 after: cc1plus: out of memory allocating 65536 bytes"
                .into(),
            hint: "give the machine more memory or build with --jobs 1".into(),
        };
        vec![
            step("linux-headers", StepState::Cached, true),
            step("binutils:pass1", StepState::Built, true),
            step("gcc:pass1", StepState::Failed(failure), false),
            step("glibc", StepState::Skipped, false),
        ]
    }

    #[test]
    fn a_failed_job_says_what_to_do_next() {
        let want = "\
job 4 lfs/toolchain: failed after 12:30; 4 steps, 1 built, 1 cached, 1 failed, 1
skipped

step            state    wall   cpu  peak rss      size  files  output
linux-headers   cached                         98.0 MiB    271  DIGEST1
binutils:pass1  built    5:38  9:12   412 MiB  98.0 MiB    271  DIGEST2
gcc:pass1       failed   5:38  9:12   412 MiB
glibc           skipped

gcc:pass1 failed: script in build
  what: make ended with status 2 after: cc1plus: out of memory allocating 65536
        bytes
  hint: give the machine more memory or build with --jobs 1
  log:  pkgctl --vm log gcc:pass1 --attempt 8
again: pkgctl --vm retry 4
"
        .replace("DIGEST1", &Digest::of(b"linux-headers").short())
        .replace("DIGEST2", &Digest::of(b"binutils:pass1").short());
        assert_eq!(job(&report(JobState::Failed), &failed(), "pkgctl --vm", VIEW), want);
    }

    #[test]
    fn what_came_of_test_suites_stands_below_the_steps() {
        let mut steps = failed();
        steps[1].tests =
            Some(Tested { passed: 812, expected: 3, failed: 1, new: 1, ..Tested::default() });
        let shown = job(&report(JobState::Failed), &steps, "pkgctl", VIEW);
        let want =
            "\nbinutils:pass1: tests: 812 passed, 3 failed as expected, 1 failed, 1 of them new\n";
        assert!(shown.contains(want), "{shown}");
    }

    #[test]
    fn a_list_of_jobs() {
        let want = "job  state    begun (UTC)        took  done  failed  target
  4  failed   2025-11-21 03:47  12:30   2/4       1  lfs/toolchain
  4  running  2025-11-21 03:47          2/4       1  lfs/toolchain
";
        assert_eq!(jobs(&[report(JobState::Failed), report(JobState::Running)], VIEW), want);
        assert_eq!(jobs(&[], VIEW), "no jobs yet: 'pkgctl build TARGET' starts one\n");
    }

    #[test]
    fn weak_outputs_and_resumed_jobs_say_so() {
        let mut steps = failed();
        steps[1].weak_sandbox = true;
        let resumed = JobReport { resumed: 2, ..report(JobState::Running) };
        let shown = job(&resumed, &steps, "pkgctl", VIEW);
        assert!(shown.contains("taken up again 2 times"), "{shown}");
        assert!(shown.contains(" weak\n"), "{shown}");
        assert!(shown.ends_with("without the full sandbox\n"), "{shown}");
    }

    #[test]
    fn nothing_a_script_says_reaches_the_terminal_raw() {
        let mut steps = failed();
        if let StepState::Failed(failure) = &mut steps[2].state {
            failure.what = "\x1b]0;owned\x07\x1b[2J".into();
        }
        let shown = job(&report(JobState::Failed), &steps, "pkgctl", VIEW);
        assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
    }
}
