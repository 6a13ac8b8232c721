//! Time, CPU time and memory of one piece of work.

use std::fs;
use std::time::Instant;

use crate::Done;

/// What a piece of work cost.
pub struct Cost {
    wall_ms: f64,
    cpu_ms: f64,
    peak_mib: f64,
}

/// CPU time of this process with all its threads, in milliseconds.
fn cpu_ms() -> f64 {
    let times = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    times.tv_sec as f64 * 1e3 + times.tv_nsec as f64 / 1e6
}

/// A line of `/proc/self/status`, in MiB: `VmRSS:` the resident memory, `VmHWM:` its peak since the last
/// reset.
fn memory_mib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Does `work` once. The memory is what it took beside what was there, which is the made-up packages.
pub fn measure<T>(work: impl FnOnce() -> Done<T>) -> Done<Cost> {
    // 5: reset the peak.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = memory_mib("VmRSS:");
    let (wall, cpu) = (Instant::now(), cpu_ms());
    work()?;
    let wall_ms = wall.elapsed().as_secs_f64() * 1e3;
    Ok(Cost { wall_ms, cpu_ms: cpu_ms() - cpu, peak_mib: memory_mib("VmHWM:") - before })
}

/// Lines as they come, or one JSON array at the end.
pub struct Report {
    json: bool,
    lines: Vec<String>,
}

impl Report {
    pub fn new(json: bool) -> Self {
        if !json {
            println!("{:50} {:>10} {:>10} {:>8}", "work", "wall ms", "CPU ms", "+MiB");
        }
        Self { json, lines: Vec::new() }
    }

    pub fn line(&mut self, name: &str, cost: Cost) {
        let Cost { wall_ms, cpu_ms, peak_mib } = cost;
        if self.json {
            self.lines.push(format!(
                "{{\"work\":\"{name}\",\"wall_ms\":{wall_ms:.2},\"cpu_ms\":{cpu_ms:.2},\"peak_mib\":{peak_mib:.1}}}"
            ));
        } else {
            println!("{name:50} {wall_ms:>10.1} {cpu_ms:>10.1} {peak_mib:>8.0}");
        }
    }

    pub fn end(&self) {
        if self.json {
            println!("[{}]", self.lines.join(","));
        }
    }
}
