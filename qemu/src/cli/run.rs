//! `minos-qemu run`.

use std::thread;
use std::time::{Duration, Instant};

use minos_qemu::console::{self, Left};
use minos_qemu::dir::Paths;
use minos_qemu::machine::{Card, Firmware};
use minos_qemu::progress::{self, Progress};
use minos_qemu::vm::Interrupter;
use minos_qemu::watch::{Report, attend};
use minos_qemu::{
    Ending, Error, Limits, Machine, Observation, Order, Start, Status, Vm, signals, watch,
};
use serde_json::{Value, json};

use super::Run;
use super::verbs::power_button;

impl Run {
    pub(super) fn carry_out(self) -> Result<Status, Error> {
        let machine = self.machine()?;
        let signals = signals::hold().map_err(io("hold back signals for"))?;
        let start = Start { accel: self.accel, ..Start::in_dir(&self.dir) };
        let mut vm = Vm::start(&machine, &start)?;
        eprintln!("minos-qemu: {}", vm.decision());
        let interrupter = vm.interrupter();
        signals.on_each(move || interrupter.interrupt()).map_err(io("handle signals for"))?;
        let unattended = self.is_unattended();
        let report = if unattended { self.unattended(&mut vm) } else { self.attended(&mut vm) }?;
        self.tell(&vm, &report);
        // Somebody at the console asked for no verdict: powering off is how it should end.
        Ok(match Status::from(&report.ending) {
            Status::NoVerdict if !unattended => Status::Success,
            status => status,
        })
    }

    fn is_unattended(&self) -> bool {
        self.unattended || self.build.is_some()
    }

    fn machine(&self) -> Result<Machine, Error> {
        let mut machine = match &self.kernel {
            Some(kernel) => Machine::kernel(kernel, self.initrd.clone()),
            None if self.build.is_some() || !self.append.is_empty() || self.initrd.is_some() => {
                return Err(Error::Machine(
                    "--build, --append and --initrd need a --kernel to hand them to".into(),
                ));
            }
            None => Machine::firmware(Firmware::find()?),
        };
        machine = machine.memory(self.memory).cpus(self.cpus).append(&self.build_words()?);
        machine = machine.append(&self.append);
        machine.disks.clone_from(&self.disk);
        machine.qemu.clone_from(&self.qemu);
        machine.reboots = self.reboot;
        machine.cards.clone_from(&self.card);
        if self.network {
            machine.cards.push(Card::Virtio);
        }
        Ok(machine)
    }

    /// The kernel command line's words for an unattended build.
    fn build_words(&self) -> Result<String, Error> {
        let Some(target) = &self.build else { return Ok(String::new()) };
        if target.is_empty() || target.contains(|c: char| c.is_whitespace() || c == '"') {
            return Err(Error::Machine(format!("--build '{target}' is no target")));
        }
        match self.then.as_str() {
            "poweroff" => Ok(format!("minos.build={target} minos.then=poweroff")),
            "stay" => Ok(format!("minos.build={target}")),
            other => Err(Error::Machine(format!("--then {other}: use poweroff or stay"))),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            total: self.timeout.map(Duration::from_secs),
            silence: (self.silence > 0).then(|| Duration::from_secs(self.silence)),
            // A machine that is to stay after its build need not end.
            after_verdict: Limits::default().after_verdict.filter(|_| self.then == "poweroff"),
        }
    }

    fn unattended(&self, vm: &mut Vm) -> Result<Report, Error> {
        let started = Instant::now();
        let mut progress = Progress::default();
        let mut show = |seen: &Observation| {
            if let Some(line) = progress.line(seen, started.elapsed()) {
                let at = progress::time(started.elapsed().as_millis() as u64);
                eprintln!("{at:>10}  {line}");
            }
            Order::Continue
        };
        watch(vm, &self.limits(), &mut show)
    }

    /// The terminal becomes the console. The machine is watched meanwhile for how it ends.
    fn attended(&self, vm: &mut Vm) -> Result<Report, Error> {
        eprintln!("minos-qemu: {}; leaving kills the machine", console::HINT);
        let (paths, interrupter) = (vm.paths().clone(), vm.interrupter());
        let sit = move || sit_at(&paths, &interrupter);
        let terminal = thread::Builder::new()
            .name("terminal".into())
            .spawn(sit)
            .map_err(io("use the terminal for"))?;
        let limits = Limits { total: self.timeout.map(Duration::from_secs), ..Limits::NONE };
        let report = attend(vm, &limits, &mut |_| Order::Continue)?;
        // It restores the terminal before anything else is printed.
        if let Ok(Err(e)) = terminal.join() {
            eprintln!("minos-qemu: {e}");
        }
        Ok(report)
    }

    fn tell(&self, vm: &Vm, report: &Report) {
        if let (Ending::GuestPanic { .. } | Ending::Silence { .. }, true) =
            (&report.ending, self.is_unattended())
        {
            eprintln!("--- last output ---\n{}\n---", last_lines(&vm.serial().tail(), 20));
        }
        if self.json {
            println!("{}", self.json(vm, report));
        } else {
            let took = progress::time(report.wall.as_millis() as u64);
            eprintln!("minos-qemu: {} (after {took})", report.ending);
        }
    }

    fn json(&self, vm: &Vm, report: &Report) -> Value {
        let status = Status::from(&report.ending);
        let verdict = report.evidence.verdict.as_ref().map(|v| {
            let failed: Vec<Value> = v
                .failed
                .iter()
                .map(|(step, f)| json!({"step": step.to_string(), "failure": f.to_string()}))
                .collect();
            json!({
                "success": v.success, "target": v.target, "summary": v.summary, "built": v.built,
                "cached": v.cached, "failed": failed, "wall_ms": v.wall_ms,
            })
        });
        json!({
            "status": status.as_str(),
            "exit": status as u8,
            "ending": report.ending.to_string(),
            "accel": vm.decision().accel.as_str(),
            "wall_ms": report.wall.as_millis() as u64,
            "verdict": verdict,
            "clean": report.evidence.goodbye.map(|(_, clean)| clean),
            "last_boot": report.evidence.last_boot,
            "serial_log": vm.paths().serial_log(),
        })
    }
}

/// The user at the console: leaving it ends the machine, for it is this program's own.
fn sit_at(paths: &Paths, interrupter: &Interrupter) -> Result<(), Error> {
    let left = console::attach(&paths.console(), &mut || power_button(paths));
    if !matches!(left, Ok(Left::Closed)) {
        interrupter.interrupt();
    }
    left.map(drop)
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |why| Error::Io { doing, path: "this run".into(), why }
}
