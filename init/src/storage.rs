//! The steps that have to do with disks: mounting them, and the boot record on one of them.

use heapless::String;
use minos_proto::BootEvent;

use crate::bootrec::{Reason, SLOT, SLOT_STRIDE, choose};
use crate::cmdline::{LogLevel, cut};
use crate::disks::{self, By, Disk, Name, name};
use crate::event::Ms;
use crate::kernel::{Errno, Job, Mount, Space, Sys};
use crate::machine::Outcome;
use crate::mounts::VOLATILE;
use crate::phase::Step;
use crate::runtime::Runtime;
use crate::sup::Exit;
use crate::{panic, record};

/// A state disk with less than this free is said to be full: one build of a small package.
const NEARLY_FULL: u64 = 64 << 20;

/// A disk that takes longer to be read is not waited for any more. One that spins up does so before the kernel shows it.
const LOOK_MS: Ms = 1_000;

/// What is known of the label of a disk.
#[derive(Debug)]
pub(crate) struct Look {
    name: Name,
    /// The helper that reads it. A number is not given out again while the state disk is looked for.
    pub(crate) pid: u32,
    /// It is waited for until then; 0: it is not, it has answered or was passed over.
    until: Ms,
    /// It bears the label.
    is_called: bool,
}

impl Look {
    /// The helper has ended; one that was passed over may still be the one.
    pub(crate) fn answered(&mut self, exit: Exit) {
        self.until = 0;
        self.is_called = matches!(exit, Exit::Exited(says) if says & disks::CALLED != 0);
    }
}

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

    fn find_disk(&mut self, step: Step, wanted: &str) -> Result<Name, Outcome> {
        // Of a /sys that is not there the step that mounts it has told.
        let names = disks::list(&mut self.sys).map_err(|_| Outcome::Pending)?;
        let disk = match disks::named(&mut self.sys, &names, wanted) {
            None if step == Step::State => self.labelled(&names, wanted),
            found => found,
        };
        let disk = disk.ok_or(Outcome::Pending)?;
        self.looks.clear();
        let (name, by) = (disk.name, disk.by.as_str());
        let Some(twin) = disk.twin else {
            self.say(LogLevel::Debug, format_args!("{wanted} is /dev/{name}, by its {by}"));
            return Ok(name.clone());
        };
        self.say(
            LogLevel::Quiet,
            format_args!("/dev/{name} and /dev/{twin} have the same {by}: take one out"),
        );
        Err(Outcome::Failed)
    }

    /// Looks for a disk by its label, which a helper reads, one for each device and once. `None` while one that may
    /// still answer has not, or when none bears it.
    fn labelled<'a>(&mut self, names: &'a [Name], wanted: &str) -> Option<Disk<'a>> {
        let now = self.sys.now_ms();
        let (mut waits, mut found, mut twin) = (false, None, None);
        for name in names {
            let Some(look) = self.looks.iter_mut().find(|look| look.name == *name) else {
                let job = Job::Look { device: name.clone(), label: disks::label_of(wanted) };
                // Where no process can be made, the next turn tries again.
                if let Ok(pid) = self.sys.helper(&job) {
                    let until = now.saturating_add(LOOK_MS);
                    self.looks.push(Look { name: name.clone(), pid, until, is_called: false });
                }
                waits = true;
                continue;
            };
            if look.is_called {
                (found, twin) = (found.or(Some(name)), found.map(|_| name));
            } else if look.until > now {
                waits = true;
            } else if core::mem::take(&mut look.until) > 0 {
                self.say(LogLevel::Quiet, format_args!("/dev/{name} does not answer: passed over"));
            }
        }
        let name = found.filter(|_| !waits)?;
        Some(Disk { name, by: By::Label, twin })
    }

    /// Finds the state disk, and has a helper look at it.
    pub(crate) fn mount_state(&mut self) -> Outcome {
        let wanted: String<{ crate::cmdline::VALUE }> =
            self.options.state.clone().unwrap_or_else(|| cut(name::STATE));
        let disk = match self.find_disk(Step::State, &wanted) {
            Ok(disk) => disk,
            Err(outcome) => return outcome,
        };
        if disks::is_read_only(&mut self.sys, &disk) {
            self.say(LogLevel::Quiet, format_args!("the state disk /dev/{disk} is read-only"));
            return Outcome::Failed;
        }
        self.found = Some(disk.clone());
        self.helped(Step::State, &Job::Look { device: disk, label: String::new() })
    }

    /// Tells what a helper has seen on the state disk, and has it mounted.
    pub(crate) fn mount_found(&mut self, exit: Exit) -> Outcome {
        let Some(name) = self.found.take() else { return Outcome::Failed };
        let Exit::Exited(says) = exit else { return Outcome::Failed };
        if says & disks::DIRTY != 0 {
            self.say(
                LogLevel::Normal,
                format_args!("the state disk was not unmounted: its journal is replayed"),
            );
        }
        if says & disks::BROKEN != 0 {
            self.say(
                LogLevel::Quiet,
                format_args!("the state disk has errors: run e2fsck on it elsewhere"),
            );
        }
        let mount = Mount {
            source: disks::device(&name),
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
        let disk = match self.find_disk(step, wanted) {
            Ok(disk) => disk,
            // By now the disks have had their time: what may be missing is not waited for.
            Err(Outcome::Pending) if step == Step::Sources => return Outcome::Missing,
            Err(outcome) => return outcome,
        };
        let mount = Mount {
            source: disks::device(&disk),
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
        let mut unread = false;
        for (slot, at) in slots.iter_mut().zip([0, SLOT_STRIDE]) {
            match self.sys.read_file(record::PATH, at, slot) {
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(e) => {
                    *slot = [0xff; SLOT];
                    unread = true;
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
        if unread && found.record.is_none() {
            // Not to be read is not the same as not to be there: what is proven may still stand in it.
            self.say(LogLevel::Quiet, format_args!("nothing is written over the boot record"));
            return Outcome::Done;
        }
        // Until its try is written down, a boot that ends at the rescue prompt has used none.
        self.book.open(next.untried(found.record.as_ref()));
        self.generation.planned = Some(next);
        Outcome::Done
    }

    /// Writes this boot down; a wish that it obeys, or cannot read, is of no more use then.
    pub(crate) fn record_boot(&mut self) -> Outcome {
        let now = self.sys.wall_s();
        if let Some(planned) = self.generation.planned.take() {
            self.book.open(planned);
        }
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
