//! Whose turn it is to change the system, and how far that is.
//!
//! A request is answered by one thread from start to end, and a change is one request: so the thread says whether what
//! is told belongs to the change that runs, and nobody has to hand that knowledge on.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use minos_model::units::duration;
use minos_proto::{Changing, ErrorKind, ErrorReport, Progress};

/// The turn to change the system: at most one has it.
#[derive(Default)]
pub struct Turn {
    held: Mutex<()>,
    now: Mutex<Option<Now>>,
}

/// The change that runs.
struct Now {
    thread: ThreadId,
    since: Instant,
    /// What was asked for, and the user and process that did, once the audit trail has it.
    what: Option<(String, (u32, u32))>,
    stage: Option<Progress>,
}

/// The right to change the system, as long as it lives.
pub struct Held<'a> {
    turn: &'a Turn,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.turn.now() = None;
    }
}

impl Turn {
    /// Takes the turn.
    ///
    /// # Errors
    /// Somebody else has it: who, for what, and how far that is.
    pub fn take(&self) -> Result<Held<'_>, ErrorReport> {
        let guard = match self.held.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return Err(self.taken()),
        };
        let (thread, since) = (thread::current().id(), Instant::now());
        *self.now() = Some(Now { thread, since, what: None, stage: None });
        Ok(Held { turn: self, _guard: guard })
    }

    /// Notes what the change is that this thread does, if it does one, and who asked for it.
    pub fn name(&self, what: &str, by: (u32, u32)) {
        self.of_this_thread(|now| now.what = Some((what.to_owned(), by)));
    }

    /// Notes how far the change is that this thread does, if it does one.
    pub fn reached(&self, progress: &Progress) {
        self.of_this_thread(|now| now.stage = Some(progress.clone()));
    }

    /// The change that runs.
    pub fn changing(&self) -> Option<Changing> {
        self.now().as_ref().map(|now| {
            let (what, (uid, pid)) = now.what.clone().unwrap_or_default();
            let elapsed_ms = u64::try_from(now.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (stage, subject) = match now.stage.clone() {
                Some(progress) => (Some(progress.stage), progress.subject),
                None => (None, None),
            };
            Changing { what, uid, pid, elapsed_ms, stage, subject }
        })
    }

    fn now(&self) -> MutexGuard<'_, Option<Now>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_this_thread(&self, note: impl FnOnce(&mut Now)) {
        if let Some(now) = self.now().as_mut().filter(|now| now.thread == thread::current().id()) {
            note(now);
        }
    }

    fn taken(&self) -> ErrorReport {
        // It may be over by now.
        let who =
            self.changing().map_or(String::new(), |changing| format!(": {}", told(&changing)));
        ErrorReport::new(
            ErrorKind::Conflict,
            format!("the system is being changed by somebody else{who}"),
            "try again when that is done; 'pkgctl status' says how far it is, 'pkgctl history' how it ended",
        )
    }
}

/// A change that runs, for people.
fn told(changing: &Changing) -> String {
    let Changing { what, uid, pid, elapsed_ms, stage, subject } = changing;
    let what = if what.is_empty() { "a change" } else { what };
    let words = [stage.as_deref(), subject.as_deref()];
    let stage = words.into_iter().flatten().fold(String::new(), |text, word| text + " " + word);
    let at = if stage.is_empty() { stage } else { format!(", now{stage}") };
    format!("{what} (user {uid}, process {pid}, for {}{at})", duration(*elapsed_ms))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use minos_proto::{ErrorKind, Progress};

    use super::Turn;

    fn progress(stage: &str) -> Progress {
        Progress { stage: stage.to_owned(), subject: Some("mandb".to_owned()), done: 0, total: 1 }
    }

    /// Who was refused was told neither who was at work nor how far that was, and `status` knew of builds alone.
    #[test]
    fn whoever_comes_second_is_told_of_the_first() {
        let turn = Turn::default();
        assert_eq!(turn.changing(), None);
        let held = turn.take().unwrap();
        turn.name("apply plan 1234: install zlib", (0, 77));
        turn.reached(&progress("triggers"));
        // What another thread does meanwhile is not the change.
        thread::scope(|scope| scope.spawn(|| turn.reached(&progress("checking"))).join().unwrap());
        let why = turn.take().err().unwrap();
        assert_eq!(why.kind, ErrorKind::Conflict);
        let want = "somebody else: apply plan 1234: install zlib (user 0, process 77, for ";
        assert!(why.what.contains(want) && why.what.ends_with(", now triggers mandb)"), "{why}");
        drop(held);
        assert_eq!(turn.changing(), None);
        drop(turn.take().unwrap());
    }
}
