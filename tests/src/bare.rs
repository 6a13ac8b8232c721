//! The scripts of recipes run bare: in a chroot of the same seed, by the same shell lines, with no sandbox,
//! no overlay, no capture. The peer of the overhead figure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minos_model::{Phase, StepId};
use minos_recipe::RecipeSet;

use crate::bench::{Cost, cost};

/// A chroot, unpacked from the seed; mounts go with it.
#[derive(Debug)]
pub struct Bare {
    root: PathBuf,
}

/// The lines of pkgd's driver that the scripts rely on (`minos_exec::driver`), without its watching. At the end
/// the build tree is deleted, as the book says after each package and as pkgd does.
const DRIVER: &str = "set +h; umask 022; mkdir -p /build/src /build/home; : > /recipe/times; \
                      for phase in $PHASES; do (cd /build/src; set -eo pipefail; . /recipe/$phase.sh) || exit 1; \
                      { echo $phase; times; } >> /recipe/times; done; rm -rf /build";

/// Unpacks `seed` (a squashfs image) into the new folder `root`.
///
/// # Errors
/// What failed.
pub fn unpack(seed: &Path, root: &Path) -> Result<(), String> {
    let mut command = Command::new("unsquashfs");
    command.args(["-quiet", "-no-progress", "-d"]).args([root, seed]);
    let unpacked = command.status().map_err(|e| format!("unsquashfs: {e}"))?;
    if unpacked.success() { Ok(()) } else { Err(format!("{} cannot be unpacked", seed.display())) }
}

impl Bare {
    /// Unpacks `seed` (a squashfs image) into `root`.
    ///
    /// # Errors
    /// What failed.
    pub fn new(seed: &Path, root: &Path) -> Result<Self, String> {
        unpack(seed, root)?;
        let bare = Self { root: root.to_owned() };
        for (source, target) in [("/proc", "proc"), ("/dev", "dev")] {
            let point = bare.root.join(target);
            let mounted = Command::new("mount").args(["--bind", source]).arg(&point).status();
            if !mounted.is_ok_and(|s| s.success()) {
                return Err(format!("{} cannot be mounted", point.display()));
            }
        }
        Ok(bare)
    }

    /// Runs all phases of a step but tests and assertions.
    ///
    /// # Errors
    /// What failed.
    pub fn step(
        &self,
        set: &RecipeSet,
        step: &StepId,
        sources: &Path,
        jobs: usize,
    ) -> Result<Cost, String> {
        let recipe = set.get(step).ok_or_else(|| format!("no recipe {step}"))?;
        let on = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        let dir = self.root.join("recipe");
        fs::create_dir_all(&dir).map_err(|e| on(&dir, e))?;
        let mut phases = Vec::new();
        for (phase, text) in recipe.phases() {
            if matches!(phase, Phase::Check | Phase::Assert) {
                continue;
            }
            let path = dir.join(format!("{phase}.sh"));
            fs::write(&path, text).map_err(|e| on(&path, e))?;
            phases.push(phase.as_str());
        }
        for (name, bytes) in &recipe.files {
            let path = dir.join(name);
            let parent = path.parent().unwrap_or(&dir);
            fs::create_dir_all(parent).map_err(|e| on(parent, e))?;
            fs::write(&path, bytes).map_err(|e| on(&path, e))?;
        }
        let target = self.root.join("sources");
        fs::create_dir_all(&target).map_err(|e| on(&target, e))?;
        for source in &recipe.sources {
            let from = sources.join(&source.file);
            fs::copy(&from, target.join(&source.file)).map_err(|e| on(&from, e))?;
        }
        let mut command = Command::new("/usr/sbin/chroot");
        command.arg(&self.root).args(["/bin/bash", "--noprofile", "--norc", "-c", DRIVER]);
        command.env_clear().envs([
            ("PHASES", phases.join(" ").as_str()),
            ("LC_ALL", "POSIX"),
            ("LFS", "/lfs"),
            ("LFS_TGT", "x86_64-lfs-linux-gnu"),
            ("PATH", "/lfs/tools/bin:/usr/bin:/usr/sbin:/bin:/sbin"),
            ("CONFIG_SITE", "/lfs/usr/share/config.site"),
            ("SRC_DIR", "/sources"),
            ("RECIPE_DIR", "/recipe"),
            ("HOME", "/build/home"),
            ("TMPDIR", "/tmp"),
            ("TZ", "UTC0"),
            ("MAKEFLAGS", &format!("-j{jobs}")),
            ("SOURCE_DATE_EPOCH", "1740787200"),
        ]);
        command.envs(&recipe.env).stderr(std::process::Stdio::null());
        cost(&mut command)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for target in ["dev", "proc"] {
            let _ = Command::new("umount").arg(self.root.join(target)).status();
        }
    }
}
