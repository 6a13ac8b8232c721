//! What test suites print, and the lists of what may fail.

use minos_suite::{Collector, Expected, MAX_FAILURES, MAX_OTHERS};

/// A list of expected failures, a zero byte, and the output of a suite.
pub fn suite(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(0);
    let (list, output) = bytes.split_at(end);
    let list = Expected::parse(&String::from_utf8_lossy(list)).unwrap_or_default();
    let read = |piece: usize| {
        let mut collector = Collector::new(list.clone(), None);
        output.chunks(piece).for_each(|piece| collector.push(piece));
        collector.finish()
    };
    let report = read(4096);
    assert_eq!(read(7), report, "it does not matter where the pipe cuts");
    assert!(report.failures.len() <= MAX_FAILURES && report.others.len() <= MAX_OTHERS);
    let t = report.tested;
    assert_eq!(t.passed + t.expected + t.failed + t.skipped, report.total());
    assert_eq!(report.complaint(true).is_some(), t.failed > 0);
    report.total() > 0
}
