//! What a running box uses at this moment: read from its cgroup where it has one, else summed over its
//! processes.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the tree of a box uses at this moment. A number that the system does not tell is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time used so far, user and system, of the living and the dead.
    pub cpu: Duration,
    /// Memory, bytes: of the cgroup (page cache and tmpfs included), else the sum of the resident sets,
    /// where shared pages count for each process.
    pub memory: u64,
    /// Processes and threads alive, those not yet waited for included.
    pub processes: u64,
}

/// Where to read the usage of one box. Made by the helper, read by pkgd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// The first process of the box; 0 if unknown.
    pub first: i32,
    /// The file that says `usage_usec`.
    pub cpu: Option<PathBuf>,
    /// The file that holds the bytes in use.
    pub memory: Option<PathBuf>,
    /// The file that holds the number of processes and threads.
    pub processes: Option<PathBuf>,
}

/// More processes are not walked through: the answer must come soon.
const MAX_WALK: usize = 4096;

impl Meter {
    /// Reads the meter. Reading never waits for the box, and what cannot be read is 0.
    pub fn read(&self) -> Usage {
        let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let cpu = self.cpu.as_deref().and_then(cpu_of_cgroup);
        let memory = self.memory.as_deref().and_then(number);
        let processes = self.processes.as_deref().and_then(number);
        if let (Some(cpu), Some(memory), Some(processes)) = (cpu, memory, processes) {
            return Usage { cpu, memory, processes };
        }
        let walked = walk(Path::new("/proc"), self.first);
        Usage {
            cpu: cpu.unwrap_or(walked.cpu),
            memory: memory.unwrap_or(walked.memory),
            processes: processes.unwrap_or(walked.processes),
        }
    }
}

/// `usage_usec` of `cpu.stat` (cgroup version 2; it is there without the cpu controller).
fn cpu_of_cgroup(path: &Path) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    line.trim().parse().ok().map(Duration::from_micros)
}

/// Sums over the descendants of `first`, which are all of its pid namespace: orphans become its
/// children. CPU time of the dead is in the account of whoever waited for them.
fn walk(proc: &Path, first: i32) -> Usage {
    let mut sum = Usage::default();
    let mut queue = vec![first];
    let mut seen = 0;
    while let Some(pid) = queue.pop().filter(|pid| *pid > 0) {
        let dir = proc.join(pid.to_string());
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        if let Some(one) = parse_stat(&read("stat")) {
            sum.cpu += one.cpu;
            sum.memory += one.memory;
            sum.processes += one.processes;
        }
        seen += 1;
        if seen < MAX_WALK {
            let children = read(&format!("task/{pid}/children"));
            queue.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    sum
}

/// The fields of `/proc/PID/stat` that matter here; see `proc_pid_stat(5)`.
fn parse_stat(text: &str) -> Option<Usage> {
    /// Linux reports these times in units of 1/100 s on every x86-64 (`USER_HZ`).
    const TICK: Duration = Duration::from_millis(10);
    const PAGE: u64 = 4096;
    // The command name may hold anything, even `) `; what follows the last parenthesis does not.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<u64> = rest.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect();
    // Counted from the state, field 3 of the manual page.
    let field = |number: usize| fields.get(number - 3).copied();
    let ticks = [14, 15, 16, 17].map(field).into_iter().sum::<Option<u64>>()?;
    Some(Usage {
        cpu: TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)),
        memory: field(24)?.saturating_mul(PAGE),
        processes: field(20)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// Field 2 with the worst of names.
    const STAT: &str = "7 (a) S) ) R 1 7 7 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 3 0 500 9000000 \
                        25 18446744073709551615 1 1 0 0\n";

    #[test]
    fn a_stat_line_is_read_behind_its_last_parenthesis() {
        let want = Usage { cpu: Duration::from_millis(1100), memory: 25 * 4096, processes: 3 };
        assert_eq!(parse_stat(STAT), Some(want));
    }

    #[test]
    fn a_cut_stat_line_is_nothing() {
        for end in 0..STAT.len() {
            let _ = parse_stat(STAT.get(..end).unwrap_or_default());
        }
        assert_eq!(parse_stat("7 (cat) R 1 2"), None);
    }

    #[test]
    fn a_walk_finds_children_and_grandchildren() {
        let script = "sleep 600 & sleep 600 & echo; wait";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let usage = walk(Path::new("/proc"), child.id().cast_signed());
        let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        assert_eq!(usage.processes, 3);
        assert!(usage.memory > 0);
    }

    #[test]
    fn nothing_known_is_nothing_used() {
        assert_eq!(Meter::default().read(), Usage::default());
    }
}
