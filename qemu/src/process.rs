//! The QEMU process: it never outlives the handle, nor the launcher.

use std::collections::VecDeque;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use crate::error::Error;
use crate::observe::{Exit, Observation};
use crate::sys::{self, PidFd};

/// How much of standard error is kept, in bytes.
const STDERR: usize = 8 << 10;

/// A running QEMU. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    fd: PidFd,
    keeper: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` and reports its end to `to`.
    ///
    /// A thread of its own starts the process and waits for it: the kernel ties "die with the
    /// parent" to the thread that forked, and this one lives exactly as long as the process.
    pub(crate) fn start(mut command: Command, to: Sender<Observation>) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |why| Error::NoQemu { program, why };
        // A group of its own: Ctrl-C on the terminal is for the launcher, which ends QEMU in order.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        sys::die_with_parent(&mut command);
        let (started, start) = mpsc::sync_channel(1);
        let keep = move || match command.spawn() {
            Err(e) => drop(started.send(Err(e))),
            Ok(child) => {
                let _ = started.send(PidFd::open(child.id()).map(|fd| (child.id(), fd)));
                let _ = to.send(Observation::Exited(wait(child)));
            }
        };
        let keeper = match thread::Builder::new().name("qemu".into()).spawn(keep) {
            Ok(keeper) => keeper,
            Err(e) => return Err(failed(e)),
        };
        match start.recv() {
            Ok(Ok((pid, fd))) => Ok(Self { pid, fd, keeper: Some(keeper) }),
            Ok(Err(why)) => Err(failed(why)),
            Err(_) => Err(failed(std::io::Error::other("its keeper thread died"))),
        }
    }

    /// The process number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it. It ends at once; its end is reported as an observation.
    pub(crate) fn kill(&self) {
        // Only fails for a process that is already gone.
        let _ = self.fd.signal(libc::SIGKILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Collects standard error until the process ends, then waits for it.
fn wait(mut child: Child) -> Exit {
    let mut kept = VecDeque::new();
    if let Some(mut stderr) = child.stderr.take() {
        let mut buffer = [0; 1024];
        while let Ok(n) = stderr.read(&mut buffer) {
            if n == 0 {
                break;
            }
            kept.extend(&buffer[..n]);
            let surplus = kept.len().saturating_sub(STDERR);
            kept.drain(..surplus);
        }
    }
    let stderr = String::from_utf8_lossy(kept.make_contiguous()).into_owned();
    match child.wait() {
        Ok(status) => Exit { code: status.code(), signal: status.signal(), stderr },
        Err(_) => Exit { stderr, ..Exit::default() },
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;

    use super::{Process, STDERR};
    use crate::error::Error;
    use crate::observe::{Exit, Observation};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn ended(seen: &mpsc::Receiver<Observation>) -> Exit {
        match seen.recv().unwrap() {
            Observation::Exited(exit) => exit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_end_is_reported_with_status_and_words() {
        let (to, seen) = mpsc::channel();
        let _process = Process::start(shell("echo no such disk >&2; exit 3"), to).unwrap();
        let exit = ended(&seen);
        assert_eq!((exit.code, exit.stderr.as_str()), (Some(3), "no such disk\n"));
    }

    #[test]
    fn dropping_kills_and_waits() {
        let (to, seen) = mpsc::channel();
        let process = Process::start(shell("exec sleep 1000"), to).unwrap();
        let proc = format!("/proc/{}", process.pid());
        assert!(std::path::Path::new(&proc).exists());
        drop(process);
        assert!(!std::path::Path::new(&proc).exists(), "not even a zombie is left");
        assert_eq!(ended(&seen).signal, Some(libc::SIGKILL));
    }

    /// `PR_SET_PDEATHSIG` follows the forking thread: started by a short-lived thread of the caller,
    /// the process must live on.
    #[test]
    fn it_outlives_the_thread_that_asked_for_it() {
        let (to, seen) = mpsc::channel();
        let start = move || Process::start(shell("sleep 0.3; exit 7"), to).unwrap();
        let process = std::thread::spawn(start).join().unwrap();
        assert_eq!(ended(&seen).code, Some(7));
        drop(process);
    }

    #[test]
    fn a_flood_of_complaints_is_cut_at_the_front() {
        let (to, seen) = mpsc::channel();
        let script = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done";
        let _process = Process::start(shell(script), to).unwrap();
        let stderr = ended(&seen).stderr;
        assert!(stderr.len() <= STDERR && stderr.ends_with("line 2999\n"));
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let (to, _seen) = mpsc::channel();
        let e = Process::start(Command::new("/nonexistent/qemu"), to).unwrap_err();
        assert!(matches!(e, Error::NoQemu { .. }) && e.to_string().contains("apt install"));
    }
}
