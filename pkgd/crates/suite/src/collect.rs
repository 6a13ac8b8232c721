//! Many lines: counted, and the names kept that somebody will want to see.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;

use minos_model::Tested;

use crate::expected::Expected;
use crate::line::{Told, read};
use crate::report::{Failing, Report};
use crate::status::Status;

/// Bytes of a line that are looked at. What stands behind them is passed over.
pub const MAX_LINE: usize = 4096;
/// Characters of a test's name that are kept.
pub const MAX_NAME: usize = 200;
/// Failing tests whose names are kept. More are counted.
pub const MAX_FAILURES: usize = 2000;
/// Failing tests beyond those that are remembered by a hash, so that one that is told twice counts once.
pub const MAX_HASHES: usize = 200_000;
/// Names kept of tests that neither passed nor failed.
pub const MAX_OTHERS: usize = 200;

/// What the attempt before came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Its number.
    pub attempt: u64,
    /// Its numbers.
    pub tested: Tested,
    /// The tests that failed, expected or not.
    pub failing: Vec<String>,
}

/// What was told of a test, or of those that an entry means.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    passed: bool,
    failed: bool,
}

impl Seen {
    fn note(&mut self, status: Status) {
        self.passed |= status == Status::Pass;
        self.failed |= status.is_failure() || status == Status::Xfail;
    }
}

/// Takes the output of a suite, piece by piece. Memory: [`MAX_LINE`], and the names that the limits above allow.
#[derive(Debug)]
pub struct Collector {
    expected: Expected,
    before: Option<Before>,
    /// The line under way; `skip` says that it was too long, and its rest is passed over.
    line: Vec<u8>,
    skip: bool,
    counts: [u64; Status::ALL.len()],
    /// Results since the last line that told a number of tests.
    told: u64,
    /// The test that was named last without a result.
    begun: Option<String>,
    /// The newest result, as long as the next line may show that it was a heading, and how long its line was.
    held: Option<(Status, String, usize)>,
    failures: BTreeMap<(String, Status), bool>,
    unexpected: u64,
    listed: u64,
    more: u64,
    /// Of those that are only counted.
    hashes: BTreeSet<u64>,
    others: BTreeSet<(Status, String)>,
    /// Of each entry of the list.
    entries: Vec<Seen>,
    /// Of each test that failed before.
    earlier: BTreeMap<String, Seen>,
}

impl Collector {
    /// For a suite of which `expected` is known to fail, and that came to `before` the last time.
    pub fn new(expected: Expected, before: Option<Before>) -> Self {
        let names = before.iter().flat_map(|before| &before.failing);
        Self {
            entries: vec![Seen::default(); expected.len()],
            earlier: names.map(|name| (name.clone(), Seen::default())).collect(),
            expected,
            before,
            line: Vec::new(),
            skip: false,
            counts: [0; Status::ALL.len()],
            told: 0,
            begun: None,
            held: None,
            failures: BTreeMap::new(),
            unexpected: 0,
            listed: 0,
            more: 0,
            hashes: BTreeSet::new(),
            others: BTreeSet::new(),
        }
    }

    /// Takes a piece of output, of any bytes and cut anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.take(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
    }

    fn take(&mut self, part: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(&part[..room]);
        self.skip |= room < part.len();
    }

    fn end_line(&mut self) {
        let mut line = mem::take(&mut self.line);
        // A line too long for a name tells no result; it is some test's own output.
        if !mem::take(&mut self.skip) {
            self.look(&plain(&line));
        }
        line.clear();
        self.line = line;
    }

    fn look(&mut self, line: &str) {
        if let Some((status, name, length)) = self.held.take()
            && !underlines(line, length)
        {
            self.result(status, name);
        }
        match read(line) {
            Some(Told::Result(status, name)) => {
                self.begun = None;
                self.held = Some((status, clipped(name), line.len()));
            }
            Some(Told::Begun(name)) => self.begun = Some(clipped(name)),
            Some(Told::Ended(status)) => {
                if let Some(name) = self.begun.take() {
                    self.result(status, name);
                }
            }
            Some(Told::Ran(tests)) => {
                self.counts[Status::Pass as usize] +=
                    tests.saturating_sub(mem::take(&mut self.told));
            }
            None => {}
        }
    }

    fn result(&mut self, status: Status, name: String) {
        self.told += 1;
        let entry = self.expected.find(&name);
        if let Some(seen) = entry.and_then(|at| self.entries.get_mut(at)) {
            seen.note(status);
        }
        if let Some(seen) = self.earlier.get_mut(&name) {
            seen.note(status);
        }
        if status.is_failure() {
            return self.failure(status, name, entry.is_some());
        }
        self.counts[status as usize] += 1;
        if status != Status::Pass && self.others.len() < MAX_OTHERS {
            self.others.insert((status, name));
        }
    }

    /// A failure that is told twice (on the way, and in a summary) counts once.
    fn failure(&mut self, status: Status, name: String, listed: bool) {
        let key = (name, status);
        if self.failures.contains_key(&key) {
            return;
        }
        let full = self.failures.len() >= MAX_FAILURES;
        if full && self.hashes.len() < MAX_HASHES && !self.hashes.insert(hash(&key)) {
            return;
        }
        self.counts[status as usize] += 1;
        *(if listed { &mut self.listed } else { &mut self.unexpected }) += 1;
        if full {
            self.more += 1;
        } else {
            self.failures.insert(key, listed);
        }
    }

    /// The whole, after the last piece.
    pub fn finish(mut self) -> Report {
        if !self.line.is_empty() {
            self.end_line();
        }
        if let Some((status, name, _)) = self.held.take() {
            self.result(status, name);
        }
        let failures = mem::take(&mut self.failures);
        let failures = failures.into_keys().map(|(name, status)| self.failing(name, status));
        let failures: Vec<Failing> = failures.collect();
        let new = failures.iter().filter(|f| f.new && f.reason.is_none()).count() as u64;
        let with = |wanted: fn(&Seen) -> bool| {
            let seen = self.entries.iter().zip(self.expected.entries());
            seen.filter(|(seen, _)| wanted(seen)).map(|(_, entry)| entry.name.clone()).collect()
        };
        let passes_now: Vec<String> = with(|seen| seen.passed && !seen.failed);
        let not_seen = with(|seen| !seen.passed && !seen.failed);
        let earlier = |wanted: fn(&Seen) -> bool| {
            let seen = self.earlier.iter().filter(|(_, seen)| wanted(seen));
            seen.map(|(name, _)| name.clone()).collect()
        };
        let count = |status: Status| self.counts[status as usize];
        let skips = Status::ALL.into_iter().filter(|status| status.is_skip());
        let tested = Tested {
            passed: count(Status::Pass),
            expected: count(Status::Xfail) + self.listed,
            failed: self.unexpected,
            new,
            skipped: skips.map(count).sum(),
            fixed: passes_now.len() as u64,
        };
        Report {
            counts: self.counts,
            tested,
            fixed: earlier(|seen| seen.passed && !seen.failed),
            gone: earlier(|seen| !seen.passed && !seen.failed),
            failures,
            more: self.more,
            others: self.others.into_iter().collect(),
            passes_now,
            not_seen,
            before: self.before.map(|before| (before.attempt, before.tested)),
            problem: None,
        }
    }

    fn failing(&self, name: String, status: Status) -> Failing {
        let entry = self.expected.find(&name).and_then(|at| self.expected.entries().get(at));
        let reason = entry.map(|entry| entry.reason.clone());
        let new = self.before.is_some() && !self.earlier.contains_key(&name);
        Failing { name, status, reason, new }
    }
}

/// Automake's `test-suite.log` repeats a result as a heading, without the ending of the test's name: underlined.
fn underlines(line: &str, length: usize) -> bool {
    line.len() == length && line.bytes().all(|b| b == b'=')
}

/// The line as text, without the sequences that colour it on a terminal.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut pieces = text.split("\x1b[");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let parameters = piece.bytes().take_while(|b| matches!(b, b' '..=b'?')).count();
        // Behind them stands one letter.
        out.push_str(piece.get(parameters + 1..).unwrap_or_default());
    }
    out
}

/// What stands for a failure whose name is not kept.
fn hash(failure: &(String, Status)) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&failure.0, failure.1 as usize).hash(&mut hasher);
    hasher.finish()
}

fn clipped(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_NAME).collect()
}
