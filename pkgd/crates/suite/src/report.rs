//! What came of a suite, and what follows for its step.

use minos_model::Tested;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// Names of tests in one sentence.
const NAMED: usize = 3;

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Its name, as the suite tells it.
    pub name: String,
    /// How.
    pub status: Status,
    /// Why it is expected to, by the recipe's list.
    pub reason: Option<String>,
    /// It did not fail in the attempt before.
    pub new: bool,
}

/// What came of a suite. Kept by the daemon as the postcard of its fields in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many tests came to what, in the order of [`Status::ALL`].
    pub counts: [u64; Status::ALL.len()],
    /// The same in fewer words.
    pub tested: Tested,
    /// The tests that failed, by name; at most [`crate::MAX_FAILURES`].
    pub failures: Vec<Failing>,
    /// How many more failed.
    pub more: u64,
    /// Tests that did not run, and those that the suite itself expects to fail; at most
    /// [`crate::MAX_OTHERS`] of them.
    pub others: Vec<(Status, String)>,
    /// Entries of the list of expected failures that pass now: to be taken off it.
    pub passes_now: Vec<String>,
    /// Entries of that list that no result was told of.
    pub not_seen: Vec<String>,
    /// Tests that failed in the attempt before, and pass now.
    pub fixed: Vec<String>,
    /// Tests that failed in the attempt before, and were not run now.
    pub gone: Vec<String>,
    /// The attempt before, and what it came to.
    pub before: Option<(u64, Tested)>,
    /// The suite itself did not end as it should: a crash, a deadline.
    pub problem: Option<String>,
}

impl Report {
    /// How many tests were told of.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Why the step may not go on; `ended_well` says that the suite's own exit status was 0. A status that is
    /// not is believed only as far as results explain it: a failure that is expected does, no results do not.
    pub fn complaint(&self, ended_well: bool) -> Option<String> {
        let failed = self.tested.failed;
        if failed > 0 {
            let s = if failed == 1 { "" } else { "s" };
            return Some(format!("{failed} failure{s} that nobody expects: {}", self.named()));
        }
        match self.total() {
            _ if ended_well => None,
            0 => Some("no result of a test could be read".to_owned()),
            // What the suite itself expects to fail does not make it end so.
            n if self.failures.is_empty() => {
                Some(format!("none of the {n} results that were read is a failure"))
            }
            _ => None,
        }
    }

    /// The first tests that failed and should not have.
    fn named(&self) -> String {
        let unexpected = self.failures.iter().filter(|failing| failing.reason.is_none());
        let names: Vec<&str> = unexpected.take(NAMED).map(|failing| &*failing.name).collect();
        let more = self.tested.failed.saturating_sub(names.len() as u64);
        match more {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}
