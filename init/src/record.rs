//! The boot record while the machine runs: what it says now, and whether that is on disk yet.

use minos_proto::BootPhase;

use crate::bootrec::{Culprit, Reason, Record, SLOT};
use crate::kernel::Job;

/// Where the record lives.
pub const PATH: &str = "/state/boot/record";

/// The record of this boot.
#[derive(Debug, Default)]
pub struct Book {
    record: Option<Record>,
    dirty: bool,
    scribe: Option<u32>,
}

impl Book {
    /// Begins with the record of this boot; it is not on disk yet.
    pub fn open(&mut self, record: Record) {
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

    /// Whether a change waits and nobody is writing.
    pub const fn is_due(&self) -> bool {
        self.dirty && self.scribe.is_none()
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
        assert!(book.is_due());
        assert!(book.job(1).is_some());
        book.scribe_started(9);
        book.reached(BootPhase::Ready);
        book.restarts(1);
        assert!(!book.is_due(), "the helper still writes");
        assert!(!book.scribe_ended(8) && book.scribe_ended(9));
        assert!(book.is_due());
        assert!(book.job(2).is_some());
        book.restarts(1);
        assert!(!book.is_due(), "nothing changed");
    }
}
