//! The seed: Debian's host tools as a read-only squashfs, the bottom layer of the first stages.
//!
//! Debian moves; a build must not move with it unasked, since the seed's digest is part of every
//! task key. So a seed that was made once from the same request is used again until
//! [`Request::update`] asks apt anew; then the cache key is the exact list of package versions.

mod folder;
mod manifest;

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::{Apt, SUITE};
use crate::digest::{self, Hasher};
use crate::mirror::Mirror;
use crate::tool::{self, Run};
use crate::{Artefact, Error, How, Layout, Progress, Result, cache, squashfs};

pub use manifest::parse_status;

/// The time stamp of everything in the seed: 2025-03-01, the release of the LFS book we follow.
const EPOCH: u32 = 1_740_787_200;
/// Documentation and translations: a third of the packed size, read by nobody in a build. The
/// licences stay. Texinfo's own data (`/usr/share/texinfo`) is not documentation.
const EXCLUDED: [&str; 5] = [
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*/LC_MESSAGES/*.mo",
    "/usr/share/man/*",
];
const INCLUDED: &str = "/usr/share/doc/*/copyright";
/// Run in the finished root ($1): bash as sh, which LFS wants, and away with what differs from run
/// to run or tells of the machine it was made on. mmdebstrap itself takes care of `/tmp`, `/run`,
/// and apt's lists and archives, and needs `/tmp` after this.
const FINISH: &str = r#"set -eu
ln -sf bash "$1/usr/bin/sh"
rm -rf "$1"/var/log/* "$1"/var/cache/ldconfig/* "$1"/var/cache/debconf/*
rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/apt/sources.list "$1"/etc/*- "$1"/var/lib/dpkg/*-old
find "$1/usr" -name __pycache__ -type d -prune -exec rm -rf {} +
: > "$1/etc/machine-id"
"#;

/// How to make the seed.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Ask apt for today's versions even if a seed was made before.
    pub update: bool,
    /// The Debian mirror; the host's own when not given.
    pub mirror: Option<String>,
    /// Also unpack it into this folder. One that holds this seed is left as it is, one with another
    /// seed is replaced, anything else is refused.
    pub unpack: Option<PathBuf>,
}

/// Makes `out/seed.squashfs`, `out/seed.manifest` and `out/seed.digest`.
pub fn make(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let packages = read_packages(&layout.tree("image/seed.packages"))?;
    let latest = latest_path(layout, &packages)?;
    let log = layout.log("seed");
    tool::begin_log(&log)?;
    let (entry, how) = match known(layout, &latest, request, progress)? {
        Some(entry) => (entry, How::Cached),
        None => fetch(layout, &packages, &latest, request, &log, progress)?,
    };
    let artefacts = place(layout, &entry, how)?;
    if let Some(dir) = &request.unpack {
        folder::unpack(&entry, dir, &log, progress)?;
    }
    Ok(artefacts)
}

/// The package names in a list file: one a line, `#` begins a comment.
fn read_packages(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut packages = Vec::new();
    for line in text.lines() {
        let name = line.split('#').next().unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        // Debian policy 5.6.1; anything else could be taken for an option or a pattern by apt.
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        if !name.bytes().all(plain) || !name.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(Error::parse(path, format!("{name:?} is no package name")));
        }
        packages.push(name.to_owned());
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// The file that remembers which seed was made last from this list and these rules.
fn latest_path(layout: &Layout, packages: &[String]) -> Result<PathBuf> {
    let key = rules(packages).hex();
    Ok(layout.cache().folder("seed")?.join(format!("{key}.latest")))
}

/// Everything but the versions that decides what is in a seed.
fn rules(packages: &[String]) -> Hasher {
    let mut hasher = Hasher::default();
    hasher.field("suite", SUITE.as_bytes());
    packages.iter().for_each(|name| hasher.field("package", name.as_bytes()));
    EXCLUDED.iter().for_each(|path| hasher.field("exclude", path.as_bytes()));
    hasher.field("include", INCLUDED.as_bytes());
    hasher.field("finish", FINISH.as_bytes());
    hasher.field("epoch", &EPOCH.to_le_bytes());
    hasher
}

fn known(
    layout: &Layout,
    latest: &Path,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Option<PathBuf>> {
    if request.update {
        return Ok(None);
    }
    match fs::read_to_string(latest) {
        Ok(key) if digest::is_sha256(&key) => layout.cache().lookup("seed", &key, progress),
        _ => Ok(None),
    }
}

fn fetch(
    layout: &Layout,
    packages: &[String],
    latest: &Path,
    request: &Request,
    log: &Path,
    progress: &dyn Progress,
) -> Result<(PathBuf, How)> {
    let mirror = match &request.mirror {
        Some(url) => Mirror::at(url),
        None => Mirror::of_host(Path::new("/etc/apt"))?,
    };
    let apt = Apt::private(&layout.cache().folder("apt")?, &mirror)?;
    apt.refresh(log, progress)?;
    let mut key = rules(packages);
    key.field("versions", resolve(&apt, packages)?.as_bytes());
    let key = key.hex();
    let (entry, cached) = layout.cache().get_or_make("seed", &key, progress, |dir| {
        bootstrap(dir, packages, &mirror, log, progress)
    })?;
    fs::write(latest, &key).map_err(Error::io("write", latest))?;
    Ok((entry, if cached { How::Cached } else { How::Made }))
}

/// What apt would install today: `name (version ...)`, sorted.
fn resolve(apt: &Apt, packages: &[String]) -> Result<String> {
    let run = apt.run("apt-get")?.args(["--simulate", "--no-install-recommends", "install"]);
    // The same selection as mmdebstrap's minbase variant.
    let text = run.args(["?essential", "?priority(required)", "apt"]).args(packages).output()?;
    let mut lines: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("Inst ")).collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

/// Leaves `seed.squashfs`, `seed.manifest` and `seed.digest` in `dir`.
fn bootstrap(
    dir: &Path,
    packages: &[String],
    mirror: &Mirror,
    log: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    progress.step("seed: installing Debian's host tools (about half a CPU minute)");
    let tar = dir.join("seed.tar");
    mmdebstrap(packages, mirror, &tar)?.logged(log, "mmdebstrap", progress)?;
    let status = Run::new("tar")?.arg("-xOf").arg(&tar).arg("./var/lib/dpkg/status").output()?;
    // With the archive's own digest in it, the manifest's digest covers every byte of the root.
    let content = digest::of_file(&tar)?;
    let manifest = format!("# root archive sha256 {content}\n{}", parse_status(&status));
    write(&dir.join("seed.manifest"), &manifest)?;
    write(&dir.join("seed.digest"), &format!("{}\n", digest::of_bytes(manifest.as_bytes())))?;
    append(&tar, dir)?;
    progress.step("seed: packing");
    squashfs::from_tar(&tar, &dir.join("seed.squashfs"), EPOCH, log, progress)?;
    cache::remove_if_there(&tar)
}

fn mmdebstrap(packages: &[String], mirror: &Mirror, tar: &Path) -> Result<Run> {
    let line = format!("deb [signed-by={}] {} {SUITE} main", mirror.keyring.display(), mirror.main);
    let mut run = Run::new("mmdebstrap")?
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .args(["--variant=minbase", "--format=tar", "--architectures=amd64"])
        .arg(format!("--include={}", packages.join(",")))
        .arg(format!("--customize-hook={FINISH}"));
    for path in EXCLUDED {
        run = run.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    run = run.arg(format!("--dpkgopt=path-include={INCLUDED}"));
    Ok(run.arg(SUITE).arg(tar).arg(line))
}

/// Adds the manifest to the root it describes, as `/usr/share/minos/seed.manifest`. Its SHA-256 is
/// the seed's identity in task keys.
fn append(tar: &Path, dir: &Path) -> Result<()> {
    let run = Run::new("tar")?.arg("--append").arg("-f").arg(tar).arg("-C").arg(dir);
    run.arg(format!("--mtime=@{EPOCH}"))
        .args(["--owner=root:0", "--group=root:0", "--mode=0644", "--format=gnu"])
        .args(["--transform=s,^,./usr/share/minos/,", "seed.manifest"])
        .output()?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::io("write", path))
}

fn place(layout: &Layout, entry: &Path, how: How) -> Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    for file in ["seed.squashfs", "seed.manifest", "seed.digest"] {
        let to = layout.out(file);
        cache::place(&entry.join(file), &to)?;
        artefacts.push(Artefact::of(file, &to, how)?);
    }
    Ok(artefacts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_names_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed.packages");
        fs::write(&path, "# c\nm4\n\nbison # why\nm4\n").unwrap();
        assert_eq!(read_packages(&path).unwrap(), ["bison", "m4"]);
        for bad in ["--option", "A", "a b", "?essential"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(read_packages(&path), Err(Error::Parse { .. })), "{bad}");
        }
    }

    /// The hook once emptied `$1/tmp`, where mmdebstrap keeps the `APT_CONFIG` of the new root. Its
    /// last `apt-get update` then read the host's configuration and deleted the host's package
    /// lists. What is left to mmdebstrap must be left to it.
    #[test]
    fn the_hook_keeps_its_hands_off_what_mmdebstrap_still_needs() {
        for path in
            ["\"$1\"/tmp", "\"$1\"/run", "var/lib/apt", "var/cache/apt", "\"$1\"/var/cache/*"]
        {
            assert!(!FINISH.contains(path), "{path}");
        }
    }

    #[test]
    fn another_package_is_another_seed() {
        let key =
            |names: &[&str]| rules(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>()).hex();
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
        assert_eq!(key(&["a"]), key(&["a"]));
    }
}
