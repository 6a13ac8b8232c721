//! What the test suite of a package says: read from its output, held against what is expected, judged.
//!
//! | module | |
//! | --- | --- |
//! | `status` | the words that suites have for what came of a test |
//! | `line` | one line of output: whose result it tells, if any |
//! | `expected` | a recipe's list of tests that fail |
//! | `collect` | many lines, in bounded memory |
//! | `report` | what came of it, and whether the step may go on |
//!
//! Pure: no file, no clock. It takes any bytes, since a suite prints what it likes.

mod collect;
mod expected;
mod line;
mod report;
mod status;

pub use collect::{Before, Collector, MAX_FAILURES, MAX_LINE, MAX_NAME, MAX_OTHERS};
pub use expected::{Expected, ExpectedError};
pub use report::{Failing, Report};
pub use status::Status;
