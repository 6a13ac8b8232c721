//! The verbs that speak to a machine somebody else runs, and `probe`.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use minos_qemu::accel::{self, Accel};
use minos_qemu::console::{self, HINT};
use minos_qemu::dir::{self, Paths};
use minos_qemu::qmp::Qmp;
use minos_qemu::{Choice, Error, Status, vm};
use serde_json::json;

/// How long a monitor may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) fn probe(as_json: bool) -> Result<Status, Error> {
    let decision = accel::decide(Choice::Auto)?;
    if as_json {
        let usable = decision.accel == Accel::Kvm;
        println!(
            "{}",
            json!({"accel": decision.accel.as_str(), "kvm": usable, "why": decision.why})
        );
    } else {
        println!("{decision}");
    }
    Ok(Status::Success)
}

/// Runs one command of the monitor of the machine in `dir`.
pub(super) fn monitor(dir: PathBuf, command: &str) -> Result<Status, Error> {
    let paths = running(dir)?;
    Qmp::connect(&paths.monitor(), ANSWER)?.execute(command, None)?;
    Ok(Status::Success)
}

pub(super) fn kill(dir: PathBuf) -> Result<Status, Error> {
    vm::kill_in(&Paths::new(dir))?;
    Ok(Status::Success)
}

pub(super) fn console(dir: PathBuf) -> Result<Status, Error> {
    let paths = running(dir)?;
    eprintln!("minos-qemu: {HINT}");
    console::attach(&paths.console(), &mut || power_button(&paths))?;
    eprintln!("\r\nminos-qemu: left the console");
    Ok(Status::Success)
}

/// Presses the power button from within a console in raw mode.
pub(super) fn power_button(paths: &Paths) {
    let monitor = Qmp::connect(&paths.monitor(), ANSWER);
    if let Err(e) = monitor.and_then(|mut qmp| qmp.execute("system_powerdown", None)) {
        eprint!("\r\nminos-qemu: {e}\r\n");
    }
}

/// Joins standard input and output with the control port, byte by byte, for a `pkgctl` elsewhere.
pub(super) fn ctl(socket: Option<PathBuf>) -> Result<Status, Error> {
    let socket = socket.unwrap_or_else(|| Paths::new(dir::DEFAULT).control());
    let failed = |doing| {
        let path = socket.clone();
        move |why| Error::Io { doing, path, why }
    };
    let mut from = UnixStream::connect(&socket).map_err(failed("connect to"))?;
    let mut to = from.try_clone().map_err(failed("use"))?;
    let up = move || {
        let copied = io::copy(&mut io::stdin().lock(), &mut to);
        // The far end still answers what it was asked.
        let _ = to.shutdown(Shutdown::Write);
        copied.map(drop)
    };
    thread::Builder::new().name("up".into()).spawn(up).map_err(failed("write to"))?;
    io::copy(&mut from, &mut io::stdout().lock()).map_err(failed("read from"))?;
    Ok(Status::Success)
}

/// The paths of a machine that runs.
fn running(dir: PathBuf) -> Result<Paths, Error> {
    let paths = Paths::new(dir);
    paths.running()?;
    Ok(paths)
}
