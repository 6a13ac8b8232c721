//! Kernel panics, from the text on the console to a sentence.

use std::fmt;

/// What the kernel prints before the reason.
const MARK: &str = "Kernel panic - not syncing: ";

/// How PID 1 died, where that was the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pid1 {
    /// It returned, with this exit status.
    Exited(u8),
    /// This signal killed it.
    Killed(u8),
}

impl fmt::Display for Pid1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "PID 1 exited with status {status}"),
            Self::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "PID 1 was killed by signal {signal} ({name})"),
                None => write!(f, "PID 1 was killed by signal {signal}"),
            },
        }
    }
}

/// The reason in a line of the console, where the line tells of a panic.
pub fn reason(line: &str) -> Option<&str> {
    line.split_once(MARK).map(|(_, reason)| reason.trim())
}

/// How PID 1 died, from the reason: `Attempted to kill init! exitcode=0x0000000b`. The number is a
/// wait status: signal in the low seven bits, else the exit status in the second byte.
pub fn pid1(reason: &str) -> Option<Pid1> {
    let (_, code) = reason.split_once("Attempted to kill init! exitcode=0x")?;
    let end = code.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(code.len());
    let status = u32::from_str_radix(&code[..end], 16).ok()?;
    Some(match (status & 0x7f) as u8 {
        0 => Pid1::Exited((status >> 8) as u8),
        signal => Pid1::Killed(signal),
    })
}

/// The panic in words a person can act on; the kernel's own text where nothing is known to add.
pub fn explain(reason: &str) -> String {
    if let Some(how) = pid1(reason) {
        return how.to_string();
    }
    let meaning = [
        ("Unable to mount root fs", "no initramfs was given, or its compression is not built in"),
        ("No working init found", "the initramfs has no /init that can be executed"),
        ("Requested init", "the program named by init= or rdinit= cannot be executed"),
        ("System is deadlocked on memory", "memory is used up: give the machine more"),
        ("out of memory", "memory is used up: give the machine more"),
    ];
    match meaning.iter().find(|(part, _)| reason.contains(part)) {
        Some((_, meaning)) => format!("{reason}: {meaning}"),
        None => reason.to_owned(),
    }
}

fn signal_name(signal: u8) -> Option<&'static str> {
    Some(match i32::from(signal) {
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Pid1, explain, pid1, reason};

    #[test]
    fn the_exit_code_is_a_wait_status() {
        let text = |code: &str| format!("Attempted to kill init! exitcode=0x{code}");
        assert_eq!(pid1(&text("0000000b")), Some(Pid1::Killed(11)));
        assert_eq!(pid1(&text("0000008b")), Some(Pid1::Killed(11)), "with a core dump");
        assert_eq!(pid1(&text("00000100")), Some(Pid1::Exited(1)));
        assert_eq!(pid1(&text("00000000")), Some(Pid1::Exited(0)));
        assert_eq!(pid1(&text("00000100 ]---")), Some(Pid1::Exited(1)));
        assert_eq!(pid1(&text("")), None);
        assert_eq!(pid1("VFS: Unable to mount root fs"), None);
        assert!(Pid1::Killed(11).to_string().contains("SIGSEGV"));
        assert!(Pid1::Killed(60).to_string().contains("signal 60"));
    }

    #[test]
    fn a_line_tells_of_a_panic_or_does_not() {
        let line = "[    1.5] Kernel panic - not syncing: No working init found.  Try passing";
        assert_eq!(reason(line), Some("No working init found.  Try passing"));
        assert_eq!(reason("---[ end Kernel panic ]---"), None);
        assert!(explain(reason(line).unwrap()).contains("/init"));
        assert_eq!(explain("Fatal exception"), "Fatal exception");
    }
}
