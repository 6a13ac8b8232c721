//! What follows from the boots of the machine: at the start of pkgd, and when a generation is to boot.

use minos_proto::bootrec::Failure;
use minos_proto::{ErrorReport, Sheet, bootnext};
use minos_store::AuditEntry;

use crate::service::state_error;
use crate::system::errors::{not_found, system_error};
use crate::system::{Asked, Packages};

/// How the line begins that a start of pkgd itself puts into the audit trail, once a boot.
pub const STARTED: &str = "started; before: ";

impl Packages {
    /// Follows what init wrote down since pkgd looked last: a proven generation is marked, one that was left behind
    /// is no longer the current one. On the first start in a boot it also tells the audit trail.
    pub(in crate::system) fn follow(
        &self,
        last_boot: Option<&str>,
        now: &dyn Fn() -> u64,
    ) -> Result<(), ErrorReport> {
        self.mark_proven(now)?;
        self.leave_failed(now)?;
        self.ask_for_current()?;
        match last_boot {
            Some(sentence) => self.tell(sentence, now()),
            None => Ok(()),
        }
    }

    /// What the record falls back to is what was proven last.
    pub(in crate::system) fn mark_proven(&self, now: &dyn Fn() -> u64) -> Result<(), ErrorReport> {
        let Some(record) = self.machine.record().filter(|record| record.fallback > 0) else {
            return Ok(());
        };
        if self.machine.booted() == Some(record.fallback) {
            self.store.forget_older().map_err(|e| state_error(&e))?;
        }
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let there = read.generation(record.fallback).map_err(|e| state_error(&e))?.is_some();
        if !there || read.last_proven().map_err(|e| state_error(&e))? == Some(record.fallback) {
            return Ok(());
        }
        drop(read);
        self.system()?.prove(record.fallback, now()).map_err(|e| system_error(&e))
    }

    /// The current generation was tried and failed, and init went on with another: that one is current then, so
    /// that the next change is made on it. The history has the reason.
    fn leave_failed(&self, now: &dyn Fn() -> u64) -> Result<(), ErrorReport> {
        let Some(record) = self.machine.record() else { return Ok(()) };
        // One that was proven since was left for another reason, or not at all.
        let Some(failure) = self.failure()? else { return Ok(()) };
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let current = read.current_generation().map_err(|e| state_error(&e))?;
        let to = record.generation;
        let known = read.generation(to).map_err(|e| state_error(&e))?.is_some();
        drop(read);
        let failed = current == Some(failure.generation) && to != failure.generation;
        if !failed || !known || !record.proven || record.aside || self.machine.pending().is_some() {
            return Ok(());
        }
        let why = format!("left behind: {failure}");
        self.system()?.switch(to, &why, None, now).map_err(|e| system_error(&e))?;
        self.machine.set_asked(to)
    }

    /// A change whose last step, to ask for the new generation, was cut off.
    fn ask_for_current(&self) -> Result<(), ErrorReport> {
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let current = read.current_generation().map_err(|e| state_error(&e))?;
        drop(read);
        match (current, self.machine.asked()) {
            (Some(current), Some(asked)) if current != asked => self.boot_current(current),
            _ => Ok(()),
        }
    }

    fn tell(&self, sentence: &str, now_ms: u64) -> Result<(), ErrorReport> {
        let Some(boot) = self.machine.record().map(|record| record.boot_count) else {
            return Ok(());
        };
        if self.machine.told() == Some(boot) {
            return Ok(());
        }
        let entry = AuditEntry { peer: None, what: format!("{STARTED}{sentence}") };
        self.store.write(|w| w.audit(entry, now_ms)).map_err(|e| state_error(&e))?;
        self.machine.set_told(boot)
    }

    /// Asks for the generation that has just become the current one, on a machine that boots generations.
    pub(in crate::system) fn boot_current(&self, generation: u64) -> Result<(), ErrorReport> {
        if !self.machine.is_appliance() {
            return Ok(());
        }
        let cut = |e: ErrorReport| ErrorReport {
            what: format!(
                "generation {generation} is current, but would not boot next: {}",
                e.what
            ),
            hint: format!("'pkgctl boot {generation}' asks for it again"),
            ..e
        };
        self.ask_init(generation, bootnext::TRIES).map_err(cut)?;
        self.machine.set_asked(generation)
    }

    /// The last failure that init wrote down, where the generation has not been proven since.
    pub(in crate::system) fn failure(&self) -> Result<Option<Failure>, ErrorReport> {
        let Some(failure) = self.machine.record().and_then(|record| record.failure) else {
            return Ok(None);
        };
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let proven_ms = read.marks(failure.generation).map_err(|e| state_error(&e))?.proven_ms;
        let since = proven_ms.is_some_and(|ms| ms / 1000 >= failure.at);
        Ok(Some(failure).filter(|_| !since))
    }

    fn ask_init(&self, generation: u64, tries: u8) -> Result<(), ErrorReport> {
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let marks = read.marks(generation).map_err(|e| state_error(&e))?;
        drop(read);
        let failed = self.failure()?.is_some_and(|failure| failure.generation == generation);
        let proven = generation == 0 || (marks.proven_ms.is_some() && !failed);
        self.machine.boot_next(generation, proven, tries)
    }
}

impl Asked<'_> {
    pub(in crate::system) fn boot(&self, generation: u64, tries: u8) -> Result<Sheet, ErrorReport> {
        let packages = self.packages;
        let _changing = packages.changing()?;
        let tries = if tries == 0 { bootnext::TRIES } else { tries };
        if generation > 0 && packages.machine.is_appliance() {
            let read = packages.store.read().map_err(|e| state_error(&e))?;
            if read.generation(generation).map_err(|e| state_error(&e))?.is_none() {
                let what = format!("there is no generation {generation}");
                return Err(not_found(what, "'pkgctl generations' shows all"));
            }
            drop(read);
            self.audit(format!("boot generation {generation} next"))?;
            self.system()?.ensure_root(generation).map_err(|e| system_error(&e))?;
        }
        packages.ask_init(generation, tries)?;
        let what = match generation {
            0 => "the initramfs itself boots next".to_owned(),
            n => format!("generation {n} boots next"),
        };
        let sheet =
            Sheet::new("boot").fact("generation", generation).fact("tries", u64::from(tries));
        Ok(sheet.note(format!("{what}; 'pkgctl reboot' does that now")))
    }
}
