//! From a [`Machine`] to the arguments of QEMU. Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::accel::Accel;
use crate::dir::Paths;
use crate::machine::{Boot, Bus, Disk, Firmware, Machine};

/// What every kernel command line starts with: the console that is captured, a reboot instead of a standstill after a
/// panic (which ends the machine unless it reboots), and no test of the timer: on a host so busy that the emulator
/// stands still meanwhile, the kernel panicked over "IO-APIC + timer doesn't work", with a timer that works.
pub const COMMAND_LINE: &str = "console=ttyS0 panic=-1 no_timer_check";

/// The name of the port pkgd speaks on.
pub const CONTROL_PORT: &str = "minos.control";
/// The name of the port PID 1 writes to.
pub const INIT_PORT: &str = "minos.init";
/// QEMU's id of the control port: the `id` of its `VSERPORT_CHANGE` events.
pub(crate) const CONTROL_ID: &str = "control-port";

/// QEMU's id of the drive with this serial number.
pub(crate) fn drive_id(serial: &str) -> String {
    format!("drive-{serial}")
}

/// The arguments for `machine` with its sockets in `paths`. The machine starts stopped (`-S`), so
/// that no event is lost before the launcher listens.
pub fn arguments(machine: &Machine, accel: Accel, paths: &Paths) -> Vec<OsString> {
    let mut args = Arguments::default();
    args.words("-name minos -no-user-config -nodefaults -display none -S");
    args.words("-machine q35");
    // qemu64 and not max: the more features are emulated, the slower the boot.
    let (accelerator, cpu) = match accel {
        _ if machine.counted => ("-accel tcg,thread=single -icount shift=0", "qemu64"),
        Accel::Kvm => ("-accel kvm", "host"),
        Accel::Tcg => ("-accel tcg,thread=multi", "qemu64"),
    };
    args.words(accelerator);
    args.pair("-cpu", machine.cpu.as_deref().unwrap_or(cpu));
    args.words(&format!("-m {} -smp {}", machine.memory_mib, machine.cpus));
    endings(&mut args, machine);
    args.words("-device virtio-rng-pci");
    channels(&mut args, paths);
    for (at, card) in machine.cards.iter().enumerate() {
        // Without a ROM: firmware would try to boot from the network.
        let (third, device) = (at + 2, card.device());
        args.words(&format!(
            "-netdev user,id=net{at},net=10.0.{third}.0/24 -device {device},netdev=net{at},romfile="
        ));
    }
    for (at, disk) in machine.disks.iter().enumerate() {
        drive(&mut args, disk, at, paths);
    }
    boot(&mut args, &machine.boot, paths);
    args.0
}

/// How the machine may end, and the devices that tell how it did.
fn endings(args: &mut Arguments, machine: &Machine) {
    // A machine that reboots does so by itself after a panic: let it.
    let panic = if machine.reboots { "none" } else { "shutdown" };
    let mut action = format!("-device pvpanic-pci -action panic={panic}");
    if let Some(watchdog) = machine.watchdog {
        action.push_str(&format!(",watchdog={} -device i6300esb", watchdog.as_str()));
    }
    args.words(&action);
    if !machine.reboots {
        args.words("-no-reboot");
    }
}

fn channels(args: &mut Arguments, paths: &Paths) {
    args.socket("serial", &paths.serial());
    args.words("-serial chardev:serial");
    args.socket("qmp", &paths.qmp());
    args.words("-mon chardev=qmp,mode=control");
    args.socket("monitor", &paths.monitor());
    args.words("-mon chardev=monitor,mode=control");
    args.words("-device virtio-serial-pci,id=ports");
    args.socket("control", &paths.control());
    args.words(&format!(
        "-device virtserialport,bus=ports.0,id={CONTROL_ID},chardev=control,name={CONTROL_PORT}"
    ));
    args.socket("init", &paths.init());
    args.words(&format!(
        "-device virtserialport,bus=ports.0,id=init-port,chardev=init,name={INIT_PORT}"
    ));
}

fn drive(args: &mut Arguments, disk: &Disk, at: usize, paths: &Paths) {
    let id = drive_id(&disk.serial);
    // Errors go to the guest: stopping the machine on a full disk would hide how it copes.
    let mut drive = OsString::from(format!(
        "if=none,id={id},format=raw,cache={},rerror=report,werror=report",
        disk.cache.as_str()
    ));
    if disk.readonly {
        drive.push(",readonly=on");
    }
    if disk.snapshot {
        drive.push(",snapshot=on");
    }
    if let Some(t) = disk.throttle {
        drive.push(format!(
            ",throttling.bps-total={},throttling.iops-total={}",
            t.bytes, t.requests
        ));
    }
    // The driver is named: in a bare file= QEMU takes what stands before a colon for a protocol.
    if disk.volatile {
        drive.push(",file.driver=nbd,file.server.type=unix,file.server.path=");
        drive.push(escaped(&paths.disk(&disk.serial)));
    } else {
        drive.push(",file.driver=file,file.filename=");
        drive.push(escaped(&disk.path));
    }
    args.pair("-drive", drive);
    let device = match disk.bus {
        Bus::Virtio => "virtio-blk-pci".to_string(),
        Bus::Ahci => format!("ide-hd,bus=ide.{at}"),
    };
    args.words(&format!(
        "-device {device},drive={id},id=disk-{0},serial={0},bootindex={1}",
        disk.serial,
        at + 1
    ));
}

fn boot(args: &mut Arguments, boot: &Boot, paths: &Paths) {
    match boot {
        Boot::Kernel { kernel, initrd, append } => {
            args.pair("-kernel", kernel);
            if let Some(initrd) = initrd {
                args.pair("-initrd", initrd);
            }
            args.pair("-append", format!("{COMMAND_LINE} {append}").trim_end());
        }
        Boot::Firmware(Firmware { code, .. }) => {
            args.flash(0, code, ",readonly=on");
            args.flash(1, &paths.efivars(), "");
        }
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    /// Words without spaces in them.
    fn words(&mut self, words: &str) {
        self.0.extend(words.split_whitespace().map(OsString::from));
    }

    fn pair(&mut self, option: &str, value: impl AsRef<OsStr>) {
        self.0.push(option.into());
        self.0.push(value.as_ref().into());
    }

    fn socket(&mut self, id: &str, path: &Path) {
        let mut value = OsString::from(format!("socket,id={id},server=on,wait=off,path="));
        value.push(escaped(path));
        self.pair("-chardev", value);
    }

    fn flash(&mut self, unit: u8, path: &Path, options: &str) {
        let mut value =
            OsString::from(format!("if=pflash,unit={unit},format=raw{options},file.driver=file"));
        value.push(",file.filename=");
        value.push(escaped(path));
        self.pair("-drive", value);
    }
}

/// A path as the value of a QEMU option: commas are doubled.
fn escaped(path: &Path) -> OsString {
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::arguments;
    use crate::accel::Accel;
    use crate::dir::Paths;
    use crate::machine::{Card, Disk, Firmware, Machine, Throttle, WatchdogAction};

    fn line(machine: &Machine, accel: Accel) -> String {
        let args = arguments(machine, accel, &Paths::new("out/vm"));
        args.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    fn has(line: &str, parts: &[&str]) {
        for part in parts {
            assert!(line.contains(part), "'{part}' is missing in: {line}");
        }
    }

    #[test]
    fn the_plain_machine() {
        let machine =
            Machine::kernel("bzImage", Some("rd.zst".into())).append("minos.build=x quiet");
        let line = line(&machine, Accel::Tcg);
        has(
            &line,
            &[
                "-machine q35",
                "-nodefaults",
                "-no-user-config",
                "-display none",
                "-no-reboot",
                "-m 1024 -smp 2",
                "-accel tcg,thread=multi",
                "-kernel bzImage -initrd rd.zst -append console=ttyS0 panic=-1 no_timer_check minos.build=x quiet",
                "-chardev socket,id=control,server=on,wait=off,path=out/vm/control.sock",
                "id=control-port,chardev=control,name=minos.control",
                "chardev=init,name=minos.init",
                "-action panic=shutdown,watchdog=reset -device i6300esb",
                "-device pvpanic-pci",
            ],
        );
        assert!(!line.contains("netdev") && !line.contains("microvm") && !line.contains("-drive"));
        assert!(!line.contains("icount"), "{line}");
    }

    #[test]
    fn a_counted_machine_is_emulated_one_instruction_after_the_other() {
        for accel in [Accel::Kvm, Accel::Tcg] {
            let line = line(&Machine::kernel("k", None).counted(true), accel);
            has(&line, &["-accel tcg,thread=single", "-icount shift=0"]);
            assert!(!line.contains("kvm"), "{line}");
        }
    }

    #[test]
    fn kvm_shows_the_guest_the_real_cpu() {
        has(&line(&Machine::kernel("k", None), Accel::Kvm), &["-accel kvm -cpu host"]);
        let named = Machine::kernel("k", None).cpu("Haswell");
        has(&line(&named, Accel::Tcg), &["-accel tcg,thread=multi -cpu Haswell"]);
    }

    #[test]
    fn options_switch_devices_on_and_off() {
        let mut machine = Machine::kernel("k", None).rebooting();
        machine.watchdog = None;
        machine.cards = vec![Card::Virtio, Card::E1000e];
        let plain = line(&machine, Accel::Tcg);
        let first = "user,id=net0,net=10.0.2.0/24 -device virtio-net-pci,netdev=net0,romfile=";
        let second = "user,id=net1,net=10.0.3.0/24 -device e1000e,netdev=net1,romfile=";
        has(&plain, &[first, second, "panic=none"]);
        assert!(!plain.contains("i6300esb") && !plain.contains("-no-reboot"), "{plain}");
        machine.watchdog = Some(WatchdogAction::Pause);
        has(&line(&machine, Accel::Tcg), &["watchdog=pause"]);
    }

    #[test]
    fn disks_keep_their_order_names_and_options() {
        let mut slow = Disk::new("slow", "c.img").snapshot();
        slow.throttle = Some(Throttle { bytes: 1000, requests: 0 });
        let machine = Machine::kernel("k", None)
            .disk(Disk::new("minos-seed", "odd:na,me").read_only())
            .disk(Disk::new("minos-state", "b.img").volatile())
            .disk(slow.ahci());
        has(
            &line(&machine, Accel::Tcg),
            &[
                "readonly=on,file.driver=file,file.filename=odd:na,,me",
                "virtio-blk-pci,drive=drive-minos-seed,id=disk-minos-seed,serial=minos-seed,bootindex=1",
                "file.driver=nbd,file.server.type=unix,file.server.path=out/vm/disk-minos-state.sock",
                "snapshot=on,throttling.bps-total=1000,throttling.iops-total=0,file.driver=file",
                "ide-hd,bus=ide.2,drive=drive-slow",
                "rerror=report,werror=report",
            ],
        );
    }

    #[test]
    fn firmware_boots_from_flash_without_a_kernel() {
        let firmware = Firmware { code: "CODE.fd".into(), variables: "VARS.fd".into() };
        let machine = Machine::firmware(firmware).disk(Disk::new("boot", "d.img")).append("lost");
        let line = line(&machine, Accel::Tcg);
        has(
            &line,
            &[
                "if=pflash,unit=0,format=raw,readonly=on,file.driver=file,file.filename=CODE.fd",
                "if=pflash,unit=1,format=raw,file.driver=file,file.filename=out/vm/efivars.fd",
                "bootindex=1",
            ],
        );
        assert!(!line.contains("-kernel") && !line.contains("-append"), "{line}");
    }

    #[test]
    fn arguments_with_spaces_stay_one_argument() {
        let machine = Machine::kernel("a kernel", None).append("a b");
        let args = arguments(&machine, Accel::Tcg, &Paths::new("my vm"));
        assert!(args.iter().any(|a| a == "a kernel"));
        assert!(args.iter().any(|a| a == "console=ttyS0 panic=-1 no_timer_check a b"));
        assert!(
            args.iter().any(|a| a.to_str().is_some_and(|a| a.ends_with("path=my vm/qmp.sock")))
        );
    }
}
