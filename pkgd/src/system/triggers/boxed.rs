//! One program of a trigger, in a box over the staged root.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use minos_sandbox::{
    Build, Exit, IdRange, Killer, Limits as BoxLimits, Network, Spec, Status, Strength, Upper,
    spawn,
};

use super::table::Trigger;

/// Users of the box: between those of the doctor and those of build slots. One transaction runs at a time.
const IDS: IdRange = IdRange { first: 0x4c01_0000, count: 1 << 16 };
/// Bytes of the program's last output that are told when it fails.
const TAIL: usize = 2048;
/// Largest file that a trigger may make, bytes: it is held in memory.
pub const MOST_BYTES: u64 = 64 << 20;

/// How much a trigger may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time, for each trigger.
    pub wall: Duration,
    /// Memory of all its processes, bytes.
    pub memory_bytes: u64,
    /// Its processes and threads.
    pub processes: u32,
    /// What the kernel must hold it with.
    pub strength: Strength,
}

/// Directories of the host for one run.
pub struct Places {
    /// Layers of `/`, the topmost first: what triggers before it made, the staged root last.
    pub layers: Vec<PathBuf>,
    /// Takes what it writes.
    pub upper: Upper,
    /// Its `/build`, which is thrown away.
    pub build: Upper,
}

/// Runs `program` (relative to the root) as `trigger` says.
///
/// # Errors
/// It could not be run, took too long, used too much or failed; with the last lines of its output.
pub fn run(
    trigger: &Trigger,
    program: &str,
    places: Places,
    limits: &Limits,
) -> Result<(), String> {
    let name = trigger.name;
    let spec = spec(trigger, program, places, limits);
    let broken = |e: &dyn std::fmt::Display| format!("{name}: no sandbox for it: {e}");
    let (reader, writer) = io::pipe().map_err(|e| broken(&e))?;
    let child = spawn(&spec, OwnedFd::from(writer)).map_err(|e| broken(&e))?;
    let (ended, end) = channel::<()>();
    let (killer, wall) = (child.killer(), limits.wall);
    thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let late = end.recv_timeout(wall) == Err(RecvTimeoutError::Timeout);
            late.then(|| Killer::kill(&killer)).is_some()
        });
        let output = tail(File::from(OwnedFd::from(reader)));
        // Not before: a program may close its output and go on.
        let exit = child.wait();
        drop(ended);
        let late = watch.join().unwrap_or(true);
        let exit = exit.map_err(|e| broken(&e))?;
        match story(&exit, late, limits) {
            None => Ok(()),
            Some(why) => Err(format!("{name}: /{program} {why}{}", lines(&output))),
        }
    })
}

fn spec(trigger: &Trigger, program: &str, places: Places, limits: &Limits) -> Spec {
    let absolute = |path: &&str| Path::new("/").join(path);
    let env = [("PATH", "/usr/bin:/usr/sbin:/bin:/sbin"), ("LC_ALL", "C"), ("HOME", "/tmp")];
    let arguments = trigger.arguments.iter().map(Into::into);
    Spec {
        layers: places.layers,
        plain: 1,
        upper: Some(places.upper),
        build: Build { layers: Vec::new(), upper: places.build },
        binds: Vec::new(),
        argv: std::iter::once(absolute(&program).into_os_string()).chain(arguments).collect(),
        env: env.map(|(name, value)| (name.into(), value.into())).to_vec(),
        cwd: "/tmp".into(),
        writable: trigger.writable.iter().map(absolute).collect(),
        ids: IDS,
        limits: BoxLimits {
            processes: Some(limits.processes),
            memory_bytes: Some(limits.memory_bytes),
            file_bytes: Some(MOST_BYTES),
            tmp_bytes: MOST_BYTES,
            ..BoxLimits::default()
        },
        hostname: "minos".to_owned(),
        network: Network::None,
        strength: limits.strength,
    }
}

/// Reads to the end and keeps the last bytes.
fn tail(mut pipe: File) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match pipe.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return kept,
            Ok(n) => kept.extend_from_slice(&buffer[..n]),
        }
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
}

fn story(exit: &Exit, late: bool, limits: &Limits) -> Option<String> {
    match exit.status {
        _ if late => Some(format!("was not done after {} s", limits.wall.as_secs())),
        _ if exit.oom_kills > 0 => {
            Some(format!("needed more than {} MiB of memory", limits.memory_bytes >> 20))
        }
        Status::Exited(0) => None,
        Status::Exited(code) => Some(format!("ended with status {code}")),
        Status::Signaled(signal) => Some(format!("was ended by signal {signal}")),
    }
}

/// The last lines of an output, for the end of a message. Control characters are left out: this comes from a
/// program of a package and goes to a terminal.
fn lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join(" / ");
    let last: String = last.chars().filter(|c| !c.is_control()).collect();
    if last.is_empty() { last } else { format!(": {last}") }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn the_last_lines_are_told_without_what_steers_a_terminal() {
        assert_eq!(lines(b"one\ntwo\n\nthree\nfo\x1b[2Jur\n"), ": two / three / fo[2Jur");
        assert_eq!(lines(b" \n"), "");
    }
}
