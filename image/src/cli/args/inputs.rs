//! Commands that make what others are made from: kernel, seed, sources, recipe index.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use argh::FromArgs;
use minos_image::{kernel, seed, sources};

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
    pub json: bool,
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
    pub json: bool,
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
    /// also unpack it into this folder, unless it is there already (needs root)
    #[argh(option)]
    unpack: Option<PathBuf>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
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
    pub json: bool,
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
    pub json: bool,
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
    /// make nothing: only say whether this is a target of them
    #[argh(option)]
    pub target: Option<String>,
    /// answer in JSON
    #[argh(switch)]
    pub json: bool,
}

/// Names with commas between.
#[derive(Default)]
pub struct Names(pub Vec<String>);

impl FromStr for Names {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Names(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }
}
