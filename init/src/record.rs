//! The boot record while the machine runs: what it says now, and whether that is on disk yet.

use minos_proto::BootPhase;

use crate::bootrec::{Culprit, Reason, Record, SLOT};
use crate::event::Ms;
use crate::kernel::Job;

/// Where the record lives.
pub const PATH: &str = "/state/boot/record";
/// How long after a write that failed it is tried again at first; twice as long each time.
const AGAIN_MS: Ms = 1_000;
/// The longest such pause.
pub const LONGEST_MS: Ms = 64_000;

/// The record of this boot.
#[derive(Debug, Default)]
pub struct Book {
    record: Option<Record>,
    dirty: bool,
    scribe: Option<u32>,
    /// The pause after the last write, if that failed, and its end.
    pause: Option<(Ms, Ms)>,
}

impl Book {
    /// Begins with the record of this boot, or goes on with another one; it is not on disk yet.
    pub fn open(&mut self, mut record: Record) {
        if let Some(old) = &self.record {
            // What was written of this boot already is not written over in place.
            record.sequence = old.sequence;
        }
        self.record = Some(record);
    }

    /// What the record says; `None` when this machine keeps none.
    pub const fn record(&self) -> Option<Record> {
        self.record
    }

    fn change(&mut self, change: impl FnOnce(Record) -> Record) {
        if let Some(old) = self.record {
            let new = change(old);
            self.dirty |= new != old;
            self.record = Some(new);
        }
    }

    /// A phase was reached.
    pub fn reached(&mut self, phase: BootPhase) {
        self.change(|r| Record { phase, ..r });
    }

    /// pkgd was started again this many times.
    pub fn restarts(&mut self, pkgd_restarts: u32) {
        self.change(|r| Record { pkgd_restarts, ..r });
    }

    /// What is to be read if nothing more is written.
    pub fn ending(&mut self, reason: Reason) {
        self.change(|r| r.ending(reason));
    }

    /// The generation has passed its checks.
    pub fn passed(&mut self) {
        self.change(Record::passed);
    }

    /// The generation on trial is bad.
    pub fn failing(&mut self, reason: Reason, culprit: Culprit, now: u64) {
        self.change(|r| r.failing(reason, culprit, now));
    }

    /// The job that writes the record as it is now; `None` when there is nothing to write.
    pub fn job(&mut self, now: u64) -> Option<Job> {
        let record = self.record?.stamped(now);
        self.record = Some(record);
        self.dirty = false;
        let bytes: [u8; SLOT] = record.encode();
        Some(Job::WriteRecord { path: PATH, offset: record.offset(), bytes, then_remove: None })
    }

    /// When a change is to be written; `None`: nothing waits, or somebody is writing.
    pub fn due(&self) -> Option<Ms> {
        let waits = self.dirty && self.scribe.is_none();
        waits.then(|| self.pause.map_or(0, |(_, end)| end))
    }

    /// What [`Book::job`] gave was written.
    pub const fn written(&mut self) {
        self.pause = None;
    }

    /// It was not: it waits again. Returns for how long.
    pub fn failed(&mut self, now: Ms) -> Ms {
        self.record = self.record.map(Record::unwritten);
        self.dirty = true;
        let pause = self.pause.map_or(AGAIN_MS, |(last, _)| (2 * last).min(LONGEST_MS));
        self.pause = Some((pause, now.saturating_add(pause)));
        pause
    }

    /// A helper writes.
    pub const fn scribe_started(&mut self, pid: u32) {
        self.scribe = Some(pid);
    }

    /// Whether the process that ended was that helper.
    pub fn scribe_ended(&mut self, pid: u32) -> bool {
        self.scribe.take_if(|p| *p == pid).is_some()
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::BootPhase;

    use super::{Book, PATH};
    use crate::bootrec::{Reason, Record, SLOT_STRIDE};
    use crate::kernel::Job;

    /// A first version raised the sequence number both when the reason changed and when the record
    /// was written: every second write went over the newest slot, so a torn write lost both.
    #[test]
    fn no_write_goes_over_the_newest_slot() {
        let mut book = Book::default();
        assert_eq!(book.job(0), None, "no record, nothing to write");
        book.open(Record::next_boot(None, None));
        let mut last = None;
        for n in 0..10 {
            book.ending(if n % 2 == 0 { Reason::BootFailed } else { Reason::InProgress });
            let Some(Job::WriteRecord { path, offset, .. }) = book.job(n) else { panic!("no job") };
            assert_eq!((path, offset % SLOT_STRIDE), (PATH, 0));
            assert_ne!(Some(offset), last);
            last = Some(offset);
        }
    }

    #[test]
    fn only_changes_are_written_and_by_one_helper_at_a_time() {
        let mut book = Book::default();
        book.open(Record::next_boot(None, None));
        book.reached(BootPhase::Ready);
        assert!(book.due().is_some());
        assert!(book.job(1).is_some());
        book.scribe_started(9);
        book.reached(BootPhase::Ready);
        book.restarts(1);
        assert_eq!(book.due(), None, "the helper still writes");
        assert!(!book.scribe_ended(8) && book.scribe_ended(9));
        assert_eq!(book.due(), Some(0));
        assert!(book.job(2).is_some());
        book.restarts(1);
        assert_eq!(book.due(), None, "nothing changed");
    }

    /// A first version forgot a write that failed, and made the next one over the slot that was whole.
    #[test]
    fn a_write_that_failed_is_made_again_in_the_same_slot() {
        let mut book = Book::default();
        book.open(Record::next_boot(None, None));
        let slot = |book: &mut Book| match book.job(0) {
            Some(Job::WriteRecord { offset, .. }) => offset,
            other => panic!("{other:?}"),
        };
        let first = slot(&mut book);
        for (pause, due) in [(1_000, 1_100), (2_000, 2_100), (4_000, 4_100)] {
            assert_eq!(book.failed(100), pause);
            assert_eq!(book.due(), Some(due));
            assert_eq!(slot(&mut book), first);
        }
        book.written();
        book.restarts(1);
        assert_eq!(book.due(), Some(0));
        assert_ne!(slot(&mut book), first);
        assert_eq!((0..9).map(|_| book.failed(0)).last(), Some(64_000));
    }
}
