//! Ctrl-C and its kin, as a wish to end the run in order.

use std::io;
use std::thread;

use crate::sys::EndSignals;

/// SIGINT, SIGTERM and SIGHUP, held back until somebody handles them.
pub struct Held(EndSignals);

/// Holds them back in this thread and in all it starts from now on. Call it before anything is
/// started that must be ended in order.
///
/// # Errors
/// When the kernel refuses, which it does not.
pub fn hold() -> io::Result<Held> {
    EndSignals::block().map(Held)
}

impl Held {
    /// Calls `then` for each one that arrives or has arrived, in a thread of its own.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn on_each(self, mut then: impl FnMut() + Send + 'static) -> io::Result<()> {
        let wait = move || {
            while self.0.wait().is_ok() {
                then();
            }
        };
        thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
    }
}
