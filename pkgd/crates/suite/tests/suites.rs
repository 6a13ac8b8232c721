//! Whole outputs of suites: what is counted, what is kept, and what follows.

use minos_suite::{
    Before, Collector, Expected, MAX_FAILURES, MAX_LINE, MAX_NAME, MAX_OTHERS, Report, Status,
};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn read(text: &[u8], expected: &str, before: Option<Before>) -> Report {
    let mut collector = Collector::new(Expected::parse(expected).unwrap(), before);
    collector.push(text);
    collector.finish()
}

fn names(report: &Report) -> Vec<&str> {
    report.failures.iter().map(|f| &*f.name).collect()
}

const AUTOMAKE: &str = "\
make  check-TESTS
PASS: tests/a
\u{1b}[0;32mPASS\u{1b}[m: tests/b
XFAIL: tests/c
SKIP: tests/d
FAIL: tests/e
FAIL: tests/f
=========
# TOTAL: 6
# PASS:  2
FAIL: tests/e
";

#[test]
fn results_are_counted_and_a_failure_told_twice_counts_once() {
    let report = read(AUTOMAKE.as_bytes(), "", None);
    assert_eq!(report.tested.to_string(), "2 passed, 1 failed as expected, 2 failed, 1 skipped");
    assert_eq!(names(&report), ["tests/e", "tests/f"]);
    let others = [(Status::Xfail, "tests/c".to_owned()), (Status::Skip, "tests/d".to_owned())];
    assert_eq!(report.others, others);
    let complaint = report.complaint(false).unwrap();
    assert_eq!(complaint, "2 failures that nobody expects: tests/e, tests/f");
    assert_eq!(report.complaint(true), Some(complaint), "whatever the suite's own status says");
}

#[test]
fn what_is_listed_may_fail_and_is_told_when_it_passes() {
    let list = "tests/e # flaky\ntests/f # no network\ntests/a # fixed since\ngone/* # of another version\n";
    let report = read(AUTOMAKE.as_bytes(), list, None);
    assert_eq!(report.tested.failed, 0);
    assert_eq!(report.failures[0].reason.as_deref(), Some("flaky"));
    assert_eq!(report.passes_now, ["tests/a"]);
    assert_eq!(report.not_seen, ["gone/*"]);
    assert_eq!(report.complaint(false), None, "the failures explain the status");
}

#[test]
fn a_bad_end_without_a_failure_is_not_explained() {
    let complaint = |text: &str| read(text.as_bytes(), "", None).complaint(false);
    assert_eq!(complaint("hello\n").unwrap(), "no result of a test could be read");
    let fine = "none of the 2 results that were read is a failure";
    assert_eq!(complaint("PASS: a\nXFAIL: b\n").unwrap(), fine);
    assert_eq!(read(b"hello\n", "", None).complaint(true), None, "a suite of one word");
}

#[test]
fn an_attempt_is_held_against_the_one_before() {
    let failing = ["tests/e", "tests/b", "tests/z"].map(str::to_owned).to_vec();
    let before = Before { attempt: 4, failing, ..Before::default() };
    let report = read(AUTOMAKE.as_bytes(), "", Some(before));
    assert_eq!(report.tested.new, 1);
    let new: Vec<bool> = report.failures.iter().map(|f| f.new).collect();
    assert_eq!(new, [false, true], "tests/f is new");
    assert_eq!(
        (report.fixed, report.gone),
        (vec!["tests/b".to_owned()], vec!["tests/z".to_owned()])
    );
    assert_eq!(report.before.unwrap().0, 4);
}

#[test]
fn unittest_names_only_what_did_not_pass() {
    let text = "ERROR: test_a (m.T)\nTraceback\nRan 10 tests in 0.1s\n\nFAILED (errors=1)\nRan 5 tests in 2s\n";
    let report = read(text.as_bytes(), "", None);
    assert_eq!((report.tested.passed, report.tested.failed), (14, 1));
}

/// As make 4.4's own suite did in a box: one of its two failing tests was not counted.
#[test]
fn a_test_that_says_something_before_its_result_counts() {
    let text = "a/x ..................... ok     (3 passed)\n\
        a/y ..................... Error running make (expected 512; got 0)\n\
        /build/src/y:124: make -f-\nFAILED (7/8 passed)\n\
        a/z ..................... N/A\nFAILED (1/2 passed)\nFAILED (1/2 passed)\n";
    let report = read(text.as_bytes(), "", None);
    assert_eq!(names(&report), ["a/y", "a/z"], "a result that belongs to no test is passed over");
    assert_eq!(report.tested.to_string(), "1 passed, 2 failed");
}

/// Coreutils prints the log of its failing tests, in which each has a heading without `.sh`: told twice, counted twice.
#[test]
fn a_heading_in_the_log_of_a_suite_is_no_result() {
    let text = "FAIL: tests/id/uid.sh\nFAIL: tests/id/uid\n==================\n\
        FAIL: x\n=======\n====\nFAIL tests/id/uid.sh (exit status: 1)\nPASS: last";
    let report = read(text.as_bytes(), "", None);
    assert_eq!(names(&report), ["tests/id/uid.sh"]);
    assert_eq!(report.tested.to_string(), "1 passed, 1 failed");
}

#[test]
fn names_and_lists_have_a_bound() {
    let mut text = String::new();
    for n in 0..MAX_FAILURES + 10 {
        text.push_str(&format!("FAIL: {n}-{}\nSKIP: {n}\n", "x".repeat(MAX_NAME + 9)));
    }
    let long = format!("FAIL: {}\n", "y".repeat(MAX_LINE));
    text.push_str(&long);
    let report = read(text.as_bytes(), "", None);
    assert_eq!((report.failures.len(), report.more), (MAX_FAILURES, 10));
    assert_eq!(report.tested.failed, MAX_FAILURES as u64 + 10);
    assert_eq!(report.others.len(), MAX_OTHERS);
    assert!(report.failures.iter().all(|f| f.name.chars().count() <= MAX_NAME));
    assert!(report.complaint(true).unwrap().ends_with(" more"), "only a few are named");
    // A summary at the end tells all of them again: those beyond the bound counted twice.
    assert_eq!(
        read((text.clone() + &text).as_bytes(), "", None).tested.failed,
        report.tested.failed
    );
}

proptest! {
    /// Whatever a suite prints, and however the pipe cuts it.
    #[test]
    fn any_bytes_in_any_pieces_say_the_same(
        lines in prop::collection::vec(
            (0usize..14, prop::collection::vec(any::<u8>(), 0..20)), 0..40),
        cut in 1usize..30,
    ) {
        let starts = ["PASS: ", "FAIL: ", "XFAIL: ", "ERROR: ", "ok ", "ok 1 - ", "not ok 2 ", "1/2 a OK ",
            "[1/2] a ", "Ran ", "Ran 3 tests in ", "\x1b[", "t/x.t .. ok", ""];
        let text: Vec<u8> = lines.iter()
            .flat_map(|(start, rest)| [starts[*start].as_bytes(), rest, b"\n"].concat())
            .collect();
        let whole = read(&text, "a # b\nF* # c\n", None);
        let mut pieces = Collector::new(Expected::parse("a # b\nF* # c\n").unwrap(), None);
        text.chunks(cut).for_each(|piece| pieces.push(piece));
        prop_assert_eq!(&pieces.finish(), &whole);
        let t = whole.tested;
        prop_assert_eq!(t.passed + t.expected + t.failed + t.skipped, whole.total());
        prop_assert_eq!(whole.complaint(true).is_some(), t.failed > 0);
    }

    #[test]
    fn any_list_is_read_or_refused(text in any::<String>()) {
        if let Ok(list) = Expected::parse(&text) {
            proptest::prop_assert!(list.len() <= text.lines().count());
        }
    }
}
