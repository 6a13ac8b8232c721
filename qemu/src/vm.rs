//! A machine that runs: its process, its channels, and what can be done to it.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::accel::{self, Accel, Choice, Decision};
use crate::arguments::{arguments, drive_id};
use crate::boot;
use crate::control::Link;
use crate::dir::{Paths, VmDir};
use crate::error::Error;
use crate::machine::{Boot, Machine, Throttle};
use crate::nbd::Served;
use crate::observe::{HostAct, Observation};
use crate::process::Process;
use crate::qmp::Qmp;
use crate::serial::Serial;
use crate::sys::PidFd;
use crate::volatile::{Fault, Survivors, Volatile};

/// How a machine is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The directory for sockets and logs; see [`crate::dir`].
    pub dir: PathBuf,
    /// The accelerator asked for.
    pub accel: Choice,
    /// How long QEMU may take to come up, and to answer each command.
    pub answer: Duration,
    /// How long a machine under KVM may go without a sign of life before TCG is tried.
    pub first_sign: Duration,
}

impl Start {
    /// In `dir`: accelerator by the rule, half a minute for QEMU, 20 seconds for a sign of life.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            accel: Choice::Auto,
            answer: Duration::from_secs(30),
            first_sign: Duration::from_secs(20),
        }
    }
}

/// A running machine. Dropping it kills QEMU.
#[derive(Debug)]
pub struct Vm {
    // Dropped first: everything below sees its connections close.
    running: Running,
    decision: Decision,
    link: Option<Link>,
    backlog: VecDeque<Observation>,
    seen: Receiver<Observation>,
    tell: Sender<Observation>,
    ended: bool,
    dir: VmDir,
}

/// What one QEMU process consists of on our side.
#[derive(Debug)]
struct Running {
    process: Process,
    qmp: Qmp,
    serial: Serial,
    // Behind `process`: fields are dropped in order, and disks close when QEMU is dead.
    disks: Disks,
    readers: Vec<JoinHandle<()>>,
}

/// The volatile disks of a machine, by serial number. The threads that serve them end in their own time;
/// the images are free when this is dropped.
#[derive(Debug)]
struct Disks(Vec<(String, Served)>);

impl Drop for Disks {
    fn drop(&mut self) {
        for (_, disk) in &self.0 {
            disk.disk().close();
        }
    }
}

/// Ends a machine's run from another thread.
#[derive(Debug, Clone)]
pub struct Interrupter(Sender<Observation>);

impl Interrupter {
    /// Makes the machine's watcher end the run as interrupted.
    pub fn interrupt(&self) {
        // Nobody watches any more: then there is nothing to interrupt.
        let _ = self.0.send(Observation::Host(HostAct::Interrupted));
    }
}

impl Vm {
    /// Starts `machine`. When it runs under KVM by the rule's choice and shows no sign of life in
    /// time, it is started once more under TCG.
    ///
    /// # Errors
    /// [`Error`]: the description is wrong, a file is missing, another machine runs in the
    /// directory, QEMU cannot be executed or ended with a complaint.
    pub fn start(machine: &Machine, start: &Start) -> Result<Self, Error> {
        machine.check()?;
        for file in machine.files() {
            fs::metadata(file).map_err(Error::io("open", file))?;
        }
        let decision = accel::decide(start.accel)?;
        let dir = VmDir::lock(&start.dir)?;
        let mut vm = Self::launch(machine, decision, dir, start.answer)?;
        if vm.decision.accel == Accel::Kvm && start.accel == Choice::Auto {
            let firmware = matches!(machine.boot, Boot::Firmware(_));
            if !vm.shows_life(firmware, start.first_sign) {
                let why = format!(
                    "under KVM the machine gave no sign of life within {} s",
                    start.first_sign.as_secs()
                );
                let tcg = Decision { accel: Accel::Tcg, kvm_usable: false, why };
                // The directory is locked anew: the old machine must be gone before.
                drop(vm);
                vm = Self::launch(machine, tcg, VmDir::lock(&start.dir)?, start.answer)?;
            }
        }
        Ok(vm)
    }

    fn launch(
        machine: &Machine,
        decision: Decision,
        mut dir: VmDir,
        answer: Duration,
    ) -> Result<Self, Error> {
        let (tell, seen) = mpsc::channel();
        let paths = dir.paths().clone();
        if let Boot::Firmware(firmware) = &machine.boot {
            let to = paths.efivars();
            fs::copy(&firmware.variables, &to).map_err(Error::io("create", &to))?;
        }
        let disks = serve_disks(machine, &paths, &tell)?;
        let mut command = Command::new(&machine.qemu);
        command.args(arguments(machine, decision.accel, &paths));
        let process = Process::start(command, tell.clone())?;
        dir.set_pid(process.pid())?;
        let (qmp, serial, readers) =
            connect(&paths, &tell, answer).map_err(|e| explain(e, &seen))?;
        Ok(Self {
            running: Running { process, qmp, serial, disks, readers },
            decision,
            link: None,
            backlog: VecDeque::new(),
            seen,
            tell,
            ended: false,
            dir,
        })
    }

    /// Waits for a sign of life; what is seen meanwhile is kept for [`Self::next`].
    fn shows_life(&mut self, firmware: bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while let Ok(seen) = self.seen.recv_timeout(left(deadline)) {
            let (lives, over) =
                (seen.is_sign_of_life(firmware), matches!(seen, Observation::Exited(_)));
            self.backlog.push_back(seen);
            if lives || over {
                // A machine that ended was not stuck; the caller learns why from its end.
                return true;
            }
        }
        false
    }

    /// The accelerator in use, and why.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The machine's sockets and files.
    pub fn paths(&self) -> &Paths {
        self.dir.paths()
    }

    /// The process number of QEMU.
    pub fn pid(&self) -> u32 {
        self.running.process.pid()
    }

    /// The serial console.
    pub fn serial(&self) -> &Serial {
        &self.running.serial
    }

    /// A handle with which another thread ends the run.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.tell.clone())
    }

    /// The next observation; `None` when there was none in time, or the machine has ended and
    /// everything has been told. [`Observation::Exited`] is always the last.
    pub fn next(&mut self, timeout: Duration) -> Option<Observation> {
        let next = match self.backlog.pop_front() {
            Some(seen) => seen,
            None if self.ended => return None,
            None => self.seen.recv_timeout(timeout).ok()?,
        };
        if !matches!(next, Observation::Exited(_)) || self.ended {
            return Some(next);
        }
        self.drain();
        self.backlog.push_back(next);
        self.backlog.pop_front()
    }

    /// QEMU has ended: collects what its channels still hold.
    fn drain(&mut self) {
        self.ended = true;
        for reader in self.running.readers.drain(..) {
            let _ = reader.join();
        }
        self.running.serial.finish();
        if let Some(link) = &mut self.link {
            link.finish();
        }
        self.backlog.extend(self.seen.try_iter());
    }

    /// Whether the QEMU process has been seen to end.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the control port for this handle: from now on events and the verdict are observed.
    /// Nobody else can use `control.sock` meanwhile.
    pub(crate) fn take_control(&mut self) -> Result<&mut Link, Error> {
        if self.link.is_none() {
            let path = self.paths().control();
            let stream = UnixStream::connect(&path).map_err(Error::io("connect to", &path))?;
            let link = Link::new(stream, self.tell.clone());
            self.link = Some(link.map_err(Error::io("read from", &path))?);
        }
        self.link.as_mut().ok_or_else(|| Error::NotRunning(self.dir.paths().dir().into()))
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn powerdown(&mut self) -> Result<(), Error> {
        self.running.qmp.execute("system_powerdown", None).map(drop)
    }

    /// Stops the CPUs.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn pause(&mut self) -> Result<(), Error> {
        self.running.qmp.execute("stop", None).map(drop)
    }

    /// Lets the CPUs go on.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn resume(&mut self) -> Result<(), Error> {
        self.running.qmp.execute("cont", None).map(drop)
    }

    /// Whether the CPUs run, in QEMU's word: `running`, `paused`, ...
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn status(&mut self) -> Result<String, Error> {
        let answer = self.running.qmp.execute("query-status", None)?;
        Ok(answer.get("status").and_then(|s| s.as_str()).unwrap_or_default().to_owned())
    }

    /// Kills QEMU, as when the host's administrator or its out-of-memory killer does. The disks keep
    /// all that the guest wrote, flushed or not: this is no power cut.
    pub fn kill(&mut self) {
        let _ = self.tell.send(Observation::Host(HostAct::Killed));
        self.running.process.kill();
    }

    /// Cuts the power: volatile disks lose what the guest has not flushed, except the survivors, and
    /// QEMU is killed. Plain disks lose nothing, since what was written is in the host's page cache.
    /// Returns the number of bytes lost.
    ///
    /// # Errors
    /// [`Error::Io`] when a survivor cannot be written to the image.
    pub fn cut_power(&mut self, survivors: Survivors) -> Result<u64, Error> {
        let mut lost = 0;
        for (serial, disk) in &self.running.disks.0 {
            let path = self.dir.paths().disk(serial);
            lost += disk.disk().cut(survivors).map_err(Error::io("cut the power of", &path))?;
        }
        let _ = self.tell.send(Observation::Host(HostAct::PowerCut));
        self.running.process.kill();
        Ok(lost)
    }

    /// A volatile disk, for planning a cut or a fault; `None` when there is none of that name.
    pub fn volatile(&self, serial: &str) -> Option<&Served> {
        self.running.disks.0.iter().find(|(s, _)| s == serial).map(|(_, d)| d)
    }

    /// Pulls a disk out, without asking the guest: from now on its requests fail with `EIO`.
    /// The device itself stays visible, as that of a disk that died.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such disk.
    pub fn detach(&mut self, serial: &str) -> Result<(), Error> {
        if let Some(disk) = self.volatile(serial) {
            disk.disk().set_fault(Fault::Gone);
            return Ok(());
        }
        // drive_del has no counterpart in QMP: there a device in use must agree to go.
        self.running.qmp.human(&format!("drive_del {}", drive_id(serial)))
    }

    /// Makes a volatile disk refuse writes for want of space, or lifts that again.
    ///
    /// # Errors
    /// [`Error::Machine`] when the disk is not volatile.
    pub fn set_full(&mut self, serial: &str, full: bool) -> Result<(), Error> {
        let disk = self.volatile(serial).ok_or_else(|| {
            Error::Machine(format!("disk '{serial}' is not volatile: only such a disk can be full"))
        })?;
        disk.disk().set_fault(if full { Fault::Full } else { Fault::None });
        Ok(())
    }

    /// Limits the speed of a disk from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such disk.
    pub fn throttle(&mut self, serial: &str, to: Throttle) -> Result<(), Error> {
        let arguments = json!({
            "device": drive_id(serial),
            "bps": to.bytes, "bps_rd": 0, "bps_wr": 0,
            "iops": to.requests, "iops_rd": 0, "iops_wr": 0,
        });
        self.running.qmp.execute("block_set_io_throttle", Some(arguments)).map(drop)
    }
}

/// Kills the QEMU of the machine that runs in `paths`, started by whichever process.
///
/// # Errors
/// [`Error::NotRunning`]; [`Error::Io`] when this user may not.
pub fn kill_in(paths: &Paths) -> Result<(), Error> {
    let pid = paths.running()?;
    PidFd::open(pid)
        .and_then(|process| process.signal(libc::SIGKILL))
        .map_err(Error::io("kill the machine in", paths.dir()))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn serve_disks(
    machine: &Machine,
    paths: &Paths,
    tell: &Sender<Observation>,
) -> Result<Disks, Error> {
    let volatile = machine.disks.iter().filter(|d| d.volatile);
    let serve = |disk: &crate::machine::Disk| {
        let tell = tell.clone();
        let on_cut = move || drop(tell.send(Observation::Host(HostAct::PowerCut)));
        let served = Served::start(Volatile::open(&disk.path)?, &paths.disk(&disk.serial), on_cut)?;
        Ok((disk.serial.clone(), served))
    };
    volatile.map(serve).collect::<Result<_, _>>().map(Disks)
}

/// Takes hold of every channel of a QEMU that has just been started, then lets its CPUs go.
fn connect(
    paths: &Paths,
    tell: &Sender<Observation>,
    answer: Duration,
) -> Result<(Qmp, Serial, Vec<JoinHandle<()>>), Error> {
    let deadline = Instant::now() + answer;
    let on_event = {
        let tell = tell.clone();
        move |event| drop(tell.send(Observation::Qmp(event)))
    };
    let (mut qmp, qmp_reader) = Qmp::over(dial(&paths.qmp(), deadline)?, answer, on_event)?;
    let line = dial(&paths.serial(), deadline)?;
    let serial = Serial::start(line, &paths.serial_log(), &paths.console(), tell.clone())?;
    let (init, to) = (dial(&paths.init(), deadline)?, tell.clone());
    let init_reader = thread::Builder::new()
        .name("init".into())
        .spawn(move || boot::read(init, &to))
        .map_err(Error::io("read from", &paths.init()))?;
    qmp.execute("cont", None)?;
    Ok((qmp, serial, vec![qmp_reader, init_reader]))
}

/// Connects to a socket that QEMU is about to make.
fn dial(path: &Path, deadline: Instant) -> Result<UnixStream, Error> {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(e) if Instant::now() >= deadline => return Err(Error::io("connect to", path)(e)),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A broken connection to a QEMU that has ended means what QEMU says, not that it is broken.
fn explain(e: Error, seen: &Receiver<Observation>) -> Error {
    let deadline = Instant::now() + Duration::from_secs(2);
    while let Ok(seen) = seen.recv_timeout(left(deadline)) {
        if let Observation::Exited(exit) = seen {
            return Error::QemuFailed { stderr: exit.stderr };
        }
    }
    e
}
