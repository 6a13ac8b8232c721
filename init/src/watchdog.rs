//! The hardware watchdog. It is fed by the progress of the main loop and by nothing else, so that
//! it outlives the bug it guards against; and it stays armed until the very last call, so that a
//! way down that hangs is cut as well.

use crate::kernel::{Fd, Open, Result, Sys};

/// The device.
pub const DEVICE: &str = "/dev/watchdog";
/// It is fed this many times per time-out: three may be missed by a busy machine.
const FEEDS: u64 = 4;

/// An armed watchdog.
#[derive(Debug)]
pub struct Watchdog {
    fd: Fd,
    every_ms: u64,
    last_ms: u64,
}

impl Watchdog {
    /// Opens and arms it. The seconds the driver chose come back with it.
    ///
    /// # Errors
    /// When there is none (ENOENT), or it is somebody else's (EBUSY).
    pub fn arm(sys: &mut dyn Sys, seconds: u16) -> Result<(Self, u32)> {
        let fd = sys.open(DEVICE, Open::Write)?;
        // A driver with a fixed time-out refuses; it is armed all the same, with at least as long as
        // the shortest in the kernel's tree is meant to be fed.
        let chosen = sys.watchdog_timeout(fd, u32::from(seconds)).unwrap_or(u32::from(seconds));
        let every_ms = (u64::from(chosen) * 1000 / FEEDS).max(250);
        let mut dog = Self { fd, every_ms, last_ms: 0 };
        dog.feed(sys);
        Ok((dog, chosen))
    }

    /// Feeds it when it is time. Called once per turn of the loop.
    pub fn feed(&mut self, sys: &mut dyn Sys) {
        let now = sys.now_ms();
        if self.last_ms == 0 || now.saturating_sub(self.last_ms) >= self.every_ms {
            self.last_ms = now.max(1);
            // Not fed is what it is for.
            let _ = sys.write(self.fd, b"\0");
        }
    }

    /// How long the loop may sleep at most.
    pub const fn longest_sleep_ms(&self) -> u64 {
        self.every_ms
    }

    /// Disarms it: the magic character and close.
    pub fn disarm(self, sys: &mut dyn Sys) {
        let _ = sys.write(self.fd, b"V");
        sys.close(self.fd);
    }
}
