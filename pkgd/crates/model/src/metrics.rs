//! What a phase or a step cost.

use core::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Resources used. Sums over phases with `+=`, except the peaks of memory, of which the larger one stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// CPU time in user mode, all processes, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, all processes, in microseconds.
    pub system_us: u64,
    /// Largest resident set of any single process, in KiB.
    pub max_rss_kib: u64,
    /// Peak memory of the whole tree in KiB where a cgroup measures it, else 0.
    pub memory_peak_kib: u64,
    /// Room on disk of what the phase left, in KiB; 0 where not measured. What a phase leaves stays until
    /// the step ends, so the sum is what the step needs.
    pub disk_kib: u64,
}

impl Metrics {
    /// User and system CPU time together, in milliseconds.
    pub const fn cpu_ms(&self) -> u64 {
        (self.user_us + self.system_us) / 1000
    }
}

impl AddAssign for Metrics {
    fn add_assign(&mut self, other: Self) {
        self.wall_ms += other.wall_ms;
        self.user_us += other.user_us;
        self.system_us += other.system_us;
        self.max_rss_kib = self.max_rss_kib.max(other.max_rss_kib);
        self.memory_peak_kib = self.memory_peak_kib.max(other.memory_peak_kib);
        self.disk_kib += other.disk_kib;
    }
}
