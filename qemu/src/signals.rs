//! Ctrl-C and its kin, as a wish to end the run in order.

use std::io;
use std::thread;

use crate::sys::EndSignals;

/// Calls `then` in a thread of its own once SIGINT, SIGTERM or SIGHUP arrives, and again each time.
/// Must be called before any other thread is started: the others inherit that they are blocked.
///
/// # Errors
/// When no thread can be started.
pub fn on_end(mut then: impl FnMut() + Send + 'static) -> io::Result<()> {
    let signals = EndSignals::block()?;
    let wait = move || {
        while signals.wait().is_ok() {
            then();
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}
