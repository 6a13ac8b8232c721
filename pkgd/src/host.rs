//! The few things pkgd asks of the machine itself.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The kernel's release, as `uname -r` prints it.
pub fn kernel_release() -> String {
    read_line("/proc/sys/kernel/osrelease")
}

/// One line of a file of /proc; empty when it cannot be read.
pub fn read_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Asks PID 1 of the appliance to power off or reboot: SIGUSR2 and SIGTERM, as busybox init has it.
pub fn ask_init(reboot: bool) {
    let signal = if reboot { Signal::SIGTERM } else { Signal::SIGUSR2 };
    // The only error is that pkgd may not signal PID 1, and the appliance's pkgd is root.
    let _ = kill(Pid::from_raw(1), signal);
}

/// Tells the supervisor that pkgd is ready: a newline on the descriptor it named (s6's protocol).
pub fn tell_ready() {
    let Some(fd) = std::env::var("MINOS_READY_FD").ok().and_then(|v| v.parse::<u32>().ok()) else {
        return;
    };
    // Opening it again by name needs no raw descriptor; a pipe opens for writing without waiting,
    // since init holds the reading end.
    let path = format!("/proc/self/fd/{fd}");
    if let Ok(mut file) = fs::OpenOptions::new().write(true).open(path) {
        // An init that does not listen is no reason not to serve.
        let _ = std::io::Write::write_all(&mut file, b"\n");
    }
}

/// Makes the file system of the state as large as its disk has room for: an image may have been written to a larger disk.
/// That takes a moment and holds nobody up; a state that cannot grow is still a state.
pub fn grow_state(root: &Path) {
    match minos_disk::grow(root) {
        Ok(None) => {}
        Ok(Some(grown)) => {
            let (before, after) = (grown.before >> 20, grown.after >> 20);
            eprintln!(
                "pkgd: the state grew from {before} MiB to {after} MiB: its disk has the room"
            );
        }
        Err(e) => eprintln!("pkgd: the state cannot grow to the size of its disk: {e}"),
    }
}

/// The machine's memory in KiB: total and available.
pub fn memory_kib() -> (u64, u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    (field("MemTotal:").unwrap_or(0), field("MemAvailable:").unwrap_or(0))
}
