//! Making another generation the current one: back, or forward again.

use super::SystemError;
use super::apply::is_directory;
use super::settle::Settled;
use super::system::{By, System};
use crate::generations::{
    Copies, GenerationRow, IntentRow, Outcome, TransactionKind, compare, current_link, point_at,
    root_path,
};
use crate::packages::Delta;

impl System<'_> {
    /// Makes `generation` the current one. Where its root is realised that is one rename and two
    /// commits, whatever its size; otherwise the root is made first. What is kept (accounts, keys)
    /// comes along from the root that is in use. `note` says what for, `clock` gives the time in
    /// milliseconds since the Unix epoch, `peer` is the user and process number of who asked.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]. After every other error but [`SystemError::Unfinished`] the
    /// system is as it was.
    pub fn switch(
        &self,
        generation: u64,
        note: &str,
        peer: Option<(u32, u32)>,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), SystemError> {
        self.settle(clock)?;
        let target = self.generation(generation)?;
        let from = self.store.read()?.current_generation()?.unwrap_or(0);
        if from == generation {
            return Ok(());
        }
        let mut intent =
            Self::intent(TransactionKind::Switch, from, generation, By { peer, note }, clock());
        intent.makes_root = !is_directory(self, &root_path(generation))?;
        if intent.makes_root {
            self.refresh_paths()?;
        }
        self.store.write(|w| Self::begin(w, &intent))?;
        match self.try_switch(&intent, &target, clock) {
            Ok(()) => Ok(()),
            Err(error) => match self.settle_because(&error.to_string(), clock) {
                Ok(Settled::Completed) => Ok(()),
                // Taken back or not: the link tells what a start from here would find.
                Err(_) if current_link(self.fs)? == Some(generation) => {
                    Err(SystemError::Unfinished { generation, why: error.to_string() })
                }
                _ => Err(error),
            },
        }
    }

    fn try_switch(
        &self,
        intent: &IntentRow,
        target: &GenerationRow,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), SystemError> {
        if intent.makes_root {
            self.realise_again(target, intent.from)?;
        }
        let packages = target.numbers();
        let made = intent.makes_root;
        self.carry_kept(&mut self.trees(), intent.from, (intent.to, &packages), made)?;
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))?;
        point_at(self.fs, intent.to)?;
        self.complete(intent, Outcome::Done, clock)
    }

    /// Brings what is kept into the root of a generation that the machine will run next, as it is in the root that it runs
    /// now: both may have been changed since the generation was made.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; a file cannot be read or written.
    pub fn hand_over(&self, to: u64) -> Result<(), SystemError> {
        let packages = self.generation(to)?.numbers();
        let Some(runs) = self.options.runs.filter(|runs| *runs != to) else { return Ok(()) };
        if !is_directory(self, &root_path(to))? {
            return Ok(());
        }
        self.carry_kept(&mut self.trees(), runs, (to, &packages), false)?;
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))
    }

    /// Makes the root of a generation, should it have none, without making it the current one.
    ///
    /// # Errors
    /// [`SystemError::NoGeneration`]; a file cannot be read or made. What is half made then goes before the next try.
    pub fn ensure_root(&self, generation: u64) -> Result<(), SystemError> {
        let target = self.generation(generation)?;
        if is_directory(self, &root_path(generation))? {
            return Ok(());
        }
        self.refresh_paths()?;
        let current = self.store.read()?.current_generation()?.unwrap_or(0);
        self.realise_again(&target, current)?;
        self.fs.sync().map_err(|e| SystemError::io("sync", "", e))
    }

    /// Makes the root of a generation that had one before.
    pub(crate) fn realise_again(
        &self,
        target: &GenerationRow,
        current: u64,
    ) -> Result<(), SystemError> {
        let mut trees = self.trees();
        let numbers = target.numbers();
        let read = self.store.read()?;
        let old = read.generation(current)?.map_or(Vec::new(), |row| row.numbers());
        let changes = compare(&mut trees, &old, &numbers)?;
        let delta = Delta::new(&read, changes.values())?;
        let (own, config) = (self.own_of(target.number)?, Self::config_of(&mut trees, &numbers)?);
        let copies = Copies { own: &own, config: &config };
        self.realise(target.number, &numbers, &mut trees, &delta, copies)
    }
}
