//! The phase of the test suite: where its results are read from, and what they make of its end.
//!
//! Results come from the file that the script was told of (`$TEST_RESULTS`), where it left one, else from the
//! phase's output. Both are what the suite makes of them: the file is opened by descriptor and read piece by piece, up
//! to a limit.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::Path;

use minos_model::{Failure, FailureClass, Phase};
use minos_sandbox::tree::Dir;
use minos_suite::{Collector, Report};

use crate::driver::TEST_RESULTS;
use crate::task::Suite;

/// The largest file of results that is read. That of gcc, with half a million tests, has 60 MB.
const MAX_RESULTS: u64 = 512 << 20;
/// Bytes of it in memory at once.
const PIECE: usize = 64 << 10;

/// Takes the results of a suite.
pub(crate) fn collector(suite: &Suite) -> Collector {
    Collector::new(suite.expected.clone(), suite.before.clone())
}

/// Puts what stands in the file of results, if the suite left one in `tree`, in the place of what `collector` has
/// read from the log.
pub(crate) fn results(tree: &Path, suite: &Suite, collector: &mut Collector) -> io::Result<()> {
    let file = match Dir::open(tree)?.open_file(OsStr::new(TEST_RESULTS)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    *collector = self::collector(suite);
    let mut file = file.take(MAX_RESULTS + 1);
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 if file.limit() == 0 => {
                return Err(io::Error::other(format!("larger than {MAX_RESULTS} bytes")));
            }
            0 => return Ok(()),
            n => collector.push(&piece[..n]),
        }
    }
}

/// What is left of the failure of a suite when its results are known: one that they explain is none.
pub(crate) fn judge(report: &mut Report, failure: Option<Failure>) -> Option<Failure> {
    let status = match &failure {
        // Crashed, silent, out of memory: whatever the results are, they are not all.
        Some(failure) if failure.class != FailureClass::Test => {
            report.problem = Some(failure.to_string());
            return Some(failure.clone());
        }
        other => other.as_ref(),
    };
    let complaint = report.complaint(status.is_none())?;
    let what = match status {
        Some(status) if report.tested.failed == 0 => format!("{}; {complaint}", status.what),
        _ => complaint,
    };
    if report.tested.failed == 0 {
        report.problem = Some(what.clone());
    }
    Some(failed(what))
}

/// The failure of a suite whose results cannot be read.
pub(crate) fn unreadable(report: &mut Report, error: &io::Error) -> Failure {
    let what = format!("its results ($TEST_RESULTS) cannot be read: {error}");
    report.problem = Some(what.clone());
    failed(what)
}

fn failed(what: String) -> Failure {
    Failure {
        class: FailureClass::Test,
        phase: Some(Phase::Check),
        what,
        hint: "'pkgctl tests' with the step's name tells more; what is known to fail goes into the recipe's [check] expected"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use minos_suite::Expected;

    use super::*;

    fn report(text: &str, expected: &str) -> Report {
        let mut collector = Collector::new(Expected::parse(expected).unwrap(), None);
        collector.push(text.as_bytes());
        collector.finish()
    }

    fn ended(class: FailureClass) -> Option<Failure> {
        let (what, hint) = ("the tests ended with status 2".to_owned(), String::new());
        Some(Failure { class, phase: Some(Phase::Check), what, hint })
    }

    #[test]
    fn a_status_that_results_explain_is_no_failure() {
        let bad = || ended(FailureClass::Test);
        assert_eq!(judge(&mut report("PASS: a\nFAIL: b\n", "b # known"), bad()), None);
        assert_eq!(judge(&mut report("PASS: a\n", ""), None), None);
        let mut silent = report("hello\n", "");
        let failure = judge(&mut silent, bad()).unwrap();
        assert_eq!(
            failure.what,
            "the tests ended with status 2; no result of a test could be read"
        );
        assert_eq!(silent.problem, Some(failure.what));
        let unlisted = judge(&mut report("FAIL: b\n", ""), None).unwrap();
        assert_eq!(unlisted.what, "1 failure that nobody expects: b");
    }

    #[test]
    fn a_crash_is_a_failure_by_itself() {
        let mut report = report("PASS: a\nFAIL: b\n", "b # known");
        let failure = judge(&mut report, ended(FailureClass::Silence)).unwrap();
        assert_eq!(failure.class, FailureClass::Silence);
        assert!(
            report.problem.unwrap().starts_with("silence in check"),
            "it is told with the results"
        );
    }

    /// The file is the script's: a link, a pipe or a folder in its place are nothing that pkgd follows or waits for.
    #[test]
    fn only_a_plain_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join(TEST_RESULTS);
        let read = || {
            let mut collector = Collector::new(Expected::default(), None);
            collector.push(b"FAIL: from the log\n");
            let suite = Suite::default();
            results(dir.path(), &suite, &mut collector).map(|()| collector.finish().tested.passed)
        };
        assert_eq!(read().unwrap(), 0, "no file: the log counts");
        fs::write(&place, "PASS: a\nPASS: b").unwrap();
        assert_eq!(read().unwrap(), 2, "the file counts");
        fs::remove_file(&place).unwrap();
        symlink("/etc/passwd", &place).unwrap();
        assert!(read().is_err());
        fs::remove_file(&place).unwrap();
        nix::unistd::mkfifo(&place, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(read().is_err());
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(read().is_err());
    }
}
