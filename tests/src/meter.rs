//! What a program costs, with all it starts: CPU time, wall time, peak memory.
//!
//! The kernel accounts for ended children by parent, so a program is run by a small process of its own: this
//! binary once more, called with [`FLAG`].

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// First argument of the process that runs and measures: `FLAG REPORT PROGRAM ARGUMENT...`.
pub const FLAG: &str = "--meter";

/// What one run cost, and what it printed.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// User and system time of the process tree, in seconds.
    pub cpu: f64,
    /// Time from start to end, in seconds.
    pub wall: f64,
    /// Resident memory of the largest process of the tree, in KiB.
    pub peak: f64,
    /// Its standard output.
    pub output: String,
}

/// Runs `program` to its end, after everything written before is on disk.
///
/// # Errors
/// It cannot be started or fails; the text names it.
pub fn run(program: &Path, arguments: &[&str]) -> Result<Run, String> {
    let name = || format!("{} {}", program.display(), arguments.join(" "));
    let on = |e: &dyn std::fmt::Display| format!("{}: {e}", name());
    let report = tempfile::NamedTempFile::new().map_err(|e| on(&e))?;
    nix::unistd::sync();
    let own = std::env::current_exe().map_err(|e| on(&e))?;
    let mut command = Command::new(own);
    command.arg(FLAG).arg(report.path()).arg(program).args(arguments);
    let output = command.stdin(Stdio::null()).output().map_err(|e| on(&e))?;
    if !output.status.success() {
        return Err(on(&String::from_utf8_lossy(&output.stderr).trim()));
    }
    let told = fs::read_to_string(report.path()).map_err(|e| on(&e))?;
    let told: Value = serde_json::from_str(&told).map_err(|e| on(&e))?;
    let number = |field: &str| told.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    let (cpu, wall, peak) = (number("cpu"), number("wall"), number("peak"));
    Ok(Run { cpu, wall, peak, output: String::from_utf8_lossy(&output.stdout).into_owned() })
}

/// The process that measures: runs `PROGRAM ARGUMENT...` and writes what it cost to `REPORT`.
pub fn child(mut words: impl Iterator<Item = String>) -> ExitCode {
    let (Some(report), Some(program)) = (words.next(), words.next()) else {
        eprintln!("{FLAG} takes a file and a program");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let status = Command::new(&program).args(words).status();
    let wall = start.elapsed().as_secs_f64();
    let cost = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(std::io::Error::from).map(|usage| {
        let time = usage.user_time() + usage.system_time();
        let cpu = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        json!({ "cpu": cpu, "wall": wall, "peak": usage.max_rss() }).to_string()
    });
    match (status, cost.and_then(|cost| fs::write(report, cost))) {
        (Ok(status), Ok(())) if status.success() => ExitCode::SUCCESS,
        (Ok(status), Ok(())) => {
            eprintln!("{program} ended with {status}");
            ExitCode::FAILURE
        }
        (Err(e), _) | (_, Err(e)) => {
            eprintln!("{program}: {e}");
            ExitCode::FAILURE
        }
    }
}
