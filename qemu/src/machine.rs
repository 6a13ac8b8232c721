//! The description of a machine: plain data, checked before anything is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Error;

/// The longest serial number a virtio disk can show the guest, in bytes (`VIRTIO_BLK_ID_BYTES`).
pub const MAX_SERIAL: usize = 20;

/// A q35 machine. q35 and not microvm: under TCG microvm hangs in most boots, for want of a timer
/// that the kernel could calibrate its clock against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The emulator: a name looked up in `PATH`, or a path.
    pub qemu: PathBuf,
    /// What is booted.
    pub boot: Boot,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Number of CPUs.
    pub cpus: u16,
    /// The CPU model, as QEMU names it; `None` takes what suits the accelerator.
    pub cpu: Option<String>,
    /// Disks, in the order in which the firmware tries them.
    pub disks: Vec<Disk>,
    /// The i6300esb watchdog and what it does when the guest stops feeding it.
    pub watchdog: Option<WatchdogAction>,
    /// Whether a reboot of the guest is carried out. Otherwise it ends the machine.
    pub reboots: bool,
    /// The network cards. A build needs none and must not have one.
    pub cards: Vec<Card>,
    /// Time in the guest is the number of its instructions, one nanosecond each, and the time it waits: the
    /// same on a busy host as on an idle one. Always emulated, one CPU after the other.
    pub counted: bool,
}

impl Machine {
    /// A machine that boots `kernel` with `initrd`: 1 GiB, 2 CPUs, no disk, no network, a watchdog
    /// that resets, and an end instead of a reboot.
    pub fn kernel(kernel: impl Into<PathBuf>, initrd: Option<PathBuf>) -> Self {
        Self::booting(Boot::Kernel { kernel: kernel.into(), initrd, append: String::new() })
    }

    /// A machine that boots from its first disk by UEFI firmware.
    pub fn firmware(firmware: Firmware) -> Self {
        Self::booting(Boot::Firmware(firmware))
    }

    fn booting(boot: Boot) -> Self {
        Self {
            qemu: PathBuf::from("qemu-system-x86_64"),
            boot,
            memory_mib: 1024,
            cpus: 2,
            cpu: None,
            disks: Vec::new(),
            watchdog: Some(WatchdogAction::Reset),
            reboots: false,
            cards: Vec::new(),
            counted: false,
        }
    }

    /// Adds words to the kernel command line. Ignored by a machine that boots from firmware.
    #[must_use]
    pub fn append(mut self, words: &str) -> Self {
        if let Boot::Kernel { append, .. } = &mut self.boot {
            if !append.is_empty() && !words.is_empty() {
                append.push(' ');
            }
            append.push_str(words);
        }
        self
    }

    /// Adds a disk.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// Adds a network card.
    #[must_use]
    pub fn card(mut self, card: Card) -> Self {
        self.cards.push(card);
        self
    }

    /// Sets the memory in MiB.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Sets the number of CPUs.
    #[must_use]
    pub fn cpus(mut self, cpus: u16) -> Self {
        self.cpus = cpus;
        self
    }

    /// Sets the CPU model: `qemu64`, `max`, `Haswell`, ...
    #[must_use]
    pub fn cpu(mut self, model: &str) -> Self {
        self.cpu = Some(model.to_owned());
        self
    }

    /// Makes the guest's clock count instructions.
    #[must_use]
    pub fn counted(mut self, counted: bool) -> Self {
        self.counted = counted;
        self
    }

    /// Carries out reboots instead of ending.
    #[must_use]
    pub fn rebooting(mut self) -> Self {
        self.reboots = true;
        self
    }

    /// Checks what QEMU would refuse or, worse, take in silence.
    ///
    /// # Errors
    /// [`Error::Machine`], naming the value and what to change.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Machine(what));
        if self.memory_mib < 64 {
            return wrong(format!(
                "{} MiB of memory do not boot: give 64 or more",
                self.memory_mib
            ));
        }
        if !(1..=255).contains(&self.cpus) {
            return wrong(format!("{} CPUs: give 1 to 255", self.cpus));
        }
        if matches!(self.boot, Boot::Firmware(_)) && self.disks.is_empty() {
            return wrong("firmware needs a disk to boot from: give one with --disk".into());
        }
        for (at, disk) in self.disks.iter().enumerate() {
            check_serial(&disk.serial)?;
            if self.disks[..at].iter().any(|other| other.serial == disk.serial) {
                return wrong(format!("two disks have the serial number '{}'", disk.serial));
            }
            if disk.volatile && (disk.readonly || disk.snapshot) {
                return wrong(format!(
                    "disk '{}': a volatile cache makes no sense on a disk that keeps no writes",
                    disk.serial
                ));
            }
        }
        Ok(())
    }

    /// Every file that must exist before a start.
    pub fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = match &self.boot {
            Boot::Kernel { kernel, initrd, .. } => {
                std::iter::once(kernel.as_path()).chain(initrd.as_deref()).collect()
            }
            Boot::Firmware(f) => vec![&f.code, &f.variables],
        };
        files.extend(self.disks.iter().map(|d| d.path.as_path()));
        files
    }
}

/// What is booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// A kernel loaded by QEMU itself.
    Kernel {
        /// The `bzImage`.
        kernel: PathBuf,
        /// The initramfs.
        initrd: Option<PathBuf>,
        /// Words of the kernel command line after [`crate::arguments::COMMAND_LINE`].
        append: String,
    },
    /// UEFI firmware, which looks for a boot loader on the disks.
    Firmware(Firmware),
}

/// A UEFI firmware in two flash images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// The code, mapped read-only.
    pub code: PathBuf,
    /// The empty variable store; each machine gets a copy.
    pub variables: PathBuf,
}

impl Firmware {
    /// Looks where distributions install OVMF.
    ///
    /// # Errors
    /// [`Error::Machine`], saying which package to install.
    pub fn find() -> Result<Self, Error> {
        const PLACES: [(&str, &str); 4] = [
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
            ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ];
        PLACES
            .iter()
            .map(|(code, variables)| Self { code: code.into(), variables: variables.into() })
            .find(|f| f.code.is_file() && f.variables.is_file())
            .ok_or_else(|| {
                Error::Machine(
                    "no UEFI firmware (OVMF) found below /usr/share\n\
                     hint: install it (Debian: apt install ovmf)"
                        .into(),
                )
            })
    }
}

/// What the watchdog does when it bites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogAction {
    /// Resets the machine; without [`Machine::reboots`] that ends it.
    Reset,
    /// Ends the machine.
    Poweroff,
    /// Stops the CPUs, for a look at the corpse.
    Pause,
    /// Only reports.
    None,
}

impl WatchdogAction {
    /// The name QEMU uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Poweroff => "poweroff",
            Self::Pause => "pause",
            Self::None => "none",
        }
    }
}

/// A network card. Each is in a network of its own behind QEMU's user-mode translation, which gives the address
/// 10.0.N.15 by DHCP: N is 2 for the first card, 3 for the second, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// virtio-net.
    Virtio,
    /// Intel 82574L, as on bare hardware.
    E1000e,
}

impl Card {
    /// The name of QEMU's device.
    pub const fn device(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-net-pci",
            Self::E1000e => "e1000e",
        }
    }
}

impl FromStr for Card {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "virtio" => Ok(Self::Virtio),
            "e1000e" => Ok(Self::E1000e),
            _ => Err(Error::Machine(format!("--card {text}: use virtio or e1000e"))),
        }
    }
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk.
    Virtio,
    /// The AHCI controller of q35, as on bare hardware.
    Ahci,
}

/// How QEMU uses the host's page cache for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Writes are done when the host has them; a flush of the guest syncs the file.
    Writeback,
    /// As writeback, but flushes are ignored. Only for disks that may be lost with the host.
    Unsafe,
    /// Past the page cache (`O_DIRECT`).
    None,
}

impl Cache {
    /// The name QEMU uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writeback => "writeback",
            Self::Unsafe => "unsafe",
            Self::None => "none",
        }
    }
}

/// A limit on a disk's speed. 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttle {
    /// Bytes per second, reads and writes together.
    pub bytes: u64,
    /// Requests per second, reads and writes together.
    pub requests: u64,
}

/// A disk: a raw image and how the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The serial number by which the guest finds it: at most [`MAX_SERIAL`] letters, digits, `-._`.
    pub serial: String,
    /// The raw image.
    pub path: PathBuf,
    /// Writes are refused.
    pub readonly: bool,
    /// How it is attached.
    pub bus: Bus,
    /// Use of the host's page cache.
    pub cache: Cache,
    /// Speed limit from the start.
    pub throttle: Option<Throttle>,
    /// Writes go to a temporary overlay that vanishes with the machine.
    pub snapshot: bool,
    /// The disk gets a write cache that [`crate::vm::Vm::cut_power`] can lose; see
    /// [`crate::volatile`]. Slower than the plain file.
    pub volatile: bool,
}

impl Disk {
    /// A writable virtio disk.
    pub fn new(serial: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            serial: serial.into(),
            path: path.into(),
            readonly: false,
            bus: Bus::Virtio,
            cache: Cache::Writeback,
            throttle: None,
            snapshot: false,
            volatile: false,
        }
    }

    /// Refuses writes.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// Throws all writes away at the end.
    #[must_use]
    pub fn snapshot(mut self) -> Self {
        self.snapshot = true;
        self
    }

    /// Makes the disk lose unflushed writes when the power is cut.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Attaches it to the AHCI controller.
    #[must_use]
    pub fn ahci(mut self) -> Self {
        self.bus = Bus::Ahci;
        self
    }
}

impl FromStr for Disk {
    type Err = Error;

    /// Parses `SERIAL=PATH[,ro][,snapshot][,volatile][,ahci]`. A comma in the path is written twice.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Machine(format!("--disk {text}: {why}"));
        let (serial, rest) = text
            .split_once('=')
            .ok_or_else(|| wrong("write SERIAL=PATH[,ro][,snapshot][,volatile][,ahci]"))?;
        let rest = rest.replace(",,", "\0");
        let mut words = rest.split(',');
        let path = words.next().unwrap_or_default().replace('\0', ",");
        if path.is_empty() {
            return Err(wrong("the path is empty"));
        }
        check_serial(serial)?;
        words.try_fold(Self::new(serial, path), |disk, word| match word {
            "ro" => Ok(disk.read_only()),
            "snapshot" => Ok(disk.snapshot()),
            "volatile" => Ok(disk.volatile()),
            "ahci" => Ok(disk.ahci()),
            _ => Err(wrong(&format!("unknown word '{}'", word.replace('\0', ",")))),
        })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.serial, self.path.display())
    }
}

/// The serial number is also part of QEMU's name for the disk, hence the narrow alphabet.
fn check_serial(serial: &str) -> Result<(), Error> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if serial.is_empty() || serial.len() > MAX_SERIAL || !serial.bytes().all(good) {
        return Err(Error::Machine(format!(
            "'{}' is no disk serial number: use 1 to {MAX_SERIAL} letters, digits, '-', '.', '_'",
            serial.escape_debug()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Disk, Machine};

    #[test]
    fn disks_are_parsed() {
        let disk: Disk = "minos-seed=/x/a,,b.sqfs,ro".parse().unwrap();
        assert_eq!(disk, Disk::new("minos-seed", "/x/a,b.sqfs").read_only());
        let disk: Disk = "s=d=1.img,volatile,ahci".parse().unwrap();
        assert_eq!(disk, Disk::new("s", "d=1.img").volatile().ahci());
        for bad in ["", "x", "=p", "x=", "x=p,rw", "x y=p", "123456789012345678901=p", "x=p,"] {
            assert!(bad.parse::<Disk>().is_err(), "{bad}");
        }
    }

    #[test]
    fn contradictions_are_refused_before_qemu_sees_them() {
        let base = || Machine::kernel("k", None);
        assert!(base().check().is_ok());
        for bad in [
            base().memory(16),
            base().cpus(0),
            base().cpus(300),
            base().disk(Disk::new("a", "1")).disk(Disk::new("a", "2")),
            base().disk(Disk::new("a", "1").read_only().volatile()),
            base().disk(Disk::new("a", "1").snapshot().volatile()),
            base().disk(Disk::new("", "1")),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn words_of_the_command_line_are_joined_by_one_space() {
        let machine = Machine::kernel("k", None).append("a=1").append("").append("b");
        let super::Boot::Kernel { append, .. } = machine.boot else { panic!() };
        assert_eq!(append, "a=1 b");
    }
}
