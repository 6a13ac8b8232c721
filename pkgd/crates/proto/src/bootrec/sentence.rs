//! One sentence about the last boot: what happened, and when.

use core::fmt::{self, Write as _};

use heapless::String;
use minos_model::units::civil;

use super::{Culprit, Failure, Reason, Record};

/// The longest sentence about a boot in bytes, the room of [`crate::BootEvent::LastBoot`].
pub const SENTENCE: usize = 160;
/// A clock that says less has never been set.
const SET: u64 = 1_000_000_000;

impl Reason {
    /// How the sentence about the last boot goes on; where it ends in `: `, the culprit follows.
    const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "was cut off (power cut, watchdog or kernel crash)",
            Self::PowerOff => "ended by power-off, as asked",
            Self::Halt => "ended by halt, as asked",
            Self::Reboot => "ended by reboot, as asked",
            Self::CtrlAltDel => "ended by Ctrl-Alt-Del",
            Self::PowerButton => "ended by the power button",
            Self::RescueTimeout => "ended because nobody answered the rescue prompt",
            Self::RescueAsked => "was ended at the rescue prompt",
            Self::Panic => "ended by a failure of init itself",
            Self::PkgdGaveUp => "was cut off at the rescue prompt: pkgd had failed too often",
            Self::BootFailed => "was cut off at the rescue prompt: a boot step had failed",
            Self::LacksFile => "failed, its root lacks a file: ",
            Self::RootFailed => "failed, its root could not be mounted: ",
            Self::CheckFailed => "failed its check: ",
            Self::CheckOverran => "failed, a check took too long: ",
            Self::GateOverran => "failed, its checks took too long, at: ",
            Self::ServiceLost => "failed, a service ended too often: ",
            Self::UsedUp => "used up its tries before it was judged",
        }
    }
}

impl Record {
    /// One sentence about the boot this record was left by. `next` is the record of the boot that follows.
    pub fn sentence(&self, next: &Self) -> String<SENTENCE> {
        let mut s = String::new();
        // The longest sentence of a real machine fits (tested); a full buffer would only cut it.
        let _ = self.describe(next, &mut s);
        s
    }

    fn describe(&self, next: &Self, s: &mut String<SENTENCE>) -> fmt::Result {
        write!(s, "boot {}", self.boot_count)?;
        match self.generation {
            // Chosen by hand, or the fallback since nothing could be written: the one on trial waits in either case.
            n if self.aside && !self.proven => write!(s, " beside the trial of generation {n}")?,
            _ if self.aside => write!(s, " of a generation chosen by hand")?,
            0 => {}
            n => write!(s, " of generation {n}")?,
        }
        write!(s, " {}", self.reason.as_str())?;
        if self.reason == Reason::InProgress {
            write!(s, " after phase \"{}\"", self.phase)?;
        }
        if self.reason.is_judgement() {
            write!(s, "{}", self.failure.map_or_else(Culprit::default, |f| f.culprit).as_str())?;
        }
        if self.generation != 0 && self.written_at >= SET {
            write!(s, ", {}", Time(self.written_at))?;
        }
        if self.unsaid_failure() == Some(Reason::UsedUp) {
            s.write_str("; its tries are used up")?;
        }
        if next.generation != self.generation {
            write!(s, "; now generation {}", next.generation)?;
        }
        match self.pkgd_restarts {
            0 => Ok(()),
            1 => s.write_str("; pkgd had to be restarted once"),
            n => write!(s, "; pkgd had to be restarted {n} times"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "generation {} {}{}",
            self.generation,
            self.reason.as_str(),
            self.culprit.as_str()
        )?;
        if self.at >= SET { write!(f, ", {}", Time(self.at)) } else { Ok(()) }
    }
}

/// Seconds since the Unix epoch as `2026-11-21 13:20:05 UTC`.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year}-{month:02}-{day:02} {h:02}:{m:02}:{s:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_868_799, "2000-02-29 23:59:59 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_795_267_205, "2026-11-21 13:20:05 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(Time(seconds).to_string(), text);
        }
    }
}
