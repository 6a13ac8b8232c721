//! What benchmarks share: results as lines, CPU time of children, medians.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// One figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The figure; lower is better.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What it should not exceed.
    pub target: Option<f64>,
    /// The same measured on a peer in the same run.
    pub peer: Option<f64>,
}

impl Figure {
    /// A figure without a peer.
    pub fn new(name: impl Into<String>, value: f64, unit: &str, target: Option<f64>) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned(), target, peer: None }
    }

    /// Reads what [`Self::json`] writes; `None` for a line that is no figure.
    pub fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |field: &str| value.get(field).and_then(Value::as_f64);
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let (target, peer) = (number("target"), number("peer"));
        Some(Self {
            name: text("name")?,
            value: number("value")?,
            unit: text("unit")?,
            target,
            peer,
        })
    }

    /// Value over peer.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.filter(|p| *p > 0.0).map(|p| self.value / p)
    }

    /// One JSON object.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "value": self.value, "unit": self.unit, "target": self.target,
            "peer": self.peer, "ratio": self.ratio(),
        })
    }

    /// One line of 80 columns.
    pub fn line(&self) -> String {
        let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}"));
        format!(
            "{:<34} {:>12.2} {:<6} {:>10} {:>10} {:>5}",
            self.name,
            self.value,
            self.unit,
            number(self.target),
            number(self.peer),
            number(self.ratio())
        )
    }
}

/// The middle value; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time of it and all it waited for.
    pub cpu: Duration,
    /// Wall time.
    pub wall: Duration,
}

/// Runs a command to its end. Several may run at the same time: the time is read from the kernel's
/// account of the ended process before it is reaped, in hundredths of a second.
///
/// # Errors
/// It cannot be started or fails; the text names it.
pub fn cost(command: &mut Command) -> Result<Cost, String> {
    let name = format!("{command:?}");
    let on = |e: &dyn std::fmt::Display| format!("{name}: {e}");
    let start = Instant::now();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|e| on(&e))?;
    let pid = i32::try_from(child.id()).map_err(|e| on(&e))?;
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(Pid::from_raw(pid)), flags).map_err(|e| on(&e))?;
    let wall = start.elapsed();
    let account = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|e| on(&e))?;
    let status = child.wait().map_err(|e| on(&e))?;
    if !status.success() {
        return Err(format!("{name} ended with {status}"));
    }
    Ok(Cost { cpu: cpu_of(&account).ok_or_else(|| on(&"no account of its time"))?, wall })
}

/// Time of a process and of all it waited for, from `/proc/PID/stat` (proc_pid_stat(5): fields 14 to 17).
fn cpu_of(account: &str) -> Option<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    let (_, fields) = account.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(4);
    let ticks: u64 = times.map(|t| t.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The length of a file in bytes, where it is.
pub fn size(path: &Path) -> Option<f64> {
    std::fs::metadata(path).ok().map(|meta| meta.len() as f64)
}
