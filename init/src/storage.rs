//! The steps that have to do with disks: mounting them, and the boot record on one of them.

use heapless::String;
use minos_proto::BootEvent;

use crate::bootrec::{Reason, SLOT, SLOT_STRIDE, choose};
use crate::cmdline::{LogLevel, cut};
use crate::disks::{self, Disk, name};
use crate::kernel::{Errno, Job, Mount, Space, Sys};
use crate::machine::Outcome;
use crate::mounts::VOLATILE;
use crate::phase::Step;
use crate::runtime::Runtime;
use crate::sup::Exit;
use crate::{panic, record};

/// A state disk with less than this free is said to be full: one build of a small package.
const NEARLY_FULL: u64 = 64 << 20;

impl<S: Sys> Runtime<S> {
    pub(crate) fn succeeded(&mut self, step: Step) {
        if step == Step::Record {
            self.recorded();
        }
        if step == Step::State
            && let Some(space) = self.checked("/state", |sys| sys.space("/state"))
            && is_nearly_full(space)
        {
            let (free, total) = (space.free >> 20, space.total >> 20);
            self.say(
                LogLevel::Quiet,
                format_args!("the state disk is nearly full: {free} of {total} MiB free"),
            );
        }
    }

    // ---- disks ---------------------------------------------------------------------------------

    fn find_disk(&mut self, wanted: &str) -> Result<Disk, Outcome> {
        match disks::find(&mut self.sys, wanted) {
            Ok(Some(disk)) => {
                let (name, by) = (&disk.name, disk.by.as_str());
                let Some(twin) = &disk.twin else {
                    self.say(LogLevel::Debug, format_args!("{wanted} is /dev/{name}, by its {by}"));
                    return Ok(disk);
                };
                self.say(
                    LogLevel::Quiet,
                    format_args!("/dev/{name} and /dev/{twin} have the same {by}: take one out"),
                );
                Err(Outcome::Failed)
            }
            // Of a /sys that is not there the step that mounts it has told.
            Ok(None) | Err(_) => Err(Outcome::Pending),
        }
    }

    pub(crate) fn mount_state(&mut self) -> Outcome {
        let wanted: String<{ crate::cmdline::VALUE }> =
            self.options.state.clone().unwrap_or_else(|| cut(name::STATE));
        let disk = match self.find_disk(&wanted) {
            Ok(disk) => disk,
            Err(outcome) => return outcome,
        };
        if disk.read_only {
            self.say(
                LogLevel::Quiet,
                format_args!("the state disk /dev/{} is read-only", disk.name),
            );
            return Outcome::Failed;
        }
        if let Some(fs) = disks::superblock(&mut self.sys, &disk.name) {
            if fs.needs_recovery {
                self.say(
                    LogLevel::Normal,
                    format_args!("the state disk was not unmounted: its journal is replayed"),
                );
            }
            if fs.has_errors {
                self.say(
                    LogLevel::Quiet,
                    format_args!("the state disk has errors: run e2fsck on it elsewhere"),
                );
            }
        }
        let mount = Mount {
            source: disks::device(&disk.name),
            target: "/state",
            fstype: "ext4",
            read_only: false,
            no_suid_dev: false,
            no_exec: false,
            data: "errors=remount-ro",
        };
        self.helped(Step::State, &Job::Mount(mount))
    }

    pub(crate) fn mount_volatile(&mut self) -> Outcome {
        self.say(
            LogLevel::Quiet,
            format_args!("NO STATE DISK: what is built is LOST at power-off"),
        );
        let target = VOLATILE.target;
        let mount = |sys: &mut S| sys.mkdir(target).and_then(|()| sys.mount(&VOLATILE.mount()));
        self.checked(target, mount).map_or(Outcome::Failed, |()| Outcome::Done)
    }

    pub(crate) fn mount_image(
        &mut self,
        step: Step,
        wanted: &'static str,
        target: &'static str,
    ) -> Outcome {
        let disk = match self.find_disk(wanted) {
            Ok(disk) => disk,
            // By now the disks have had their time: what may be missing is not waited for.
            Err(Outcome::Pending) if step == Step::Sources => return Outcome::Missing,
            Err(outcome) => return outcome,
        };
        let mount = Mount {
            source: disks::device(&disk.name),
            target,
            fstype: "squashfs",
            read_only: true,
            no_suid_dev: true,
            no_exec: step == Step::Sources,
            data: "",
        };
        self.helped(step, &Job::Mount(mount))
    }

    // ---- the boot record -----------------------------------------------------------------------

    pub(crate) fn read_record(&mut self) -> Outcome {
        let mut slots = [[0; SLOT]; 2];
        for (slot, at) in slots.iter_mut().zip([0, SLOT_STRIDE]) {
            match self.sys.read_file(record::PATH, at, slot) {
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(e) => {
                    let path = record::PATH;
                    self.say(LogLevel::Quiet, format_args!("{path}, slot at {at}: {e}"));
                }
            }
        }
        let found = choose(&slots);
        let level = if found.damaged > 0 { LogLevel::Quiet } else { LogLevel::Debug };
        self.say(level, format_args!("{found}"));
        let next = self.decide(found.record);
        if let Some(last) = found.record {
            let text = last.sentence(&next);
            self.say(LogLevel::Normal, format_args!("{text}"));
            let now = self.sys.now_ms();
            self.journal.event(now, &BootEvent::LastBoot { text: text.clone() });
            self.last_boot = Some(text);
        }
        self.book.open(next);
        Outcome::Done
    }

    /// Writes this boot down; a wish that it obeys, or cannot read, is of no more use then.
    pub(crate) fn record_boot(&mut self) -> Outcome {
        let now = self.sys.wall_s();
        let aside = self.book.record().is_some_and(|r| r.aside);
        let Some(mut job) = self.book.job(now) else { return Outcome::Done };
        if let Job::WriteRecord { then_remove, .. } = &mut job
            && self.generation.wish_seen
            && !aside
        {
            *then_remove = Some(crate::generation::WISH);
        }
        panic::set_record(self.book.record());
        self.helped(Step::Record, &job)
    }

    pub(crate) fn record_end(&mut self) -> Outcome {
        let now = self.sys.wall_s();
        let Some(job) = self.book.job(now) else { return Outcome::Done };
        panic::set_record(self.book.record());
        self.helped(Step::RecordEnd, &job)
    }

    /// Writes a changed record in the background.
    pub(crate) fn save_record(&mut self) {
        let is_due = self.book.due().is_some_and(|due| due <= self.sys.now_ms());
        if !is_due || !self.machine.keeps_record() {
            return;
        }
        let now = self.sys.wall_s();
        let Some(job) = self.book.job(now) else { return };
        panic::set_record(self.book.record());
        match self.sys.helper(&job) {
            Ok(pid) => {
                self.book.scribe_started(pid);
                self.record_begun();
            }
            Err(e) => self.record_failed(format_args!("{e}")),
        }
    }

    /// A proof that is not on disk is none: power cuts would use up the tries of a good generation.
    fn record_failed(&mut self, why: core::fmt::Arguments<'_>) {
        let now = self.sys.now_ms();
        let pause = self.book.failed(now);
        self.record_lost();
        // A disk that takes nothing any more is said some times, and not once a minute for ever.
        let level = if pause < record::LONGEST_MS { LogLevel::Quiet } else { LogLevel::Debug };
        let again = pause / 1_000;
        self.say(level, format_args!("boot record not written: {why}; again in {again} s"));
    }

    pub(crate) fn scribe_ended(&mut self, exit: Exit) {
        match exit {
            Exit::Exited(0) => {
                self.book.written();
                self.record_written();
            }
            _ => self.record_failed(format_args!("the helper {exit}")),
        }
    }

    /// Says in the record what the next boot is to read if this one goes no further.
    pub(crate) fn note(&mut self, reason: Reason) {
        self.book.ending(reason);
    }
}

/// A small disk may well have little free; a large one has 64 MiB left when it is full.
const fn is_nearly_full(space: Space) -> bool {
    space.free < NEARLY_FULL && space.free < space.total / 20
}
