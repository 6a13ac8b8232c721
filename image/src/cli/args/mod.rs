//! What can be typed, and the request it means.

mod inputs;
mod outputs;

use std::path::PathBuf;

use argh::FromArgs;

pub use inputs::{CheckConfig, CompileRecipes, FetchSources, Kernel, Seed, SourcesImage};
pub use outputs::{All, Disk, Efi, Initramfs, Package, Report, StateDisk};

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
    /// Unified kernel image.
    Efi(Efi),
    /// Sources.
    FetchSources(FetchSources),
    /// Initramfs.
    Initramfs(Initramfs),
    /// Kernel.
    Kernel(Kernel),
    /// Package of our programs.
    Package(Package),
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
            Command::Efi(c) => c.json,
            Command::FetchSources(c) => c.json,
            Command::Initramfs(c) => c.json,
            Command::Kernel(c) => c.json,
            Command::Package(c) => c.json,
            Command::Report(c) => c.json,
            Command::Seed(c) => c.json,
            Command::SourcesImage(c) => c.json,
            Command::StateDisk(c) => c.json,
        }
    }
}
