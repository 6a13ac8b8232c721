//! Commands that put things together: initramfs, disks, the report, everything.

use std::path::PathBuf;

use argh::FromArgs;
use minos_image::{Layout, all, disk, kernel, seed, sources, state_disk};

use super::inputs::Names;
use crate::cli::size::parse as size;

/// Room for the toolchain with its scratch trees several times over; sparse, so it costs nothing.
const STATE_BYTES: u64 = 32 << 30;

/// pack init, pkgd, pkgctl and the recipes: out/initramfs.zst
#[derive(FromArgs)]
#[argh(subcommand, name = "initramfs")]
pub struct Initramfs {
    /// folder of the programs (default: what cargo build --release has made)
    #[argh(option)]
    pub bin_dir: Option<PathBuf>,
    /// another program as /init, for trials
    #[argh(option)]
    pub init: Option<PathBuf>,
    /// a compiled recipe index (default: compiled now from pkgd/recipes)
    #[argh(option)]
    pub recipes_index: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

/// make an empty state disk: out/state.img
#[derive(FromArgs)]
#[argh(subcommand, name = "state-disk")]
pub struct StateDisk {
    /// where (default: out/state.img)
    #[argh(option)]
    path: Option<PathBuf>,
    /// its size, such as 512M or 32G (default: 32G; the file is sparse)
    #[argh(option, from_str_fn(size), default = "STATE_BYTES")]
    size: u64,
    /// overwrite a file that is there
    #[argh(switch)]
    force: bool,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

impl StateDisk {
    /// The request.
    pub fn request(&self) -> state_disk::Request {
        state_disk::Request { path: self.path.clone(), bytes: self.size, force: self.force }
    }
}

/// join a kernel and an initramfs to what UEFI firmware starts: out/minos.efi
#[derive(FromArgs)]
#[argh(subcommand, name = "efi")]
pub struct Efi {
    /// the kernel (default: out/bzImage)
    #[argh(option)]
    kernel: Option<PathBuf>,
    /// the initramfs (default: out/initramfs.zst)
    #[argh(option)]
    initramfs: Option<PathBuf>,
    /// kernel command line; the word gpt is put in front of it
    #[argh(option, default = "disk::CMDLINE.to_owned()")]
    cmdline: String,
    /// the EFI stub (default: that of the package systemd-boot-efi)
    #[argh(option)]
    stub: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

impl Efi {
    /// The request.
    pub fn request(&self, layout: &Layout) -> disk::Efi {
        disk::Efi {
            kernel: self.kernel.clone().unwrap_or_else(|| layout.out("bzImage")),
            initramfs: self.initramfs.clone().unwrap_or_else(|| layout.out("initramfs.zst")),
            cmdline: self.cmdline.clone(),
            stub: self.stub.clone(),
        }
    }
}

/// make the folder of the package of MinOS's own programs: out/packages/minos
#[derive(FromArgs)]
#[argh(subcommand, name = "package")]
pub struct Package {
    /// folder of the programs (default: what cargo build --release has made)
    #[argh(option)]
    pub bin_dir: Option<PathBuf>,
    /// a compiled recipe index (default: compiled now from pkgd/recipes)
    #[argh(option)]
    pub recipes_index: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

/// make a disk for bare hardware: out/disk.img
#[derive(FromArgs)]
#[argh(subcommand, name = "disk")]
pub struct Disk {
    /// size of the state partition (default: 32G; the file is sparse)
    #[argh(option, from_str_fn(size), default = "STATE_BYTES")]
    state_size: u64,
    /// leave the sources out
    #[argh(switch)]
    no_sources: bool,
    /// the initramfs (default: out/initramfs.zst)
    #[argh(option)]
    initramfs: Option<PathBuf>,
    /// kernel command line; the word gpt is put in front of it
    #[argh(option, default = "disk::CMDLINE.to_owned()")]
    cmdline: String,
    /// the EFI stub (default: that of the package systemd-boot-efi)
    #[argh(option)]
    stub: Option<PathBuf>,
    /// overwrite a disk image that is there
    #[argh(switch)]
    force: bool,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

impl Disk {
    /// The request.
    pub fn request(&self, layout: &Layout) -> disk::Request {
        let sources = layout.out("sources.squashfs");
        let efi = disk::Efi {
            kernel: layout.out("bzImage"),
            initramfs: self.initramfs.clone().unwrap_or_else(|| layout.out("initramfs.zst")),
            cmdline: self.cmdline.clone(),
            stub: self.stub.clone(),
        };
        disk::Request {
            efi,
            seed: layout.out("seed.squashfs"),
            sources: (!self.no_sources).then_some(sources),
            state_bytes: self.state_size,
            force: self.force,
        }
    }
}

/// list what has been made, with sizes and digests
#[derive(FromArgs)]
#[argh(subcommand, name = "report")]
pub struct Report {
    /// folder of the programs (default: what cargo build --release has made)
    #[argh(option)]
    pub bin_dir: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

/// make everything a boot in QEMU needs
#[derive(FromArgs)]
#[argh(subcommand, name = "all")]
pub struct All {
    /// folder of the programs (default: built by cargo)
    #[argh(option)]
    bin_dir: Option<PathBuf>,
    /// look for sources in this folder first; may be given again
    #[argh(option)]
    from: Vec<PathBuf>,
    /// only these sources: names with commas between
    #[argh(option, default = "Names::default()")]
    only: Names,
    /// size of a new state disk (default: 32G; the file is sparse)
    #[argh(option, from_str_fn(size), default = "STATE_BYTES")]
    state_size: u64,
    /// accept a newer kernel source when no locked one is on offer any more
    #[argh(switch)]
    accept_newer: bool,
    /// parallel make jobs (default: one per CPU)
    #[argh(option, short = 'j')]
    jobs: Option<usize>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

impl All {
    /// The request.
    pub fn request(&self) -> all::Request {
        let All { accept_newer, jobs, from, only, .. } = self;
        let (from, only) = (from.clone(), only.0.clone());
        all::Request {
            kernel: kernel::Request { accept_newer: *accept_newer, deb: None, jobs: *jobs },
            seed: seed::Request::default(),
            sources: sources::Request { from, only, ..sources::Request::default() },
            programs: self.bin_dir.clone(),
            recipes: None,
            state_bytes: self.state_size,
        }
    }
}
