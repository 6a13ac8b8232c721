//! The kernel: `linux-source-6.12` of Debian, `tinyconfig` plus our fragments, cached by content.
//!
//! The cache key is the SHA-256 over the source package's SHA-256, every fragment, the versions of
//! compiler and linker, and the fixed build environment: whatever can change the image's bytes.

pub mod build;
pub mod config;
pub mod source;

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::Hasher;
use crate::kernel::config::Wanted;
use crate::kernel::source::{Locked, SourceLock};
use crate::tool::Run;
use crate::{Artefact, Error, How, Layout, Progress, Result, cache};

/// The fragments, in the order they are merged.
pub const FRAGMENTS: [&str; 7] =
    ["base", "serial", "sandbox", "storage", "virtio", "baremetal", "debug"];

/// What to build with.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Take the newest source package apt vouches for when no locked one is on offer, and lock it.
    pub accept_newer: bool,
    /// A source package at hand; its SHA-256 must be locked.
    pub deb: Option<PathBuf>,
    /// Parallel make jobs; all CPUs when not given.
    pub jobs: Option<usize>,
}

/// Builds the kernel or finds it in the cache; the results are `out/bzImage` and
/// `out/kernel.config`.
pub fn make(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let wanted = Wanted::read(&layout.tree("kernel-config"), &FRAGMENTS)?;
    let tools = toolchain()?;
    let lock = SourceLock::read(&layout.tree("kernel-config/source.lock"))?;
    let key = |source: &Locked| key(&source.sha256, &wanted, &tools);
    let log = layout.log("kernel");
    crate::tool::begin_log(&log)?;

    let (entry, cached) = match cached(layout, &lock, key, progress)? {
        Some(entry) => (entry, true),
        None => {
            let (locked, deb) = source::obtain(layout, lock, request, progress)?;
            let job = build::Job { deb: &deb, wanted: &wanted, jobs: request.jobs, log: &log };
            layout.cache().get_or_make("kernel", &key(&locked), progress, |dir| {
                build::build(&job, dir, progress)
            })?
        }
    };
    let how = if cached { How::Cached } else { How::Made };
    place(layout, &entry, how)
}

/// The finished kernel of any source version the lock accepts, newest first: no network needed.
fn cached(
    layout: &Layout,
    lock: &SourceLock,
    key: impl Fn(&Locked) -> String,
    progress: &dyn Progress,
) -> Result<Option<PathBuf>> {
    for locked in &lock.source {
        if let Some(entry) = layout.cache().lookup("kernel", &key(locked), progress)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn place(layout: &Layout, entry: &Path, how: How) -> Result<Vec<Artefact>> {
    let image = layout.out("bzImage");
    cache::place(&entry.join("bzImage"), &image)?;
    let config = layout.out("kernel.config");
    cache::place(&entry.join("config"), &config)?;
    Ok(vec![Artefact::of("kernel", &image, how)?, Artefact::of("kernel config", &config, how)?])
}

/// The versions of what turns C into an image, one per line.
fn toolchain() -> Result<String> {
    let first = |tool: &str| -> Result<String> {
        let text = Run::new(tool)?.arg("--version").output()?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    Ok(format!("{}\n{}\n", first("gcc")?, first("ld")?))
}

fn key(source_sha256: &str, wanted: &Wanted, tools: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.field("source", source_sha256.as_bytes());
    hasher.field("config", wanted.text().as_bytes());
    hasher.field("toolchain", tools.as_bytes());
    for (name, value) in build::ENVIRONMENT {
        hasher.field(name, value.as_bytes());
    }
    hasher.hex()
}

/// Checks a finished configuration against the fragments, without building.
pub fn check(layout: &Layout, config: &Path) -> Result<usize> {
    let wanted = Wanted::read(&layout.tree("kernel-config"), &FRAGMENTS)?;
    let text = fs::read_to_string(config).map_err(Error::io("read", config))?;
    let lost = wanted.lost(&text);
    if lost.is_empty() {
        return Ok(wanted.len());
    }
    Err(Error::ConfigLost { lost, config: config.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comment or the order of symbols is no reason to build for twenty minutes.
    #[test]
    fn source_symbols_and_compiler_are_the_key() {
        let wanted = |text: &str| {
            let mut wanted = Wanted::default();
            wanted.add(Path::new("a.config"), text).unwrap();
            wanted
        };
        let config = wanted("CONFIG_A=y\nCONFIG_B=n\n");
        let base = key("aa", &config, "gcc 14\nld 2.44\n");
        assert_eq!(
            base,
            key("aa", &wanted("# why\nCONFIG_B=n\n\nCONFIG_A=y\n"), "gcc 14\nld 2.44\n")
        );
        for other in [
            key("ab", &config, "gcc 14\nld 2.44\n"),
            key("aa", &wanted("CONFIG_A=y\n"), "gcc 14\nld 2.44\n"),
            key("aa", &wanted("CONFIG_A=y\nCONFIG_B=y\n"), "gcc 14\nld 2.44\n"),
            key("aa", &config, "gcc 14\nld 2.45\n"),
        ] {
            assert_ne!(base, other);
        }
    }

    /// The recipe of the kernel carries the symbols in its script, since a recipe's scripts are all a build sees.
    #[test]
    fn the_recipe_asks_for_the_same_symbols() {
        let tree = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let fragments = Wanted::read(&tree.join("kernel-config"), &FRAGMENTS).unwrap();
        let path = tree.join("pkgd/recipes/boot/linux/configure.sh");
        let script = fs::read_to_string(&path).unwrap();
        let copy = script.split("<<'CONFIG'\n").nth(1).unwrap().split("\nCONFIG\n").next().unwrap();
        let mut recipe = Wanted::default();
        recipe.add(&path, copy).unwrap();
        assert_eq!(recipe.text(), fragments.text());
    }
}
