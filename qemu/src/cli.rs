//! The command line: what is asked for, and which verb does it.

mod run;
mod verbs;

use std::path::PathBuf;

use argh::FromArgs;
use minos_qemu::machine::Card;
use minos_qemu::{Choice, Disk, Error, Status, dir};

/// runs the appliance in QEMU, attended or not, and says how it ended
#[derive(FromArgs)]
struct Cli {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
#[expect(clippy::large_enum_variant, reason = "one value in the life of the process")]
enum Verb {
    Run(Run),
    Probe(Probe),
    Ctl(Ctl),
    Console(Console),
    Powerdown(Powerdown),
    Kill(Kill),
    Pause(Pause),
    Resume(Resume),
}

/// start a machine: with --build unattended until its verdict, else with this terminal as console
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
#[argh(note = "Exit status: 0 success, 1 the build failed, 2 not started, 3 QEMU failed,\n\
4 powered off without a verdict, 5 rebooted, 6 panic, 7 silence, 8 watchdog, 9 timed out,\n\
10 power cut, 11 QEMU killed, 130 interrupted.")]
struct Run {
    /// kernel to boot (bzImage); without one the first disk is booted by UEFI firmware
    #[argh(option)]
    kernel: Option<PathBuf>,
    /// initramfs
    #[argh(option)]
    initrd: Option<PathBuf>,
    /// disk, SERIAL=PATH[,ro][,snapshot][,volatile][,ahci]; may be given several times
    #[argh(option, from_str_fn(parse_disk))]
    disk: Vec<Disk>,
    /// words for the kernel command line
    #[argh(option, default = "String::new()")]
    append: String,
    /// build this target unattended
    #[argh(option)]
    build: Option<String>,
    /// what the guest does after the build: poweroff (default) or stay
    #[argh(option, default = "\"poweroff\".into()")]
    then: String,
    /// run unattended also without --build: no console, ends with the machine
    #[argh(switch)]
    unattended: bool,
    /// auto (default), kvm or tcg
    #[argh(option, default = "Choice::Auto")]
    accel: Choice,
    /// memory in MiB (default 2048)
    #[argh(option, default = "2048")]
    memory: u32,
    /// number of CPUs (default 2)
    #[argh(option, default = "2")]
    cpus: u16,
    /// limit for the whole run in seconds
    #[argh(option)]
    timeout: Option<u64>,
    /// limit for silence in seconds when unattended (default 600, 0 for none)
    #[argh(option, default = "600")]
    silence: u64,
    /// carry out reboots instead of ending
    #[argh(switch)]
    reboot: bool,
    /// give the machine a virtio network card
    #[argh(switch)]
    network: bool,
    /// network card, virtio or e1000e; may be given several times
    #[argh(option, from_str_fn(parse_card))]
    card: Vec<Card>,
    /// the emulator (default qemu-system-x86_64)
    #[argh(option, default = "\"qemu-system-x86_64\".into()")]
    qemu: PathBuf,
    /// directory for sockets and logs (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
    /// print the result as one JSON object
    #[argh(switch)]
    json: bool,
}

/// say whether KVM is usable here, and why not
#[derive(FromArgs)]
#[argh(subcommand, name = "probe")]
struct Probe {
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// connect standard input and output with the control port of a running machine
#[derive(FromArgs)]
#[argh(subcommand, name = "ctl")]
struct Ctl {
    /// the socket (default out/vm/control.sock)
    #[argh(option)]
    socket: Option<PathBuf>,
}

/// use the serial console of a running machine
#[derive(FromArgs)]
#[argh(subcommand, name = "console")]
struct Console {
    /// directory of the machine (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
}

/// press the power button of a running machine
#[derive(FromArgs)]
#[argh(subcommand, name = "powerdown")]
struct Powerdown {
    /// directory of the machine (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
}

/// kill a running machine; its disks keep what was written
#[derive(FromArgs)]
#[argh(subcommand, name = "kill")]
struct Kill {
    /// directory of the machine (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
}

/// stop the CPUs of a running machine
#[derive(FromArgs)]
#[argh(subcommand, name = "pause")]
struct Pause {
    /// directory of the machine (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
}

/// let the CPUs of a paused machine go on
#[derive(FromArgs)]
#[argh(subcommand, name = "resume")]
struct Resume {
    /// directory of the machine (default out/vm)
    #[argh(option, default = "dir::DEFAULT.into()")]
    dir: PathBuf,
}

fn parse_card(text: &str) -> Result<Card, String> {
    text.parse().map_err(|e: Error| e.to_string())
}

fn parse_disk(text: &str) -> Result<Disk, String> {
    text.parse().map_err(|e: Error| e.to_string())
}

/// Runs the program with these words, the first being its name.
pub fn run(words: &[String]) -> Status {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Cli::from_args(&["minos-qemu"], words.get(1..).unwrap_or_default()) {
        Ok(cli) => finish(dispatch(cli.verb)),
        Err(early) if early.status.is_ok() => {
            println!("{}", early.output.trim_end());
            Status::Success
        }
        Err(early) => {
            eprintln!("{}", early.output.trim_end());
            Status::Usage
        }
    }
}

fn dispatch(verb: Verb) -> Result<Status, Error> {
    match verb {
        Verb::Run(run) => run.carry_out(),
        Verb::Probe(probe) => verbs::probe(probe.json),
        Verb::Ctl(ctl) => verbs::ctl(ctl.socket),
        Verb::Console(console) => verbs::console(console.dir),
        Verb::Powerdown(v) => verbs::monitor(v.dir, "system_powerdown"),
        Verb::Kill(v) => verbs::kill(v.dir),
        Verb::Pause(v) => verbs::monitor(v.dir, "stop"),
        Verb::Resume(v) => verbs::monitor(v.dir, "cont"),
    }
}

fn finish(done: Result<Status, Error>) -> Status {
    done.unwrap_or_else(|e| {
        eprintln!("minos-qemu: {e}");
        match e {
            Error::QemuFailed { .. } => Status::QemuFailed,
            _ => Status::Usage,
        }
    })
}
