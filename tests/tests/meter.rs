//! What `minos-bench` measures programs with.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn meter(words: &[&str]) -> (Output, Option<Value>) {
    let report = tempfile::NamedTempFile::new().expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_minos-bench"));
    let output = command.arg("--meter").arg(report.path()).args(words).output().expect("it runs");
    let told = fs::read_to_string(report.path()).expect("a report");
    (output, serde_json::from_str(&told).ok())
}

fn number(report: &Option<Value>, field: &str) -> f64 {
    report.as_ref().and_then(|r| r.get(field)?.as_f64()).expect("a number")
}

#[test]
fn time_and_memory_of_programs_that_a_program_starts_count() {
    // The inner shell works and its parent only waits.
    let work = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true";
    let (output, busy) = meter(&["sh", "-c", work]);
    assert!(output.status.success());
    let (_, idle) = meter(&["sh", "-c", "sh -c true; true"]);
    assert!(number(&busy, "cpu") > 4.0 * number(&idle, "cpu"), "{busy:?} beside {idle:?}");
    let (_, large) = meter(&["sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); true"]);
    assert!(number(&large, "peak") > number(&idle, "peak") + 20_000.0, "{large:?}");
}

#[test]
fn a_program_that_fails_is_a_failure_and_is_named() {
    let (output, _) = meter(&["sh", "-c", "exit 3"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("sh ended with exit status: 3"));
    let (output, _) = meter(&["/no/such/program"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/program"));
}

#[test]
fn output_of_the_program_passes_through() {
    let (output, report) = meter(&["echo", "hello"]);
    assert_eq!(output.stdout, b"hello\n");
    assert!(report.is_some());
}
