//! Boot and shutdown as data: what is done, in which order, within which time, and what happens
//! when it fails.
//!
//! The tables are the whole policy; [`crate::machine`] walks them and [`crate::runtime`] performs
//! the steps. The deadlines add up to a bound for the whole ([`boot_bound_ms`],
//! [`stop_bound_ms`]): overrunning one is a failure with a name, never a hang.

use minos_proto::BootPhase;

/// One thing init does while booting or going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Mount proc, sys, dev, devpts, run, tmp and cgroup2.
    KernelFs,
    /// Limits, host name, loopback, cgroup controllers, Ctrl-Alt-Del, kernel command line, console.
    Setup,
    /// Open and arm `/dev/watchdog`.
    Watchdog,
    /// Stop at the rescue prompt when `minos.rescue` asks for it.
    RescueAsked,
    /// Find and mount the state disk at `/state`.
    State,
    /// Mount a tmpfs at `/state`, when there is no state disk.
    Volatile,
    /// Read the boot record and the wish for this boot.
    ReadRecord,
    /// Find and mount the seed at `/seed`.
    Seed,
    /// Find and mount the sources at `/sources`.
    Sources,
    /// Let a person at the console choose another generation.
    Choose,
    /// Write this boot into the boot record.
    Record,
    /// Find the virtio ports of the host.
    Channels,
    /// Make the root of the generation the root of the machine.
    Root,
    /// Start the services.
    Services,
    /// Write into the boot record why this boot ends.
    RecordEnd,
    /// Ask all services to end, and wait for them.
    StopServices,
    /// SIGTERM and SIGCONT to everything, and wait for it.
    TermAll,
    /// SIGKILL to everything, from a forked helper, and reap until no child is left.
    KillAll,
    /// Write the state disk back, and hear from the kernel whether all of it arrived: unmounting a disk that
    /// died, and `sync(2)`, succeed.
    FlushState,
    /// Unmount the deepest first until nothing more can be unmounted; the rest becomes read-only.
    Unmount,
    /// Write everything back.
    Sync,
}

/// What the machine does when a step fails or overruns its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Say so and go on: the machine is usable without it.
    Continue,
    /// Say so and open the rescue prompt.
    Rescue,
    /// Missing: go on where nobody counts on it, else the rescue prompt. Failed (it is there and
    /// cannot be used): always the rescue prompt, so that existing state is never hidden.
    NeedIfUnattended,
    /// A generation on trial has failed: reboot. A proven one is done without: the initramfs itself can
    /// tell somebody, and a reboot would change nothing.
    Judge,
}

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What is done.
    pub step: Step,
    /// The name in log lines and in the rescue prompt's reason.
    pub name: &'static str,
    /// Milliseconds after which it counts as failed.
    pub deadline_ms: u64,
    /// What follows a failure.
    pub on_failure: OnFailure,
    /// What has been reached when it is over.
    pub reached: Option<BootPhase>,
}

const fn row(
    step: Step,
    name: &'static str,
    deadline_ms: u64,
    on_failure: OnFailure,
    reached: Option<BootPhase>,
) -> Phase {
    Phase { step, name, deadline_ms, on_failure, reached }
}

/// A disk nobody asked for by name: long enough for a slow virtio probe, short enough that an
/// appliance tried out without a state disk still comes up at once.
pub const DISK_WAIT_MS: u64 = 2_000;
/// A disk that is wanted by name (`minos.state=`) or needed (`minos.build=`): USB disks and
/// spinning ones take 5 to 20 s to appear.
pub const DISK_WAIT_WANTED_MS: u64 = 30_000;
/// A mount that replays a journal: 128 MiB of journal at 10 MB/s, doubled.
pub const MOUNT_MS: u64 = 30_000;
/// A person who wants to choose a generation: reads the list and types a number.
pub const CHOOSE_MS: u64 = 30_000;
/// How often a step that waits for something looks again. Below what a person notices, above what
/// costs CPU time under emulation.
pub const POLL_MS: u64 = 25;

use BootPhase::{Disks, Mounted, Recorded, Services as ServicesUp};
use OnFailure::{Continue, Judge, NeedIfUnattended, Rescue};

/// The boot, top to bottom.
pub const BOOT: &[Phase] = &[
    row(Step::KernelFs, "kernel file systems", 5_000, Continue, Some(Mounted)),
    row(Step::Setup, "machine setup", 5_000, Continue, None),
    row(Step::Watchdog, "watchdog", 2_000, Continue, None),
    row(Step::RescueAsked, "rescue asked for", 1_000, Rescue, None),
    row(Step::State, "state disk", MOUNT_MS + DISK_WAIT_WANTED_MS, NeedIfUnattended, None),
    row(Step::Volatile, "volatile state", 5_000, Continue, None),
    row(Step::ReadRecord, "reading the boot record", 5_000, Continue, None),
    row(Step::Seed, "seed disk", MOUNT_MS, NeedIfUnattended, None),
    row(Step::Sources, "sources disk", MOUNT_MS, Continue, Some(Disks)),
    row(Step::Choose, "choice of a generation", CHOOSE_MS, Continue, None),
    row(Step::Record, "boot record", 10_000, Continue, Some(Recorded)),
    row(Step::Channels, "host channels", 500, Continue, None),
    row(Step::Root, "root of the generation", MOUNT_MS, Judge, None),
    row(Step::Services, "services", 1_000, Continue, Some(ServicesUp)),
];

/// The way down, top to bottom. File systems come after the last kill: unmounting while something
/// still writes gives EBUSY and a journal replay at every boot.
pub const STOP: &[Phase] = &[
    row(Step::RecordEnd, "reason of the end", 3_000, Continue, None),
    row(Step::StopServices, "services", 10_000, Continue, None),
    row(Step::TermAll, "terminate processes", 3_000, Continue, None),
    row(Step::KillAll, "kill processes", 5_000, Continue, None),
    row(Step::FlushState, "state disk", 10_000, Continue, None),
    row(Step::Unmount, "unmount", 15_000, Continue, None),
    row(Step::Sync, "sync", 10_000, Continue, Some(BootPhase::Stopped)),
];

const fn sum(table: &[Phase]) -> u64 {
    let mut total = 0;
    let mut i = 0;
    while i < table.len() {
        total += table[i].deadline_ms;
        i += 1;
    }
    total
}

/// The longest the boot may take until services are started or the rescue prompt is open, in
/// milliseconds.
pub const fn boot_bound_ms() -> u64 {
    sum(BOOT)
}

/// The longest the way down may take until `reboot(2)`, in milliseconds.
pub const fn stop_bound_ms() -> u64 {
    sum(STOP)
}

#[cfg(test)]
mod tests {
    use super::{BOOT, STOP, Step, boot_bound_ms, stop_bound_ms};

    #[test]
    fn every_row_has_a_name_and_a_deadline_and_the_sum_is_bounded() {
        for row in BOOT.iter().chain(STOP) {
            assert!(!row.name.is_empty() && row.deadline_ms > 0, "{row:?}");
        }
        assert!(boot_bound_ms() < 240_000, "{}", boot_bound_ms());
        assert!(stop_bound_ms() < 60_000, "{}", stop_bound_ms());
    }

    #[test]
    fn phases_are_reached_in_order() {
        for table in [BOOT, STOP] {
            let reached: Vec<_> = table.iter().filter_map(|r| r.reached).collect();
            assert!(reached.is_sorted(), "{reached:?}");
        }
    }

    /// openwrt/procd unmounted while services lived: every boot replayed the journal.
    #[test]
    fn file_systems_come_after_the_last_kill_and_sync_is_last() {
        let at = |step| STOP.iter().position(|r| r.step == step).unwrap();
        assert!(at(Step::RecordEnd) < at(Step::StopServices));
        assert!(at(Step::TermAll) < at(Step::KillAll));
        assert!(at(Step::KillAll) < at(Step::FlushState));
        assert!(at(Step::FlushState) < at(Step::Unmount));
        assert_eq!(at(Step::Sync), STOP.len() - 1);
    }

    /// The record is written before anything of this boot is obeyed.
    #[test]
    fn the_record_comes_before_the_services() {
        let at = |step| BOOT.iter().position(|r| r.step == step).unwrap();
        assert!(at(Step::State) < at(Step::Record) && at(Step::Record) < at(Step::Root));
        assert!(at(Step::Root) < at(Step::Services));
        // A boot that ends at the rescue prompt for want of a seed has a record to say so.
        assert!(at(Step::ReadRecord) < at(Step::Seed));
        // A person who thinks it over while the power goes has not used up a try.
        assert!(at(Step::ReadRecord) < at(Step::Choose) && at(Step::Choose) < at(Step::Record));
    }
}
