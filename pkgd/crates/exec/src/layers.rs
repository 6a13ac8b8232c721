//! The directories of a step's scratch space.
//!
//! ```text
//! <scratch>/recipe/         the recipe's files, bound read-only to /recipe
//! <scratch>/jobserver       named pipe with job tokens, bound to /run/jobserver
//! <scratch>/inputs/         what the step depends on, merged into one tree of hard links
//! <scratch>/<phase>/        overlay pair: what the phase changed in /build
//! <scratch>/<phase>/below/ the other half of that, in a second build (see `split`)
//! <scratch>/install/root/   overlay pair: what install changed outside /build: the package
//! ```
//! The package lies in install's own folder, so that one name stands for all a checkpoint needs.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use minos_model::Phase;
use minos_sandbox::Upper;

/// Paths inside a step's scratch directory.
#[derive(Debug, Clone)]
pub struct Layers {
    scratch: PathBuf,
}

impl Layers {
    /// The layout below `scratch`.
    pub fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.to_owned() }
    }

    /// Where the recipe's files are written.
    pub fn recipe(&self) -> PathBuf {
        self.scratch.join("recipe")
    }

    /// The pipe with the step's job tokens.
    pub fn jobserver(&self) -> PathBuf {
        self.scratch.join("jobserver")
    }

    /// What the step depends on, merged.
    pub fn inputs(&self) -> PathBuf {
        self.scratch.join("inputs")
    }

    /// Takes what `phase` changes in the build tree.
    pub fn build(&self, phase: Phase) -> Upper {
        Upper { dir: self.scratch.join(phase.as_str()) }
    }

    /// Takes half of what `phase` changed in the build tree, to lie below the rest.
    pub fn below(&self, phase: Phase) -> PathBuf {
        self.build(phase).dir.join("below")
    }

    /// Takes half of [`Self::inputs`].
    pub fn inputs_below(&self) -> PathBuf {
        self.scratch.join("inputs-below")
    }

    /// Takes what install changes outside the build tree.
    pub fn root(&self) -> Upper {
        Upper { dir: self.build(Phase::Install).dir.join("root") }
    }

    /// Makes what an interrupted attempt left of `phase` ready to be gone on in. Returns whether there was anything.
    ///
    /// # Errors
    /// The path and the system's error.
    pub fn again(
        &self,
        phase: Phase,
        discard: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> Result<bool, (PathBuf, io::Error)> {
        let own = self.build(phase);
        if !own.tree().is_dir() {
            return Ok(false);
        }
        // Overlayfs takes it once only.
        let work = own.work();
        if work.symlink_metadata().is_ok() {
            discard(&work).map_err(|e| (work.clone(), e))?;
        }
        Ok(true)
    }

    /// Makes fresh, empty directories for `phase`; whatever a killed attempt left there is moved to
    /// `discard`, which takes the path of a tree that is to be deleted.
    ///
    /// # Errors
    /// The path and the system's error.
    pub fn fresh(
        &self,
        phase: Phase,
        discard: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let own = self.build(phase).dir;
        if own.symlink_metadata().is_ok() {
            discard(&own).map_err(|e| (own.clone(), e))?;
        }
        let deepest = if phase == Phase::Install { self.root().dir } else { own.clone() };
        // Not for other users of the host: the trees keep real owners and modes.
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&deepest);
        made.map_err(|e| (deepest.clone(), e))?;
        // Below a setgid directory a new one is setgid too, and all that the step makes in it would be.
        for dir in deepest.ancestors().take_while(|dir| dir.starts_with(&own)) {
            let private = fs::set_permissions(dir, Permissions::from_mode(0o700));
            private.map_err(|e| (dir.to_owned(), e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use minos_model::Phase;

    use super::Layers;

    #[test]
    fn a_killed_phase_leaves_nothing_behind_and_others_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let layers = Layers::new(dir.path());
        let mut remove = |p: &std::path::Path| fs::remove_dir_all(p);
        layers.fresh(Phase::Configure, &mut remove).unwrap();
        layers.fresh(Phase::Build, &mut remove).unwrap();
        let kept = layers.build(Phase::Configure).dir.join("Makefile");
        let half = layers.build(Phase::Build).dir.join("half.o");
        fs::write(&kept, "x").unwrap();
        fs::write(&half, "x").unwrap();
        layers.fresh(Phase::Build, &mut remove).unwrap();
        assert!(kept.exists() && !half.exists());
    }

    #[test]
    fn install_starts_with_an_empty_package() {
        let dir = tempfile::tempdir().unwrap();
        let layers = Layers::new(dir.path());
        let mut remove = |p: &std::path::Path| fs::remove_dir_all(p);
        layers.fresh(Phase::Install, &mut remove).unwrap();
        let half = layers.root().dir.join("half-installed");
        fs::write(&half, "x").unwrap();
        layers.fresh(Phase::Install, &mut remove).unwrap();
        assert!(!half.exists() && layers.root().dir.exists());
    }

    /// On a state root below a setgid directory, every directory of every output came out setgid.
    #[test]
    fn a_setgid_directory_above_shows_in_no_layer() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o2755)).unwrap();
        let layers = Layers::new(dir.path());
        layers.fresh(Phase::Install, &mut |p| fs::remove_dir_all(p)).unwrap();
        for made in [layers.build(Phase::Install).dir, layers.root().dir] {
            let mode = fs::metadata(&made).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", made.display());
        }
    }
}
