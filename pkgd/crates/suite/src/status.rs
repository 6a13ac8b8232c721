//! What may come of a test.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What came of a test: the words of POSIX 1003.3 as DejaGnu and automake write them, to which those of other
/// harnesses are brought. The order is that of [`crate::Report::counts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It failed, and the suite itself expects so.
    Xfail,
    /// It passed, and the suite itself expects it to fail: something is not as its authors think.
    Xpass,
    /// The harness itself failed.
    Error,
    /// It came to no end that says anything.
    Unresolved,
    /// It was left out.
    Skip,
    /// What it tests is not there.
    Unsupported,
    /// There is no test yet.
    Untested,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pass,
        Self::Fail,
        Self::Xfail,
        Self::Xpass,
        Self::Error,
        Self::Unresolved,
        Self::Skip,
        Self::Unsupported,
        Self::Untested,
    ];

    /// The word in results and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Xfail => "XFAIL",
            Self::Xpass => "XPASS",
            Self::Error => "ERROR",
            Self::Unresolved => "UNRESOLVED",
            Self::Skip => "SKIP",
            Self::Unsupported => "UNSUPPORTED",
            Self::Untested => "UNTESTED",
        }
    }

    /// Of a word; a known failure of DejaGnu (`KFAIL`) is an expected one.
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "KFAIL" => Some(Self::Xfail),
            "KPASS" => Some(Self::Xpass),
            _ => Self::ALL.into_iter().find(|status| status.as_str() == word),
        }
    }

    /// Whether it fails the suite, unless the recipe expects it.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::Xpass | Self::Error | Self::Unresolved)
    }

    /// Whether the test did not run.
    pub const fn is_skip(self) -> bool {
        matches!(self, Self::Skip | Self::Unsupported | Self::Untested)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
