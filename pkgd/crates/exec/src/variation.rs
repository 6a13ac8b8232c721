//! What a step is shown otherwise when it is built a second time, to see whether its output depends on it.
//!
//! Whatever differs by itself is left to do so: the clock goes on, process by process the kernel lays out
//! memory anew, every file has another inode, `$RANDOM` another seed. Here is what would otherwise be the
//! same both times. Nothing is made different that a recipe may rely on: paths inside the box, user,
//! environment, locale, umask, kernel.

use std::thread::available_parallelism;

use minos_sandbox::Sight;

use crate::task::Task;

/// Used up process numbers: enough for another number of digits.
const USED_PIDS: u32 = 300;

/// Under which conditions a step is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variation {
    /// Those of every build.
    #[default]
    Usual,
    /// Everything other than usual that can be.
    Other,
}

impl Variation {
    /// The host name in the box: of another length, so that what only fits one shows.
    pub const fn hostname(self) -> &'static str {
        match self {
            Self::Usual => "minos",
            Self::Other => "another-host-name",
        }
    }

    /// Whether directories are split between two layers, which are listed one after the other.
    pub(crate) const fn splits(self) -> bool {
        matches!(self, Self::Other)
    }

    /// What the box sees of the machine. One CPU fewer, since `nproc` and `configure` count them; a machine
    /// with a single one has no fewer.
    pub(crate) fn sight(self) -> Sight {
        match self {
            Self::Usual => Sight::default(),
            Self::Other => {
                let all = available_parallelism().map_or(1, |n| n.get());
                let fewer = u32::try_from(all.saturating_sub(1).max(1)).ok();
                Sight { used_pids: USED_PIDS, cpus: fewer }
            }
        }
    }
}

/// Makes of a task the same task under other conditions. `most_jobs` is the recipe's limit, 0 for none.
/// The caller changes what is its own: the scratch directory, whose path should be of another length.
#[must_use]
pub fn vary(task: Task, most_jobs: u16) -> Task {
    Task {
        variation: Variation::Other,
        jobs: other_jobs(task.jobs.max(1), most_jobs),
        // Another range of ids outside; it is far from those of running steps.
        slot: task.slot.saturating_add(OTHER_SLOTS),
        ..task
    }
}

/// Slots of second builds begin here: more lanes than a machine has.
const OTHER_SLOTS: u16 = 1 << 10;

/// One more, or one fewer where the recipe allows no more. A recipe that forbids parallel jobs keeps its one.
fn other_jobs(jobs: u16, most: u16) -> u16 {
    match most {
        0 => jobs.saturating_add(1),
        most if jobs < most => jobs + 1,
        _ => jobs.saturating_sub(1).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::other_jobs;

    #[test]
    fn the_number_of_jobs_differs_wherever_it_may() {
        assert_eq!([other_jobs(1, 0), other_jobs(8, 0), other_jobs(u16::MAX, 0)], [2, 9, u16::MAX]);
        assert_eq!([other_jobs(1, 1), other_jobs(2, 2), other_jobs(2, 4)], [1, 1, 3]);
    }
}
