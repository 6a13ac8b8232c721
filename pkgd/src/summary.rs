//! The end of a job in words: one line for machines' logs, a table for people.

use std::fmt::Write as _;
use std::time::Duration;

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
            clock(m.wall_ms),
            clock(m.cpu_ms()),
            bytes(m.max_rss_kib << 10),
            bytes(step.size),
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
    let _ = writeln!(out, "{} in {}", line(target, state, steps), clock(wall_ms));
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

/// Milliseconds as a person reads them: `0.4s`, `12.0s`, `3m07s`, `1h02m`.
pub fn clock(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
    }
}

/// Bytes in the largest unit that leaves at least one digit.
pub fn bytes(n: u64) -> String {
    match n {
        0 => "-".to_owned(),
        1..1024 => format!("{n}B"),
        1024..1_048_576 => format!("{}K", n >> 10),
        1_048_576..1_073_741_824 => format!("{}M", n >> 20),
        _ => format!("{}.{}G", n >> 30, (n >> 20) % 1024 * 10 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minos_model::{Failure, FailureClass, JobState, Metrics, Phase, StepState};
    use minos_proto::{Clobbers, StepReport};

    use super::{bytes, clock, line, table};

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
            "3m07s",
            "1h02m",
            "5M",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            line("t", JobState::Failed, &steps),
            "t: failed; 1 built, 0 cached, 1 failed, 1 not tried"
        );
    }

    #[test]
    fn units() {
        assert_eq!([clock(450), clock(60_000), clock(3_600_000)], ["0.4s", "1m00s", "1h00m"]);
        assert_eq!([bytes(0), bytes(1023), bytes(1 << 30)], ["-", "1023B", "1.0G"]);
    }
}
