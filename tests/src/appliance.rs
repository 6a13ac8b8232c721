//! The appliance in QEMU under a test's control: its own initramfs, its own state disk.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use minos_proto::{BootEvent, BootPhase};
use minos_qemu::ending::Ending;
use minos_qemu::machine::{Card, Disk, Firmware, Machine};
use minos_qemu::nbd::Served;
use minos_qemu::observe::Observation;
use minos_qemu::vm::{Interrupter, Start, Vm};
use minos_qemu::watch::{Limits, Order, Report, attend, watch};

use crate::{artefacts, loops};

/// The longest any boot of these tests may take. Emulation on a busy machine is slow; a hang is found
/// by the silence limit long before.
const LIMITS: Limits = Limits {
    total: Some(Duration::from_secs(1200)),
    silence: Some(Duration::from_secs(300)),
    after_verdict: Some(Duration::from_secs(120)),
};

/// A machine's files: what it boots and its state disk.
#[derive(Debug)]
pub struct Appliance {
    dir: tempfile::TempDir,
    initrd: PathBuf,
    state: Option<Disk>,
    /// Disks beside those of an appliance.
    beside: Vec<Disk>,
    append: String,
    counted: bool,
    reboots: bool,
    cpu: Option<&'static str>,
    /// A disk image for bare hardware, booted by UEFI firmware instead of all the above.
    whole_disk: Option<PathBuf>,
    cards: Vec<Card>,
}

/// What one run of the machine showed.
#[derive(Debug)]
pub struct Run {
    /// How it ended and what was learned.
    pub report: Report,
    /// Lines of init's log and events, as they came over its port.
    pub events: Vec<BootEvent>,
    /// All of the serial console.
    pub console: String,
}

impl Run {
    /// Whether any line that init logged, or the console, has this text.
    pub fn says(&self, text: &str) -> bool {
        let logged = |event: &BootEvent| match event {
            BootEvent::Log { text: line, .. } | BootEvent::LastBoot { text: line } => {
                line.contains(text)
            }
            _ => false,
        };
        self.events.iter().any(logged) || self.console.contains(text)
    }

    /// Fails unless the run ended with a verdict of success.
    ///
    /// # Panics
    /// It did not.
    pub fn must_succeed(&self) {
        let good = matches!(&self.report.ending, Ending::Verdict(v) if v.success);
        assert!(good, "{}\nconsole:\n{}", self.report.ending, self.console);
    }
}

impl Appliance {
    /// A machine with the recipes of the tree and an empty state disk of 4 GiB.
    ///
    /// # Panics
    /// An artefact is missing.
    pub fn new() -> Self {
        Self::with_recipes(&artefacts::recipes())
    }

    /// A machine with recipes of its own.
    ///
    /// # Panics
    /// An artefact is missing.
    pub fn with_recipes(recipes: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let initrd = initramfs(dir.path(), recipes);
        let state = dir.path().join("state.img");
        image(&["--out", text(dir.path()), "state-disk", "--path", text(&state), "--size", "4G"]);
        let state = Some(Disk::new("minos-state", state));
        let append = "quiet".to_owned();
        let (beside, cpu, whole_disk, cards) = (Vec::new(), None, None, Vec::new());
        let (counted, reboots) = (false, false);
        Self { dir, initrd, state, beside, append, counted, reboots, cpu, whole_disk, cards }
    }

    /// A machine that boots a disk made for bare hardware, from the SATA controller by UEFI firmware.
    ///
    /// # Panics
    /// An artefact is missing.
    #[must_use]
    pub fn on_bare_hardware(mut self, cmdline: &str) -> Self {
        let dir = self.dir.path();
        for (name, path) in [("bzImage", artefacts::kernel()), ("seed.squashfs", artefacts::seed())]
        {
            std::os::unix::fs::symlink(path, dir.join(name)).expect("a link");
        }
        let out = text(dir);
        image(&["--out", out, "disk", "--state-size", "1G", "--no-sources", "--cmdline", cmdline]);
        self.whole_disk = Some(dir.join("disk.img"));
        self
    }

    /// A machine that boots this disk, from the SATA controller by UEFI firmware.
    #[must_use]
    pub fn on_disk(mut self, disk: &Path) -> Self {
        self.whole_disk = Some(disk.to_owned());
        self
    }

    /// Gives it network cards, each with a DHCP server that nobody else sees.
    #[must_use]
    pub fn networked(mut self, cards: &[Card]) -> Self {
        self.cards = cards.to_vec();
        self
    }

    /// Replaces the state disk, or takes it out.
    #[must_use]
    pub fn state(mut self, change: impl FnOnce(Disk) -> Option<Disk>) -> Self {
        self.state = self.state.take().and_then(change);
        self
    }

    /// Adds a disk.
    #[must_use]
    pub fn beside(mut self, disk: Disk) -> Self {
        self.beside.push(disk);
        self
    }

    /// Sets the model of the CPU ([`Machine::cpu`]).
    pub fn cpu(&mut self, model: &'static str) -> &mut Self {
        self.cpu = Some(model);
        self
    }

    /// Sets the words after those of every machine and `quiet`.
    pub fn append(&mut self, words: &str) -> &mut Self {
        self.append = format!("quiet {words}");
        self
    }

    /// Makes the guest's clock count instructions ([`Machine::counted`]).
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Carries out reboots instead of ending the run.
    #[must_use]
    pub fn rebooting(mut self) -> Self {
        self.reboots = true;
        self
    }

    /// Whether it does.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// The state disk's image.
    ///
    /// # Panics
    /// There is none.
    pub fn state_image(&self) -> &Path {
        &self.state.as_ref().expect("a state disk").path
    }

    /// The folder of the machine's files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn machine(&self) -> Machine {
        if let Some(disk) = &self.whole_disk {
            let firmware = Firmware::find().expect("the ovmf package is installed");
            let disk = Disk::new("disk", disk).ahci();
            let mut machine = Machine::firmware(firmware).memory(1536).disk(disk);
            machine.cards.clone_from(&self.cards);
            return machine;
        }
        let mut machine = Machine::kernel(artefacts::kernel(), Some(self.initrd.clone()))
            .memory(1536)
            .append(&self.append)
            .counted(self.counted)
            .disk(Disk::new("minos-seed", artefacts::seed()).read_only());
        machine.cards.clone_from(&self.cards);
        let sources = artefacts::top().join("out/sources.squashfs");
        if sources.exists() {
            machine = machine.disk(Disk::new("minos-sources", sources).read_only());
        }
        machine.cpu = self.cpu.map(str::to_owned);
        machine.reboots = self.reboots;
        self.state.iter().chain(&self.beside).cloned().fold(machine, Machine::disk)
    }

    /// Runs the machine to its end; `on` sees everything and may cut the power.
    ///
    /// # Panics
    /// QEMU cannot be started.
    pub fn run(&self, on: &mut dyn FnMut(&Observation) -> Order) -> Run {
        let dir = self.dir.path().join("vm");
        let mut vm = Vm::start(&self.machine(), &Start::in_dir(&dir)).expect("QEMU starts");
        let mut events = Vec::new();
        let report = watch(&mut vm, &LIMITS, &mut |seen| {
            if let Observation::Boot(event) = seen {
                events.push(event.clone());
            }
            on(seen)
        });
        let report = report.expect("the machine can be watched");
        drop(vm);
        let log = fs::read(minos_qemu::dir::Paths::new(&dir).serial_log()).unwrap_or_default();
        Run { report, events, console: String::from_utf8_lossy(&log).into_owned() }
    }

    /// Runs it without interfering.
    pub fn run_through(&self) -> Run {
        self.run(&mut |_| Order::Continue)
    }

    /// Runs it and leaves the control port to `talk`, which is called with its socket once pkgd serves,
    /// and must end the machine.
    ///
    /// # Panics
    /// QEMU cannot be started; pkgd never serves; `talk` panics.
    pub fn attend<T: Send>(&self, talk: impl FnOnce(&Path) -> T + Send) -> (Run, T) {
        self.attend_disk(|socket, _| talk(socket))
    }

    /// As [`Appliance::attend`]; `talk` may plan a power cut of a volatile state disk as well, which ends the
    /// machine.
    ///
    /// # Panics
    /// As [`Appliance::attend`].
    pub fn attend_disk<T: Send>(
        &self,
        talk: impl FnOnce(&Path, Option<Served>) -> T + Send,
    ) -> (Run, T) {
        let dir = self.dir.path().join("vm");
        let mut vm = Vm::start(&self.machine(), &Start::in_dir(&dir)).expect("QEMU starts");
        let paths = minos_qemu::dir::Paths::new(&dir);
        let (control, mut events) = (paths.control(), Vec::new());
        let disk = self.state.as_ref().and_then(|disk| vm.volatile(&disk.serial)).cloned();
        let (tell, ready) = channel();
        let end = EndByPanic(vm.interrupter());
        let (report, said) = thread::scope(|scope| {
            let talker = scope.spawn(move || {
                let _end = end;
                ready.recv().ok().map(|()| talk(&control, disk))
            });
            let report = attend(&mut vm, &LIMITS, &mut |seen| {
                if let Observation::Boot(event) = seen {
                    events.push(event.clone());
                    if matches!(event, BootEvent::Phase { phase: BootPhase::Ready, .. }) {
                        // A second pkgd tells of itself as well: the talker is at work by then.
                        let _ = tell.send(());
                    }
                }
                Order::Continue
            });
            drop(tell);
            (report, talker.join())
        });
        let report = report.expect("the machine can be watched");
        drop(vm);
        let log = fs::read(paths.serial_log()).unwrap_or_default();
        let run = Run { report, events, console: String::from_utf8_lossy(&log).into_owned() };
        let said = said.unwrap_or_else(|panic| resume_unwind(panic));
        let said = said.unwrap_or_else(|| panic!("pkgd never served:\n{}", run.console));
        (run, said)
    }

    /// Mounts the state disk here while the machine is off, and lets `look` at it.
    ///
    /// # Panics
    /// It cannot be mounted.
    pub fn look<T>(&self, options: &str, look: impl FnOnce(&Path) -> T) -> T {
        let point = self.dir.path().join("look");
        fs::create_dir_all(&point).expect("a mount point");
        loops::mount(self.state_image(), &point, options);
        let seen = look(&point);
        loops::unmount(self.state_image(), &point);
        seen
    }
}

impl Default for Appliance {
    fn default() -> Self {
        Self::new()
    }
}

/// A machine whose talk has panicked is ended by nobody else: its watcher waited for twenty minutes.
struct EndByPanic(Interrupter);

impl Drop for EndByPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.interrupt();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Makes the initramfs with these recipes, in `dir`.
///
/// # Panics
/// An artefact is missing.
pub fn initramfs(dir: &Path, recipes: &Path) -> PathBuf {
    let (bin, index) = (artefacts::binary("init"), dir.join("recipes.idx"));
    let bin = bin.parent().expect("a folder");
    image(&["--out", text(dir), "compile-recipes", "--recipes", text(recipes)]);
    let words = ["initramfs", "--bin-dir", text(bin), "--recipes-index", text(&index)];
    image(&[&["--out", text(dir)], &words[..]].concat());
    dir.join("initramfs.zst")
}

/// Runs minos-image.
///
/// # Panics
/// It fails.
pub fn image(arguments: &[&str]) {
    let output = Command::new(artefacts::binary("minos-image")).args(arguments).output();
    let output = output.expect("minos-image runs");
    assert!(
        output.status.success(),
        "minos-image {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
