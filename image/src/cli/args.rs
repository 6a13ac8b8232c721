//! What can be typed, and the request it means.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use argh::FromArgs;
use minos_image::{Layout, all, disk, kernel, seed, sources, state_disk};

use super::size::parse as size;

/// Makes kernel, seed, sources, initramfs and disks of MinOS, each with the same bytes from the
/// same inputs.
#[derive(FromArgs)]
pub struct Args {
    /// top of the source tree (default: found from here upwards)
    #[argh(option)]
    pub tree: Option<PathBuf>,
    /// folder for the results (default: out/ in the tree)
    #[argh(option)]
    pub out: Option<PathBuf>,
    /// what to make
    #[argh(subcommand)]
    pub command: Command,
}

/// What to make.
#[derive(FromArgs)]
#[argh(subcommand)]
pub enum Command {
    /// All for a boot.
    All(All),
    /// Check of a finished configuration.
    CheckConfig(CheckConfig),
    /// Recipe index.
    CompileRecipes(CompileRecipes),
    /// Bare hardware disk.
    Disk(Disk),
    /// Sources.
    FetchSources(FetchSources),
    /// Initramfs.
    Initramfs(Initramfs),
    /// Kernel.
    Kernel(Kernel),
    /// Size report.
    Report(Report),
    /// Seed.
    Seed(Seed),
    /// Sources image.
    SourcesImage(SourcesImage),
    /// State disk.
    StateDisk(StateDisk),
}

impl Command {
    /// Whether the answer is to be JSON.
    pub fn json(&self) -> bool {
        match self {
            Command::All(c) => c.json,
            Command::CheckConfig(c) => c.json,
            Command::CompileRecipes(c) => c.json,
            Command::Disk(c) => c.json,
            Command::FetchSources(c) => c.json,
            Command::Initramfs(c) => c.json,
            Command::Kernel(c) => c.json,
            Command::Report(c) => c.json,
            Command::Seed(c) => c.json,
            Command::SourcesImage(c) => c.json,
            Command::StateDisk(c) => c.json,
        }
    }
}

/// build the kernel, or find it in the cache: out/bzImage
#[derive(FromArgs)]
#[argh(subcommand, name = "kernel")]
pub struct Kernel {
    /// when no locked source package is on offer any more, take apt's newest and lock it
    #[argh(switch)]
    accept_newer: bool,
    /// a locked source package at hand
    #[argh(option)]
    deb: Option<PathBuf>,
    /// parallel make jobs (default: one per CPU)
    #[argh(option, short = 'j')]
    jobs: Option<usize>,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

impl Kernel {
    /// The request.
    pub fn request(&self) -> kernel::Request {
        let Kernel { accept_newer, deb, jobs, .. } = self;
        kernel::Request { accept_newer: *accept_newer, deb: deb.clone(), jobs: *jobs }
    }
}

/// check a finished kernel configuration against kernel-config/
#[derive(FromArgs)]
#[argh(subcommand, name = "check-config")]
pub struct CheckConfig {
    /// the configuration, such as out/kernel.config
    #[argh(positional)]
    pub config: PathBuf,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

/// make the root of host tools: out/seed.squashfs, .manifest, .digest
#[derive(FromArgs)]
#[argh(subcommand, name = "seed")]
pub struct Seed {
    /// take today's package versions even if a seed was made before
    #[argh(switch)]
    update: bool,
    /// debian mirror (default: the one apt uses here)
    #[argh(option)]
    mirror: Option<String>,
    /// also unpack it into this new folder (needs root)
    #[argh(option)]
    unpack: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

impl Seed {
    /// The request.
    pub fn request(&self) -> seed::Request {
        let Seed { update, mirror, unpack, .. } = self;
        seed::Request { update: *update, mirror: mirror.clone(), unpack: unpack.clone() }
    }
}

/// fetch every locked source, verified: out/sources/
#[derive(FromArgs)]
#[argh(subcommand, name = "fetch-sources")]
pub struct FetchSources {
    /// the lock (default: pkgd/recipes/sources.lock)
    #[argh(option)]
    lock: Option<PathBuf>,
    /// look into this folder first; may be given again
    #[argh(option)]
    from: Vec<PathBuf>,
    /// only these sources: names with commas between
    #[argh(option, default = "Names::default()")]
    only: Names,
    /// debian mirror (default: the one apt uses here)
    #[argh(option)]
    mirror: Option<String>,
    /// touch no network
    #[argh(switch)]
    offline: bool,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

impl FetchSources {
    /// The request.
    pub fn request(&self) -> sources::Request {
        let FetchSources { lock, from, only, mirror, offline, .. } = self;
        sources::Request {
            lock: lock.clone(),
            from: from.clone(),
            only: only.0.clone(),
            mirror: mirror.clone(),
            offline: *offline,
        }
    }
}

/// pack the sources for the VM: out/sources.squashfs
#[derive(FromArgs)]
#[argh(subcommand, name = "sources-image")]
pub struct SourcesImage {
    /// look into this folder first; may be given again
    #[argh(option)]
    from: Vec<PathBuf>,
    /// only these sources: names with commas between
    #[argh(option, default = "Names::default()")]
    only: Names,
    /// touch no network
    #[argh(switch)]
    offline: bool,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

impl SourcesImage {
    /// The request.
    pub fn request(&self) -> sources::Request {
        let SourcesImage { from, only, offline, .. } = self;
        let (from, only) = (from.clone(), only.0.clone());
        sources::Request { from, only, offline: *offline, ..sources::Request::default() }
    }
}

/// check and compile all recipes: out/recipes.idx
#[derive(FromArgs)]
#[argh(subcommand, name = "compile-recipes")]
pub struct CompileRecipes {
    /// folder of the recipes (default: pkgd/recipes)
    #[argh(option)]
    pub recipes: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    json: bool,
}

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
    json: bool,
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
    json: bool,
}

impl StateDisk {
    /// The request.
    pub fn request(&self) -> state_disk::Request {
        state_disk::Request { path: self.path.clone(), bytes: self.size, force: self.force }
    }
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
    /// kernel command line
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
    json: bool,
}

impl Disk {
    /// The request.
    pub fn request(&self, layout: &Layout) -> disk::Request {
        let sources = layout.out("sources.squashfs");
        disk::Request {
            kernel: layout.out("bzImage"),
            initramfs: self.initramfs.clone().unwrap_or_else(|| layout.out("initramfs.zst")),
            seed: layout.out("seed.squashfs"),
            sources: (!self.no_sources).then_some(sources),
            cmdline: self.cmdline.clone(),
            state_bytes: self.state_size,
            stub: self.stub.clone(),
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
    json: bool,
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
    json: bool,
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

/// Room for the toolchain with its scratch trees several times over; sparse, so it costs nothing.
const STATE_BYTES: u64 = 32 << 30;

/// Names with commas between.
#[derive(Default)]
struct Names(Vec<String>);

impl FromStr for Names {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Names(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }
}
