//! The story of an installed system, as one person at its serial console would tell it: it boots to a login, has a
//! network, compiles, takes a broken update, falls back by itself, and says why.
//!
//! What the machine does is taken from init's events; the console is where somebody works.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use minos_proto::{BootEvent, Standing};
use minos_qemu::dir::Paths;
use minos_qemu::machine::{Card, Firmware, Machine};
use minos_qemu::talk::{Missed, Talk};
use minos_qemu::watch::attend;
use minos_qemu::{Choice, Disk, Ending, Limits, Observation, Order, Start, Vm};

/// The address that QEMU's own DHCP server gives to the first machine.
const ADDRESS: &str = "10.0.2.15";
/// Where the broken update is made, on the machine.
const WORK: &str = "/tmp/story";

/// What is told, and how patiently.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The disk, as `pkgctl image build` makes it. It is not changed.
    pub disk: PathBuf,
    /// The folder of the machine.
    pub dir: PathBuf,
    /// How it is run.
    pub accel: Choice,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// How long one step may take.
    pub patience: Duration,
}

/// What init has told so far, of all boots.
#[derive(Debug, Default)]
struct Boots {
    events: Mutex<Vec<BootEvent>>,
    more: Condvar,
}

impl Boots {
    fn add(&self, event: &BootEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        self.more.notify_all();
    }

    /// How much has been told.
    fn mark(&self) -> usize {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until what was told since `mark` holds `wanted`; all since then.
    fn until(
        &self,
        mark: usize,
        wanted: &BootWish,
        patience: Duration,
    ) -> Result<Vec<BootEvent>, String> {
        let deadline = Instant::now() + patience;
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let since = events.get(mark..).unwrap_or_default();
            if since.iter().any(|event| wanted.is(event)) {
                return Ok(since.to_vec());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (wanted, seconds) = (wanted, patience.as_secs());
                return Err(format!("init did not say within {seconds} s that {wanted}"));
            }
            events = self.more.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A generation that stands so.
#[derive(Debug)]
struct BootWish(u64, Standing);

impl BootWish {
    fn is(&self, event: &BootEvent) -> bool {
        matches!(event, BootEvent::Generation { generation, standing, .. }
            if (*generation, *standing) == (self.0, self.1))
    }
}

impl std::fmt::Display for BootWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "generation {} {}", self.0, self.1)
    }
}

/// Somebody at the console, and who listens to the story.
struct Teller<'a> {
    talk: Talk,
    boots: &'a Boots,
    patience: Duration,
    say: &'a mut (dyn FnMut(&str) + Send),
}

/// Boots the disk and tells the story; each sentence is given to `say` as soon as it is true.
///
/// # Errors
/// The first thing that did not happen, in words.
pub fn tell(setting: &Setting, say: &mut (dyn FnMut(&str) + Send)) -> Result<(), String> {
    let firmware = Firmware::find().map_err(|e| e.to_string())?;
    let disk = Disk::new("minos-story", &setting.disk).ahci().snapshot();
    let machine = Machine::firmware(firmware).memory(setting.memory_mib).disk(disk);
    let machine = machine.card(Card::Virtio).rebooting();
    let start = Start { accel: setting.accel, ..Start::in_dir(&setting.dir) };
    let mut vm = Vm::start(&machine, &start).map_err(|e| e.to_string())?;
    say(&vm.decision().to_string());
    let (boots, interrupter) = (Boots::default(), vm.interrupter());
    let talk = Talk::connect(&Paths::new(&setting.dir).console()).map_err(|e| e.to_string())?;
    let mut teller = Teller { talk, boots: &boots, patience: setting.patience, say };
    let (told, report) = thread::scope(|scope| {
        let teller = scope.spawn(move || {
            let told = teller.all();
            if told.is_err() {
                interrupter.interrupt();
            }
            told
        });
        let report = attend(&mut vm, &Limits::NONE, &mut |seen| {
            if let Observation::Boot(event) = seen {
                boots.add(event);
            }
            Order::Continue
        });
        (teller.join(), report)
    });
    told.map_err(|_| "the teller has failed".to_owned())??;
    match report.map_err(|e| e.to_string())?.ending {
        Ending::PoweredOffWithoutVerdict => Ok(()),
        other => Err(format!("the machine did not power off: {other}")),
    }
}

impl Teller<'_> {
    fn all(&mut self) -> Result<(), String> {
        let started = Instant::now();
        self.log_in()?;
        (self.say)(&format!("boots to a login, {} s after power-on", started.elapsed().as_secs()));
        self.network()?;
        self.compile()?;
        let generation = self.status(started)?;
        self.broken_update()?;
        self.fall_back(generation)?;
        self.shell("poweroff")
    }

    fn log_in(&mut self) -> Result<(), String> {
        let words = |e: Missed| e.to_string();
        self.talk.until("login: ", self.patience).map_err(words)?;
        self.talk.say("root").map_err(words)?;
        self.talk.until("# ", self.patience).map_err(words).map(drop)
    }

    /// Runs a command that must succeed, with what it prints.
    fn run(&mut self, command: &str) -> Result<String, String> {
        let ran = self.talk.run(command, self.patience).map_err(|e| format!("{command}: {e}"))?;
        match ran.status {
            0 => Ok(ran.output),
            status => Err(format!("{command}: exit status {status}\n{}", ran.output)),
        }
    }

    /// Types the last words to a machine that goes down.
    fn shell(&mut self, line: &str) -> Result<(), String> {
        self.talk.say(line).map_err(|e| e.to_string())
    }

    fn network(&mut self) -> Result<(), String> {
        let wait = "for i in $(seq 120); do grep -qs '^nameserver' /etc/resolv.conf && break; sleep 1; done";
        self.run(&format!("{wait}; grep -q '{ADDRESS}' /proc/net/fib_trie"))?;
        let name = self.run("grep -m 1 '^nameserver' /etc/resolv.conf")?;
        let interface = self.run("awk '$2 == \"00000000\" { print $1; exit }' /proc/net/route")?;
        (self.say)(&format!("has the network by DHCP: {ADDRESS} on {interface}, {name}"));
        Ok(())
    }

    fn compile(&mut self) -> Result<(), String> {
        let c = "#include <stdio.h>\\nint main(void) { puts(\"hello from C\"); }\\n";
        let cc = "#include <iostream>\\nint main() { std::cout << \"hello from C++\\\\n\"; }\\n";
        for (compiler, ending, text, says) in
            [("gcc", "c", c, "hello from C"), ("g++", "cc", cc, "hello from C++")]
        {
            self.run(&format!("printf '{text}' > /tmp/hello.{ending}"))?;
            let command = format!("{compiler} /tmp/hello.{ending} -o /tmp/hello && /tmp/hello");
            let said = self.run(&command)?;
            if said != says {
                return Err(format!("{command}: '{said}' instead of '{says}'"));
            }
        }
        (self.say)("compiles and runs a C and a C++ program");
        Ok(())
    }

    /// Waits until the generation is proven; its number.
    fn status(&mut self, started: Instant) -> Result<u64, String> {
        let status = self.run("pkgctl status")?;
        let daemon = status.lines().next().unwrap_or_default().trim().to_owned();
        let number = self.run("echo $(basename $(readlink /state/current))")?;
        let number = number.parse().map_err(|_| format!("'{number}' is no generation"))?;
        self.boots.until(0, &BootWish(number, Standing::Passed), self.patience)?;
        let proven = started.elapsed().as_secs();
        (self.say)(&format!(
            "pkgctl status: {daemon}; generation {number} is proven, {proven} s after power-on"
        ));
        Ok(number)
    }

    /// Makes a package whose service fails, signs it, and installs it, all on the machine.
    fn broken_update(&mut self) -> Result<(), String> {
        let folder = format!("{WORK}/broken/root/usr/lib/minos/services");
        let service = "exec = [\"/bin/false\"]\\nrequired = true\\nrestart = 1\\n";
        let package = "schema = 1\\nname = \"broken\"\\nversion = \"1\"\\ndescription = \"fails\"\\n\
                       license = \"CC0-1.0\"\\n[[service]]\\nname = \"broken\"\\nenable = true\\n";
        for command in [
            format!("mkdir -p {folder} {WORK}/repo"),
            format!("printf '{service}' > {folder}/broken.toml"),
            format!("printf '{package}' > {WORK}/broken/package.toml"),
            format!("pkgctl key generate story --dir {WORK} --no-passphrase"),
            format!("pkgctl key trust {WORK}/story.pub"),
            format!("pkgctl pack {WORK}/broken --key {WORK}/story.key --output {WORK}/repo"),
            format!("pkgctl repo add story {WORK}/repo"),
            "pkgctl --timeout 300 install --yes broken".to_owned(),
        ] {
            self.run(&command)?;
        }
        (self.say)("takes an update: a package, made and signed on it, whose service fails");
        Ok(())
    }

    /// Reboots, and waits until the machine has left the update behind by itself.
    fn fall_back(&mut self, good: u64) -> Result<(), String> {
        let (mark, started) = (self.boots.mark(), Instant::now());
        self.shell("reboot")?;
        let events =
            self.boots.until(mark, &BootWish(good, Standing::Proven), self.patience * 4)?;
        // What the failed boots have shown is past; this boot has not come to its prompt yet.
        self.talk.forget();
        self.log_in()?;
        let took = started.elapsed().as_secs();
        let failed = events.iter().filter(|event| BootWish(good + 1, Standing::Failed).is(event));
        let failed = failed.count();
        if failed == 0 {
            return Err(format!("generation {} was never tried", good + 1));
        }
        // What init says first may be lost with the port of the boot before; what it judges comes later.
        let boots = failed + 1;
        (self.say)(&format!(
            "reboots into generation {}, which fails its check {failed} times; falls back to a login on generation \
             {good} by itself, in {boots} boots and {took} s",
            good + 1
        ));
        let said = events.iter().rev().find_map(|event| match event {
            BootEvent::LastBoot { text } => Some(text.to_string()),
            _ => None,
        });
        (self.say)(&format!("and says: {}", said.ok_or("init said nothing about the last boot")?));
        let list = self.run("pkgctl generations")?;
        list.lines().for_each(|line| (self.say)(&format!("  {}", line.trim_end())));
        Ok(())
    }
}
