//! A guest made of busybox and a shell script.

use std::path::{Path, PathBuf};

use minos_proto::{BootEvent, BootPhase, Tag, Verdict, frame};
use minos_qemu::{Machine, Start, Vm};

/// What every `/init` begins with. `port NAME` prints the device of a virtio port.
const PRELUDE: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
port() {
    for p in /sys/class/virtio-ports/*; do
        [ \"$(cat $p/name)\" = $1 ] && echo /dev/${p##*/}
    done
}
";

/// The parts of a guest, in a directory that vanishes with it.
pub struct Guest {
    tmp: tempfile::TempDir,
    archive: Vec<u8>,
}

impl Guest {
    /// A guest whose `/init` runs this script.
    pub fn new(script: &str) -> Self {
        let busybox = std::env::var_os("MINOS_BUSYBOX").unwrap_or("/bin/busybox".into());
        let busybox = std::fs::read(&busybox).unwrap_or_else(|e| {
            panic!("cannot read {}: {e}; apt install busybox-static", busybox.display())
        });
        let mut guest = Self { tmp: tempfile::tempdir().unwrap(), archive: Vec::new() };
        for dir in ["bin", "dev", "proc", "sys"] {
            guest.entry(dir, 0o040_755, &[]);
        }
        guest.entry("bin/busybox", 0o100_755, &busybox);
        guest.entry("init", 0o100_755, format!("{PRELUDE}{script}\n").as_bytes());
        guest
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, 0o100_644, content);
    }

    /// Adds a file of frames, for the script to `cat` into a port.
    pub fn frames(&mut self, name: &str, frames: &[Vec<u8>]) {
        self.file(name, &frames.concat());
    }

    /// One entry of a cpio archive in the "newc" format (`initramfs-buffer-format.rst`).
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        let mut pad = |bytes: &[u8]| {
            self.archive.extend_from_slice(bytes);
            self.archive.resize(self.archive.len().next_multiple_of(4), 0);
        };
        let (size, name_size) = (content.len(), name.len() + 1);
        let zeroes = "00000000".repeat(4);
        let head = format!(
            "07070100000000{mode:08x}{:08x}{:08x}00000001{:08x}{size:08x}{zeroes}{name_size:08x}{:08x}",
            0, 0, 0, 0
        );
        pad(&[head.as_bytes(), name.as_bytes(), b"\0"].concat());
        pad(content);
    }

    /// An empty disk image.
    pub fn image(&self, name: &str, size: u64) -> PathBuf {
        let path = self.tmp.path().join(name);
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        path
    }

    /// A machine that boots it.
    pub fn machine(&self) -> Machine {
        let path = self.tmp.path().join("initramfs");
        let mut archive = Self { archive: self.archive.clone(), tmp: tempfile::tempdir().unwrap() };
        archive.entry("TRAILER!!!", 0, &[]);
        std::fs::write(&path, &archive.archive).unwrap();
        // Quiet: the tests wait for words of the script, which the kernel must not say first.
        Machine::kernel(kernel(), Some(path)).memory(256).append("quiet")
    }

    /// The directory of its machine.
    pub fn dir(&self) -> PathBuf {
        self.tmp.path().join("vm")
    }

    /// How it is started.
    pub fn how(&self) -> Start {
        super::how(&self.dir())
    }

    /// Starts it.
    pub fn start(&self, machine: Machine) -> Vm {
        Vm::start(&machine, &self.how()).unwrap_or_else(|e| panic!("{e}"))
    }
}

fn kernel() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../out/bzImage");
    let kernel = std::env::var_os("MINOS_KERNEL").map_or(built, PathBuf::from);
    assert!(
        kernel.is_file(),
        "no kernel at {}: make it with `cargo run -p minos-image -- kernel`, or name one in \
         MINOS_KERNEL",
        kernel.display()
    );
    kernel
}

/// What init says in a boot that ends in order.
pub fn announce(reboot: bool) -> Vec<Vec<u8>> {
    let phase = |at_ms, phase| BootEvent::Phase { at_ms, phase };
    let bye = BootEvent::Bye { at_ms: 3, reboot, clean: true };
    [phase(1, BootPhase::Start), phase(2, BootPhase::Ready), bye]
        .iter()
        .map(|event| frame::encode(Tag::Boot, event).unwrap())
        .collect()
}

/// What pkgd says at the end of an unattended run.
pub fn verdict(success: bool) -> Vec<Vec<u8>> {
    let verdict = Verdict {
        success,
        target: "quick".into(),
        summary: "2 built".into(),
        built: 2,
        cached: 0,
        failed: vec![],
        wall_ms: 1,
    };
    vec![frame::encode(Tag::Verdict, &verdict).unwrap()]
}
