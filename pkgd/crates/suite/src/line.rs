//! One line of a suite's output.
//!
//! | form | who writes it |
//! | --- | --- |
//! | `FAIL: name` | [automake](https://www.gnu.org/software/automake/manual/html_node/Simple-Tests.html), [DejaGnu](https://www.gnu.org/software/dejagnu/manual/Output-States.html), glibc, Python's unittest |
//! | `not ok 1 - name # TODO why` | [TAP](https://testanything.org/tap-version-13-specification.html) |
//! | `t/name.t .. ok` | Perl's harness; `t/name.t (Wstat: 256 Tests: 3 Failed: 1)` in its summary |
//! | `  3: name      ok` | [Autotest](https://www.gnu.org/software/autoconf/manual/autoconf-2.72/html_node/testsuite-Scripts.html) |
//! | `3/20 name  OK  0.04s` | meson |
//! | `0:00:07 [ 3/20] name passed` | Python's regrtest |
//! | `  sfdisk: resize: [01] grow  ... SKIPPED (why)` | util-linux |
//! | `Ran 12 tests in 0.3s` | Python's unittest, which names only what did not pass |
//! | `name ..... ` with a program's own words, `ok     (3 passed)` lines later | make's `run_make_tests`, if a test says something |
//!
//! Any other line tells nothing.

use crate::status::Status;

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// What came of a test.
    Result(Status, &'a str),
    /// How many tests ran, those included that were told since the last such line.
    Ran(u64),
    /// A test was named; what came of it may stand at the head of a later line.
    Begun(&'a str),
    /// What came of the test that was named last.
    Ended(Status),
}

/// What `line`, without its end, tells.
pub(crate) fn read(line: &str) -> Option<Told<'_>> {
    let line = line.trim_end();
    let found = posix(line)
        .or_else(|| tap(line))
        .or_else(|| harness(line))
        .or_else(|| autotest(line))
        .or_else(|| util_linux(line))
        .or_else(|| meson(line))
        .or_else(|| regrtest(line));
    match found {
        Some((status, name)) if !name.trim().is_empty() => Some(Told::Result(status, name.trim())),
        _ => ran(line).or_else(|| begun(line)).or_else(|| ended(line)),
    }
}

/// So many dots are a column that is filled, not an ellipsis.
const LEADER: &str = ".....";

fn begun(line: &str) -> Option<Told<'_>> {
    let (name, rest) = line.split_once(' ')?;
    (rest.starts_with(LEADER) && !name.is_empty()).then_some(Told::Begun(name))
}

fn ended(line: &str) -> Option<Told<'_>> {
    let (word, rest) = line.split_once(" (").unwrap_or((line, ""));
    let counted = rest.strip_suffix(" passed)").is_some_and(|n| fraction(n) || number(n));
    match word.trim_end() {
        "ok" if counted => Some(Told::Ended(Status::Pass)),
        "FAILED" if counted => Some(Told::Ended(Status::Fail)),
        _ => None,
    }
}

fn posix(line: &str) -> Option<(Status, &str)> {
    let (word, name) = line.split_once(':')?;
    // The words of a summary (`PASS:12` of some) have no blank.
    let name = name.strip_prefix([' ', '\t'])?;
    if autotest_summary(name) {
        return None;
    }
    Some((Status::of(word)?, name))
}

/// `ERROR: 221 tests were run,` is the head of Autotest's summary, where something failed.
fn autotest_summary(text: &str) -> bool {
    let counted = text.split_once(" tests were run").or_else(|| text.split_once(" test was run"));
    counted.is_some_and(|(count, _)| number(count))
}

fn tap(line: &str) -> Option<(Status, &str)> {
    if let Some(why) = line.strip_prefix("Bail out!") {
        return Some((Status::Error, if why.trim().is_empty() { "Bail out!" } else { why }));
    }
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // A number may be left out; then anything that begins with "ok" would be a test.
    let (number, rest) = rest.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let (name, directive) = match rest.split_once(" # ") {
        Some((name, directive)) => (name, directive),
        None => (rest, ""),
    };
    let named = name.trim().trim_start_matches("- ").trim_start_matches('-');
    let name = if named.trim().is_empty() { number } else { named };
    let is = |word: &str| directive.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(word));
    Some(match (passed, is("skip"), is("todo")) {
        (_, true, _) => (Status::Skip, name),
        // That something to be done is done already is no failure in TAP.
        (true, ..) => (Status::Pass, name),
        (false, _, true) => (Status::Xfail, name),
        (false, ..) => (Status::Fail, name),
    })
}

fn harness(line: &str) -> Option<(Status, &str)> {
    let (name, rest) = line.split_once(char::is_whitespace)?;
    if let Some(summary) = rest.trim_start().strip_prefix("(Wstat: ") {
        let number = |after: &str| {
            let (_, rest) = summary.split_once(after)?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(!digits.trim_start_matches('0').is_empty())
        };
        let bad = !summary.starts_with("0 ") || number("Failed: ")?;
        return bad.then_some((Status::Fail, name));
    }
    let said = rest.trim_start().strip_prefix("..")?.trim_start_matches('.').trim_start();
    let word = said.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    match word {
        "ok" => Some((Status::Pass, name)),
        "skipped" => Some((Status::Skip, name)),
        "FAILED" | "Failed" | "Dubious" => Some((Status::Fail, name)),
        _ => None,
    }
}

fn autotest(line: &str) -> Option<(Status, &str)> {
    let (number, rest) = line.trim_start().split_once(':')?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) || !rest.starts_with(' ') {
        return None;
    }
    // Where in the suite a test failed or was left stands behind the word.
    let rest = match rest.rsplit_once(" (") {
        Some((rest, place)) if place.ends_with(')') => rest.trim_end(),
        _ => rest,
    };
    let words = [
        (" expected failure", Status::Xfail),
        (" UNEXPECTED PASS", Status::Xpass),
        (" FAILED", Status::Fail),
        (" skipped", Status::Skip),
        (" ok", Status::Pass),
    ];
    words.iter().find_map(|(word, status)| Some((*status, rest.strip_suffix(word)?)))
}

fn util_linux(line: &str) -> Option<(Status, &str)> {
    let (name, said) = line.split_once(" ... ")?;
    // What follows such a word are the numbers of sub-tests, which were all told before.
    if !name.contains(": ") || said.contains("sub-test") {
        return None;
    }
    let word = said.split_once(" (").map_or(said, |(word, _)| word);
    let status = match word {
        "OK" => Status::Pass,
        "FAILED" => Status::Fail,
        "SKIPPED" => Status::Skip,
        "KNOWN FAILED" => Status::Xfail,
        _ => return None,
    };
    Some((status, name))
}

fn meson(line: &str) -> Option<(Status, &str)> {
    let (place, rest) = line.trim_start().split_once(' ')?;
    if !fraction(place) {
        return None;
    }
    let words = [
        (" OK ", Status::Pass),
        (" FAIL ", Status::Fail),
        (" TIMEOUT ", Status::Fail),
        (" INTERRUPT ", Status::Error),
        (" ERROR ", Status::Error),
        (" SKIP ", Status::Skip),
        (" EXPECTEDFAIL ", Status::Xfail),
        (" UNEXPECTEDPASS ", Status::Xpass),
    ];
    let seconds = |after: &str| {
        let number = after.split_whitespace().next().and_then(|word| word.strip_suffix('s'));
        number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    };
    let found = words.iter().filter_map(|(word, status)| {
        let (name, after) = rest.rsplit_once(word)?;
        seconds(after).then_some((*status, name))
    });
    found.into_iter().next()
}

/// `3/20`
fn fraction(text: &str) -> bool {
    text.split_once('/').is_some_and(|(a, b)| number(a) && number(b))
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn regrtest(line: &str) -> Option<(Status, &str)> {
    let (_, rest) = line.split_once('[')?;
    let (place, rest) = rest.split_once("] ")?;
    // With failures so far behind them: `[ 3/20/1]`.
    let place = place.trim();
    let place = place.match_indices('/').nth(1).map_or(place, |(at, _)| &place[..at]);
    if !fraction(place) {
        return None;
    }
    let (name, said) = rest.split_once(' ')?;
    let word = said.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    match word {
        "passed" => Some((Status::Pass, name)),
        "failed" | "crashed" => Some((Status::Fail, name)),
        "timed" => Some((Status::Error, name)),
        "skipped" | "run" => Some((Status::Skip, name)),
        _ => None,
    }
}

fn ran(line: &str) -> Option<Told<'_>> {
    let (number, rest) = line.strip_prefix("Ran ")?.split_once(" test")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    if !rest.starts_with(" in ") {
        return None;
    }
    number.parse().ok().map(Told::Ran)
}

#[cfg(test)]
mod tests {
    use super::{Status, Told, read};

    fn told(line: &str) -> Option<(Status, &str)> {
        match read(line) {
            Some(Told::Result(status, name)) => Some((status, name)),
            _ => None,
        }
    }

    #[test]
    fn automake_and_dejagnu() {
        assert_eq!(told("PASS: test-strtod"), Some((Status::Pass, "test-strtod")));
        let gcc = "XFAIL: gcc.dg/pr1.c (test for excess errors)";
        assert_eq!(told(gcc), Some((Status::Xfail, "gcc.dg/pr1.c (test for excess errors)")));
        assert_eq!(told("KFAIL: x"), Some((Status::Xfail, "x")));
        for status in Status::ALL {
            assert_eq!(told(&format!("{status}: a b")), Some((status, "a b")));
        }
        let python = "FAIL: test_utime (test.test_os.UtimeTests.test_utime)";
        assert_eq!(told(python).map(|(status, _)| status), Some(Status::Fail));
    }

    #[test]
    fn summaries_are_no_tests() {
        let lines = [
            "# FAIL:  3",
            "# of unexpected failures\t\t3",
            "FAIL",
            "FAIL:",
            "FAIL: ",
            "FAIL:3",
            "FAIL test-x (exit status: 1)",
            "make: *** [Makefile:7: check] Error 1",
            "error: no",
            "ok",
            "ok then",
            "ok 1st",
            "not okay 1",
            "checking for x... ok",
            "1/2 of it is OK",
            "Ran out of memory",
            "ERROR: 221 tests were run,",
            "ERROR: 1 test was run, one failed",
        ];
        for line in lines {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn test_anything_protocol() {
        assert_eq!(told("ok 1 - starts"), Some((Status::Pass, "starts")));
        assert_eq!(told("ok 12"), Some((Status::Pass, "12")));
        assert_eq!(told("not ok 2 stops"), Some((Status::Fail, "stops")));
        assert_eq!(told("ok 3 - net # SKIP no network"), Some((Status::Skip, "net")));
        assert_eq!(told("not ok 4 - later # TODO"), Some((Status::Xfail, "later")));
        assert_eq!(told("ok 5 - early # todo"), Some((Status::Pass, "early")));
        assert_eq!(told("Bail out! no disk"), Some((Status::Error, "no disk")));
        assert_eq!(told("Bail out!"), Some((Status::Error, "Bail out!")));
    }

    #[test]
    fn the_harness_of_perl() {
        assert_eq!(
            told("t/base/cond ...................... ok"),
            Some((Status::Pass, "t/base/cond"))
        );
        assert_eq!(told("t/00-x.t .. ok       12 ms"), Some((Status::Pass, "t/00-x.t")));
        assert_eq!(told("t/io/x ... skipped: no fork"), Some((Status::Skip, "t/io/x")));
        assert_eq!(told("lib/x .... FAILED at test 3"), Some((Status::Fail, "lib/x")));
        assert_eq!(told("t/y.t .. Failed 1/3 subtests"), Some((Status::Fail, "t/y.t")));
        let summary = "t/y.t (Wstat: 256 (exited 1) Tests: 3 Failed: 1)";
        assert_eq!(told(summary), Some((Status::Fail, "t/y.t")));
        assert_eq!(told("t/todo.t (Wstat: 0 Tests: 3 Failed: 0)"), None);
        assert_eq!(told("t/z.t (Wstat: 0 Tests: 3 Failed: 10)"), Some((Status::Fail, "t/z.t")));
    }

    #[test]
    fn a_result_that_stands_on_a_later_line() {
        let begun = "features/temp_stdin ........... Error running /build/src/make";
        assert_eq!(read(begun), Some(Told::Begun("features/temp_stdin")));
        assert_eq!(read("FAILED (7/8 passed)"), Some(Told::Ended(Status::Fail)));
        assert_eq!(read("ok     (3 passed)"), Some(Told::Ended(Status::Pass)));
        for line in ["FAILED (errors=1)", "FAILED", "wait ... a moment", "ok (all passed)"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn autotest() {
        assert_eq!(told("  3: AC_CHECK_FUNC        ok"), Some((Status::Pass, "AC_CHECK_FUNC")));
        let failed = "170: C++ exception handling    FAILED (exceptions.at:24)";
        assert_eq!(told(failed), Some((Status::Fail, "C++ exception handling")));
        assert_eq!(told(" 9: a b    skipped (x.at:1)"), Some((Status::Skip, "a b")));
        assert_eq!(told("10: a   expected failure (x.at:1)"), Some((Status::Xfail, "a")));
        assert_eq!(told("x.c:10: it is ok"), None);
    }

    #[test]
    fn util_linux() {
        let failed = "  lsblk: lsblk: [01] lvm-basic          ... FAILED (lsblk/lsblk-lvm-basic)";
        assert_eq!(told(failed), Some((Status::Fail, "lsblk: lsblk: [01] lvm-basic")));
        assert_eq!(told("  uuid: oids      ... OK"), Some((Status::Pass, "uuid: oids")));
        let skipped = "  su: environ   ... SKIPPED (no root permissions)";
        assert_eq!(told(skipped), Some((Status::Skip, "su: environ")));
        let known = "  ul: basic: [02] x   ... KNOWN FAILED (ul/basic-x)";
        assert_eq!(told(known), Some((Status::Xfail, "ul: basic: [02] x")));
        for line in [
            "  lsblk: lsblk          ... FAILED (14 from 14 sub-tests)",
            "  utmp: last            ... OK (all 1 sub-tests PASSED)",
            "configure: checking for it ... yes",
            "done ... OK",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn meson_and_regrtest() {
        assert_eq!(told(" 3/20 kmod:depmod   OK    0.04s"), Some((Status::Pass, "kmod:depmod")));
        assert_eq!(told("4/20 a b  FAIL  1.2s   exit status 1"), Some((Status::Fail, "a b")));
        assert_eq!(told("5/20 c  EXPECTEDFAIL  1.2s"), Some((Status::Xfail, "c")));
        assert_eq!(
            told("0:00:07 load avg: 1.2 [ 3/20] test_os passed"),
            Some((Status::Pass, "test_os"))
        );
        assert_eq!(told("[20/20/1] test_x failed (1 failure)"), Some((Status::Fail, "test_x")));
        assert_eq!(told("0:00:07 [ 3/20] test_os"), None);
        assert_eq!(read("Ran 12 tests in 0.3s"), Some(Told::Ran(12)));
        assert_eq!(read("Ran 1 test in 0.3s"), Some(Told::Ran(1)));
    }
}
