//! The end of a job in words: one line for machines' logs, a table for people.

use std::fmt::Write as _;
use std::time::Duration;

use minos_model::units::{duration, size};
use minos_model::{JobState, StepId, StepState};
use minos_proto::{Clobbers, StepReport};

/// Counts in one line.
pub fn line(target: &str, state: JobState, steps: &[StepReport]) -> String {
    let count = |wanted: fn(&StepState) -> bool| steps.iter().filter(|s| wanted(&s.state)).count();
    format!(
        "{target}: {state}; {} built, {} cached, {} failed, {} not tried",
        count(|s| matches!(s, StepState::Built)),
        count(|s| matches!(s, StepState::Cached)),
        count(|s| matches!(s, StepState::Failed(_))),
        count(|s| matches!(s, StepState::Skipped | StepState::Cancelled | StepState::Waiting)),
    )
}

/// A table of all steps in 80 columns, each warning, and each failure with its hint.
pub fn table(
    target: &str,
    state: JobState,
    steps: &[StepReport],
    warnings: &[(StepId, Clobbers)],
    wall: Duration,
) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:<24} {:<9} {:>9} {:>9} {:>8} {:>8} {:>6}",
        "step", "state", "wall", "cpu", "peak", "size", "files"
    );
    for step in steps {
        let m = &step.metrics;
        let _ = writeln!(
            out,
            "{:<24} {:<9} {:>9} {:>9} {:>8} {:>8} {:>6}",
            step.step,
            word(&step.state),
            duration(m.wall_ms),
            duration(m.cpu_ms()),
            measured(m.max_rss_kib << 10),
            measured(step.size),
            step.files
        );
    }
    for (step, tested) in steps.iter().filter_map(|step| Some((&step.step, step.tests?))) {
        let _ = writeln!(out, "{step}: tests: {tested}");
    }
    for (step, clobbers) in warnings {
        let _ = writeln!(out, "{step}: {clobbers}");
    }
    for step in steps {
        if let StepState::Failed(failure) = &step.state {
            let _ = writeln!(
                out,
                "{}: {failure}\n  hint: {}\n  log:  pkgctl log {}",
                step.step, failure.hint, step.step
            );
        }
    }
    let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    let _ = writeln!(out, "{} in {}", line(target, state, steps), duration(wall_ms));
    out
}

fn word(state: &StepState) -> &'static str {
    match state {
        StepState::Waiting => "waiting",
        StepState::Running(_) => "running",
        StepState::Built => "built",
        StepState::Cached => "cached",
        StepState::Failed(_) => "FAILED",
        StepState::Skipped => "not tried",
        StepState::Cancelled => "cancelled",
    }
}

/// A size; `-` where nothing was measured.
pub fn measured(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { size(bytes) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minos_model::{Failure, FailureClass, JobState, Metrics, Phase, StepState};
    use minos_proto::{Clobbers, StepReport};

    use super::{line, measured, table};

    fn step(name: &str, state: StepState) -> StepReport {
        let metrics = Metrics {
            wall_ms: 187_000,
            user_us: 61_000_000,
            max_rss_kib: 2048,
            ..Metrics::default()
        };
        StepReport {
            step: name.parse().unwrap(),
            state,
            output: None,
            size: 5 << 20,
            files: 12,
            metrics,
            attempt: Some(1),
            weak_sandbox: false,
            tests: None,
        }
    }

    #[test]
    fn failures_are_named_with_their_hint_within_80_columns() {
        let failure = Failure {
            class: FailureClass::Script,
            phase: Some(Phase::Build),
            what: "boom".into(),
            hint: "look".into(),
        };
        let steps = [
            step("gcc:pass1", StepState::Built),
            step("glibc", StepState::Failed(failure)),
            step("libstdc++", StepState::Skipped),
        ];
        let clobbers =
            Clobbers { of: "m4".parse().unwrap(), paths: 2, same: 1, first: "usr/bin/m4".into() };
        let warnings = [("gcc:pass1".parse().unwrap(), clobbers)];
        let wall = Duration::from_secs(3720);
        let text = table("lfs/toolchain", JobState::Failed, &steps, &warnings, wall);
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        for part in [
            "glibc: script in build: boom",
            "gcc:pass1: clobbers: replaces 2 paths of m4 (1 unchanged): /usr/bin/m4",
            "hint: look",
            "pkgctl log glibc",
            "3:07",
            "1:02:00",
            "5.0 MiB",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            line("t", JobState::Failed, &steps),
            "t: failed; 1 built, 0 cached, 1 failed, 1 not tried"
        );
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        assert_eq!([measured(0), measured(1023)], ["-", "1023 B"]);
    }
}
