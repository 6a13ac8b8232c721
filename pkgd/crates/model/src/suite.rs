//! Test suites of packages: which of them a build runs, and what came of one in numbers.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which test suites a build runs. The numbers on the wire are those of the yes and no that was before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestLevel {
    /// None.
    #[default]
    None,
    /// Every one that a recipe has.
    All,
    /// Those of the packages that everything else stands on.
    Critical,
}

impl TestLevel {
    /// The word that people write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
            Self::Critical => "critical",
        }
    }

    /// Whether a suite is run that is `critical` or not.
    pub const fn runs(self, critical: bool) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Critical => critical,
        }
    }
}

/// A word that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestLevelError;

impl fmt::Display for TestLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write none, critical or all")
    }
}

impl FromStr for TestLevel {
    type Err = TestLevelError;

    fn from_str(text: &str) -> Result<Self, TestLevelError> {
        let levels = [Self::None, Self::Critical, Self::All];
        levels.into_iter().find(|level| level.as_str() == text).ok_or(TestLevelError)
    }
}

/// What came of a test suite, in numbers of tests. A failure that is told twice counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Passed.
    pub passed: u64,
    /// Failed, as the suite itself or the recipe's list expects.
    pub expected: u64,
    /// Failed, and nobody expects it.
    pub failed: u64,
    /// Those of [`Self::failed`] that did not fail in the attempt before; 0 where there was none.
    pub new: u64,
    /// Not run: skipped, not supported here.
    pub skipped: u64,
    /// Entries of the recipe's list of expected failures that pass now.
    pub fixed: u64,
}

/// How many names of tests that failed are kept of each time.
const KEPT: u64 = 2000;
const FAILED: &str = "failed";

impl fmt::Display for Tested {
    /// `812 passed, 3 failed as expected, 1 failed, 1 of them new`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, expected, failed, new, skipped, fixed } = *self;
        if passed + expected + failed + skipped == 0 {
            return f.write_str("no result could be read");
        }
        write!(f, "{passed} passed")?;
        let more = [
            (expected, "failed as expected"),
            (failed, FAILED),
            (skipped, "skipped"),
            (fixed, "listed but passing"),
        ];
        for (n, word) in more.iter().filter(|(n, _)| *n > 0) {
            write!(f, ", {n} {word}")?;
            // Told of what failed only: of the names behind the first 2,000 nobody knows whether they are new.
            if *word == FAILED && new > 0 {
                let known = if failed > KEPT { "at least " } else { "" };
                write!(f, ", {known}{new} of them new")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{TestLevel, Tested};

    #[test]
    fn a_level_runs_what_it_says() {
        let runs = |level: &str| {
            let level: TestLevel = level.parse().unwrap();
            (level.runs(false), level.runs(true))
        };
        assert_eq!(runs("none"), (false, false));
        assert_eq!(runs("critical"), (false, true));
        assert_eq!(runs("all"), (true, true));
        assert!("some".parse::<TestLevel>().is_err());
        assert_eq!(TestLevel::default(), TestLevel::None);
    }

    #[test]
    fn only_what_there_is_is_told() {
        let all = Tested { passed: 812, expected: 3, failed: 2, new: 1, skipped: 4, fixed: 1 };
        let want = "812 passed, 3 failed as expected, 2 failed, 1 of them new, 4 skipped, \
            1 listed but passing";
        assert_eq!(all.to_string(), want);
        assert_eq!(Tested { failed: 2, ..Tested::default() }.to_string(), "0 passed, 2 failed");
        // "5000 failed, 2000 of them new" was said of 5,000 that were all new.
        let many = Tested { failed: 5000, new: 2000, ..Tested::default() };
        assert_eq!(many.to_string(), "0 passed, 5000 failed, at least 2000 of them new");
        assert_eq!(Tested::default().to_string(), "no result could be read");
    }
}
